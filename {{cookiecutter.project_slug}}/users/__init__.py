"""Who logs in. An app of this service, as others are."""

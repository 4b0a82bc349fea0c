"""The WebSocket machinery: a Django app that knows nothing of the service built on it."""

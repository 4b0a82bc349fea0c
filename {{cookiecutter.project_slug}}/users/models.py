"""Who logs in: AUTH_USER_MODEL."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A user; fields that Django's do not have go here."""

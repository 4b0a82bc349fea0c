"""Settings of the tests: the service's own in development mode, whatever this machine has set."""

import os

os.environ |= {"DEBUG": "true", "SENTRY_DSN": ""}
os.environ |= dict.fromkeys(["ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "FORWARDED_ALLOW_IPS"], "")

from config.settings import *  # noqa: F403

REDIS_URL = MAX_CONNECTIONS = MAX_CONNECTIONS_PER_USER = None
HISTORY_SECONDS, HISTORY_MESSAGES = 120, 1000
DRAIN_SECONDS = 0
MAX_MESSAGE_SIZE, PERMESSAGE_DEFLATE = 1 << 20, False
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast
LOGGING["handlers"]["console"]["class"] = "logging.NullHandler"  # noqa: F405

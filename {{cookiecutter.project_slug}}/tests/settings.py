"""Settings of the tests: the service's own in development mode, whatever this machine has set."""

import os

os.environ |= {
    "DEBUG": "true",
    "ALLOWED_HOSTS": "",
    "FORWARDED_ALLOW_IPS": "127.0.0.1,10.0.0.0/8",
    "CSRF_TRUSTED_ORIGINS": "https://app.example.com,https://*.example.org",
}

from config.settings import *  # noqa: F403

REDIS_URL = MAX_CONNECTIONS = None
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast
LOGGING["handlers"]["console"]["class"] = "logging.NullHandler"  # type: ignore  # noqa: F405

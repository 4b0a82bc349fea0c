"""The rendered project's settings, with routes that do what a handshake may meet."""

import os

from config.settings import *  # noqa: F403

ROOT_URLCONF = "extra_urls"
SECURE_SSL_REDIRECT = bool(os.environ.get("SSL_REDIRECT"))
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

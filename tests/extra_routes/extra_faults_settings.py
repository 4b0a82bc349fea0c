"""The rendered project's settings, with routes that do what goes wrong."""

import os

from extra_settings import *  # noqa: F403

ROOT_URLCONF = "extra_faults"
SESSION_COOKIE_AGE = int(os.environ.get("AGE", 1_209_600))
SESSION_ENGINE = os.environ.get("ENGINE", "django.contrib.sessions.backends.db")
SESSION_FILE_PATH = os.environ.get("SESSIONS")
if os.environ.get("LOGIN_REQUIRED"):
    MIDDLEWARE = [*MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]  # noqa: F405

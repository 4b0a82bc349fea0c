"""Settings. What differs from place to place is an environment variable: see .env.example."""

import sys
from pathlib import Path
from typing import Any

from environs import Env, EnvValidationError, ValidationError, validate

BASE_DIR = Path(__file__).resolve().parent.parent


def origins(values: list[str]) -> None:
    """Refuse an origin without its scheme, which would match nothing."""
    if bare := [value for value in values if "://" not in value]:
        raise ValidationError(f"No scheme, as in https://{bare[0]}, in {bare[0]!r}.")


env = Env(eager=False)  # collects every mistake for seal()
env.read_env(BASE_DIR / ".env", recurse=False)
DEBUG = env.bool("DEBUG", default=False)
SECRET_DEFAULT: Any = ... if DEBUG is False else "for development only"
SECRET_KEY = env.str("SECRET_KEY", SECRET_DEFAULT, validate=validate.Length(min=1))
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", [], str.strip)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", [], str.strip, validate=origins)
DATABASES = {"default": env.dj_db_url("DATABASE_URL", f"sqlite:///{BASE_DIR}/db.sqlite3")}
try:
    env.seal()
except EnvValidationError as error:
    sys.exit(f"{error} See .env.example.")

if not DEBUG:  # behind a proxy that speaks TLS, sends plain HTTP away and sets this header
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 30 * 24 * 60 * 60
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    # W008, the redirect, is the proxy's; W005 and W021, HSTS for subdomains, the domain owner's.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]

ASGI_APPLICATION, ROOT_URLCONF = "config.asgi.application", "config.urls"
LOGIN_URL, TIME_ZONE = "admin:login", "UTC"
INSTALLED_APPS = [
    "realtime",  # before staticfiles, for its runserver
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
PROCESSORS = ["template.context_processors.request"]
PROCESSORS += [f"contrib.{app}.context_processors.{app}" for app in ("auth", "messages")]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": [f"django.{name}" for name in PROCESSORS]},
    }
]
VALIDATORS = ["UserAttributeSimilarity", "MinimumLength", "CommonPassword", "NumericPassword"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}Validator"} for name in VALIDATORS
]
STATIC_URL, STATIC_ROOT = "static/", BASE_DIR / "staticfiles"
LOGGING = {  # to standard error, tracebacks included
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"django": {"handlers": [], "propagate": True}},
}

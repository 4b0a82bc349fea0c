"""Settings. What differs from place to place is an environment variable: see .env.example."""

import json
import logging
from typing import Any
from urllib.parse import quote

import django
import django_stubs_ext
from django.utils.crypto import salted_hmac
from environs import validate

from config.environment import BASE_DIR, HOST, ORIGIN, env, folder, redis, seal, sentry

django_stubs_ext.monkeypatch()  # lets ModelAdmin[Model] run, which mypy asks for

DEBUG = env.bool("DEBUG", default=False)
KEY: Any = ... if DEBUG is False else f"for development only, in {BASE_DIR}"
SECRET_KEY = env.str("SECRET_KEY", KEY, validate=validate.Length(min=1))
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", [], str.strip, validate=HOST)
FORWARDED_ALLOW_IPS = env.networks("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", [], str.strip, validate=ORIGIN)
FILE = quote(str(BASE_DIR / "db.sqlite3"))  # a folder may be named "C#"
DATABASES = {"default": env.database("DATABASE_URL", f"sqlite:///{FILE}")}
REDIS_URL = env.str("REDIS_URL", None, validate=redis)
MAX_MESSAGE_SIZE = env.int("MAX_MESSAGE_SIZE", 1 << 20, validate=validate.Range(min=1))
PERMESSAGE_DEFLATE = env.bool("PERMESSAGE_DEFLATE", default=False)
MAX_CONNECTIONS = env.int("MAX_CONNECTIONS", None, validate=validate.Range(min=1))
MAX_CONNECTIONS_PER_USER = env.int("MAX_CONNECTIONS_PER_USER", None, validate=validate.Range(min=1))
HISTORY_SECONDS = env.int("HISTORY_SECONDS", 120, validate=validate.Range(min=0))
HISTORY_MESSAGES = env.int("HISTORY_MESSAGES", 1000, validate=validate.Range(min=1))
DRAIN_SECONDS = env.int("DRAIN_SECONDS", 0, validate=validate.Range(min=0))
LOG_FORMAT = env.str("LOG_FORMAT", "text", validate=validate.OneOf(["text", "json"]))
SENTRY_DSN = env.str("SENTRY_DSN", None, validate=sentry)
env.str("PROMETHEUS_MULTIPROC_DIR", None, validate=folder)  # for prometheus-client itself
seal()

CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 50_000},  # at 300, Django's, a third of them goes: tickets too
    }
}
if REDIS_URL:  # by the key of its names apart from another service's
    CACHES["default"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": salted_hmac("cache", "", SECRET_KEY).hexdigest()[:16],
        "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
    }
if SENTRY_DSN:
    import sentry_sdk

    sentry_sdk.init(SENTRY_DSN, send_default_pii=True)  # user, address and headers, too
if not DEBUG:  # behind a proxy that speaks TLS, sends plain HTTP away and sets this header
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 30 * 24 * 60 * 60
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    # W008, the redirect, is the proxy's; W005 and W021, HSTS for subdomains, the domain owner's.
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
    STATIC_ROOT = BASE_DIR / "staticfiles"  # filled by collectstatic; in development there is none
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "config.storage.StaticFiles"},
    }

ASGI_APPLICATION = "config.asgi.application"
ROOT_URLCONF = "config.urls"
AUTH_USER_MODEL = "users.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TIME_ZONE = "UTC"
INSTALLED_APPS = [
    "realtime",  # before staticfiles, for its runserver
    "users",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "realtime.health.health",  # /healthz and /readyz, before anything that may refuse them
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "realtime.tickets.tickets",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
if django.VERSION >= (6,):  # which sends a Content-Security-Policy
    MIDDLEWARE.insert(2, "django.middleware.csp.ContentSecurityPolicyMiddleware")
SELF, NONE = ["'self'"], ["'none'"]
SECURE_CSP = {"default-src": SELF, "base-uri": NONE, "form-action": SELF, "frame-ancestors": NONE}
PROCESSORS = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": PROCESSORS},
    }
]
VALIDATORS = ["UserAttributeSimilarity", "MinimumLength", "CommonPassword", "NumericPassword"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}Validator"} for name in VALIDATORS
]
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "config" / "static"]
LOGGING = json.loads((BASE_DIR / "config/logging.json").read_text())  # to standard error
logging.captureWarnings(not DEBUG)  # as of a coroutine that nobody awaits

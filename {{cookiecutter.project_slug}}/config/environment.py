"""Environment variables: from the process, then from the file .env, and what is wrong with them."""

import os
import re
import sys
from collections.abc import Callable
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import dj_database_url
from django.utils.autoreload import autoreload_started
from dotenv import load_dotenv
from environs import Env, EnvValidationError, ValidationError

BASE_DIR = Path(__file__).resolve().parent.parent

try:
    load_dotenv(BASE_DIR / ".env", encoding="utf-8-sig")  # with a byte order mark or without
except ValueError:  # no UTF-8, or zero bytes
    sys.exit(".env is no UTF-8: save it as UTF-8. PowerShell's > may have written UTF-16.")
env = Env(eager=False)  # collects every mistake for seal()
autoreload_started.connect(lambda sender, **_: sender.watch_dir(BASE_DIR, ".env"), weak=False)


def each(pattern: str, example: str) -> Callable[[list[str]], None]:
    """Return a validator of lists, for values that Django would take and then never match."""

    def check(values: list[str]) -> None:
        for value in values:
            if not re.fullmatch(pattern, value):
                raise ValidationError(f"{value!r} is not like {example!r}.")

    return check


HOST = each(r"[^/,;\s]+", "example.com")
ORIGIN = each(r"[\w+.-]+://[^/,;\s]+", "https://example.com")
SQLITE = {  # a transaction waits for another at its begin; one that reads first could not later
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL",  # who reads waits for nobody
}


def extra(name: str, *modules: str) -> None:
    """Raise ValidationError unless the modules of an optional dependency are installed."""
    if not all(map(find_spec, modules)):
        raise ValidationError(f"It needs the extra {name!r}: uv sync --extra {name}.")


def redis(url: str) -> None:
    """Validate the URL of a Redis; what is wrong may hold its password, and is not shown."""
    wrong = ValidationError(
        "It is not like 'redis://localhost:6379/0', or has an option that redis-py does not take. "
        "In a password, characters such as # / ? @ % are percent-encoded: %23 %2F %3F %40 %25."
    )
    if not re.match(r"(rediss?|unix)://.", url):
        raise wrong
    extra("redis", "redis")
    from redis import Redis, RedisError

    try:
        Redis.from_url(url).connection_pool.make_connection()  # which connects nowhere yet
    except (ValueError, TypeError, RedisError):
        raise wrong from None


def sentry(dsn: str) -> None:
    """Validate a DSN; its key is not shown. An empty one is none."""
    if dsn:
        extra("sentry", "sentry_sdk")
        from sentry_sdk.utils import BadDsn, Dsn

        try:
            Dsn(dsn)
        except (BadDsn, ValueError):
            wrong = "It is not like 'https://key@o1.ingest.sentry.io/2'."
            raise ValidationError(wrong) from None


def folder(path: str) -> None:
    """Validate the path of a folder that can be written."""
    if not os.access(path, os.W_OK | os.X_OK):
        raise ValidationError("It is no folder that can be written.")


@env.parser_for("database")
def database(url: str) -> Any:
    """Parse the URL of a database; that of PostgreSQL has a pool, of `?pool=SIZE` connections."""
    try:
        settings: Any = dj_database_url.parse(url, conn_health_checks=True)
    except ValueError as error:
        raise ValidationError("Not a valid database URL.") from error
    given = settings.get("OPTIONS", {})
    if settings["ENGINE"].endswith(".sqlite3"):
        settings["OPTIONS"] = SQLITE | given
    if settings["ENGINE"].endswith(".postgresql"):
        extra("postgres", "psycopg", "psycopg_pool")
        from config import postgres

        settings["OPTIONS"] = postgres.options(given)
    return settings


@env.parser_for("networks")
def networks(addresses: str) -> Any:
    """Parse IP addresses and networks, separated by commas."""
    try:
        return [ip_network(address) for address in re.split(r"[,\s]+", addresses) if address]
    except ValueError as error:
        raise ValidationError(f"{error}, like '10.0.0.0/8'.") from error


def seal() -> None:
    """End the process with one line if a variable is missing or malformed."""
    try:
        env.seal()
    except EnvValidationError as error:
        said: Any = error.error_messages
        wrong = [f"{name}: {' '.join(map(str, messages))}" for name, messages in said.items()]
        sys.exit(f"{' '.join(wrong)} See .env.example; for development, copy it to .env.")

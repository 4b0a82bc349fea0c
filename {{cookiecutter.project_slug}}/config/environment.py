"""Environment variables: from the process, then from the file .env, and what is wrong with them."""

import re
import sys
from collections.abc import Callable
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import dj_database_url
from django.utils.autoreload import autoreload_started
from environs import Env, EnvValidationError, ValidationError

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env(eager=False)  # collects every mistake for seal()
env.read_env(BASE_DIR / ".env", recurse=False)
autoreload_started.connect(lambda sender, **_: sender.watch_dir(BASE_DIR, ".env"), weak=False)


def each(pattern: str, example: str) -> Callable[[list[str]], None]:
    """Return a validator of lists, for values that Django would take and then never match."""

    def check(values: list[str]) -> None:
        for value in values:
            if not re.fullmatch(pattern, value):
                raise ValidationError(f"{value!r} is not like {example!r}.")

    return check


HOST = each(r"[^/,;\s]+", "example.com")
ORIGIN = each(r"https?://[^/,;\s]+", "https://example.com")


def extra(name: str, *modules: str) -> None:
    """Raise ValidationError unless the modules of an optional dependency are installed."""
    if not all(map(find_spec, modules)):
        raise ValidationError(f"It needs the extra {name!r}: uv sync --extra {name}.")


def redis(url: str) -> None:
    """Validate the URL of a Redis."""
    if not re.match(r"(rediss?|unix)://.", url):
        raise ValidationError(f"{url!r} is not like 'redis://localhost:6379/0'.")
    extra("redis", "redis")


@env.parser_for("database")
def database(url: str) -> Any:
    """Parse the URL of a database; that of PostgreSQL has a pool, of `?pool=SIZE` connections."""
    try:
        settings: Any = dj_database_url.parse(url)
    except ValueError as error:
        raise ValidationError("Not a valid database URL.") from error
    if settings["ENGINE"].endswith(".postgresql"):
        extra("postgres", "psycopg", "psycopg_pool")
        options = settings.setdefault("OPTIONS", {})
        options["pool"] = {"min_size": 1, "max_size": options.get("pool", 20), "max_idle": 10}
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

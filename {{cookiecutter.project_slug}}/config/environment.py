"""Environment variables: from the process, then from the file .env, and what is wrong with them."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from environs import Env, EnvValidationError, ValidationError

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env(eager=False)  # collects every mistake for seal()
env.read_env(BASE_DIR / ".env", recurse=False)


def each(pattern: str, example: str) -> Callable[[list[str]], None]:
    """Return a validator of lists, for values that Django would take and then never match."""

    def check(values: list[str]) -> None:
        for value in values:
            if not re.fullmatch(pattern, value):
                raise ValidationError(f"{value!r} is not like {example!r}.")

    return check


HOST = each(r"[^/,;\s]+", "example.com")
ORIGIN = each(r"https?://[^/,;\s]+", "https://example.com")


def seal() -> None:
    """End the process with one line if a variable is missing or malformed."""
    try:
        env.seal()
    except EnvValidationError as error:
        said: Any = error.error_messages
        wrong = [f"{name}: {' '.join(map(str, messages))}" for name, messages in said.items()]
        sys.exit(f"{' '.join(wrong)} See .env.example; for development, copy it to .env.")

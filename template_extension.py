"""The Jinja extension behind cookiecutter.json: answers are checked, and stay as given."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
from cookiecutter.config import get_user_config  # type: ignore[import-untyped]
from cookiecutter.exceptions import FailedHookException  # type: ignore[import-untyped]
from jinja2 import Environment
from jinja2.ext import Extension

HERE = Path(__file__).parent
FOLDER = "{{cookiecutter.project_slug}}"
TEMPLATED = re.compile(r"{{-?\s*cookiecutter\b")
PYTHON = re.compile(r"3\.(1[1-9]|[2-9][0-9])")
SLUG = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")


class TemplateExtension(Extension):
    """Adds two filters, and keeps answers from being rendered."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        if sys.version_info < (3, 11):  # noqa: UP036
            raise FailedHookException("django-raw-ws needs Python 3.11 or later")
        # A process may render two versions of the template: let each import its own.
        sys.modules.pop(__name__, None)
        environment.filters |= {
            filter.__name__: filter for filter in (python, checked_folder, record, escape_toml)
        }

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Check the name before its folder is made, and take Jinja in an answer literally.

        Cookiecutter renders answers from its command line and its configuration files, but not
        those typed at a prompt. What it renders without {{ cookiecutter… }} is such an answer.
        """
        if source == FOLDER:
            return "{{cookiecutter|checked_folder}}"
        if name is None and not TEMPLATED.search(source):
            return re.sub(r"{[{%#]", r'{{ "\g<0>" }}', source)
        return source


def python(answers: dict[str, Any]) -> str:
    """The version of Python that the project states.

    By default it is that which renders: one that is there, so that uv fetches no other.
    """
    version: str = answers.get("__python") or ".".join(map(str, sys.version_info[:2]))
    return version


def checked_folder(answers: dict[str, Any]) -> str:
    """Return the project's folder. Raises FailedHookException, which cookiecutter prints as is."""
    check_choices(answers)
    name: str = answers["project_name"]
    slug: str = answers["project_slug"]
    if not name.strip() or not name.isprintable():
        raise FailedHookException(f"project_name {name!r}: give one line of text, as My Service")
    if not SLUG.fullmatch(slug):
        raise FailedHookException(
            f"project_slug {slug!r}: use lower-case letters a to z, digits, - and _ inside, "
            "63 at most, as in my_service"
        )
    if re.sub("[-_]+", "-", slug) in [
        *answers["_taken_by_packages"],
        *answers["_taken_by_windows"],
    ]:
        raise FailedHookException(
            f"project_slug {slug!r}: is taken by a package that the project needs, or by Windows; "
            f"use another, as in {slug}_service"
        )
    if not PYTHON.fullmatch(python(answers)):
        raise FailedHookException(f"__python {python(answers)!r}: use 3.11 or later, as in 3.13")
    if Path(answers.get("_output_dir", ""), slug, "manage.py").exists():
        raise FailedHookException(
            f"project_slug {slug!r}: is a project already, which this would overwrite; "
            "update.py brings a later version of the template into it"
        )
    return slug


def check_choices(answers: dict[str, Any]) -> None:
    """Refuse what is no choice: cookiecutter takes anything from a replay file."""
    for option, choices in json.loads((HERE / "cookiecutter.json").read_text("utf-8")).items():
        if isinstance(choices, list) and not option.startswith("_"):
            for choice in (configured(option), answers[option]):
                if choice not in (None, *choices):
                    raise FailedHookException(f"{option} {choice!r}: use {', '.join(choices)}")


def configured(option: str) -> Any:
    """The answer in the user's configuration file, which cookiecutter leaves out if it is wrong."""
    command = click.get_current_context(silent=True)
    options = command.params if command else {"default_config": True}
    files = {name: options.get(name) for name in ("config_file", "default_config")}
    return get_user_config(**files)["default_context"].get(option)


def record(answers: dict[str, Any]) -> str:
    """What update.py needs to know of a project: its answers, and the version of the template."""
    given = {name: answer for name, answer in answers.items() if not name.startswith("_")}
    given["__python"] = python(answers)
    command = ["git", f"--git-dir={HERE / '.git'}", "describe", "--tags", "--always"]
    try:
        version = subprocess.run(command, capture_output=True, encoding="utf-8").stdout.strip()
    except FileNotFoundError:  # there is no git
        version = ""
    return json.dumps({"version": version, "answers": given}, indent=2, ensure_ascii=False)


def escape_toml(text: str) -> str:
    """Escape text for a basic string of TOML, https://toml.io/en/v1.0.0#string"""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("\x7f", r"\u007f")

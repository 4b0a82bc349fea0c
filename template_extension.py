"""The Jinja extension behind cookiecutter.json: names are checked, and answers stay as given."""

import json
import re
import sys
from typing import Any

from cookiecutter.exceptions import FailedHookException  # type: ignore[import-untyped]
from jinja2 import Environment
from jinja2.ext import Extension

FOLDER = "{{cookiecutter.project_slug}}"
TEMPLATED = re.compile(r"{{-?\s*cookiecutter\b")
SLUG = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")


class TemplateExtension(Extension):
    """Adds two filters, and keeps answers from being rendered."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        # cruft renders two versions of the template in one process: let each import its own.
        sys.modules.pop(__name__, None)
        environment.filters |= {"checked_folder": checked_folder, "escape_toml": escape_toml}

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


def checked_folder(answers: dict[str, Any]) -> str:
    """Return the project's folder. Raises FailedHookException, which cookiecutter prints as is."""
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
    return slug


def escape_toml(text: str) -> str:
    """Escape text for a basic string of TOML, https://toml.io/en/v1.0.0#string"""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("\x7f", r"\u007f")

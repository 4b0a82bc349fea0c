"""What the settings make of the environment, of the file .env, and of the folder they are in."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.installing import Installed, environment
from tests.rendering import TEMPLATE

pytestmark = pytest.mark.xdist_group("uvicorn-pytest")
TELL = """
import json
from config import settings
print(json.dumps({0}, default=str))
"""
STYLE = """
import config.asgi
from django.templatetags.static import static
print(static("index.css"))
"""
MODEL = """
from django.db import models


class Thing(models.Model):
    pass
"""


@pytest.fixture
def copy(installed: Callable[[str, str], Installed]) -> Callable[[Path], Path]:
    """Copies the project into a folder, with an empty .env and the environment of the other."""
    whole = installed("uvicorn", "pytest")
    return lambda folder: (
        whole.copied(folder, ".env", "db.sqlite3*", "*_cache", "staticfiles").project
    )


def run(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the arguments there."""
    return subprocess.run(
        [project / ".venv/bin/python", *arguments],
        cwd=project,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
    )


def told(project: Path, what: str, **variables: str) -> Any:
    """The value of an expression with the settings."""
    done = run(project, "-c", TELL.format(what), **({"DEBUG": "true"} | variables))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_pool_is_as_large_as_the_url_says(copy: Callable[[Path], Path], tmp_path: Path) -> None:
    project = copy(tmp_path / "project")
    for query, size in {
        "": 20,
        "?pool=true": 20,
        "?pool=True": 20,
        "?pool=7": 7,
        "?pool=1": 1,
        "?pool=false": None,
        "?pool=0": None,
    }.items():
        url = f"postgres://localhost/name{query}"
        pool = told(project, "settings.DATABASES['default']['OPTIONS']['pool']", DATABASE_URL=url)
        assert (pool["max_size"] if pool else None) == size, query


def test_what_the_url_says_goes_before_the_defaults(
    copy: Callable[[Path], Path], tmp_path: Path
) -> None:
    project, options = copy(tmp_path / "project"), "settings.DATABASES['default']['OPTIONS']"
    url = "postgres://localhost/name?connect_timeout=9"
    assert told(project, options, DATABASE_URL=url)["connect_timeout"] == 9
    assert told(project, options, DATABASE_URL="sqlite:///x?timeout=9")["timeout"] == 9


def test_origins_may_have_any_scheme(copy: Callable[[Path], Path], tmp_path: Path) -> None:
    origins = ["capacitor://localhost", "https://*.example.com", "http://[::1]:8000"]
    given = ", ".join(origins)
    project = copy(tmp_path / "project")
    assert told(project, "settings.CSRF_TRUSTED_ORIGINS", CSRF_TRUSTED_ORIGINS=given) == origins


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_env_file_may_begin_with_a_byte_order_mark(
    copy: Callable[[Path], Path], tmp_path: Path, encoding: str
) -> None:
    project = copy(tmp_path / "project")
    (project / ".env").write_text("SECRET_KEY=größer\nDEBUG=true\n", encoding)
    assert told(project, "settings.SECRET_KEY") == "größer"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_env_file_of_another_encoding_is_said_in_a_line(
    copy: Callable[[Path], Path], tmp_path: Path, encoding: str
) -> None:
    project = copy(tmp_path / "project")
    (project / ".env").write_text("SECRET_KEY=größer\nDEBUG=true\n", encoding)
    done = run(project, "manage.py", "check")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert ".env" in line and "save it as UTF-8" in line


def test_single_quotes_keep_a_dollar_as_they_do_for_compose(
    copy: Callable[[Path], Path], tmp_path: Path
) -> None:
    project = copy(tmp_path / "project")
    (project / ".env").write_text("SECRET_KEY='a$b$$c$HOME #d'\n")
    assert told(project, "settings.SECRET_KEY") == "a$b$$c$HOME #d"


def test_two_folders_have_two_keys_in_development(
    copy: Callable[[Path], Path], tmp_path: Path
) -> None:
    folders = [copy(tmp_path / name) for name in ("one", "other")]
    keys = [told(folder, "settings.SECRET_KEY") for folder in (*folders, *folders)]
    assert keys[:2] == keys[2:] and keys[0] != keys[1]


@pytest.mark.parametrize("name", ["C# x", "50% off", "100%25", "a?b", "a&b=c", "ü;:@"])
def test_the_database_is_in_the_project_whatever_its_folder_is_called(
    copy: Callable[[Path], Path], tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    project = copy(tmp_path / name / "project")
    done = run(project, "manage.py", "migrate", "--verbosity", "0", DEBUG="true")
    assert done.returncode == 0, done.stderr
    assert [*tmp_path.rglob("*sqlite3")] == [project / "db.sqlite3"]
    assert {path.name for path in tmp_path.iterdir()} == {name}


def test_a_model_without_a_key_is_no_warning_on_the_oldest_django(
    installed: Callable[[str, str], Installed], copy: Callable[[Path], Path], tmp_path: Path
) -> None:
    project = copy(tmp_path / "project")
    (project / "things").mkdir()
    (project / "things/__init__.py").touch()
    (project / "things/models.py").write_text(MODEL)
    settings = project / "config/settings.py"
    settings.write_text(
        settings.read_text().replace('    "realtime",', '    "things", "realtime",')
    )
    (project / ".venv").unlink()
    python = installed("uvicorn", "pytest").python
    command = ["uv", "run", "--isolated", "--no-dev", "--python", python, "--with", "django<6"]
    done = subprocess.run(
        [*command, "manage.py", "check", "--fail-level", "WARNING"],
        cwd=project,
        env=environment(DEBUG="true"),
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr


def test_a_service_without_collected_files_says_so_and_names_them_bare(
    copy: Callable[[Path], Path], tmp_path: Path
) -> None:
    project = copy(tmp_path / "project")
    for debug, said in (("false", f"No directory at: {project}/staticfiles"), ("true", "")):
        done = run(project, "-c", STYLE, DEBUG=debug, SECRET_KEY="for this test")
        assert (done.returncode, done.stdout) == (0, "/static/index.css\n"), done.stderr
        assert said in done.stderr and bool(said) == bool(done.stderr)


def test_the_files_of_the_database_are_not_committed() -> None:
    ignored = (TEMPLATE / "{{cookiecutter.project_slug}}/.gitignore").read_text().splitlines()
    assert "db.sqlite3*" in ignored  # db.sqlite3-wal and db.sqlite3-shm, too

"""What a rendered project's user runs first passes, at both ends of the versions."""

import subprocess
import tomllib
from collections.abc import Callable

import pytest

from tests.installing import ENDS, Installed, environment, parameter
from tests.rendering import CONTEXT

PRODUCTION = {
    "DEBUG": "false",
    "SECRET_KEY": "a key for this test, with enough different characters: 0123456789",
    "ALLOWED_HOSTS": "example.com",
    "REDIS_URL": "redis://localhost:6379/0",
}
# Each server once, at either end; test_tutorial.py has uvicorn.
HOOKED = [("granian", "unittest"), ("hypercorn", "pytest"), ("daphne", "pytest")]


@pytest.fixture(params=[parameter(*key) for key in ENDS])
def project(
    request: pytest.FixtureRequest, installed: Callable[[str, str], Installed]
) -> Installed:
    """A project for each server and test setup."""
    return installed(*request.param)


def test_its_suite_passes_in_a_clone_without_env_file(project: Installed) -> None:
    (project.project / ".env").rename(project.project / ".env.aside")
    try:
        setup = "pytest" if (project.project / "pytest.ini").exists() else "unittest"
        printed = project.run(*CONTEXT["_test_setups"][setup]["command"].split())
    finally:
        (project.project / ".env.aside").rename(project.project / ".env")
    assert "passed" in printed or "\nOK\n" in printed


@pytest.mark.parametrize("project", [parameter(*key) for key in HOOKED], indirect=True)
def test_its_hooks_pass(project: Installed) -> None:
    printed = project.run("pre-commit", "run", "--all-files")
    for hook in ("ruff check", "ruff format", "mypy", "manage.py check"):
        assert any(
            line.startswith(hook) and line.endswith("Passed") for line in printed.splitlines()
        )


def test_production_settings_leave_nothing_to_say(project: Installed) -> None:
    printed = project.run("manage.py", "check", "--deploy", "--fail-level", "DEBUG", **PRODUCTION)
    assert "no issues" in printed


def test_no_package_that_it_needs_could_be_its_name(project: Installed) -> None:
    locked = tomllib.loads((project.project / "uv.lock").read_text("utf-8"))["package"]
    assert {package["name"] for package in locked} - {"my-service"} <= set(
        CONTEXT["_taken_by_packages"]
    )


def test_every_package_that_windows_needs_has_a_wheel_there(project: Installed) -> None:
    locked = tomllib.loads((project.project / "uv.lock").read_text("utf-8"))["package"]
    groups = [package.get("optional-dependencies", {}) for package in locked]
    groups += [package.get("dev-dependencies", {}) for package in locked]
    needs = [need for package in locked for need in package.get("dependencies", [])]
    needs += [need for group in groups for members in group.values() for need in members]
    on_windows = {
        need["name"] for need in needs if "sys_platform != 'win32'" not in need.get("marker", "")
    }
    for package in locked:
        if package["name"] in on_windows:
            wheels = [wheel["url"] for wheel in package.get("wheels", [])]
            assert any(url.endswith(("-any.whl", "-win_amd64.whl")) for url in wheels), package


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SECRET_KEY", None, "SECRET_KEY"),
        ("SECRET_KEY", "", "SECRET_KEY"),
        ("DEBUG", "perhaps", "Not a valid boolean"),
        ("DATABASE_URL", "nonsense", "Not a valid database URL"),
        ("DATABASE_URL", "postgres://localhost:x/", "Not a valid database URL"),
        ("DATABASE_URL", "postgres://localhost/name?pool=many", "?pool= takes a number"),
        ("DATABASE_URL", "postgres://localhost/name?pool=-1", "?pool= takes a number"),
        ("DATABASE_URL", "postgres://localhost/name?pool=1&pool=2", "?pool= takes a number"),
        ("REDIS_URL", "localhost:6379", "not like 'redis://localhost:6379/0'"),
        ("REDIS_URL", "redis:/user:secret@host/0", "not like 'redis://localhost:6379/0'"),
        ("REDIS_URL", "redis://user:secret#s@host/0", "percent-encoded"),
        ("REDIS_URL", "redis://user:12?secret=s@host/0", "percent-encoded"),
        ("REDIS_URL", "redis://localhost:secret", "not like"),
        ("REDIS_URL", "redis://localhost/0?secret=1", "option that redis-py does not take"),
        ("REDIS_URL", "redis://localhost/0?socket_timeout=secret", "not take"),
        ("REDIS_URL", "rediss://localhost/0?ssl_cert_reqs=secret", "not take"),
        ("MAX_CONNECTIONS", "0", "greater than or equal to 1"),
        ("MAX_CONNECTIONS", "many", "Not a valid integer"),
        ("MAX_CONNECTIONS_PER_USER", "0", "greater than or equal to 1"),
        ("LOG_FORMAT", "xml", "Must be one of: text, json"),
        ("SENTRY_DSN", "https://secret@sentry.invalid/", "not like 'https://key@"),
        ("SENTRY_DSN", "secret", "not like 'https://key@"),
        ("SENTRY_DSN", "https://secret@sentry.invalid:x/1", "not like 'https://key@"),
        ("PROMETHEUS_MULTIPROC_DIR", "/nowhere", "no folder that can be written"),
        ("DRAIN_SECONDS", "-1", "greater than or equal to 0"),
        ("DRAIN_SECONDS", "30s", "Not a valid integer"),
        ("ALLOWED_HOSTS", "https://example.com", "not like 'example.com'"),
        ("FORWARDED_ALLOW_IPS", "*", "not appear to be an IPv4 or IPv6 network, like '10.0.0.0/8'"),
        ("CSRF_TRUSTED_ORIGINS", "example.com", "not like 'https://example.com'"),
        ("CSRF_TRUSTED_ORIGINS", "https://example.com/", "not like 'https://example.com'"),
        ("CSRF_TRUSTED_ORIGINS", "capacitor://local host", "not like 'https://example.com'"),
        ("CSRF_TRUSTED_ORIGINS", "capacitor://localhost/app", "not like 'https://example.com'"),
    ],
)
@pytest.mark.xdist_group("uvicorn-pytest")
def test_a_wrong_setting_stops_the_start_with_one_line_that_names_it(
    installed: Callable[[str, str], Installed], variable: str, value: str | None, said: str
) -> None:
    project = installed("uvicorn", "pytest")
    settings = {k: v for k, v in (PRODUCTION | {variable: value}).items() if v is not None}
    program = project.command("uvicorn", "config.asgi:application")
    started = subprocess.run(
        program,
        cwd=project.project,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert started.returncode == 1
    (line,) = started.stderr.splitlines()
    assert variable in line and said in line
    assert "secret" not in line


@pytest.mark.parametrize(
    ("variable", "value", "extra"),
    [
        ("REDIS_URL", "redis://localhost:6379/0", "redis"),
        ("DATABASE_URL", "postgres://localhost/name", "postgres"),
        ("SENTRY_DSN", "https://key@sentry.invalid/1", "sentry"),
    ],
)
@pytest.mark.xdist_group("uvicorn-pytest")
def test_an_extra_that_is_missing_stops_the_start_with_one_line_that_names_it(
    installed: Callable[[str, str], Installed], variable: str, value: str, extra: str
) -> None:
    project = installed("uvicorn", "pytest")
    production = {name: given for name, given in PRODUCTION.items() if name != "REDIS_URL"}
    started = subprocess.run(
        ["uv", "run", "--isolated", "--no-dev", "--python", project.python, "manage.py", "check"],
        cwd=project.project,
        env=environment(**production, **{variable: value}),
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert started.returncode == 1
    line = started.stderr.splitlines()[-1]
    assert line.startswith(f"{variable}: It needs the extra '{extra}': uv sync --extra {extra}.")
    assert "Traceback" not in started.stderr

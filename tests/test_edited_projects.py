"""A project as its user has made it: the machinery's tests pass without the demo, with other apps,
and with another user model.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.git_projects import replace
from tests.installing import Installed, parameter

URLS = """
from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
"""
MODELS = """
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models


class Member(AbstractBaseUser, PermissionsMixin):
    email = models.EmailField(unique=True)
    nickname = models.CharField(max_length=50, unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["nickname"]
    objects = BaseUserManager()
"""


@pytest.mark.parametrize("combination", [parameter("uvicorn", "pytest", " apps")])
def test_the_machinerys_tests_need_nothing_of_the_demo(
    combination: tuple[str, str], installed: Callable[[str, str], Installed], tmp_path: Path
) -> None:
    whole = installed(*combination)
    edited = whole.copied(tmp_path / "project", "tests")
    project = edited.project
    shutil.copytree(whole.project / "realtime/tests", project / "realtime/tests")
    shutil.rmtree(project / "users")
    (project / "config/websocket.py").unlink()
    (project / "config/urls.py").write_text(URLS)

    members = project / "members"
    (members / "migrations").mkdir(parents=True)
    for path in ("__init__.py", "migrations/__init__.py"):
        (members / path).touch()
    (members / "models.py").write_text(MODELS)
    settings = project / "config/settings.py"
    replace(settings, '    "users",', '    "members",')
    replace(settings, '"users.User"', '"members.Member"')

    edited.run("manage.py", "makemigrations", "members", DEBUG="true")
    printed = edited.run("pytest", "-q")
    assert "passed" in printed
    assert "skipped" not in printed

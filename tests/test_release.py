"""What a release says, and that the changelog is ready for one."""

import re
import sys

import pytest

from tests.commands import run
from tests.rendering import TEMPLATE
from tools.release import notes

CHANGELOG = (
    "# Changelog\n\nWords.\n\n## 1.1.0, 2026-12-01\n\n- More.\n\n## 1.0.0, 2026-11-27\n\n- It.\n"
)


def test_it_says_what_the_changelog_says_of_its_version() -> None:
    assert notes(CHANGELOG, "1.1.0") == "- More."


@pytest.mark.parametrize(
    ("changelog", "version"),
    [
        (CHANGELOG, "1.0.0"),
        (CHANGELOG, "1.2.0"),
        (CHANGELOG.replace(", 2026-12-01", ""), "1.1.0"),
        (CHANGELOG.replace("## 1.1", "## Unreleased\n\n- Also.\n\n## 1.1"), "1.1.0"),
        ("# Changelog\n", "1.0.0"),
    ],
    ids=["old", "unknown", "without date", "unreleased", "empty"],
)
def test_a_tag_that_is_not_at_the_head_of_the_changelog_is_no_release(
    changelog: str, version: str
) -> None:
    with pytest.raises(SystemExit, match=f"not with '{version}, ' and a date"):
        notes(changelog, version)


def test_the_workflow_takes_the_version_from_the_tag_and_the_changelog_has_it() -> None:
    workflow = (TEMPLATE / ".github/workflows/release.yml").read_text("utf-8")
    assert 'python3 -m tools.release "$GITHUB_REF_NAME"' in workflow
    headings = re.findall("^## (.*)", (TEMPLATE / "CHANGELOG.md").read_text("utf-8"), re.M)
    versions = [heading for heading in headings if heading != "Unreleased"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+, \d{4}-\d\d-\d\d", heading) for heading in versions)
    if headings[0] != "Unreleased":
        version = headings[0].split(",")[0]
        assert run(TEMPLATE, sys.executable, "-m", "tools.release", version).startswith(
            ("-", "The")
        )

"""Prints what CHANGELOG.md says of a version: `python -m tools.release 1.2.3`.

Ends with a line that says why, if the version is not the newest there, has no date, or if what has
changed is still under "Unreleased".
"""

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"


def notes(changelog: str, version: str) -> str:
    """What the changelog says of the version, which has to be the newest."""
    heading, _, said = changelog.partition("\n## ")[2].partition("\n")
    if not re.fullmatch(rf"{re.escape(version)}, \d{{4}}-\d\d-\d\d", heading):
        sys.exit(f"CHANGELOG.md begins with {heading!r}, not with '{version}, ' and a date.")
    return said.split("\n## ")[0].strip()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(notes(CHANGELOG.read_text("utf-8"), sys.argv[1]))

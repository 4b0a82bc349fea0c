"""Runs commands, for tests of the template and for its tools."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def run(folder: Path, *command: str, status: int = 0, variables: Mapping[str, str] = {}) -> str:
    """Run a command in the folder and return what it prints; end if its status is another."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
    )
    if done.returncode != status:
        sys.exit(f"{command} ended with {done.returncode}: {done.stdout}")
    return done.stdout.rstrip("\n")

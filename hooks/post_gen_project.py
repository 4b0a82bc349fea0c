"""Keep the files of the chosen options, and say what to do next."""

import json
import os
import shutil
from pathlib import Path

# JSON never has three quotation marks in a row, so that no answer can end this string.
ANSWERS = json.loads(r"""{{ cookiecutter|tojson }}""")
# The files of each option's first choice are in place, those of the others in variants/. Listed
# are the first choice's own: those that another choice has too are overwritten.
FIRST = {
    "asgi_server": ("uvicorn", []),
    "test_setup": ("pytest", ["pytest.ini", "conftest.py"]),
    "ci": (
        "github",
        [".github/workflows/ci.yml", ".github/dependabot.yml", ".github/workflows", ".github"],
    ),
}


def keep(choice: str, first: str, files: list[str]) -> None:
    """Replace the first choice's files by those of the choice; leave what the user added."""
    for path in map(Path, files if choice != first else []):
        if path.is_file():
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    if Path("variants", choice).is_dir():
        shutil.copytree(Path("variants", choice), ".", dirs_exist_ok=True)


for option, (first, files) in FIRST.items():
    keep(ANSWERS[option], first, files)
shutil.rmtree("variants")
if not Path(".env").exists():
    shutil.copy(".env.example", ".env")

uv = "python3 -m pip install -Ut ~/.uv uv && ~/.uv/bin/uv"
if os.name == "nt":
    uv = "py -m pip install uv && py -m uv"
tests = ANSWERS["_test_setups"][ANSWERS["test_setup"]]["command"]
print(f"""
Next:
    cd {ANSWERS["project_slug"]}
    {uv} run --no-active manage.py runserver
    {uv} run --no-active {tests}
    git init && git add --all && git commit --message Rendered""")

"""Keep the files of the chosen options, and say what to do next."""

import json
import shutil
from pathlib import Path

# JSON never has three quotation marks in a row, so that no answer can end this string.
ANSWERS = json.loads(r"""{{ cookiecutter|tojson }}""")
# What each option's first choice has in place; the other choices' files are in variants/.
FIRST = {
    "asgi_server": ("uvicorn", ["realtime/server.py"]),
    "test_setup": ("pytest", ["pytest.ini", "tests/conftest.py", "tests/test_*.py"]),
    "ci": ("github", [".github"]),
}


def keep(choice: str, first: str, files: list[str]) -> None:
    """Replace the first choice's files by those of the choice."""
    if choice != first:
        for path in [path for pattern in files for path in Path().glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if Path("variants", choice).is_dir():
        shutil.copytree(Path("variants", choice), ".", dirs_exist_ok=True)


for option, (first, files) in FIRST.items():
    keep(ANSWERS[option], first, files)
shutil.rmtree("variants")
shutil.copy(".env.example", ".env")

tests = ANSWERS["_test_setups"][ANSWERS["test_setup"]]["command"]
print(f"""
Next:
    cd {ANSWERS["project_slug"]}
    python -m pip install uv && python -m uv run manage.py runserver
    python -m pip install uv && python -m uv run {tests}""")

"""Makes the pictures of the page that the README shows: `python -m tools.picture [FOLDER]`."""

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser import chromium
from tests.installing import NEWEST, Installed, interpreter
from tests.rendering import TEMPLATE, render
from tests.serving import log_in, runserver


def use(page: Page, url: str, message: str) -> None:
    """Open the page, press "Ping" and say something in the room."""
    page.goto(url)
    expect(page.locator("#room-state")).to_have_text("Connected")
    page.get_by_role("button", name="Ping").click()
    expect(page.locator("#answer")).to_have_text(re.compile("^pong!"))
    page.get_by_label("Message from").fill(message)
    page.keyboard.press("Enter")
    expect(page.get_by_role("log")).to_contain_text(message)


def main(folder: Path) -> None:
    """Render, start and open a project, and write the pictures to the folder."""
    with tempfile.TemporaryDirectory() as temporary:
        installed = Installed(render(Path(temporary)), interpreter(NEWEST))
        installed.run("manage.py", "migrate", "--verbosity", "0")
        session = log_in(installed, "ada")
        log = Path(temporary, "log")
        with runserver(installed, log, "--noreload") as server, chromium() as browser:
            for scheme in ("light", "dark"):
                size: Any = {"width": 640, "height": 765}
                kind: Any = {"color_scheme": scheme, "viewport": size, "device_scale_factor": 2}
                with browser.new_context(**kind) as context:
                    page, other = context.new_page(), context.new_page()
                    url = f"http://{server.address}/"
                    context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
                    use(page, url, "Hello from this tab.")
                    use(other, url, "And hello from the other one.")
                    page.bring_to_front()
                    page.get_by_label("Message from").blur()
                    expect(page.get_by_role("log")).to_contain_text("the other one")
                    page.screenshot(path=folder / f"page-{scheme}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else TEMPLATE / "docs")

"""The benchmarks run: shortly, and with few clients."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.charts import chart
from benchmarks.lines import count
from benchmarks.outcomes import Outcome
from benchmarks.tables import Table, markdown, number
from tests.browser import chromium_program
from tests.documents import TOOLS, block
from tests.installing import environment, program
from tests.rendering import FOLDER, TEMPLATE
from tests.services import postgres

RATES = {"messages", "p50", "p99", "connections", "sessions", "memory", "database"}
STORM = {"storm", "storm-p50", "storm-worst"}
ROOMS = {"fanout-process-20", "lost-process-20", "fanout-redis-20", "lost-redis-20"}
SERVERS = {f"servers-{name}" for name in ("messages", "connections", "memory", "fanout")}
OTHERS = {"deploy", "first-pong", "reload", "lines-own", "lines-theirs"}


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command of README.md."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=TEMPLATE,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=900,
    )


def require() -> None:
    """Skip the test, or on CI fail it, where something is missing that a measure needs."""
    postgres()
    program("redis-server")
    chromium_program()


@pytest.mark.xdist_group("benchmarks")
def test_all_measures_run_and_are_written_with_a_chart_each(tmp_path: Path) -> None:
    require()
    done = benchmarks("--quick", "--output", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    ours = RATES | STORM | ROOMS
    assert {path.stem for path in tmp_path.glob("charts/*.svg")} == ours | SERVERS | OTHERS
    told = (tmp_path / "benchmarks.md").read_text("utf-8")
    assert told.count("| this service |") == len(ours) + 4
    assert shown(told) == {f"{name}.svg" for name in ours | SERVERS | OTHERS}
    assert "left out" not in done.stdout


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_the_line_of_the_documents_begins_them(document: str) -> None:
    line = block(TEMPLATE / document, f"{TOOLS}python -m benchmarks").strip()
    done = subprocess.run(
        ["sh", "-c", f"{line} --help"], cwd=TEMPLATE, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("usage: python -m benchmarks"), done.stderr


def test_an_unknown_measure_is_refused_in_a_line_that_lists_them() -> None:
    done = benchmarks("speed")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        "no measure speed: there are deploy, messages, connections, sessions, storm, memory, "
        "fanout, redis, growth, database, servers, first, lines"
    )


def test_a_table_has_medians_quartiles_and_ratios_to_what_is_known() -> None:
    table = Table("name", "rate", "a second", {"bare ASGI": [1000, 2000, 3000], "other": [500] * 3})
    assert markdown(table).splitlines() == [
        "| rate | a second | quartiles | to bare ASGI |",
        "| --- | ---: | ---: | ---: |",
        "| bare ASGI | 2,000 | 1,000 to 3,000 |  |",
        "| other | 500 |  | 0.25 |",
    ]


def test_who_lost_messages_has_no_time_and_nobody_is_compared_with_it() -> None:
    table = Table("name", "time", "ms", {"Channels": [0, 0], "other": [5, 5]}, lost={"Channels"})
    assert markdown(table).splitlines()[2:] == [
        "| Channels | lost |  |  |",
        "| other | 5.00 |  |  |",
    ]
    assert ">lost</text>" in chart(table)


def shown(document: str) -> set[str]:
    """The charts that a document shows."""
    return set(re.findall(r"charts/([\w-]+\.svg)", document))


def figures(title: str) -> dict[str, str]:
    """The medians of a table of docs/benchmarks.md."""
    told = (TEMPLATE / "docs/benchmarks.md").read_text("utf-8")
    rows = told[told.index(f"| {title}") :].split("\n\n")[0].splitlines()[2:]
    return {cells[1].strip(): cells[2].strip() for cells in (row.split("|") for row in rows)}


@pytest.mark.parametrize(
    ("row", "title"),
    [
        ("a deploy of two processes", "lost of 3,000 messages"),
        ("a message to a room of 1,000", "a message to 1,000 clients, in process"),
        ("an idle connection of", "memory of an idle connection"),
        (
            "a page while 1,000 clients come back",
            "a page while 1,000 clients with a session come in, the",
        ),
    ],
)
def test_the_figures_of_the_readme_are_those_of_the_last_full_run(row: str, title: str) -> None:
    found = re.search(rf"^\| {row}.*$", (TEMPLATE / "README.md").read_text("utf-8"), re.MULTILINE)
    assert found, row
    measured = figures(title)
    channels = measured.get("channels_redis pub/sub") or measured["Channels"]
    told = [cell.strip() for cell in found[0].split("|")[3:-1]]
    assert told == [measured["this service"], channels, measured["django-socket"]]


def test_each_chart_that_is_here_is_shown() -> None:
    here = {path.name for path in (TEMPLATE / "docs/charts").iterdir()}
    assert shown((TEMPLATE / "docs/benchmarks.md").read_text("utf-8")) == here
    assert shown((TEMPLATE / "README.md").read_text("utf-8")) <= here


def test_the_readme_has_the_lines_that_a_user_owns() -> None:
    counted = count(TEMPLATE / FOLDER, ["config", "realtime"])
    told = re.findall(r"owns about ([\d,]+) lines", (TEMPLATE / "README.md").read_text("utf-8"))
    assert [abs(int(lines.replace(",", "")) - counted) < 200 for lines in told] == [True]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([0, 1, 2, 3, 4], (0, 0, 0, 0)),
        ([0, 3, 4], (2, 0, 0, 0)),
        ([0, 1, 2], (1, 0, 0, 0)),
        ([0, 1, 1, 2, 3, 3, 4], (0, 1, 0, 0)),  # to publish 3 had failed at first
        ([0, 2, 1, 3, 4], (0, 0, 1, 0)),
        ([0, "lost", "open", "gap", 3, 4], (0, 0, 0, 1)),
        (["gap", 1, 3, 4], (1, 0, 0, 1)),
        ([0, 1, "gap"], (2, 0, 0, 1)),
    ],
)
def test_what_a_client_saw_is_judged(
    told: list[int | str], expected: tuple[int, int, int, int]
) -> None:
    outcome = Outcome(total=4)
    outcome.judge([*enumerate(told)], doubtful=[3])
    assert (*outcome.lost, outcome.twice, outcome.disordered, *outcome.gaps) == expected


def test_a_client_is_back_with_the_first_message_after_its_loss() -> None:
    outcome = Outcome(total=4)
    outcome.judge([(0, 0), (1, "lost"), (2, "lost"), (3, "open"), (4.5, 1), (5, 2), (6, 3)], [])
    assert (outcome.back, outcome.silence) == ([3.5], 4.5)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.123, "0.12"),
        (7, "7"),
        (25.0, "25.0"),
        (123.4, "123"),
        (1234567.8, "1,234,568"),
    ],
)
def test_numbers_have_three_digits_or_those_before_the_point(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_chart_is_xml_whatever_the_names_and_its_longest_bar_fits() -> None:
    table = Table("name", 'a "title" & <more>', "ms", {"<one>": [1], "this service": [200_000]})
    root = ElementTree.fromstring(chart(table))
    bars = [float(bar.attrib["width"]) for bar in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert bars[0] < 1 < bars[1] < 400
    assert any("ours" in str(bar.attrib["class"]) for bar in root.iter() if "class" in bar.attrib)

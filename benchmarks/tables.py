"""What came of the measurements, as tables in Markdown."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

ARTICLE = "How to Add Websockets to a Django App without Extra Dependencies, by Jayden Windle, 2020"
ADDRESS = (
    "https://hackernoon.com/"
    "how-to-add-websockets-to-a-django-app-without-extra-dependencies-u61537a2"
)
REFERENCES = ("bare ASGI", "a loop of sends", "the limit", "Channels", "channels_redis pub/sub")


@dataclass
class Table:
    """One measure: the values of each contender, one for each round."""

    name: str
    title: str
    unit: str
    values: dict[str, list[float]] = field(default_factory=dict)
    note: str = ""
    lost: set[str] = field(default_factory=set)  # who lost messages: no time says how fast it is

    def add(self, contender: str, value: float) -> None:
        """Note what came of a round."""
        self.values.setdefault(contender, []).append(value)

    def note_busy(self, share: float) -> None:
        """Say how busy the clients were, as what is measured may be theirs."""
        self.note += f"The clients were busy for at most {share:.0%} of the time."

    def median(self, contender: str) -> float:
        """The median of the contender's rounds."""
        return statistics.median(self.values[contender])

    def quartiles(self, contender: str) -> tuple[float, float]:
        """The first and the third quartile, or the only value."""
        values = self.values[contender]
        low, _, high = statistics.quantiles(values) if len(values) > 1 else values * 3
        return low, high

    def shown(self, contender: str) -> str:
        """What stands in its cell and beside its bar."""
        return "lost" if contender in self.lost else number(self.median(contender))


@dataclass
class Sheet:
    """Several figures of each row, each with the title of its column; it has no chart."""

    title: str
    rows: dict[str, dict[str, float]] = field(default_factory=dict)

    def markdown(self) -> str:
        """A row for each."""
        columns = list(next(iter(self.rows.values())))
        rows = [[self.title, *columns], ["---", *["---:"] * len(columns)]]
        return lines(rows + [[k, *map(number, v.values())] for k, v in self.rows.items()])


def number(value: float) -> str:
    """With three digits, or as many as there are before the point; a count as it is."""
    whole = isinstance(value, int) or value >= 100 or not value
    return f"{value:,.{0 if whole else 1 if value >= 10 else 2}f}"


def ratio(table: Table, one: str, other: str) -> str:
    """How one compares with the other, by their medians; nothing to itself or to what is none."""
    if one == other or not table.median(other) or {one, other} & table.lost:
        return ""
    return f"{table.median(one) / table.median(other):.2f}"


def markdown(table: Table | Sheet) -> str:
    """A row for each contender: median, quartiles, and the ratios to what is known."""
    if isinstance(table, Sheet):
        return table.markdown()
    others = [name for name in REFERENCES if name in table.values]
    several = any(len(values) > 1 for values in table.values.values())
    head = [table.title, table.unit, *(["quartiles"] if several else [])]
    rows = [head + [f"to {name}" for name in others], ["---", *["---:"] * (len(head + others) - 1)]]
    for name in table.values:
        low, high = map(number, table.quartiles(name))
        spread = [f"{low} to {high}" if low != high and name not in table.lost else ""]
        ratios = [ratio(table, name, other) for other in others]
        rows.append([name, table.shown(name), *(spread if several else []), *ratios])
    return "\n".join([lines(rows), *(["", table.note] if table.note else [])])


def lines(rows: Iterable[Iterable[str]]) -> str:
    """The rows as lines of Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def document(tables: Iterable[Table | Sheet], circumstances: str, command: str) -> str:
    """All tables, and how they came about."""
    head = [
        "# Benchmarks",
        f"Written by `{command}`.",
        circumstances,
        "Medians of all rounds, and their quartiles. Rates of messages and connections are per "
        "second of the server's processor time, all else is by the clock. The server has one core "
        "and the clients another. Who lost messages has no time: it says lost. The article is "
        f"[{ARTICLE}]({ADDRESS}).",
    ]
    return "\n\n".join([*head, *map(section, tables)]) + "\n"


def section(table: Table | Sheet) -> str:
    """The table, and its chart if it has one."""
    chart = [f"![{table.title}](charts/{table.name}.svg)"] if isinstance(table, Table) else []
    return "\n\n".join([markdown(table), *chart])

"""Bar charts as SVG, readable on a light and on a dark ground."""

from html import escape

from benchmarks.contenders import SERVICE
from benchmarks.tables import Table

WIDTH, LABEL, ROW, HEAD = 640, 190, 26, 40  # in pixels: all, the names, a bar, the title
STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1a1f24 }
.title { font-weight: 600 }
.bar { fill: #93a0ac }
.ours { fill: #0a6b51 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e9ec }
  .bar { fill: #6d7883 }
  .ours { fill: #5fd3b0 }
}
"""


def bar(table: Table, row: int, name: str, longest: float) -> str:
    """A name, a bar as long as its median, and the median."""
    value = 0 if name in table.lost else table.median(name)
    length = (WIDTH - LABEL - 90) * value / longest if longest else 0
    y = HEAD + row * ROW
    ours = name == SERVICE.name or SERVICE.name not in table.values
    kind = "bar ours" if ours else "bar"
    return (
        f'<text x="{LABEL - 10}" y="{y + 14}" text-anchor="end">{escape(name)}</text>'
        f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{length:.1f}" height="18" rx="3"/>'
        f'<text x="{LABEL + length + 8:.1f}" y="{y + 14}">{table.shown(name)}</text>'
    )


def chart(table: Table) -> str:
    """The chart of a table, whose title says for a reader of screens what it shows."""
    longest = max((table.median(name) for name in table.values.keys() - table.lost), default=0)
    bars = [bar(table, row, name, longest) for row, name in enumerate(table.values)]
    title = escape(f"{table.title}, {table.unit}")
    height = HEAD + ROW * len(bars)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{title}</title><style>{STYLE}</style>",
            f'<text class="title" x="0" y="20">{title}</text>',
            *bars,
            "</svg>\n",
        ]
    )

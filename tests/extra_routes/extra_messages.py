"""JSON messages against what Hypothesis thinks of; run in a rendered project."""

import json
from typing import Any

import django

django.setup()

from hypothesis import example, given, settings  # noqa: E402
from hypothesis import strategies as some  # noqa: E402
from realtime.messages import dumps, loads  # noqa: E402

TEXTS = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = some.integers() | some.floats(allow_nan=False, allow_infinity=False)
VALUES = some.recursive(
    some.none() | some.booleans() | NUMBERS | TEXTS,
    lambda inner: some.lists(inner) | some.dictionaries(TEXTS, inner),
    max_leaves=50,
)
PIECES = ["[", "]", "{", "}", ":", ",", '"', "\\", "\\u0000", "\\ud83d", "\\ude00", "NaN", "1e999"]
RAW = some.lists(some.sampled_from([*PIECES, "0", "-", "é", " "]) | some.text()).map("".join)
STRINGS = RAW.map(lambda raw: f'["{raw}"]')


def plain(text: str) -> Any:
    """What Python's own reader says."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return ValueError


@settings(max_examples=300, database=None, deadline=None)
@given(VALUES, some.booleans())
def what_json_can_say_comes_through(value: Any, ascii: bool) -> None:
    assert loads(dumps(value)) == value
    assert loads(json.dumps(value, ensure_ascii=ascii)) == value


@settings(max_examples=1000, database=None, deadline=None)
@given(RAW | STRINGS)
@example("[" * 70 + "]" * 70)
def what_is_taken_can_be_sent_and_stored_and_is_what_python_says(text: str) -> None:
    try:
        value = loads(text)
    except ValueError:
        said = repr(plain(text))
        allowed = ("\\x00", "\\ud", "nan", "inf", "[" * 65, "<class 'ValueError'>")
        assert any(each in said for each in allowed), text
        return
    assert value == plain(text)
    dumps(value).encode()
    assert "\\u0000" not in dumps(value).replace("\\\\", "")


what_json_can_say_comes_through()
what_is_taken_can_be_sent_and_stored_and_is_what_python_says()
print("nothing is lost, and nothing raises later")

"""Tables, and their cells that are numbers: as the page and papers write them, and raw."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from babelscope.records import Estimate
from babelscope.report.claims import ADAPTERS, OPEN, TUNING, claim, p_words
from babelscope.report.names import (
    NO_DATA,
    estimate_text,
    interval,
    is_number,
    p_text,
    points,
    signed,
)

STARS = {TUNING: "*", ADAPTERS: "†", OPEN: ""}
Raw = float | int | str | None


@dataclass(frozen=True)
class Number:
    """A number as shown, and its raw parts (name, value); the first part has no name.

    `paper` is the text where an interval must stand beside it, empty if `text` has all.
    """

    text: str
    parts: tuple[tuple[str, Raw], ...]
    paper: str = ""

    def __str__(self) -> str:
        """Return the text that the page shows."""
        return self.text

    @property
    def full(self) -> str:
        """Return the text with all that belongs to the number."""
        return self.paper or self.text


Text = str | Number
Row = tuple[Text, ...]


@dataclass(frozen=True)
class Table:
    """A table as shown: caption, heads, rows; the first `names` columns are row heads.

    `note` explains what papers have beside the numbers and the page has not.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    names: int = 2
    note: str = ""


def number(value: Raw, text: str) -> Number:
    """Return a number without an interval."""
    return Number(text, (("", value),))


def estimated(value: Estimate, text: str | None = None) -> Number:
    """Return an estimate, by default with its interval; `text` is a shorter form for the page."""
    parts = (("", value.value), ("low", value.low), ("high", value.high), ("n", value.n))
    full = estimate_text(value)
    return Number(full if text is None else text, parts, full)


def short(value: Estimate) -> Number:
    """Return an estimate of which the page shows the value alone."""
    return estimated(value, points(value.value))


def changed(row: Mapping[str, Any] | None, *, absent: str = NO_DATA) -> Number:
    """Return a difference with its interval from a row of comparisons; `absent` without one."""
    if row is None:
        return number(None, absent)
    text = f"{signed(row['difference'])} ({interval(row['low'], row['high'], sign=True)})"
    names = {"": "difference", "low": "low", "high": "high"}
    return Number(text, tuple((name, row[column]) for name, column in names.items()))


def tested(value: Estimate, row: Mapping[str, Any] | None) -> Number:
    """Return an estimate; papers and files have its difference from the base and p beside it."""
    own = estimated(value)
    if row is None:
        return own
    gain = changed(row)
    parts = [(f"difference {name}".strip(), found) for name, found in gain.parts]
    told = f"{own.text}; {gain.text}, {p_words(row)}"
    chances = (
        ("p after Holm", row["p_holm"]),
        ("p of these adapters after Holm", row["p_adapters_holm"]),
    )
    return Number(own.text, (*own.parts, *parts, *chances), told)


def starred(value: Estimate, row: Mapping[str, Any] | None) -> Number:
    """Return `short` with the parts of `tested`; papers mark what is decided by `STARS`."""
    found = tested(value, row)
    star = STARS[claim(row)] if row is not None else ""
    return Number(points(value.value), found.parts, f"{found.text}{star}")


def chance(p: float | None) -> Number:
    """Return a p-value without "p ="."""
    text = p_text(p).removeprefix("p\u00a0=\u00a0") if is_number(p) else "no p-value"
    return number(p, text)


def needed(count: float | None) -> Number:
    """Return how many questions or seeds would be needed, rounded up."""
    return number(count, f"{math.ceil(count):,}" if is_number(count) else "unknown")

"""Values for people, as tables that fit the terminal or as plain text, or JSON for programs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from babelscope.controls import one_line
from babelscope.progress import is_lively

Row = Mapping[str, object]

WIDE = 10_000
"""Columns of a terminal without limits, in which a table is measured."""


def print_values(values: Mapping[str, object], as_json: bool) -> None:
    """Print values line by line and rows as tables, or all of it as JSON for programs."""
    if as_json:
        print(_json(values))
        return
    lively = is_lively(sys.stdout)
    for key, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            print(f"{key}:")
            _draw_rows(value) if lively else _print_rows(value)
        elif isinstance(value, list) and any(isinstance(v, str) and " " in v for v in value):
            print(f"{key}:")
            for sentence in value:
                print(f"  {one_line(sentence)}")
        else:
            print(f"{key}: {_words(value)}")


def _json(values: Mapping[str, object]) -> str:
    text = json.dumps(values, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(values)  # what standard output cannot write is written as \uXXXX
    return text


def _print_rows(rows: Sequence[Row]) -> None:
    """Print aligned columns, numbers to the right; a character may be two cells wide."""
    names = list(rows[0])
    cells = [names, *([_words(row[n]) for n in names] for row in rows)]
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(names))]
    right = [_is_numeric(rows, name) for name in names]
    for row in cells:
        padded = (
            " " * (w - cell_len(cell)) + cell if r else cell + " " * (w - cell_len(cell))
            for cell, w, r in zip(row, widths, right, strict=True)
        )
        print("  " + "  ".join(padded).rstrip())


def _draw_rows(rows: Sequence[Row]) -> None:
    """Draw a table, intervals under their values if need be, or a block of lines for each row."""
    console = Console(file=sys.stdout, highlight=False)
    names = list(rows[0])
    words = [[_words(row[n]) for n in names] for row in rows]
    for texts in (words, [[_folded(row[n]) for n in names] for row in rows]):
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for place, name in enumerate(names):
            # titles may be broken at spaces, values may not
            widest = max(cell_len(line) for row in texts for line in row[place].split("\n"))
            justify = "right" if _is_numeric(rows, name) else "left"
            table.add_column(_title(name), justify=justify, min_width=widest)  # type: ignore[arg-type]  # a literal of rich's
        for row in texts:
            table.add_row(*map(Text, row))
        if Measurement.get(console, console.options.update(max_width=WIDE), table).minimum <= (
            console.width
        ):
            console.print(table)
            return
    for row in words:
        console.print(Text(row[0], style="bold"))
        for name, text in zip(names[1:], row[1:], strict=True):
            console.print(Text(f"  {_title(name)}: {text}"))


def _folded(value: object) -> str:
    """Return words with an estimate's interval on a line of its own."""
    told = _words(value)
    return re.sub(r"^(\S+) (\(.*\))(.*)$", r"\1\3\n\2", told) if isinstance(value, dict) else told


def _title(name: str) -> str:
    return name.replace("_", " ")


def _is_numeric(rows: Sequence[Row], name: str) -> bool:
    kinds = {type(row[name]) for row in rows} - {type(None)}
    return bool(kinds) and kinds <= {int, float}


def _words(value: object) -> str:
    if isinstance(value, dict):
        if {"value", "low", "high"} <= set(value):
            return _estimate(value)
        return ", ".join(f"{one_line(k)} {_words(v)}" for k, v in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(one_line, value)) or "none"
    if value is None:
        return "no data"
    return f"{value:.4g}" if isinstance(value, float) else one_line(value)


def _estimate(value: Row) -> str:
    number, low, high = (value[k] for k in ("value", "low", "high"))
    if not isinstance(number, float):
        return "no data"
    told = isinstance(low, float) and isinstance(high, float)
    between = f" ({low:.3f} to {high:.3f})" if told else ""
    count = f", n = {value['n']}" if "n" in value else ""
    return f"{number:.3f}{between}{count}"

"""Values for people, or JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence


def print_values(values: dict[str, object], as_json: bool) -> None:
    """Print values line by line, or as JSON for programs."""
    if as_json:
        print(json.dumps(values, ensure_ascii=False))
        return
    for key, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            print(f"{key}:")
            _print_rows(value)
        else:
            print(f"{key}: {_words(value)}")


def _print_rows(rows: Sequence[dict[str, object]]) -> None:
    names = list(rows[0])
    cells = [names, *([_words(row[n]) for n in names] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    for row in cells:
        print("  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)))


def _words(value: object) -> str:
    if isinstance(value, dict):
        if {"value", "low", "high"} <= set(value):
            if value["value"] is None:
                return "no data"
            low, high = value["low"], value["high"]
            between = "" if low is None else f" ({low:.3f} to {high:.3f})"
            return f"{value['value']:.3f}{between}, n = {value.get('n')}"
        return ", ".join(f"{k} {_words(v)}" for k, v in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)

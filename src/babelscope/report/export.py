"""The report's tables as files for papers: LaTeX (booktabs), Markdown, CSV with raw numbers."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from babelscope.controls import inert
from babelscope.errors import SettingError
from babelscope.report.cells import Number, Raw, Table, Text
from babelscope.report.formats import check_formats
from babelscope.report.page import tables_of
from babelscope.report.parts import parts_of
from babelscope.report.tables import read_study
from babelscope.report.unfinished import unfinished
from babelscope.store import write_text

LONG = 40
"""A LaTeX table of more rows is a `longtable`, which breaks over pages."""
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]")
LATEX = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "\\textquotedbl{}",
    "−": "$-$",
    "←": "$\\leftarrow$",
    "\u00a0": "~",
}
MARKDOWN = re.compile(r"([\\`*_\[\]{}<>|~#$&])")


def write_tables(folder: Path, kind: str) -> tuple[Path, ...]:
    """Write every table of a study to `folder`/report/tables as latex, markdown or csv.

    Raises:
        SettingError: the format is unknown.
        StoreError: the folder holds no study, or cannot be written to.
    """
    check_formats("", kind)
    tables = read_study(folder)
    told, out = unfinished(tables), folder / "report" / "tables"
    found = tables_of(tables) | parts_of(tables).tables
    return (*write_forms(out, marked(found, told), kind), *mark_folder(out, told))


def marked(tables: Mapping[str, Table], told: str) -> dict[str, Table]:
    """Return tables whose captions say what an unfinished study lacks; as they are without it."""
    if not told:
        return dict(tables)
    return {n: replace(t, caption=f"{t.caption} [{told}]") for n, t in tables.items()}


def mark_folder(out: Path, told: str) -> tuple[Path, ...]:
    """Write what an unfinished study lacks beside its tables, which in CSV have no captions."""
    path = out / "unfinished.txt"
    if told:
        write_text(path, told + "\n")
        return (path,)
    path.unlink(missing_ok=True)
    return ()


def write_forms(out: Path, tables: Mapping[str, Table], kind: str) -> tuple[Path, ...]:
    """Write tables by name, those without rows left out, and return the paths.

    Raises:
        SettingError: no table has rows.
    """
    suffix, form = FORMS[kind]
    paths = []
    for name, table in tables.items():
        if table.rows:
            paths.append(out / f"{name.replace('_', '-')}.{suffix}")
            write_text(paths[-1], form(table))
    if not paths:
        raise SettingError("--tables", expected="a study with results", found="empty tables")
    return tuple(paths)


def as_latex(table: Table) -> str:
    """Return a table for booktabs; texts are escaped, numbers carry interval, n and p."""
    table = with_n(table)
    spec = "".join("l" if i < table.names else "r" for i in range(len(table.head)))
    head = " & ".join(map(latex, table.head)) + r" \\"
    rows = [" & ".join(latex(_full(cell)) for cell in row) + r" \\" for row in table.rows]
    body = [r"\toprule", head, r"\midrule", *rows, r"\bottomrule"]
    caption = rf"\caption{{{latex(_caption(table))}}}"
    if len(rows) > LONG:
        body.insert(3, r"\endhead")
        lines = [
            "% packages: booktabs, longtable",
            rf"\begin{{longtable}}{{{spec}}}",
            caption + r"\\",
            *body,
            r"\end{longtable}",
        ]
    else:
        lines = [
            "% package: booktabs",
            r"\begin{table}",
            r"\centering",
            caption,
            rf"\begin{{tabular}}{{{spec}}}",
            *body,
            r"\end{tabular}",
            r"\end{table}",
        ]
    return "\n".join(lines) + "\n"


def as_markdown(table: Table) -> str:
    """Return a table for Markdown with pipes; texts are escaped."""
    table = with_n(table)
    marks = [":--" if i < table.names else "--:" for i in range(len(table.head))]
    rows = [[markdown(_full(cell)) for cell in row] for row in table.rows]
    lines = [f"**{markdown(_caption(table))}**", ""]
    lines += [f"| {' | '.join(row)} |" for row in ([*map(markdown, table.head)], marks, *rows)]
    return "\n".join(lines) + "\n"


def as_csv(table: Table) -> str:
    """Return a table as CSV: a column for each part of a number, raw (shares 0-1), "" if missing.

    A text that a spreadsheet would run as a formula is led by an apostrophe.
    """
    columns = list(zip(*table.rows, strict=True))
    names: list[list[str]] = []
    for column in columns:
        parts = [name for cell in column if isinstance(cell, Number) for name, _ in cell.parts]
        names.append(list(dict.fromkeys(["", *parts])))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    plain = [head.replace(" (95 %)", "") for head in table.head]
    writer.writerow(
        [inert(f"{h} {n}".strip()) for h, own in zip(plain, names, strict=True) for n in own]
    )
    for row in table.rows:
        cells = zip(row, names, strict=True)
        writer.writerow([value for cell, own in cells for value in _raw(cell, own)])
    return buffer.getvalue()


def _raw(cell: Text, names: list[str]) -> list[str]:
    if not isinstance(cell, Number):
        return [inert(cell), *[""] * (len(names) - 1)]
    parts = dict(cell.parts)
    return [_digits(parts.get(name)) for name in names]


def _digits(value: Raw) -> str:
    if isinstance(value, str):
        return inert(value)
    return "" if value is None or not math.isfinite(value) else repr(value)


def latex(text: str) -> str:
    """Escape a text for LaTeX; other scripts stay as they are (XeLaTeX or LuaLaTeX)."""
    return "".join(LATEX.get(c, c) for c in CONTROLS.sub(" ", text))


def markdown(text: str) -> str:
    """Escape a text for a cell of a Markdown table."""
    return MARKDOWN.sub(r"\\\1", CONTROLS.sub(" ", text))


def with_n(table: Table) -> Table:
    """Return a table with a last column n where its numbers know theirs and no column tells it."""
    if "n" in table.head:
        return table
    told = [_n(row) for row in table.rows]
    if not any(told):
        return table
    rows = tuple((*row, n) for row, n in zip(table.rows, told, strict=True))
    return replace(table, head=(*table.head, "n"), rows=rows)


def _n(row: tuple[Text, ...]) -> str:
    found = [dict(c.parts).get("n") for c in row if isinstance(c, Number)]
    known = sorted({int(n) for n in found if n and not isinstance(n, str)})
    if not known:
        return ""
    return f"{known[0]:,}" if len(known) == 1 else f"{known[0]:,}–{known[-1]:,}"


def _caption(table: Table) -> str:
    return f"{table.caption} ({table.note})" if table.note else table.caption


def _full(cell: Text) -> str:
    return cell.full if isinstance(cell, Number) else cell


FORMS: dict[str, tuple[str, Callable[[Table], str]]] = {
    "latex": ("tex", as_latex),
    "markdown": ("md", as_markdown),
    "csv": ("csv", as_csv),
}

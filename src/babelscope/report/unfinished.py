"""What a page, a figure or a table of an unfinished study says of itself."""

from __future__ import annotations

from markupsafe import Markup

from babelscope.report.names import listed
from babelscope.report.tables import Tables

BADGE = "unfinished"
STALE = "the tables are of an earlier plan in this folder"


def unfinished(tables: Tables) -> str:
    """Return "unfinished: 12 of 63 cells answered, ..." in one line; "" of a complete study."""
    come = tables.completion
    if come.complete:
        return ""
    told = ", ".join(come.missing)
    return f"{BADGE}: {told}; {STALE}" if come.stale else f"{BADGE}: {told}"


def has_tables(tables: Tables) -> bool:
    """Whether there is anything to show: tables are made when every cell is done."""
    frames = (tables.results, tables.comparisons, tables.lens)
    return bool(tables.parts) or not all(frame.is_empty() for frame in frames)


def note(tables: Tables) -> tuple[Markup, ...]:
    """Return the note that stands above all else on the page of an unfinished study."""
    if tables.completion.complete:
        return ()
    text = Markup("<strong>Unfinished study.</strong> Done so far: {}. {} Run it again to go on.")
    told = listed([Markup.escape(part) for part in tables.completion.missing])
    if tables.completion.stale:
        what = f"Besides, {STALE}, not of the one that this page names."
    elif has_tables(tables):
        what = "What is missing is not on this page."
    else:
        what = "The tables are made when every cell is done: there is nothing to show yet."
    return (text.format(told, what),)


def headline(tables: Tables) -> tuple[Markup, ...]:
    """Return what stands in place of an answer where there are no tables yet; nothing elsewhere."""
    if tables.completion.complete or has_tables(tables):
        return ()
    return (Markup("This study is not finished: it has no answer yet."),)

"""The score after tuning over the base's: the sentences, and its form on the pages of cells."""

from __future__ import annotations

import polars as pl
from markupsafe import Markup

from babelscope.records import MISSING, Estimate
from babelscope.report.names import NO_DATA, count_text, is_number, listed, measure_name
from babelscope.report.tables import Tables, estimate
from babelscope.report.words import NAMED, Answer, cell_name

TIMES = "after_over_base"
HEADING = "How many times the base’s score?"


def times_text(found: tuple[Estimate, str] | None) -> str:
    """Return "2.4 times (2.1 to 2.8)", or that there is no ratio and why."""
    value, reason = found or (MISSING, "")
    if not is_number(value.value):
        return f"{NO_DATA}: {reason}" if reason else NO_DATA
    ends = f"{value.low:.2f} to {value.high:.2f}"
    known = is_number(value.low) and is_number(value.high)
    return f"{value.value:.2f} times ({ends if known else 'no interval'})"


def multiplied(tables: Tables) -> Answer | None:
    """Say where tuning more than doubled a score, or more than halved it; None without ratios.

    It is said where the whole interval lies above 2 or below a half, of all pairs that have one.
    """
    main = tables.plan["main_measure"]
    frame = tables.transfer.filter((pl.col("kind") == TIMES) & (pl.col("measure") == main))
    rows = [((r["recipe"], r["source"], r["target"]), estimate(r)) for r in frame.to_dicts()]
    known = [(key, e) for key, e in rows if is_number(e.low) and is_number(e.high)]
    if not rows:
        return None
    whose = "Tuning" if len(tables.plan["seeds"]) > 1 else "These adapters’ tuning"
    sentences = []
    if known:
        text = Markup(
            "{} more than doubles {} in {} of {}{} and more than halves it in {}{}, each by its "
            "own 95 % interval, not corrected over pairings."
        )
        up = sorted(((k, e) for k, e in known if e.low > 2), key=lambda x: -x[1].low)
        down = sorted(((k, e) for k, e in known if e.high < 0.5), key=lambda x: x[1].high)
        pairs, named = count_text(len(known), "pairing"), [_named(tables, x) for x in (up, down)]
        sentences.append(
            text.format(whose, measure_name(main), len(up), pairs, named[0], len(down), named[1])
        )
    if left := len(rows) - len(known):
        text = Markup("In {} there is no such ratio: a score is too near 0, or contexts too few.")
        sentences.append(text.format(count_text(left, "pairing")))
    return Answer(HEADING, tuple(sentences), "matrix")


def _named(tables: Tables, found: list[tuple[tuple[str, str, str], Estimate]]) -> Markup:
    """Return " (Greek after tuning on Odia 2.40 times (2.10 to 2.80))", nothing of none."""
    if not found:
        return Markup("")
    told = [
        Markup('{} <span class="num">{}</span>').format(cell_name(tables, k), times_text((e, "")))
        for k, e in found[:NAMED]
    ]
    more = [Markup("{} more").format(len(found) - NAMED)] if len(found) > NAMED else []
    return Markup(" ({})").format(listed(told + more))

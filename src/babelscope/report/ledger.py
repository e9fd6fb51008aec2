"""What the study spent, and what it cut, lost or left undecided: counted, not hidden."""

from __future__ import annotations

import polars as pl

from babelscope.report.cells import Number, Row, Table, number
from babelscope.report.names import language_name, share_text, variant_name
from babelscope.report.tables import Tables, pooled, variants

COUNTS = ("truncated", "gold_lost", "dropped", "undecided")


def cost(tables: Tables) -> Table:
    """Return seconds per stage."""
    frame = tables.cost.group_by("stage", maintain_order=True).agg(
        pl.len().alias("cells"), pl.col("seconds").sum()
    )
    seconds = float(frame["seconds"].sum())
    total = seconds or 1.0
    rows: list[Row] = [
        (r["stage"], *_spent(r["cells"], r["seconds"], r["seconds"] / total))
        for r in frame.to_dicts()
    ]
    if rows:
        rows.append(("all stages", *_spent(tables.cost.height, seconds, seconds / total)))
    return Table("Seconds of work", ("Stage", "Cells", "Seconds", "Share"), tuple(rows), names=1)


def _spent(cells: int, seconds: float, share: float) -> tuple[Number, ...]:
    texts = (f"{cells:,}", f"{seconds:,.1f}", share_text(share))
    return tuple(map(number, (cells, seconds, share), texts))


def counts(tables: Tables) -> Table:
    """Return what was cut, lost, dropped or left undecided; cells with none are left out."""
    known = _counted(tables, "target")
    rows: list[Row] = []
    for v in variants(tables):
        for target in tables.plan["targets"]:
            found = [known.get((name, v.recipe, v.source, target)) for name in COUNTS]
            if any(pair and pair[0] for pair in found):
                rows.append(
                    (variant_name(tables, v), language_name(target), *map(_of, COUNTS, found))
                )
    head = ("Model", "Target", "Truncated", "Gold lost", "Dropped", "Undecided language")
    return Table("Counted per target, of how many", head, tuple(rows))


def count_totals(tables: Tables) -> Table:
    """Return the counts of each model over all targets; a count that was not made is a dash."""
    known = _counted(tables)
    rows: list[Row] = [
        (
            variant_name(tables, v),
            *(_of(name, known.get((name, v.recipe, v.source))) for name in COUNTS),
        )
        for v in variants(tables)
    ]
    head = ("Model", "Truncated", "Gold lost", "Dropped", "Undecided language")
    shown = tuple(rows) if known else ()
    return Table("Counted over all targets, of how many", head, shown, names=1)


def _counted(tables: Tables, *more: str) -> dict[tuple[str, ...], tuple[float, int]]:
    keys = ["measure", "recipe", "source", *more]
    frame = pooled(tables).filter(pl.col("measure").is_in(COUNTS) & pl.col("value").is_finite())
    sums = frame.group_by(keys).agg(pl.col("value").sum(), pl.col("n").sum())
    return {row[:-2]: row[-2:] for row in sums.select(*keys, "value", "n").rows()}


def _of(name: str, pair: tuple[float, int] | None) -> Number:
    if pair is None:
        return number(None, "—")
    # n counts the questions that were asked: the dropped are not among them
    if name == "dropped":
        return number(pair[0], f"{pair[0]:,.0f}")
    return Number(f"{pair[0]:,.0f} of {pair[1]:,}", (("", pair[0]), ("of", pair[1])))

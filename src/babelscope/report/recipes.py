"""Recipe against recipe: the sentences and the table of what another recipe changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl
from markupsafe import Markup

from babelscope.report.cells import Row, Table, chance, changed, number
from babelscope.report.claims import Capacity, contexts_of
from babelscope.report.names import (
    count_text,
    is_number,
    isolated,
    language_name,
    measure_name,
    p_text,
    points,
    recipe_name,
    source_name,
)
from babelscope.report.tables import GROUP, Tables
from babelscope.report.words import Answer, change, strong

HEADING = "Does the recipe change the answers?"
SHARES = {
    "length_ratio": "the answers’ length over the gold’s",
    "stop_length": "the share of answers that used up their room",
    "cause_overgeneration": "the share of over-generated answers",
}
"""What is said of why, beside the score; the table has every share."""
TABLE_NAMES = {
    "stop_newline": "ended by a newline",
    "stop_eos": "ended by the end token",
    "stop_length": "used up their room",
    "cause_overgeneration": "over-generated",
    "cause_no_stop": "did not stop",
}
LEVEL = 0.05


def claim(row: dict[str, Any]) -> str:
    """Return "tuning" or "adapters", what a difference is clear for after correction, or ""."""
    if is_number(row["p_holm"]) and row["p_holm"] < LEVEL and row["seeds"] > 1:
        return "tuning"
    return "adapters" if row["p_adapters_holm"] < LEVEL else ""


def recipes_compared(tables: Tables) -> Answer | None:
    """Say for each two recipes what the later does to score and stops; None without two."""
    found = [s for pair in _pairs(tables) for s in _pair(tables, *pair)]
    return Answer(HEADING, tuple(found), "recipes") if found else None


def recipes_table(tables: Tables) -> Table:
    """Return every difference of two recipes, score and shares."""
    rows: list[Row] = [
        (
            _named(tables, r["recipe"]),
            _named(tables, r["against"]),
            source_name(tables, r["source"]) if r["source"] else "base model",
            language_name(r["target"]),
            TABLE_NAMES.get(r["measure"], measure_name(r["measure"])),
            changed(r),
            chance(r["p_holm"]),
            chance(r["p_adapters_holm"]),
            number(r["seeds"], f"{r['seeds']:,}"),
            number(r["n"], f"{r['n']:,}"),
        )
        for r in tables.recipes.iter_rows(named=True)
    ]
    head = (
        *("Recipe", "Against", "Source", "Target", "Measure", "Recipe − against (95 %)"),
        *("p of tuning after Holm", "p of these adapters after Holm", "Seeds", "n"),
    )
    return Table("Recipes compared, points of 100", head, tuple(rows), names=5)


def _pairs(tables: Tables) -> list[tuple[str, str]]:
    return tables.recipes.select("recipe", "against").unique(maintain_order=True).rows()


def _named(tables: Tables, recipe: str) -> str:
    """Return a recipe's name; of a base, that of the recipe it answers as."""
    own = recipe.removeprefix("base:")
    return recipe_name(tables, tables.plan["recipes"][0] if recipe == "base" else own)


def _pair(tables: Tables, recipe: str, against: str) -> Iterator[Markup]:
    frame = tables.recipes.filter(
        (pl.col("recipe") == recipe)
        & (pl.col("against") == against)
        & ~pl.col("target").str.starts_with(GROUP)
        & pl.col("difference").is_finite()
    )
    by_measure = {
        name: frame.filter(pl.col("measure") == name).to_dicts()
        for name in (tables.plan["main_measure"], *SHARES)
    }
    main, *shares = by_measure.items()
    if not main[1]:
        return
    base = not main[1][0]["source"]
    names = [strong(_named(tables, r)) for r in (recipe, against)]
    text = "The base model asked as {} does against as {}: " if base else "{} against {}: "
    told = [_counted(measure_name(main[0]), main[1], base)]
    told += [_counted(SHARES[name], rows, base) for name, rows in shares if rows]
    yield Markup(text).format(*names) + Markup("; ").join(told) + Markup(".")
    yield _largest(tables, main[1], base)


def _counted(name: str, rows: Sequence[dict[str, Any]], base: bool) -> Markup:
    """Return "MLQA F1 is clearly higher in 0 and clearly lower in 3 of 9 pairings", and whose."""
    of = count_text(len(rows), "target" if base else "pairing")
    kinds = ("adapters",) if base or all(r["seeds"] < 2 for r in rows) else ("tuning", "adapters")
    parts = []
    for kind in kinds:
        # what holds of tuning stands in the first part alone
        clear = [r["difference"] for r in rows if claim(r) == kind]
        text = "clearly higher in {} and clearly lower in {} of {}{}"
        about = "" if base or kind == "tuning" else ", for these adapters"
        if kind == kinds[0] or clear:
            up = sum(d > 0 for d in clear)
            parts.append(text.format(up, len(clear) - up, of, about))
    return Markup("{} is {}").format(name, "; ".join(parts))


def _largest(tables: Tables, rows: Sequence[dict[str, Any]], base: bool) -> Markup:
    """Name the largest difference with whose claim it is, and what the design could have seen."""
    row = max(rows, key=lambda r: abs(r["difference"]))
    where = isolated(language_name(row["target"]))
    if not base:
        source = isolated(source_name(tables, row["source"]))
        where = Markup("{} after tuning on {}").format(where, source)
    kind = claim(row)
    p = row["p_holm"] if kind == "tuning" or _open_to_tuning(row) else row["p_adapters_holm"]
    whose = {
        "tuning": "clear for tuning by these recipes",
        "adapters": "clear for these adapters, not for tuning by these recipes",
        "": "not clear",
    }[kind]
    if base:  # one model: nothing was tuned
        whose = "clear" if kind else "not clear"
    text = Markup("The largest difference is {} points in {}, {} ({} after correction)")
    found = text.format(change(row), where, whose, p_text(p))
    seen = sorted(r["smallest_gain"] for r in rows if is_number(r["smallest_gain"]))
    open_all = seen and not any(claim(r) for r in rows)
    contexts = contexts_of(tables).get(row["target"])
    limit = Capacity(contexts, row["seeds"], _corrected(tables, row)) if contexts else None
    return Markup("{}{}.").format(found, power(seen[len(seen) // 2], limit) if open_all else "")


def _corrected(tables: Tables, row: dict[str, Any]) -> int:
    """Return how many differences are corrected together with a row, over all recipes."""
    return tables.recipes.filter(
        (pl.col("measure") == row["measure"])
        & ((pl.col("source") == "") == (row["source"] == ""))
        & ~pl.col("target").str.starts_with(GROUP)
        & pl.col("difference").is_finite()
    ).height


def power(smallest: float, capacity: Capacity | None = None) -> str:
    """Return what a design that decided nothing could have seen; "" where nothing ever differed."""
    if capacity is not None and not capacity.decides:
        return "; this design cannot decide it"
    if not is_number(smallest) or smallest <= 0:
        return ""
    if smallest > 1:  # no score can change by as much
        return "; this design cannot decide it"
    return f"; this design sees one of {points(smallest)} points with 80 % power"


def _open_to_tuning(row: dict[str, Any]) -> bool:
    return not claim(row) and is_number(row["p_holm"])

"""What a comparison allows to be said: of tuning, of these adapters only, or nothing.

A claim of tuning holds for other runs and contexts, and needs two seeds; a claim of these adapters
holds for other contexts alone. Both are corrected after Holm.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from babelscope.measure.flips import smallest_flip_p
from babelscope.measure.inference import LEVEL, smallest_p
from babelscope.records import Comparison
from babelscope.report.names import count_text, is_number, p_text
from babelscope.report.tables import GROUP, Tables, final_steps

TUNING, ADAPTERS, OPEN = "tuning", "adapters", "open"
THESE = "these adapters only"
NEGLIGIBLE = 0.001
"""A change of mass below a tenth of a point says nothing, however sure it is."""
NEGLIGIBLE_BITS = 0.01
Told = Mapping[str, Any]


def claim(row: Told) -> str:
    """Return what a row with `p_holm`, `p_adapters_holm` and `seeds` tells, one of the three."""
    if row["seeds"] >= 2 and is_number(row["p_holm"]) and row["p_holm"] < LEVEL:
        return TUNING
    p = row["p_adapters_holm"]
    return ADAPTERS if is_number(p) and p < LEVEL else OPEN


def is_told(row: Told) -> bool:
    """Whether a comparison is decided, be it for these adapters only."""
    return claim(row) != OPEN


def verdict(row: Told) -> str:
    """Return "helped" or "harmed" (tuning), "gained" or "lost" (these adapters), or "open"."""
    up = row["difference"] > 0
    names = {TUNING: ("harmed", "helped"), ADAPTERS: ("lost", "gained")}
    found = claim(row)
    return names[found][up] if found in names else OPEN


def direction(row: Told) -> int:
    """Return 1 or -1 where a comparison is decided, 0 where it is open."""
    return (1 if row["difference"] > 0 else -1) if is_told(row) else 0


def shown_p(row: Told) -> float:
    """Return the corrected p of what is said; of an open row that of the claim of tuning."""
    of_tuning = row["p_holm"]
    if claim(row) != ADAPTERS and is_number(of_tuning):
        return float(of_tuning)
    found = row["p_adapters_holm"]
    return float(found) if is_number(found) else math.nan


def p_words(row: Told) -> str:
    """Return "p = 0.012", with "these adapters only" where it is not about tuning."""
    words = p_text(shown_p(row))
    about = claim(row) == ADAPTERS or not is_number(row["p_holm"])
    return f"{words}, {THESE}" if about and is_number(shown_p(row)) else words


@dataclass(frozen=True)
class Capacity:
    """How little doubt a design can leave: `pairs` comparisons, corrected together."""

    contexts: int
    seeds: int
    pairs: int

    @property
    def of_tuning(self) -> float:
        """The smallest p about tuning after the correction."""
        return min(1.0, smallest_p(self.contexts, self.seeds) * max(self.pairs, 1))

    @property
    def of_adapters(self) -> float:
        """The smallest p about these adapters after the correction."""
        return min(1.0, smallest_flip_p(self.contexts) * max(self.pairs, 1))

    @property
    def decides(self) -> bool:
        """Whether any outcome at all could be told from chance."""
        return min(self.of_tuning, self.of_adapters) < LEVEL

    @property
    def words(self) -> str:
        """Return "8 contexts and 18 comparisons: no p below 0.14 after the correction"."""
        least = min(self.of_tuning, self.of_adapters)
        what = f"{count_text(self.contexts, 'context')}, {count_text(self.seeds, 'seed')}"
        told = "no p below 1" if least >= 1 else f"no {p_text(least).replace('=', 'below')}"
        return f"{what} and {count_text(self.pairs, 'comparison')} allow {told} after correction"


def capacities(tables: Tables, measure: str) -> dict[tuple[str, str], Capacity]:
    """Return by (recipe, target) what its comparisons of a measure can decide, where known."""
    contexts = contexts_of(tables)
    task = tables.plan.get("task", "qa")
    frame = final_steps(tables.comparisons).filter(
        (pl.col("measure") == measure)
        & (pl.col("task") == task)
        & ~pl.col("target").str.starts_with(GROUP)
        & pl.col("difference").is_finite()
    )
    kept = frame.select("recipe", "target", "seeds").rows()
    pairs = Counter(recipe for recipe, *_ in kept)
    return {
        (recipe, target): Capacity(contexts[target], int(seeds or 0), pairs[recipe])
        for recipe, target, seeds in kept
        if target in contexts
    }


def contexts_of(tables: Tables) -> dict[str, int]:
    """Return the number of contexts of each target: from the plan, else from the scores."""
    rows = (tables.plan.get("design") or {}).get("targets") or []
    found = {str(row["target"]): int(row["contexts"]) for row in rows}
    if tables.scores is not None and not tables.scores.is_empty():
        counted = tables.scores.group_by("target").agg(pl.col("context_id").n_unique())
        found = {str(target): int(count) for target, count in counted.rows()} | found
    return found


def needed_words(row: Told, capacity: Capacity | None = None) -> str:
    """Say what an open comparison would take: questions and seeds, or that it cannot be decided.

    The numbers hold after the correction and with 80 % power, each for its part of the doubt.
    """
    if capacity is not None and not capacity.decides:
        return f"{cannot(capacity)} decide it"
    questions, seeds = row["questions_needed"], row["seeds_needed"]
    if not is_number(questions):
        return "too near to zero to say how many questions or seeds would decide it"
    asked, ran = int(row["n"] or 0), int(row["seeds"] or 0)
    parts = []
    if round(questions) > asked:
        parts.append(f"about {round(questions):,} questions ({asked:,} asked)")
    if is_number(seeds) and math.ceil(seeds) > ran:
        parts.append(f"about {math.ceil(seeds):,} seeds ({ran} run)")
    if not parts:
        return "a few more questions or seeds" if ran > 1 else "a few more questions"
    return "at least " + " and ".join(parts)


def cannot(capacity: Capacity) -> str:
    """Return "8 contexts cannot", "8 contexts and 2 seeds cannot"."""
    seeds = f" and {count_text(capacity.seeds, 'seed')}" if capacity.seeds > 1 else ""
    return f"{count_text(capacity.contexts, 'context')}{seeds} cannot"


def comparison_row(found: Comparison, p_holm: float, p_adapters_holm: float) -> dict[str, Any]:
    """Return a comparison as a row of comparisons.parquet, as far as words need it."""
    e = found.difference
    return {
        "difference": e.value,
        "low": e.low,
        "high": e.high,
        "n": e.n,
        "seeds": found.seeds,
        "p_holm": p_holm,
        "p_adapters_holm": p_adapters_holm,
        "questions_needed": found.questions_needed,
        "seeds_needed": found.seeds_needed,
    }

"""Recipe against recipe: planted differences and controls, against sums and flips by hand."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from babelscope.study.cells import AnswerCounts, Cell, Variant
from babelscope.study.recipe_table import WHY, recipe_table
from babelscope.study.scores import CellScores

CONTEXTS = 12
ITEMS = 24


def plan(recipes: dict[str, int], sources: tuple[str, ...] = ("s", "t")) -> Any:
    """Return what the table reads of a plan: recipes with their steps, sources, measure."""
    return SimpleNamespace(
        recipes=[SimpleNamespace(name=n, max_steps=k) for n, k in recipes.items()],
        sources=[SimpleNamespace(name=s) for s in sources],
        measure="mlqa_em",
    )


def cell(variant: Variant, target: str, **values: Any) -> CellScores:
    every = {name: np.zeros(ITEMS) for name in ("mlqa_em", "length", *WHY)} | values
    every |= {"gold_length": np.arange(ITEMS) % 4 + 1.0}
    contexts = tuple(f"c{i % CONTEXTS}" for i in range(ITEMS))
    ids = tuple(map(str, range(ITEMS)))
    counts = AnswerCounts(ITEMS, 0, 0)
    return CellScores(Cell(variant, "qa", target), contexts, ids, every, (), counts, 0, 0)


def study(effect: float, seeds: int, rng: np.random.Generator) -> dict[Any, CellScores]:
    """Return two recipes on two sources; the second loses `effect` on s in x, and stops late."""
    cells = {}
    for target in ("x", "y"):
        cells[Variant("base"), "qa", target] = cell(Variant("base"), target)
        late = {"stop_length": np.ones(ITEMS), "mlqa_em": np.zeros(ITEMS)}
        cells[Variant("base:b"), "qa", target] = cell(Variant("base:b"), target, **late)
        for source, seed in itertools.product(("s", "t"), range(seeds)):
            common = rng.uniform(0.4, 0.6, ITEMS)
            for recipe, step in (("a", 30), ("b", 60)):
                planted = recipe == "b" and (source, target) == ("s", "x")
                variant = Variant(recipe, source, seed, step)
                noise = rng.normal(0, 0.02, ITEMS) + rng.normal(0, 0.01)
                cells[variant, "qa", target] = cell(
                    variant,
                    target,
                    mlqa_em=common + noise - effect * planted,
                    stop_length=np.full(ITEMS, float(planted)),
                )
    return cells


BASES = {"a": "base", "b": "base:b"}


def by_hand(cells: dict[Any, CellScores], source: str, target: str, seeds: int) -> list[Any]:
    """Return difference, p of exact flips, and the two variances, each by a loop."""
    gaps = [
        cells[Variant("b", source, k, 60), "qa", target].values["mlqa_em"]
        - cells[Variant("a", source, k, 30), "qa", target].values["mlqa_em"]
        for k in range(seeds)
    ]
    value = sum(map(sum, gaps)) / (seeds * ITEMS)
    sums = [sum(g[i] for g in gaps for i in range(c, ITEMS, CONTEXTS)) for c in range(CONTEXTS)]
    reached = sum(
        abs(sum(x * s for x, s in zip(sums, signs, strict=True))) >= abs(sum(sums)) - 1e-9
        for signs in itertools.product((1, -1), repeat=CONTEXTS)
    )
    means = [s / (seeds * ITEMS / CONTEXTS) for s in sums]
    between_contexts = max(np.var(means, ddof=1) / CONTEXTS, (value / CONTEXTS) ** 2)
    return [
        value,
        reached / 2**CONTEXTS,
        between_contexts,
        np.var([g.mean() for g in gaps], ddof=1),
    ]


def test_recipes_are_paired_by_question_and_seed_and_corrected_together() -> None:
    cells = study(0.3, 3, np.random.default_rng(5))
    frame = recipe_table(plan({"a": 30, "b": 60}), cells, BASES)
    tuned = {
        (r["source"], r["target"]): r
        for r in frame.iter_rows(named=True)
        if r["measure"] == "mlqa_em" and r["source"]
    }
    assert len(tuned) == 4
    hands = {key: by_hand(cells, *key, 3) for key in tuned}
    for key, row in tuned.items():
        value, p, contexts, _ = hands[key]
        assert (row["recipe"], row["against"]) == ("b", "a")
        assert (row["step"], row["against_step"], row["seeds"], row["n"]) == (60, 30, 3, ITEMS)
        assert row["difference"] == pytest.approx(value)
        assert row["p_adapters"] == pytest.approx(p)
        assert row["se_contexts"] == pytest.approx(math.sqrt(contexts))
    planted = tuned["s", "x"]
    assert planted["p_holm"] < 0.05
    assert planted["difference"] == pytest.approx(-0.3, abs=0.03)
    others = [row for key, row in tuned.items() if key != ("s", "x")]
    assert all(row["p_holm"] > 0.05 and row["p_adapters_holm"] > 0.05 for row in others)
    ordered = sorted(row["p_adapters"] for row in tuned.values())
    assert min(r["p_adapters_holm"] for r in tuned.values()) == pytest.approx(4 * ordered[0])
    # the variance of runs is moderated by the other three cells, which weigh 3
    own, rest = hands["s", "x"][3], np.mean([h[3] for k, h in hands.items() if k != ("s", "x")])
    moderated = max((3 * rest + 2 * own) / 5, own) / 3
    assert planted["se_seeds"] ** 2 <= moderated + 1e-12
    half = student.ppf(0.975, planted["df"]) * math.hypot(
        planted["se_contexts"], planted["se_seeds"]
    )
    assert planted["high"] - planted["difference"] == pytest.approx(half)


def test_the_shares_of_stops_tell_why() -> None:
    cells = study(0.3, 2, np.random.default_rng(6))
    frame = recipe_table(plan({"a": 30, "b": 60}), cells, BASES)
    stops = {
        (r["source"], r["target"]): r
        for r in frame.iter_rows(named=True)
        if r["measure"] == "stop_length"
    }
    assert stops["s", "x"]["difference"] == 1.0
    assert stops["s", "x"]["p_holm"] < 0.05
    assert stops["t", "x"]["difference"] == 0.0
    assert stops["t", "x"]["p_holm"] == 1.0


def test_the_length_ratios_differ_by_one_ratio_of_sums() -> None:
    cells = study(0.3, 2, np.random.default_rng(6))
    rng = np.random.default_rng(7)
    for (variant, _, target), scored in cells.items():
        twice = variant.recipe == "b" and (variant.source, target) == ("s", "x")
        scored.values["length"] = scored.values["gold_length"] * (1 + twice) + (
            0 if variant.is_base else rng.integers(0, 2, ITEMS)
        )
    frame = recipe_table(plan({"a": 30, "b": 60}), cells, BASES)
    rows = frame.filter(frame["measure"] == "length_ratio").to_dicts()
    found = {(r["source"], r["target"]): r for r in rows}
    ratios = []
    for recipe, step in (("b", 60), ("a", 30)):
        sides = [cells[Variant(recipe, "s", k, step), "qa", "x"].values for k in range(2)]
        total = sum(v["length"].sum() for v in sides)
        ratios.append(total / sum(v["gold_length"].sum() for v in sides))
    row = found["s", "x"]
    assert row["difference"] == pytest.approx(ratios[0] - ratios[1])
    assert row["difference"] > 0.8
    assert row["p_holm"] < 0.05
    assert row["p_adapters"] == pytest.approx(2 / 2**CONTEXTS)
    assert all(found[key]["p_holm"] > 0.05 for key in (("s", "y"), ("t", "x"), ("t", "y")))
    # the bases' lengths are their golds': no width is made up for what has no bound
    assert (found["", "x"]["low"], found["", "x"]["high"]) == (0.0, 0.0)


def test_bases_are_compared_where_they_answer_differently_and_claim_nothing_of_tuning() -> None:
    cells = study(0.0, 2, np.random.default_rng(7))
    frame = recipe_table(plan({"a": 30, "b": 60}), cells, BASES)
    bases = [r for r in frame.iter_rows(named=True) if not r["source"]]
    assert {(r["recipe"], r["against"]) for r in bases} == {("base:b", "base")}
    late = next(r for r in bases if (r["target"], r["measure"]) == ("x", "stop_length"))
    assert late["difference"] == 1.0
    assert math.isnan(late["p_value"])
    assert math.isnan(late["p_holm"])
    # two targets in a family of their own: 2 of 4096 flips, doubled
    assert late["p_adapters_holm"] == pytest.approx(2 * 2 / 2**CONTEXTS)
    same = recipe_table(plan({"a": 30, "b": 60}), cells, {"a": "base", "b": "base"})
    assert (same["source"] != "").all()


def test_one_seed_speaks_of_these_adapters_alone() -> None:
    cells = study(0.3, 1, np.random.default_rng(8))
    frame = recipe_table(plan({"a": 30, "b": 60}), cells, BASES)
    row = next(
        r
        for r in frame.iter_rows(named=True)
        if (r["source"], r["target"], r["measure"]) == ("s", "x", "mlqa_em")
    )
    assert math.isnan(row["p_holm"])
    assert row["p_adapters_holm"] == pytest.approx(4 * 2 / 2**CONTEXTS)


def test_seeds_that_only_one_recipe_has_are_no_pairs() -> None:
    cells = study(0.1, 3, np.random.default_rng(9))
    del cells[Variant("b", "s", 1, 60), "qa", "x"]
    frame = recipe_table(plan({"a": 30, "b": 60}), cells, BASES)
    row = next(
        r
        for r in frame.iter_rows(named=True)
        if (r["source"], r["target"], r["measure"]) == ("s", "x", "mlqa_em")
    )
    gaps = [
        cells[Variant("b", "s", k, 60), "qa", "x"].values["mlqa_em"]
        - cells[Variant("a", "s", k, 30), "qa", "x"].values["mlqa_em"]
        for k in (0, 2)
    ]
    assert row["seeds"] == 2
    assert row["difference"] == pytest.approx(np.mean(gaps))


def test_one_recipe_has_no_rows() -> None:
    cells = study(0.1, 2, np.random.default_rng(10))
    frame = recipe_table(plan({"a": 30}), cells, {"a": "base"})
    assert frame.height == 0
    assert "p_adapters_holm" in frame.columns

"""Gains and best sources: forms, laws, and how often they are wrong where nothing happened."""

from __future__ import annotations

import math

import numpy as np
import pytest
from null_worlds import UNEQUAL, World, as_study

import babelscope
from babelscope.errors import DataError
from babelscope.measure.inference import compare, holm


def rates(world: World, studies: int, seed: int) -> dict[str, float]:
    """Return how often a study claims anything, and how often an interval holds the truth."""
    rng = np.random.default_rng(seed)
    found = np.zeros(5)
    truth = np.broadcast_to(world.effect, (world.sources, world.targets)).ravel() / 100
    for _ in range(studies):
        scores, base = as_study(*world.draw(rng))
        gains = babelscope.study_gains(scores, base, world.names)
        best = babelscope.study_best(scores, world.names)
        found += (
            any(g.p_holm < 0.05 for g in gains),
            np.mean([g.low <= t <= g.high for g, t in zip(gains, truth, strict=True)]),
            any(b.best for b in best.values()),
            any(g.p_adapters_holm < 0.05 for g in gains),
            gains[0].p_holm < 0.05,
        )
    return dict(zip(("any", "covers", "best", "adapters", "first"), found / studies, strict=True))


@pytest.mark.parametrize(
    ("world", "most"),
    [
        (World(8, 3, 2), 4),
        (World(48, 3, 2, tau=4.0), 6),
        (World(120, 2, 2, tau=4.0), 6),
        (World(120, 2, 2, tau=UNEQUAL), 9),
    ],
    ids=["few contexts", "tau 4", "more questions", "unequal"],
)
def test_where_nothing_happened_nothing_is_claimed(world: World, most: int) -> None:
    """60 studies: more than `most` wrong ones have a probability below .04 at rates of .05 / .10.

    Seeds taken for contexts claim something in half of them and more (the last bound).
    """
    found = rates(world, 60, seed=1)
    assert found["any"] * 60 <= most
    assert found["best"] * 60 <= 6
    assert 0.92 <= found["covers"] <= 0.99


def test_seeds_taken_for_contexts_would_fail_that() -> None:
    found = rates(World(240, 2, 2, tau=4.0, targets=4), 20, seed=2)
    assert found["adapters"] >= 0.5
    assert found["any"] <= 0.2


def test_a_planted_gain_is_found_and_its_neighbours_are_not() -> None:
    effect = np.zeros((3, 6))
    effect[0, 0] = 25.0
    found = rates(World(120, 2, 3, tau=1.0, effect=effect), 15, seed=3)
    assert found["first"] >= 0.8
    assert found["best"] >= 0.6


def study(seed: int = 0) -> tuple[dict, dict, list[str]]:
    world = World(20, 2, 2, tau=1.0, sources=2, targets=3)
    return (*as_study(*world.draw(np.random.default_rng(seed))), world.names)


def test_gains_are_those_of_plain_comparisons() -> None:
    scores, base, contexts = study()
    gains = babelscope.study_gains(scores, base, contexts)
    assert [(g.source, g.target) for g in gains] == [
        (s, t) for s in ("s0", "s1") for t in ("t0", "t1", "t2")
    ]
    for gain in gains:
        plain = compare(scores[gain.source][gain.target], base[gain.target], contexts)
        assert gain.difference == pytest.approx(plain.difference.value)
        assert (gain.n, gain.seeds) == (40, 2)
        assert gain.p_adapters == plain.p_adapters
        assert gain.se_contexts == pytest.approx(plain.se_contexts)
        assert gain.low < gain.difference < gain.high
        assert gain.smallest_gain > gain.high - gain.difference
    assert [g.p_holm for g in gains] == pytest.approx(holm([g.p for g in gains]))


def test_with_one_seed_only_the_adapters_are_spoken_of() -> None:
    world = World(60, 2, 1, effect=40.0, sources=2)
    scores, base = as_study(*world.draw(np.random.default_rng(4)))
    for gain in babelscope.study_gains(scores, base, world.names):
        assert math.isnan(gain.p)
        assert math.isnan(gain.p_holm)
        assert math.isnan(gain.se_seeds)
        assert gain.p_adapters_holm < 0.05
    scores["s0"] = {t: np.ones_like(v) for t, v in scores["s0"].items()}
    for found in babelscope.study_best(scores, world.names).values():
        assert found.best is None
        assert found.adapters == "s0"
        assert found.tied == ("s0", "s1")


def test_the_best_source_beats_every_other() -> None:
    rng = np.random.default_rng(5)
    names = [f"c{i:03d}" for i in range(200)]
    scores = {n: {"t": (rng.random((2, 200)) < 0.4).astype(float)} for n in "abcd"}
    scores["b"]["t"] = (rng.random((2, 200)) < 0.9).astype(float)
    found = babelscope.study_best(scores, names)["t"]
    assert (found.best, found.tied, found.adapters) == ("b", ("b",), "b")
    assert found.p_holm < 0.001
    scores["d"]["t"] = (rng.random((2, 200)) < 0.9).astype(float)
    unsure = babelscope.study_best(scores, names)["t"]
    assert unsure.best is None
    assert set(unsure.tied) == {"b", "d"}


def test_equal_sources_are_tied_and_order_does_not_matter() -> None:
    values = (np.random.default_rng(6).random((2, 50)) < 0.5).astype(float)
    names = [str(i) for i in range(50)]
    for order in ("ab", "ba"):
        found = babelscope.study_best({s: {"t": values} for s in order}, names)["t"]
        assert (found.best, found.tied, found.p_holm) == (None, ("a", "b"), 1.0)
    assert babelscope.study_best({"a": {"t": values}}, names) == {}  # nothing to be better than
    assert babelscope.study_best({}, names) == {}
    half = {"a": {"t": values}, "b": {"t": values * np.nan}}
    assert babelscope.study_best(half, names) == {}


def test_a_base_with_seeds_is_paired_seed_by_seed() -> None:
    scores, base, contexts = study(7)
    runs = {t: np.concatenate([v, 1 - v]) for t, v in base.items()}
    for gain in babelscope.study_gains(scores, runs, contexts):
        assert gain.difference == pytest.approx(
            (scores[gain.source][gain.target] - runs[gain.target]).mean()
        )


def test_bad_input_is_told() -> None:
    scores, base, contexts = study()
    with pytest.raises(DataError, match="none for t1"):
        babelscope.study_gains(scores, {"t0": base["t0"], "t2": base["t2"]}, contexts)
    with pytest.raises(DataError, match="shape"):
        babelscope.study_gains(scores, base, contexts[:-1])

"""How often a study is wrong where nothing happened, and what it sees where something did.

Worlds of `tests/null_worlds.py`: 3 sources x 6 targets, two or more seeds. For each: the share of
studies with any "clearly" of 18 pairs after Holm, with a false "X is best" of 6 targets, and the
coverage of a gain's interval, by the rule that takes seeds for contexts (old: percentile draws of
contexts and seeds, sign flips of contexts, best in 90 % of draws) and by the rule in use. Then the
power for planted gains, and the coverage of a score's interval.

    python benchmarks/inference.py [--studies 300] [--only 1200]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from null_worlds import UNEQUAL, World, as_study

import babelscope
from babelscope.measure.inference import holm
from babelscope.measure.resampling import interval, resampled_means

SMALL, MIDDLE, LARGE = (8, 3), (16, 3), (240, 5)
WORLDS = {
    "24/8, 2 seeds, tau 0": World(*SMALL, 2),
    **{f"48/16, 2 seeds, tau {t}": World(*MIDDLE, 2, tau=t) for t in (0, 2, 4)},
    **{f"1200/240, 2 seeds, tau {t}": World(*LARGE, 2, tau=t) for t in (0, 1, 2, 4)},
    "1200/240, 2 seeds, tau unequal": World(*LARGE, 2, tau=UNEQUAL),
    "1200/240, 5 seeds, tau 2": World(*LARGE, 5, tau=2),
}
ONE_SEED = {"48/16, 1 seed, tau 2": World(*MIDDLE, 1, tau=2)}
POWER = ((LARGE, 1, 5), (LARGE, 2, 5), (LARGE, 2, 10), (MIDDLE, 2, 20))
SCORES = ((8, 3), (16, 3), (48, 3), (240, 5))


def old_best(scores: dict, contexts: list[str]) -> bool:
    """Return whether any target has a source that is best in 90 % of draws."""
    for target in next(iter(scores.values())):
        means = np.array([resampled_means(found[target], contexts) for found in scores.values()])
        winning = means >= means.max(axis=0) - 1e-9
        if (winning / winning.sum(axis=0)).mean(axis=1).max() >= 0.9:
            return True
    return False


def claims(scores: dict, gains: list, contexts: list[str]) -> tuple[bool, ...]:
    """Return whether any gain, then any best source, is claimed, by the old rule and now."""
    best = babelscope.study_best(scores, contexts)
    return (
        bool((holm([g.p_adapters for g in gains]) < 0.05).any()),
        any(g.p_holm < 0.05 for g in gains),
        old_best(scores, contexts),
        any(b.best for b in best.values()),
    )


def tried(world: World, studies: int) -> dict[str, float]:
    """Return the rates of one world."""
    rng, found = np.random.default_rng(0), np.zeros(6)
    truth = np.broadcast_to(world.effect, (world.sources, world.targets)).ravel() / 100
    for _ in range(studies):
        scores, base = as_study(*world.draw(rng))
        contexts = world.names
        gains = babelscope.study_gains(scores, base, contexts)
        old = [
            interval(resampled_means(scores[g.source][g.target] - base[g.target], contexts))
            for g in gains
        ]
        found += (
            *claims(scores, gains, contexts),
            np.mean([low <= t <= high for (low, high), t in zip(old, truth, strict=True)]),
            np.mean([g.low <= t <= g.high for g, t in zip(gains, truth, strict=True)]),
        )
    names = ("any old", "any", "best old", "best", "covers old", "covers")
    return dict(zip(names, found / studies, strict=True))


def power(world: World, studies: int, points: float) -> tuple[float, float]:
    """Return how often the one planted gain is found, and its source named best, of studies."""
    effect = np.zeros((3, 6))
    effect[0, 0] = points
    planted, rng, found = replace(world, effect=effect), np.random.default_rng(1), np.zeros(2)
    for _ in range(studies):
        scores, base = as_study(*planted.draw(rng))
        gain = babelscope.study_gains(scores, base, planted.names)[0]
        best = babelscope.study_best(scores, planted.names)["t0"].best
        found += (gain.p_holm < 0.05, best == "s0")
    return tuple(found / studies)


def score_coverage(size: tuple[int, int], score: float, seeds: int, studies: int) -> float:
    """Return how often a score's interval holds the true score."""
    world = World(*size, seeds, sources=1, targets=1, score=score)
    rng, held = np.random.default_rng(2), 0
    for _ in range(studies):
        found = babelscope.score_interval(world.draw(rng)[0][0, 0], world.names)
        held += found.low <= score <= found.high
    return held / studies


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--only", default="", help="worlds whose name has this")
    told = parser.parse_args()
    print("world | any clearly: old, now | false best: old, now | gain covered: old, now")
    for name, world in (WORLDS | ONE_SEED).items():
        if told.only in name:
            rates = tried(world, told.studies)
            print(name, *(f"{r:.3f}" for r in rates.values()), sep=" | ", flush=True)
    print("power: questions/contexts, 2 seeds, tau, points | gain found | named best")
    for size, tau, points in POWER:
        found = power(World(*size, 2, tau=tau), told.studies, points)
        name = f"{size[0] * size[1]}/{size[0]}, tau {tau}, {points} points"
        print(name, *(f"{r:.2f}" for r in found), sep=" | ", flush=True)
    print("a score's interval covers: true .05 | .6 | .9, one seed then two")
    for size in SCORES:
        covered = [
            f"{score_coverage(size, score, seeds, 5 * told.studies):.3f}"
            for seeds in (1, 2)
            for score in (0.05, 0.6, 0.9)
        ]
        print(f"{size[0] * size[1]}/{size[0]}", *covered, sep=" | ", flush=True)


if __name__ == "__main__":
    main()

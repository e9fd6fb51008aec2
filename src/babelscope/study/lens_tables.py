"""The lens table of a study: what base and variants held, and their differences, by subset.

`all` questions have every measure and map; subsets, which multiply the rows, only the mass by the
first map, and only those subsets that hold a prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from babelscope.data.normal_forms import nfc
from babelscope.measure.causes import CAUSES
from babelscope.measure.lens import LensRow, lens_differences, lens_rows, seed_ratios, subset_masks
from babelscope.records import Example
from babelscope.study.cells import Variant
from babelscope.study.lens_shards import HALF, MASS, Array
from babelscope.study.lensing import read_cell
from babelscope.study.materials import CONTEST, QA, Materials, parallel_golds
from babelscope.study.plan import StudyPlan
from babelscope.study.schedule import lens_questions
from babelscope.study.scores import CellScores
from babelscope.study.tables import POOLED, Schema, base_of

LENS: Schema = {
    **dict.fromkeys(("recipe", "source"), pl.String),
    "step": pl.Int64,
    **dict.fromkeys(("target", "subset", "position", "map", "measure"), pl.String),
    "depth": pl.Int64,
    **dict.fromkeys(("language", "kind"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    "n": pl.Int64,
    "p_value": pl.Float64,
    "p_adapters": pl.Float64,
}
SIGNALS = ("entropy_bits", "next_probability", "next_reciprocal_rank")
EQUAL_GOLDS = "equal_golds"

Key = tuple[Variant, str, str]
Cells = Mapping[Key, CellScores]
Row = dict[str, object]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Grid:
    """Values (seeds, prompts, positions, depths, columns) of one measure, and what they are of.

    `first_depth` is the depth of the first row: the steps of a block belong to its output.
    """

    measure: str
    map: str
    positions: tuple[str, ...]
    columns: tuple[str, ...]
    values: Array
    first_depth: int = 0


def lens_table(
    plan: StudyPlan,
    materials: Materials,
    maps: Mapping[str, Sequence[str]],
    cells: Cells,
    seen: Mapping[Key, Path],
    bases: Mapping[str, str],
) -> pl.DataFrame:
    """Return what the lens saw of base and variants, and their differences; seeds are pooled.

    `maps` has the columns of each map, `seen` the slots of the lens by variant, task and target.
    Contests are subsets of their own, "contest:CODE"; the base's own rows are of all prompts.
    Beside the difference to the base ("difference") stands that to the mean of the other sources of
    the same recipe and step ("own"): what is the source's own.
    """
    rows: list[Row] = []
    table = _Lens(plan, materials, maps, seen, bases)
    for run, members in table.runs.items():
        bare, task, target = run
        questions = table.questions(run)
        contexts = [e.context_id for e in questions]
        after = table.grids(run)
        subset = "all" if task == QA else f"{CONTEST}{task.removeprefix(CONTEST)}"
        head = {"recipe": bare.recipe, "source": bare.source, "step": bare.step, "target": target}
        if bare.is_base:
            golds = parallel_golds(materials, task, target)
            rows += [{**head, "subset": subset, **r} for r in _values(after, contexts)]
            equal = _equal_golds([golds[e.id] for e in questions], target)
            rows += [{**head, "subset": subset, **r} for r in equal]
            continue
        base = base_of(bare, bases)
        before, ratios = table.grids((base, task, target)), table.other_ratios(run)
        changed = [*_values(after, contexts), *_differences(before, after, contexts, ratios)]
        changed += _own_differences(table.others(run), after, contexts, ratios)
        rows += [{**head, "subset": subset, **r} for r in changed]
        if task == QA and (base, task, target) in cells:
            scored = [cells[v, task, target] for v in members]
            ids = [e.id for e in questions]
            for name, flags in _subsets(cells[base, task, target], scored, ids):
                inner = (*_values(after[:1], contexts, flags),)
                inner += (*_differences(before[:1], after[:1], contexts, ratios, flags),)
                rows += [{**head, "subset": name, **r} for r in inner]
    return pl.DataFrame(rows, schema=LENS)


Ratios = Mapping[tuple[str, str], Sequence[Sequence[float]]]
"""By measure and map, then position: how much seeds differ in other runs; see `seed_ratios`."""


class _Lens:
    """The readings of a study's runs, a run being all seeds of a variant, task and target."""

    def __init__(
        self,
        plan: StudyPlan,
        materials: Materials,
        maps: Mapping[str, Sequence[str]],
        seen: Mapping[Key, Path],
        bases: Mapping[str, str],
    ) -> None:
        self.plan, self.materials, self.maps, self.seen = plan, materials, maps, seen
        self.runs = _runs(seen)
        self.ratios = {run: self._ratios(run, bases) for run in self.runs if not run[0].is_base}

    def questions(self, run: Key) -> tuple[Example, ...]:
        """Return the questions that the lens read."""
        _, task, target = run
        return lens_questions(self.plan, self.materials.tests[task, target]).examples

    def grids(self, run: Key) -> list[Grid]:
        """Return all that the seeds of a run hold."""
        _, task, target = run
        golds = parallel_golds(self.materials, task, target)
        codes = tuple(sorted({code for found in golds.values() for code in found}))
        parts = [read_cell(self.seen[variant, task, target]) for variant in self.runs[run]]
        return _grids(self.plan, self.maps, codes, parts)

    def others(self, run: Key) -> list[list[Grid]]:
        """Return the grids of the other sources of the same recipe, step, task and target."""
        return [self.grids(other) for other in self.runs if _is_rival(run, other)]

    def other_ratios(self, run: Key) -> Ratios:
        """Return how much seeds differ in the other runs of the recipe and step."""
        bare, task, target = run
        others = [
            found
            for (b, t, g), found in self.ratios.items()
            if (b.recipe, b.step, t == QA) == (bare.recipe, bare.step, task == QA)
            and (b.source, t, g) != (bare.source, task, target)
        ]
        names = self.ratios[run]
        return {
            name: list(zip(*(found[name] for found in others if name in found), strict=True))
            or [()] * len(names[name])
            for name in names
        }

    def _ratios(self, run: Key, bases: Mapping[str, str]) -> dict[tuple[str, str], list[float]]:
        if len(self.runs[run]) < 2:
            return {}
        bare, task, target = run
        contexts = [e.context_id for e in self.questions(run)]
        before = self.grids((base_of(bare, bases), task, target))
        return {
            (g.measure, g.map): seed_ratios(b.values, g.values, contexts, g.positions, g.columns)
            for b, g in zip(before, self.grids(run), strict=True)
        }


def _is_rival(run: Key, other: Key) -> bool:
    (one, task, target), (two, its_task, its_target) = run, other
    alike = (one.recipe, one.step, task, target) == (two.recipe, two.step, its_task, its_target)
    return alike and not two.is_base and one.source != two.source


def _runs(seen: Mapping[Key, Path]) -> dict[Key, list[Variant]]:
    """Return the variants that differ by their seed alone, in the order of work."""
    grouped: dict[Key, list[Variant]] = {}
    for variant, task, target in seen:
        bare = Variant(variant.recipe, variant.source, POOLED, variant.step)
        grouped.setdefault((bare, task, target), []).append(variant)
    return grouped


def _grids(
    plan: StudyPlan,
    maps: Mapping[str, Sequence[str]],
    codes: tuple[str, ...],
    parts: Sequence[Mapping[str, Array]],
) -> list[Grid]:
    """Return all that cells of different seeds hold; the mass by the first map comes first."""
    arrays = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    positions = plan.lens.positions
    grids = [
        Grid("mass", name, positions, tuple(columns), arrays[f"{MASS}{name}"])
        for name, columns in maps.items()
    ]
    grids += [Grid(s, "", positions, ("",), arrays[s][..., np.newaxis]) for s in SIGNALS]
    contrasts = arrays["contrasts"][:, :, np.newaxis]
    for place, measure in enumerate(("gold_in", "own_gold")):
        if len(codes) > 1:
            grids.append(Grid(measure, "", ("last",), codes, contrasts[..., place]))
    if plan.lens.half_depths:
        for name, columns in maps.items():
            steps = _steps(arrays[f"{MASS}{name}"], arrays.get(f"{HALF}{name}"))
            grids += [
                Grid(step, name, positions, tuple(columns), values, 1)
                for step, values in steps.items()
            ]
    return grids


def _steps(mass: Array, half: Array | None) -> dict[str, Array]:
    """Return the change of mass in each block's steps; the joint step of parallel blocks."""
    if half is None:
        return {"joint": mass[..., 1:, :] - mass[..., :-1, :]}
    return {
        "attention": half - mass[..., :-1, :],
        "feed_forward": mass[..., 1:, :] - half,
    }


def _subsets(
    base: CellScores, scored: Sequence[CellScores], ids: Sequence[str]
) -> Iterator[tuple[str, Flags]]:
    """Yield the subsets (seeds, prompts) by match and by cause that hold a prompt, but "all"."""
    asked = {identity: place for place, identity in enumerate(base.ids)}
    places = [asked[identity] for identity in ids]  # the lens looks at some of those asked
    right = np.stack([cell.values["mlqa_em"][places] > 0 for cell in scored])
    masks = subset_masks(base.values["mlqa_em"][places] > 0, right)
    del masks["all"]
    for cause in CAUSES:
        before = base.values[f"cause_{cause}"][places] > 0
        masks[f"base_cause:{cause}"] = np.broadcast_to(before, right.shape)
        after = [cell.values[f"cause_{cause}"][places] > 0 for cell in scored]
        masks[f"cause:{cause}"] = np.stack(after)
    yield from ((name, flags) for name, flags in masks.items() if flags.any())


def _values(
    grids: Sequence[Grid], contexts: Sequence[str], subset: Flags | None = None
) -> Iterator[Row]:
    for g in grids:
        found = lens_rows(g.values, contexts, g.positions, g.columns, subset=subset)
        yield from (_row(g, "value", row) for row in found)


def _differences(
    before: Sequence[Grid],
    after: Sequence[Grid],
    contexts: Sequence[str],
    ratios: Ratios,
    subset: Flags | None = None,
    kind: str = "difference",
) -> Iterator[Row]:
    for b, g in zip(before, after, strict=True):
        found = lens_differences(
            *(b.values, g.values, contexts, g.positions, g.columns),
            subset=subset,
            ratios=ratios.get((g.measure, g.map), ()),
        )
        yield from (_row(g, kind, row) for row in found)


def _own_differences(
    others: Sequence[Sequence[Grid]],
    after: Sequence[Grid],
    contexts: Sequence[str],
    ratios: Ratios,
) -> Iterator[Row]:
    """Yield how the masses differ from the mean of the other sources, seed beside seed."""
    masses = [place for place, grid in enumerate(after) if grid.measure == "mass"]
    seeds = min((len(grids[0].values) for grids in (after, *others)), default=0)
    if not others:
        return
    for place in masses:
        own = replace(after[place], values=after[place].values[:seeds])
        mean = np.mean([grids[place].values[:seeds] for grids in others], axis=0)
        yield from _differences([replace(own, values=mean)], [own], contexts, ratios, kind="own")


def _row(grid: Grid, kind: str, row: LensRow) -> Row:
    return {
        "position": row.position,
        "map": grid.map,
        "measure": grid.measure,
        "depth": row.depth + grid.first_depth,
        "language": row.language,
        "kind": kind,
        "value": row.value,
        "low": row.low,
        "high": row.high,
        "n": row.n,
        "p_value": row.p_value,
        "p_adapters": row.p_adapters,
    }


def _equal_golds(golds: Sequence[Mapping[str, str]], own: str) -> Iterator[Row]:
    """Yield, by language, how many of the prompts that have its gold have an equal own one.

    Counts have no interval: their low and high are the count itself.
    """
    for code in sorted({c for found in golds for c in found if c != own}):
        pairs = [(found[code], found[own]) for found in golds if code in found and own in found]
        equal = float(sum(nfc(a.strip()) == nfc(b.strip()) for a, b in pairs))
        counted = LensRow("last", 0, code, equal, equal, equal, len(pairs))
        yield _row(Grid(EQUAL_GOLDS, "", (), (), np.empty(0, np.float32)), "value", counted)

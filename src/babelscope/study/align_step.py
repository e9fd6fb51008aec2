"""Alignment of translations: hidden states once, then every measure at every depth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from babelscope.data.bitext import Bitext, read_bitext, without
from babelscope.identity import digest
from babelscope.infer.hidden import HiddenText
from babelscope.measure.distribution import Gain
from babelscope.models.trunks import Trunk, norm_gain
from babelscope.portable import portable_path
from babelscope.study.align_plan import AlignPlan
from babelscope.study.align_tables import Depths, States, alignment_tables, map_sample
from babelscope.study.cells import Progress
from babelscope.study.hidden_step import keep_states
from babelscope.study.inside import Made, check_depths, planned_trunk, trunk_facts, write_made
from babelscope.study.plan_records import ModelPlan

VERSION = "2"
"""Raised whenever the same states may give other rows than before."""
LONGEST_TEXT = 120


def align_step(
    plan: AlignPlan,
    model: ModelPlan,
    out: Path,
    store: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, object]:
    """Write the table of alignment, and its settings as JSON beside it.

    Hidden states are kept in `store`; without one they are removed when the table is written. An
    interrupted call is continued by the next one.
    """
    made = write_made(out, store, lambda work: make_align(plan, model, (), work, progress))
    frame, settings = made.frame, made.settings
    told = {"out": str(out), "rows": frame.height, "depths": settings["depths"]}
    return told | {"sets": [_told(s) for s in _sets(settings)]}


def run_align(
    plan: AlignPlan,
    model: ModelPlan,
    targets: Sequence[str],
    store: Path,
    progress: Progress | None = None,
) -> tuple[pl.DataFrame, dict[str, object]]:
    """Return the table of alignment and what it was made from; arguments as `make_align`."""
    made = make_align(plan, model, targets, store, progress)
    return made.frame, made.settings


def make_align(
    plan: AlignPlan,
    model: ModelPlan,
    targets: Sequence[str],
    store: Path,
    progress: Progress | None = None,
) -> Made:
    """Return the table of alignment, what it was made from, and the values of single items.

    Without languages in the plan, `targets` are aligned. `store` keeps the hidden states.

    Raises:
        DataError, SettingError: as `read_bitext`, or a depth is not the model's.
        ModelError: the model cannot be loaded.
    """
    bitexts = read_bitext(
        plan.data, plan.languages or targets, plan.unit, carrier=plan.carrier, limit=plan.limit
    )
    trunk = planned_trunk(model)
    depths = _depths(trunk, plan)
    made, sets = [], []
    for bitext in bitexts:
        read, states, cut = _read(trunk, bitext, plan, store, progress)
        made.append(
            alignment_tables(
                read, states, depths=depths, seed=plan.seed, maps=plan.maps, progress=progress
            )
        )
        sets.append(_set(read, plan) | {"truncated": cut})
    settings: dict[str, object] = {
        "version": VERSION,
        **trunk_facts(trunk),
        "data": portable_path(plan.data),
        "unit": plan.unit,
        "carrier": plan.carrier,
        "pooling": plan.pooling,
        "seed": plan.seed,
        "distribution": list(depths.told),
        "sets": sets,
    }
    frame, items = (pl.concat(frames) for frames in zip(*made, strict=True))
    return Made(frame, settings, items)


def _depths(trunk: Trunk, plan: AlignPlan) -> Depths:
    """Return what is special at some depths of a model.

    Raises:
        SettingError: a depth is asked for that the model has not.
    """
    last, norm = trunk.depth, trunk.norm_depth
    told = plan.distribution
    if told is None:
        usual = (0, last // 2, last - 1, last, *(() if norm is None else (norm,)))
        told = tuple(dict.fromkeys(depth for depth in usual if depth >= 0))
    told = tuple(sorted(set(told or range(trunk.depths))))
    check_depths("distribution", told, trunk)
    found = norm_gain(trunk)
    return Depths(norm, Gain(*(x.numpy() for x in found)) if found else None, told)


def _read(
    trunk: Trunk, bitext: Bitext, plan: AlignPlan, store: Path, progress: Progress | None
) -> tuple[Bitext, dict[str, States], dict[str, int]]:
    """Return the texts that have a state in every language, those states, and cut texts."""
    kept = {}
    for code, texts in bitext.texts.items():
        spans = bitext.spans.get(code) or (None,) * len(texts)
        asked = [
            HiddenText(i, text, span)
            for i, text, span in zip(bitext.ids, texts, spans, strict=True)
        ]
        found = keep_states(
            trunk,
            asked,
            (plan.pooling,),
            store,
            batch_tokens=plan.batch_tokens,
            progress=progress,
        )
        kept[code] = found[plan.pooling]
    absent = sorted({place for found in kept.values() for place in found.missing})
    rest = np.setdiff1d(np.arange(len(bitext.ids)), absent)
    states = {code: States(found.states, rest) for code, found in kept.items()}
    cut = {f"cut in {code}": len(found.truncated) for code, found in kept.items()}
    return (
        without(bitext, absent, "without a token to pool"),
        states,
        {reason: n for reason, n in cut.items() if n},
    )


def _set(bitext: Bitext, plan: AlignPlan) -> dict[str, object]:
    """Return what is told of a set of texts; the texts of maps, cut, are for the pointer."""
    codes, items = map_sample(bitext, plan.seed)
    shown = {bitext.ids[i]: bitext.texts[codes[0]][i][:LONGEST_TEXT] for i in items if plan.maps}
    return {
        "name": bitext.name,
        "languages": list(bitext.texts),
        "items": len(bitext.ids),
        "contexts": len(set(bitext.contexts)),
        "digest": digest([bitext.ids, bitext.texts, bitext.spans]),
        "dropped": dict(bitext.dropped),
        "noted": dict(bitext.noted),
        "map_items": shown,
    }


def _sets(settings: dict[str, object]) -> list[dict[str, object]]:
    sets = settings["sets"]
    return sets if isinstance(sets, list) else []


def _told(found: dict[str, object]) -> dict[str, object]:
    return {
        key: found[key] for key in ("name", "languages", "items", "dropped", "noted", "truncated")
    }

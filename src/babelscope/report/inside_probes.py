"""Probes in two studies: the tasks that both asked, by depth, over the targets that both have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from babelscope.measure.inference import estimate as mean_estimate
from babelscope.report.depths import norm_of
from babelscope.report.inside_alignment import Left
from babelscope.report.inside_items import Items, Shared, items_of, mean_values, shared_items
from babelscope.report.inside_lines import Line, Match, Values, together
from babelscope.report.names import count_text, language_name
from babelscope.report.probing import TASKS
from babelscope.report.tables import Part, estimate

TASK_KEYS = ("task", "probe", "pooling", "source")
KEYS = ("measure", "depth", "target")
SHOWN = {"accuracy": "accuracy", "selectivity": "selectivity: accuracy − control"}
ALL = "all"


def probe_matches(
    a: Part, b: Part, items: tuple[pl.DataFrame | None, pl.DataFrame | None]
) -> tuple[list[Match], Left]:
    """Return accuracy and selectivity of every task that both studies asked, and what is left."""
    left: Left = []
    versions = a.settings.get("version"), b.settings.get("version")
    if versions[0] != versions[1]:
        why = f"other version of the measures: {versions[0]} and {versions[1]}"
        return [], [("both", "probes", why)]
    first, second = (
        {tuple(told[key] for key in TASK_KEYS): told for told in part.settings["tasks"]}
        for part in (a, b)
    )
    left += [("A", f"probe: {', '.join(key)}", "not in B") for key in first if key not in second]
    left += [("B", f"probe: {', '.join(key)}", "not in A") for key in second if key not in first]
    found: list[Match] = []
    for key, told in first.items():
        if key in second:
            found += _task((a, b), (told, second[key]), key, items, left)
    return found, left


def _task(
    parts: tuple[Part, Part],
    told: tuple[dict[str, Any], dict[str, Any]],
    key: tuple[str, ...],
    items: tuple[pl.DataFrame | None, pl.DataFrame | None],
    left: Left,
) -> list[Match]:
    name = f"{TASKS[key[0]].capitalize()}, {key[1]} on {key[2]}, trained in {_named(key[3])}"
    classes = [list(mine["classes"]) for mine in told]
    if classes[0] != classes[1]:
        why = f"other labels: {len(classes[0])} and {len(classes[1])}"
        left.append(("both", f"probe: {name}", why))
        return []
    targets = [[test["language"] for test in mine["tests"]] for mine in told]
    codes = [code for code in targets[0] if code in targets[1] and code != ALL]
    for letter, mine, theirs in (("A", targets[0], targets[1]), ("B", targets[1], targets[0])):
        gone = [language_name(code) for code in mine if code not in theirs]
        if gone:
            left.append((letter, f"probe: {name}: {', '.join(gone)}", "tested only here"))
    if not codes:
        left.append(("both", f"probe: {name}", "no target in common"))
        return []
    match = [pl.col(column) == value for column, value in zip(TASK_KEYS, key, strict=True)]
    frames = [part.frame.filter(*match) for part in parts]
    kept = [items_of(None if f is None else f.filter(*match), KEYS, "target") for f in items]
    shared = {code: shared_items(kept[0], kept[1], [code]) for code in codes}
    for code, found in shared.items():
        for letter, count in zip("AB", found.left, strict=True):
            if count:
                what = f"probe: {name}: {count_text(count, 'item')} in {language_name(code)}"
                left.append((letter, what, "not in the other study, or another text or label"))
    trained = [mine["train"].get("digest") for mine in told]
    note = "" if trained[0] == trained[1] else "; trained on other texts"
    return [
        _match(measure, f"{name}{note}", codes, (frames, parts), (kept, shared))
        for measure in SHOWN
    ]


def _named(source: str) -> str:
    return "all languages" if source == ALL else language_name(source)


def _match(
    measure: str,
    name: str,
    codes: Sequence[str],
    data: tuple[Sequence[pl.DataFrame], tuple[Part, Part]],
    known: tuple[Sequence[Items | None], dict[str, Shared]],
) -> Match:
    (frames, parts), (kept, shared) = data, known
    whole = all(found.contexts for found in shared.values())
    contexts = _contexts(codes, shared) if whole else ()
    lines = [
        _line(measure, codes, frame, part, _Worth(items, shared, side, contexts))
        for side, (frame, part, items) in enumerate(zip(frames, parts, kept, strict=True))
    ]
    paired = all(line.items for line in lines)
    reason = next((f.why for f in shared.values() if not f.contexts), "unpaired")
    return Match(
        title=f"{name}: {SHOWN[measure]}",
        over=f"mean over {count_text(len(codes), 'target')}",
        scale=100.0,
        first=lines[0],
        second=lines[1],
        pairing=f"paired over {len(contexts):,} shared items" if paired else reason,
        contexts=contexts if paired else (),
        control="control" if measure == "accuracy" else "",
    )


def _contexts(codes: Sequence[str], shared: dict[str, Shared]) -> tuple[str, ...]:
    """Return the contexts of the items of all targets, translations together."""
    return tuple(context for code in codes for context in shared[code].contexts)


@dataclass(frozen=True, eq=False)
class _Worth:
    """What each shared item of all targets is worth, weighted so that targets count alike."""

    items: Items | None
    shared: dict[str, Shared]
    side: int
    contexts: Sequence[str]

    def at(self, measure: str, depth: int, codes: Sequence[str]) -> Values | None:
        """Return (items,) values whose mean is the mean over targets; None if one is absent."""
        if self.items is None or not self.contexts:
            return None
        found = []
        for code in codes:
            mine = self.shared[code]
            places = mine.second if self.side else mine.first
            own = [
                mean_values(self.items, [(m, depth, code)], places)
                for m in ("accuracy", "control_accuracy")
            ]
            if own[0] is None or own[1] is None:
                return None
            values = own[0] if measure == "accuracy" else own[0] - own[1]
            found.append(values * len(self.contexts) / len(codes) / len(values))
        return np.concatenate(found)


def _line(
    measure: str, codes: Sequence[str], frame: pl.DataFrame, part: Part, worth: _Worth
) -> Line:
    used = frame.filter(pl.col("measure") == "selectivity").select("target", "control").unique()
    rows = {
        (r["measure"], r["target"], r["depth"]): estimate(r)
        for r in frame.filter(pl.col("depth").is_not_null())
        .filter(pl.col("measure").is_in(["accuracy", "selectivity"]))
        .to_dicts()
    }
    controls = frame.filter(pl.col("measure") == "control_accuracy")
    rows |= {
        ("control_accuracy", r["target"], r["depth"]): estimate(r)
        for r in controls.join(used, on=("target", "control"), how="semi").to_dicts()
    }
    depths = sorted({depth for name, _, depth in rows if name == measure})
    items = {d: v for d in depths if (v := worth.at(measure, d, codes)) is not None}
    items = items if len(items) == len(depths) else {}
    found = {
        depth: mean_estimate(items[depth][None], worth.contexts)
        if depth in items
        else together([rows[measure, c, depth] for c in codes if (measure, c, depth) in rows])
        for depth in depths
    }
    key = "control_accuracy"
    control = {
        depth: together([rows[key, c, depth] for c in codes if (key, c, depth) in rows]).value
        for depth in depths
        if measure == "accuracy"
    }
    blocks = int(part.settings["depths"]) - 1
    return Line(blocks, norm_of(part.settings), found, control, items)

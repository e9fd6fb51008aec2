"""What the lens saw, packed for the page's controls: every reading by depth, and its change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from babelscope.report.claims import NEGLIGIBLE, NEGLIGIBLE_BITS, is_told
from babelscope.report.lens_claims import CHANGES, OWN, about_tuning, tested
from babelscope.report.names import POSITIONS, language_name, named, owner_key, variant_name
from babelscope.report.tables import Tables, Variant, base_of, differences, main_map

NUMBERS = 500_000
"""The most numbers that the page carries of the lens; about 2 MB of text."""
UNIT, P_UNIT = 0.001, 0.0001
LANGUAGES_KEPT = 10
DRAWN = {
    "mass": "language mass",
    "attention": "change of mass by attention",
    "feed_forward": "change of mass by feed-forward",
    "joint": "change of mass by the joint step",
    "entropy_bits": "entropy",
    "next_probability": "probability of the next token",
    "gold": "gold in other languages against own gold",
}
GOLD = ("gold_in", "own_gold")
STEPS = ("attention", "feed_forward", "joint")
KEYS = ("target", "recipe", "source", "step", "position", "subset", "measure", "map", "kind")


@dataclass(frozen=True)
class LensView:
    """The data of the lens panel, and what was left out of the page for its size."""

    data: dict[str, Any]
    left_out: str


def lens_view(tables: Tables) -> LensView | None:
    """Pack the lens by target, variant, step, place and reading; None without rows.

    Probabilities are x 100, entropies in bits, in whole numbers of `UNIT`; missing ones are null.
    """
    wanted = pl.col("measure").is_in([m for m in DRAWN if m != "gold"] + list(GOLD))
    frame = tested(tables.lens).filter(wanted & pl.col("value").is_finite())
    if frame.is_empty():
        return None
    frame, left_out = _within_size(tables, frame)
    owners = sorted(set(frame.select("recipe", "source").rows()))
    places = {source["name"]: i for i, source in enumerate(tables.plan["sources"])}
    owners.sort(key=lambda o: (o[0], places.get(o[1], len(places))))
    tuned = [o for o in owners if o[1]]
    bases = {owner_key(*o): owner_key(base_of(tables, Variant(*o)).recipe, "") for o in tuned}
    targets = [t for t in tables.plan["targets"] if t in set(frame["target"])]
    codes = sorted({code for code in frame["language"] if code})
    data = {
        **_choices(tables, frame),
        "variants": [[owner_key(*o), named(variant_name(tables, Variant(*o)))] for o in tuned],
        "steps": {owner_key(*o): _saved(frame, *o) for o in tuned},
        "tuning": about_tuning(frame),
        "own": bool((frame["kind"] == OWN).any()),
        "negligible": {"%": 100 * NEGLIGIBLE, "bits": NEGLIGIBLE_BITS},
        "intervals": bool(frame["low"].is_finite().any()),
        "targets": [[t, language_name(t)] for t in targets],
        "languages": {code: language_name(code) for code in codes},
        "source_languages": {owner_key(*o): _language(tables, o[1]) for o in tuned},
        "bases": bases | {"": next((owner_key(*o) for o in owners if not o[1]), "base")},
        "equal": _equal_golds(tables),
        **_cells(frame),
        "start": _start(tables, targets, tuned),
    }
    return LensView(data, left_out)


def _saved(frame: pl.DataFrame, recipe: str, source: str) -> list[int]:
    own = frame.filter((pl.col("recipe") == recipe) & (pl.col("source") == source))
    return sorted(set(own["step"].to_list()), reverse=True)


def _language(tables: Tables, source: str) -> str:
    return next((s["language"] for s in tables.plan["sources"] if s["name"] == source), "")


def _choices(tables: Tables, frame: pl.DataFrame) -> dict[str, list[list[str]]]:
    """Return what the selects offer: readings, maps (the first for conclusions), places."""
    measures = set(frame["measure"].replace(dict.fromkeys(GOLD, "gold")))
    main = main_map(tables)
    maps = sorted({m for m in frame["map"] if m}, key=lambda m: (m != main, m))
    positions = sorted(set(frame["position"]), key=lambda p: (p != "last", p))
    subsets = sorted(set(frame["subset"]), key=lambda s: (s != "all", s))
    return {
        "drawn": [[m, name] for m, name in DRAWN.items() if m in measures],
        "maps": [[m, m] for m in maps],
        "positions": [[p, POSITIONS.get(p, p)] for p in positions],
        "subsets": [[s, _subset_name(s)] for s in subsets],
    }


def _subset_name(subset: str) -> str:
    kind, _, rest = subset.partition(":")
    if kind == "contest":
        return f"contest with {language_name(rest)}"
    words = {"cause": "answers of cause", "base_cause": "base’s answers of cause"}
    name = f"{words[kind]} {rest}" if kind in words else f"{subset} questions"
    return name.replace("_", " ")


def _start(tables: Tables, targets: list[str], owners: list[tuple[Any, ...]]) -> list[str]:
    """Return the target and variant shown first: the largest decided change, else the first."""
    rows = differences(tables, tables.plan["main_measure"])
    sure = sorted((-abs(r["difference"]), k) for k, r in rows.items() if is_told(r))
    for _, (recipe, source, target) in sure:
        if (recipe, source) in owners and target in targets:
            return [target, owner_key(recipe, source)]
    return [targets[0] if targets else "", owner_key(*owners[0]) if owners else ""]


def _equal_golds(tables: Tables) -> dict[str, str]:
    """Return by target which pairs of golds were left out of the contrast for being equal."""
    frame = tables.lens.filter((pl.col("measure") == "equal_golds") & (pl.col("value") > 0))
    found: dict[str, list[str]] = {}
    kept = frame.unique(["target", "language"], keep="first").sort("target", "language")
    for row in kept.to_dicts():
        count = f"{language_name(row['language'])} {row['value']:.0f} of {row['n']}"
        found.setdefault(row["target"], []).append(count)
    return {target: ", ".join(counts) for target, counts in found.items()}


def _within_size(tables: Tables, frame: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Leave out subsets, steps, positions, then small languages, until the page can carry it."""
    last = pl.col("step") == pl.col("step").max().over("recipe", "source")
    half = pl.col("measure").is_in(STEPS) & (pl.col("map") != main_map(tables))
    cuts = (
        (pl.col("subset") == "all", "subsets other than all questions"),
        (last, "saved steps before the last"),
        (~half, "what the blocks add by other maps than the first"),
        (pl.col("position") == "last", "positions other than the last prompt token"),
    )
    left_out = []
    for kept, name in cuts:
        smaller = frame.filter(kept)
        if 4 * frame.height > NUMBERS and 0 < smaller.height < frame.height:
            frame = smaller
            left_out.append(name)
    if 4 * frame.height > NUMBERS:
        sized = frame.filter(pl.col("measure") == "mass")
        order = sized.group_by("language").agg(pl.col("value").abs().max())
        largest = order.sort("value", "language", descending=[True, False]).head(LANGUAGES_KEPT)
        frame = frame.filter(pl.col("language").is_in([*largest["language"], ""]))
        left_out.append(f"all but the {LANGUAGES_KEPT} languages with the largest values")
    return frame, ", ".join(left_out)


def _cells(frame: pl.DataFrame) -> dict[str, Any]:
    """Return `depths`, and `cells`: "target|owner|step|position|..." -> kind -> language -> series.

    A series is [place in `depths`, values, value - low, high - value, p], whole numbers in units
    of `UNIT` (p of `P_UNIT`); a list of which nothing is known is empty. Whole numbers and short
    distances make half the text that decimals would.
    """
    scale = pl.when(pl.col("measure") == "entropy_bits").then(1).otherwise(100) / UNIT
    whole = [
        pl.when(pl.col(c).is_finite()).then((pl.col(c) * scale).round().cast(pl.Int64)).alias(c)
        for c in ("value", "low", "high")
    ]
    p = pl.when(pl.col("p").is_finite()).then(pl.col("p") / P_UNIT)
    packed = (
        frame.sort(*KEYS, "language", "depth")
        .with_columns(*whole, p.round().cast(pl.Int64).alias("p"))
        .with_columns(low=pl.col("value") - pl.col("low"), high=pl.col("high") - pl.col("value"))
        .group_by(*KEYS, "language", maintain_order=True)
        .agg("depth", "value", "low", "high", "p")
    )
    cells: dict[str, Any] = {}
    depths: dict[tuple[int, ...], int] = {}
    for row in packed.iter_rows(named=True):
        owner = owner_key(row["recipe"], row["source"])
        # a base has no steps of its own
        step = row["step"] if row["source"] else 0
        place = (row["position"], row["subset"], row["measure"], row["map"])
        key = "|".join((row["target"], owner, str(step), *place))
        where = depths.setdefault(tuple(row["depth"]), len(depths))
        series = [where, *(_known(row[name]) for name in ("value", "low", "high"))]
        if row["kind"] in CHANGES:
            series.append(_known(row["p"]))
        cells.setdefault(key, {}).setdefault(row["kind"], {})[row["language"]] = series
    return {"cells": cells, "depths": [list(d) for d in depths]}


def _known(numbers: list[int | None]) -> list[int | None]:
    return numbers if any(n is not None for n in numbers) else []

"""The lens in two studies: language mass of both base models by relative depth."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from babelscope.measure.inference import estimate as mean_estimate
from babelscope.report.inside_alignment import Left
from babelscope.report.inside_items import Items, Shared, items_of, mean_values, shared_items
from babelscope.report.inside_lines import Line, Match
from babelscope.report.names import (
    LENS_ROWS,
    POSITIONS,
    count_text,
    is_number,
    language_name,
    same_language,
)
from babelscope.report.tables import BASE, Tables, estimate, main_map

KEYS = ("position", "map", "depth", "language", "target")
UNKEPT = "unpaired: values of single prompts are kept by the first map alone"
SMALL = 0.01
"""A language below a hundredth of the mass at every depth of both models is left out."""


def lens_matches(
    a: Tables, b: Tables, items: tuple[pl.DataFrame | None, pl.DataFrame | None]
) -> tuple[list[Match], Left]:
    """Return the mass of each language in each target, place and map that both studies have."""
    left: Left = []
    frames = [_masses(tables) for tables in (a, b)]
    tuned = [tables.lens.filter(pl.col("source") != "") for tables in (a, b)]
    for letter, frame in zip("AB", tuned, strict=True):
        count = frame.select("recipe", "source").unique().height
        if count:
            left.append((letter, f"lens: {count_text(count, 'tuned model')}", "bases are compared"))
    places = [set(frame.select("target", "position", "map").rows()) for frame in frames]
    for letter, mine, theirs in (("A", places[0], places[1]), ("B", places[1], places[0])):
        gone = {place[0] for place in mine} - {place[0] for place in theirs}
        other = {place[1:3] for place in mine} - {place[1:3] for place in theirs}
        left += [(letter, f"lens: {language_name(code)}", "only here") for code in sorted(gone)]
        left += [
            (letter, f"lens: {POSITIONS.get(position, position)}, map {name}", "only here")
            for position, name in sorted(other)
        ]
    found: list[Match] = []
    kept = [items_of(frame, KEYS, "target") for frame in items]
    for place in sorted(places[0] & places[1], key=lambda p: _rank(a, p)):
        shared = shared_items(kept[0], kept[1], [place[0]])
        found += _place(place, frames, (kept, shared), left)
    return found, left


def _rank(tables: Tables, place: tuple[str, str, str]) -> tuple[object, ...]:
    """Order places: targets as the study has them, the last token and the first map first."""
    target, position, name = place
    order = list(tables.plan["targets"])
    where = order.index(target) if target in order else len(order)
    return where, position != "last", position, name != main_map(tables), name


def _masses(tables: Tables) -> pl.DataFrame:
    return tables.lens.filter(
        (pl.col("recipe") == BASE.recipe)
        & (pl.col("source") == "")
        & (pl.col("measure") == "mass")
        & (pl.col("kind") == "value")
        & (pl.col("subset") == "all")
        & pl.col("value").is_finite()
    )


def _place(
    place: tuple[str, str, str],
    frames: Sequence[pl.DataFrame],
    known: tuple[Sequence[Items | None], Shared],
    left: Left,
) -> list[Match]:
    target, position, name = place
    here = [
        frame.filter(
            (pl.col("target") == target)
            & (pl.col("position") == position)
            & (pl.col("map") == name)
        )
        for frame in frames
    ]
    masses = [dict(f.group_by("language").agg(pl.col("value").max()).rows()) for f in here]
    what = f"lens in {language_name(target)}, {POSITIONS.get(position, position)}, map {name}"
    for letter, mine, theirs in (("A", masses[0], masses[1]), ("B", masses[1], masses[0])):
        gone = sorted(set(mine) - set(theirs))
        if gone:
            names = ", ".join(language_name(code) for code in gone)
            left.append((letter, f"{what}: {names}", "only here; masses share what they held"))
    codes = [code for code in masses[0] if code in masses[1] and code not in LENS_ROWS]
    large = [c for c in codes if max(m[c] for m in masses) >= SMALL or same_language(c, target)]
    if len(large) < len(codes):
        few = count_text(len(codes) - len(large), "language")
        left.append(("both", f"{what}: {few}", "below 1 % at every depth of both"))
    large.sort(key=lambda c: (not same_language(c, target), -max(m[c] for m in masses), c))
    return [_match(place, code, here, known) for code in large]


def _match(
    place: tuple[str, str, str],
    code: str,
    frames: Sequence[pl.DataFrame],
    known: tuple[Sequence[Items | None], Shared],
) -> Match:
    target, position, name = place
    kept, shared = known
    lines = [
        _line(place, code, frame, items, (places, shared.contexts))
        for frame, items, places in zip(frames, kept, (shared.first, shared.second), strict=True)
    ]
    paired = all(line.items for line in lines)
    where = POSITIONS.get(position, position)
    return Match(
        title=f"Asked in {language_name(target)}: mass of {language_name(code)}",
        over=f"{where}, map {name}",
        scale=100.0,
        first=lines[0],
        second=lines[1],
        pairing=shared.why if paired or not shared.contexts else UNKEPT,
        contexts=shared.contexts if paired else (),
    )


def _line(
    place: tuple[str, str, str],
    code: str,
    frame: pl.DataFrame,
    items: Items | None,
    known: tuple[Sequence[int], Sequence[str]],
) -> Line:
    target, position, name = place
    places, contexts = known
    rows = {r["depth"]: estimate(r) for r in frame.filter(pl.col("language") == code).to_dicts()}
    worth = {}
    if items is not None and contexts:
        for depth in rows:
            found = mean_values(items, [(position, name, depth, code, target)], places)
            if found is not None:
                worth[depth] = found
    worth = worth if len(worth) == len(rows) else {}
    means = {
        depth: mean_estimate(worth[depth][None], contexts) if depth in worth else value
        for depth, value in rows.items()
        if is_number(value.value)
    }
    return Line(max(rows, default=0), None, means, {}, worth)

"""Alignment in two studies: what both measured, by depth, over the pairs that both have."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from babelscope.measure.alignment import CONTROLS
from babelscope.measure.inference import estimate as mean_estimate
from babelscope.measure.pair_alignment import DIRECTED
from babelscope.records import Estimate
from babelscope.report.alignment import CONTROL_WORDS, LABELS
from babelscope.report.depths import norm_of
from babelscope.report.inside_items import Items, Shared, items_of, mean_values, shared_items
from babelscope.report.inside_lines import Line, Match, together
from babelscope.report.names import count_text, language_name
from babelscope.report.tables import Part, estimate

MEASURES = (
    *("cosine", "cosine_d", "centred_cosine", "centred_cosine_d", "accuracy"),
    *("centred_accuracy", "mutual", "cka", "anisotropy"),
)
AMONG = ("accuracy", "centred_accuracy", "mutual")
"""Measures that depend on how many items there are to choose from."""
OF_LANGUAGE = ("anisotropy",)
SAME = {
    "version": "version of the measures",
    "unit": "unit",
    "pooling": "pooling",
    "carrier": "carrier",
}
KEYS = ("measure", "depth", "source", "target")

Left = list[tuple[str, str, str]]
"""What is left out: study ("A", "B" or "both"), what, why."""


def alignment_matches(
    a: Part, b: Part, items: tuple[pl.DataFrame | None, pl.DataFrame | None]
) -> tuple[list[Match], Left]:
    """Return every measure that both studies have, and what is left out."""
    left: Left = []
    for key, name in SAME.items():
        one, other = a.settings.get(key), b.settings.get(key)
        if one != other:
            return [], [
                ("both", "alignment", f"other {name}: {one or 'none'} and {other or 'none'}")
            ]
    found: list[Match] = []
    for one, other in _sets(a, b, left):
        found += _set_matches((a, b), (one, other), items, left)
    return found, left


def _sets(a: Part, b: Part, left: Left) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield sets of texts of one name; where each study has but one, these, however named."""
    first, second = ({s["name"]: s for s in part.settings["sets"]} for part in (a, b))
    if len(first) == 1 and len(second) == 1:
        yield next(iter(first.values())), next(iter(second.values()))
        return
    yield from ((first[name], second[name]) for name in first if name in second)
    left += [("A", f"texts {name}", "not in B") for name in first if name not in second]
    left += [("B", f"texts {name}", "not in A") for name in second if name not in first]


def _set_matches(
    parts: tuple[Part, Part],
    told: tuple[dict[str, Any], dict[str, Any]],
    items: tuple[pl.DataFrame | None, pl.DataFrame | None],
    left: Left,
) -> Iterator[Match]:
    codes = [code for code in told[0]["languages"] if code in told[1]["languages"]]
    for letter, mine in zip("AB", told, strict=True):
        gone = [language_name(code) for code in mine["languages"] if code not in codes]
        if gone:
            size, kept = len(mine["languages"]), len(codes)
            pairs = size * (size - 1) // 2 - kept * (kept - 1) // 2
            what = f"alignment: {', '.join(gone)}"
            left.append((letter, what, f"{count_text(pairs, 'pair')} of languages only here"))
    if len(codes) < 2:
        left.append(("both", "alignment", "fewer than two languages in common"))
        return
    frames = [
        part.frame.filter((pl.col("texts") == mine["name"]) & (pl.col("item") == ""))
        for part, mine in zip(parts, told, strict=True)
    ]
    kept_items = [
        items_of(None if f is None else f.filter(pl.col("texts") == mine["name"]), KEYS, "source")
        for f, mine in zip(items, told, strict=True)
    ]
    shared = shared_items(kept_items[0], kept_items[1], codes)
    _tell_items(shared, left)
    for measure in MEASURES:
        if measure in AMONG and told[0]["items"] != told[1]["items"]:
            why = f"chosen from {told[0]['items']:,} items in A, {told[1]['items']:,} in B"
            left.append(("both", LABELS[measure], why))
            continue
        if all((frame["measure"] == measure).any() for frame in frames):
            yield _match(measure, codes, (frames, parts), (kept_items, shared), told)


def _tell_items(shared: Shared, left: Left) -> None:
    for letter, count in zip("AB", shared.left, strict=True):
        if count:
            why = "not in the other study, or another text under the same id"
            left.append((letter, f"alignment: {count_text(count, 'item')}", why))


def _keys(measure: str, codes: Sequence[str]) -> list[tuple[str, str]]:
    """Return source and target of a measure's rows: whole pairs, each way, or languages."""
    if measure in OF_LANGUAGE:
        return [(code, "") for code in codes]
    if measure in DIRECTED:
        return list(itertools.permutations(codes, 2))
    return list(itertools.combinations(codes, 2))


def _match(
    measure: str,
    codes: Sequence[str],
    data: tuple[Sequence[pl.DataFrame], tuple[Part, Part]],
    known: tuple[Sequence[Items | None], Shared],
    told: tuple[dict[str, Any], dict[str, Any]],
) -> Match:
    keys = _keys(measure, codes)
    (frames, parts), (items, shared) = data, known
    places = (shared.first, shared.second)
    lines = [
        _line(measure, keys, frame, part, (kept, place, shared.contexts))
        for frame, part, kept, place in zip(frames, parts, items, places, strict=True)
    ]
    paired = all(line.items for line in lines)
    reason = "unpaired: no mean over items" if shared.contexts else shared.why
    what = "direction" if measure in DIRECTED else "pair"
    what = "language" if measure in OF_LANGUAGE else what
    over = f"{told[0]['name']}, mean over {count_text(len(keys), what)}"
    control = CONTROLS.get(measure, "")
    return Match(
        title=_capital(LABELS[measure]),
        over=over + (" of languages" if what == "pair" else ""),
        scale=1.0,
        first=lines[0],
        second=lines[1],
        pairing=shared.why if paired else reason,
        contexts=shared.contexts if paired else (),
        control=CONTROL_WORDS.get(control.rpartition("_")[2], ""),
    )


def _capital(label: str) -> str:
    return label[0].upper() + label[1:]


def _line(
    measure: str,
    keys: Sequence[tuple[str, str]],
    frame: pl.DataFrame,
    part: Part,
    known: tuple[Items | None, Sequence[int], Sequence[str]],
) -> Line:
    items, places, contexts = known
    of_pairs = _rows(frame, measure)
    control = _rows(frame, CONTROLS.get(measure, ""))
    depths = sorted({depth for depth, _, _ in of_pairs})
    worth = {}
    if items is not None and contexts:
        for depth in depths:
            found = mean_values(items, (_key(items, measure, depth, k) for k in keys), places)
            if found is not None:
                worth[depth] = found
    worth = worth if len(worth) == len(depths) else {}
    means = {
        depth: mean_estimate(worth[depth][None], contexts)
        if depth in worth
        else together([e for k in keys if (e := _either(of_pairs, depth, k)) is not None])
        for depth in depths
    }
    own = {
        depth: together([e for k in keys if (e := _either(control, depth, k)) is not None]).value
        for depth in depths
    }
    last = part.settings.get("depths")
    blocks = int(last) - 1 if isinstance(last, int) else max(depths, default=0)
    return Line(blocks, norm_of(part.settings), means, own, worth)


def _key(
    items: Items, measure: str, depth: int, pair: tuple[str, str]
) -> tuple[str, int, str, str]:
    whole = (measure, depth, *pair)
    return whole if whole in items.values else (measure, depth, pair[1], pair[0])


def _rows(frame: pl.DataFrame, measure: str) -> dict[tuple[int, str, str], Estimate]:
    own = frame.filter((pl.col("measure") == measure) & pl.col("depth").is_not_null())
    return {(r["depth"], r["source"], r["target"]): estimate(r) for r in own.to_dicts()}


def _either(
    rows: Mapping[tuple[int, str, str], Estimate], depth: int, pair: tuple[str, str]
) -> Estimate | None:
    """Return a pair's row, in whichever order it stands, or the row of all pairs."""
    for key in (pair, pair[::-1], ("", "")):
        if (depth, *key) in rows:
            return rows[(depth, *key)]
    return None

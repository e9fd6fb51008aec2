"""Grids of the lens as the explorer draws them: tokens by their bytes, numbers in whole units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from babelscope.measure.map_evidence import FEW, FEWEST, NO_LETTERS, NOT_COUNTED
from babelscope.report.names import LENS_ROWS, language_name, language_tag, named, shortened
from babelscope.report.tables import Tables
from babelscope.report.texts import told_token

CELLS = 400_000
"""The most cells, a token's place at a depth, that the page carries; about 2 MB."""
QUESTION = ["target", "id"]
VARIANT = ["recipe", "source", "seed"]

DOUBTS = {FEW: 1, NOT_COUNTED: 2, NO_LETTERS: 3}
"""Evidence that is too little to name a language, by its place in the list of doubts."""
DOUBT_WORDS = {
    FEW: f"the map’s text has the token less than {FEWEST} times",
    NOT_COUNTED: "the map counted no text",
    NO_LETTERS: "nothing in the token belongs to a script",
}

Owner = tuple[str, str, int]
"""A variant: recipe, source, seed."""


@dataclass(frozen=True)
class GridView:
    """The grids' data, and by (target, id) which variant's grid has which place in it.

    `asked` is how many questions the study has grids of.
    """

    data: dict[str, Any] = field(default_factory=dict)
    places: dict[tuple[str, str], list[tuple[Owner, int]]] = field(default_factory=dict)
    asked: int = 0


def grid_view(tables: Tables, wanted: Sequence[tuple[str, str]]) -> GridView:
    """Pack the grids of the wanted (target, id), as many whole questions as fit.

    Targets take turns. A grid is, by name: `tokens` (places in the list of tokens, by column),
    `prompt` (how many columns are the prompt's), `first` (the first column's place), `next` (the
    token behind the last column, -1: unknown), `depths`; and, depth after depth, `top` (leading
    token), `p` (its probability in thousandths), `leads` (what leads: a language, `shared` or
    `unknown`), `mass` (its share in hundredths), `shared` and `unknown` likewise, `doubt` (0, or
    the place in the list of doubts why no language is named). What is not known is null.
    """
    if tables.grids.is_empty():
        return GridView()
    parts = tables.grids.sort(*VARIANT, "place", "depth").partition_by(
        QUESTION, as_dict=True, maintain_order=True
    )
    own = {(str(t), str(i)): part for (t, i), part in parts.items()}
    kept, cells = [], 0
    for question in _turns([q for q in wanted if q in own]):
        if cells + own[question].height <= CELLS:
            cells += own[question].height
            kept.append(question)
    kept.sort(key=wanted.index)
    spelled = _spelled([own[question] for question in kept])
    order = {row: place for place, row in enumerate(spelled)}
    codes = sorted({code for question in kept for code in own[question]["language"]})
    leads = {name: place for place, name in enumerate([*codes, *LENS_ROWS])}
    grids: list[dict[str, Any]] = []
    places: dict[tuple[str, str], list[tuple[Owner, int]]] = {}
    for question in kept:
        for key, part in (
            own[question].partition_by(VARIANT, as_dict=True, maintain_order=True).items()
        ):
            recipe, source, seed = key
            places.setdefault(question, []).append(((recipe, source, seed), len(grids)))
            grids.append(_grid(part, order, leads))
    data = {
        "tokens": [told_token(data) for data in spelled.values()],
        "leads": [[short(_tag(name)), short(language_name(name))] for name in leads],
        "doubts": [DOUBT_WORDS.get(name, "") for name in ("", *DOUBTS)],
        "grids": grids,
    }
    return GridView(data, places, len(own))


def _turns(questions: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield questions target by target in turn, in their order within each."""
    rounds: Counter[str] = Counter()
    ranked = []
    for question in questions:
        ranked.append((rounds[question[0]], question))
        rounds[question[0]] += 1
    # stable: within a round the order stays
    yield from (question for _, question in sorted(ranked, key=lambda pair: pair[0]))


def _spelled(parts: Sequence[pl.DataFrame]) -> dict[int, bytes]:
    """Return the bytes of every token that occurs, the most frequent first."""
    names = (("token_id", "token"), ("next_id", "next_token"), ("top_id", "top_token"))
    if not parts:
        return {}
    found = pl.concat(
        part.select(pl.col(number).alias("row"), pl.col(text).alias("bytes"))
        for part in parts
        for number, text in names
    ).drop_nulls("row")
    counted = found.group_by("row").agg(pl.col("bytes").first(), pl.len())
    rows = counted.sort(["len", "row"], descending=[True, False]).select("row", "bytes").rows()
    return dict(rows)


def short(name: str) -> str:
    """Return a name for labels: not too long, and steering nothing."""
    return shortened(named(name))


def _tag(name: str) -> str:
    tag, _ = language_tag(name)
    return name if name in LENS_ROWS or tag == "und" else tag


def _grid(part: pl.DataFrame, order: dict[int, int], leads: dict[str, int]) -> dict[str, Any]:
    first = part.filter(pl.col("depth") == part["depth"].min()).sort("place")
    shares = ("top_probability", "language_mass", "shared", "unknown")
    finite = [pl.when(pl.col(c).is_finite()).then(pl.col(c)).alias(c) for c in shares]
    by_depth = part.sort("depth", "place").with_columns(finite)
    last = first["next_id"][-1]
    mass = pl.max_horizontal("language_mass", "shared", "unknown")
    leader = (
        pl.when(mass.is_null())
        .then(None)
        .when(pl.col("language_mass") == mass)
        .then(pl.col("language").replace_strict(leads, default=-1, return_dtype=pl.Int64))
        .when(pl.col("shared") == mass)
        .then(leads["shared"])
        .otherwise(leads["unknown"])
    )
    # half or more of the language's mass is that of one token, of which the map knows too little
    alone = pl.col("top_mass") * 2 > pl.col("language_mass")
    evidence = pl.col("top_evidence").replace_strict(DOUBTS, default=0, return_dtype=pl.Int64)
    named = pl.col("language_mass") == mass
    drawn = by_depth.select(
        top=pl.col("top_id").replace_strict(order, return_dtype=pl.Int64),
        p=(pl.col("top_probability") * 1000).round().cast(pl.Int64),
        leads=leader,
        mass=(mass * 100).round().cast(pl.Int64),
        shared=(pl.col("shared") * 100).round().cast(pl.Int64),
        unknown=(pl.col("unknown") * 100).round().cast(pl.Int64),
        doubt=pl.when(pl.col("top_evidence").is_null())
        .then(None)
        .when(named & alone)
        .then(evidence)
        .otherwise(0),
    )
    return {
        "tokens": [order[row] for row in first["token_id"]],
        "prompt": int((first["part"] == "prompt").sum()),
        "first": int(first["place"][0]),
        "next": -1 if last is None else order[last],
        "depths": by_depth["depth"].unique().sort().to_list(),
        **{name: drawn[name].to_list() for name in drawn.columns},
    }

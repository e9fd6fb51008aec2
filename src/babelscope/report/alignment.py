"""Alignment of translations, packed for the page's controls: curves, heat map, tree, 2-D map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup

from babelscope.measure import alignment, distribution
from babelscope.measure.geometry import MEASURES as GEOMETRY
from babelscope.measure.language_similarity import tree
from babelscope.measure.pair_alignment import DIRECTED
from babelscope.report.depths import depth_text, norm_of, norm_words
from babelscope.report.distributions import DistributionView, distribution_views
from babelscope.report.names import count_text, is_number, isolated, language_name
from babelscope.report.panels import Table

CONTROLS = {**alignment.CONTROLS, **distribution.CONTROLS}
LANGUAGES_KEPT = 12
"""The page carries the first languages of each set; alignment.parquet has all."""
MAP_DEPTHS = 26
SIMILARITY = "cosine"
LABELS = {
    "centred_cosine_d": "effect size of the centred cosine (Cohen’s d)",
    "cosine": "cosine of translations",
    "centred_cosine": "cosine, centred per language",
    "cosine_d": "effect size of the cosine (Cohen’s d)",
    "accuracy": "retrieval, accuracy at 1",
    "centred_accuracy": "retrieval after centring, accuracy at 1",
    "csls_accuracy": "retrieval by CSLS, accuracy at 1",
    "mrr": "retrieval, mean reciprocal rank",
    "mutual": "mutual nearest neighbours (MEXA)",
    "cka": "CKA, linear, unbiased",
    "centroid_cosine": "cosine of the languages’ mean states",
    "language_share": "share of variance by language",
    "meaning_share": "share of variance by meaning",
    "rest_share": "share of variance by neither",
    "mantel_script": "similarity and shared script, r",
    "mantel_family": "similarity and shared family, r",
    "norm": "norm of the states",
    "variance": "variance, summed over dimensions",
    "effective_rank": "effective rank",
    "anisotropy": "anisotropy: cosine of random texts",
    "outlier_dims": "outlier dimensions",
    "outlier_share": "share of the squared norm in outlier dimensions",
    "largest_dim_share": "share of the squared norm in the largest dimension",
    "trimmed_cosine": "cosine without outlier dimensions",
    "ungained_cosine": "cosine without the final norm’s factors",
    "kurtosis": "kurtosis of a text’s values",
    "norm_spread": "spread of the norms: deviation / mean",
    "mean_ratio": "largest mean / deviation of a dimension",
    "top_variance_share": "share of the variance in 1 % of the dimensions",
}
CONTROL_WORDS = {
    "random": "random pairs",
    "chance": "chance",
    "shuffled": "shuffled",
    "permuted": "languages exchanged",
    "normal": "normal numbers",
}
WHOLE = ("language_share", "meaning_share", "rest_share", "mantel_script", "mantel_family")
SUMMARY = ("cosine", "cosine_d", "accuracy", "centred_accuracy", "mutual", "cka")


@dataclass(frozen=True)
class AlignmentView:
    """The data of the panel, sentences above it, and the table that stands without scripts.

    `distributions` has a view for each set whose values' distribution was measured.
    """

    data: dict[str, Any]
    notes: tuple[Markup, ...]
    summary: Table
    distributions: tuple[DistributionView, ...] = ()


def alignment_view(frame: pl.DataFrame, settings: Mapping[str, Any]) -> AlignmentView | None:
    """Pack a table of alignment with its settings; None where it has no rows.

    Numbers are rounded to 4 digits behind the point, missing ones are null.
    """
    if frame.is_empty():
        return None
    sets = {s["name"]: s for s in settings["sets"]}
    data = {
        "measures": [[m, LABELS[m], _control(m), _kind(m)] for m in LABELS if _has(frame, m)],
        "norm": norm_of(settings),
        "sets": [_set(frame, sets[name]) for name in sets],
    }
    summary = _summary(frame, sets, norm_of(settings))
    views = distribution_views(frame, settings)
    return AlignmentView(data, _notes(frame, settings), summary, views)


def _has(frame: pl.DataFrame, measure: str) -> bool:
    return bool((frame["measure"] == measure).any())


def _control(measure: str) -> list[str]:
    control = CONTROLS.get(measure, "")
    return [control, CONTROL_WORDS[control.rpartition("_")[2]]] if control else ["", ""]


def _kind(measure: str) -> str:
    """Return whose a measure is: of a pair, of a pair each way, of a language, or of all."""
    if measure in WHOLE:
        return "all"
    if measure in (*GEOMETRY, *distribution.LANGUAGE_MEASURES):
        return "language"
    return "directed" if measure in DIRECTED else "pair"


def _set(frame: pl.DataFrame, told: Mapping[str, Any]) -> dict[str, Any]:
    codes = list(told["languages"])[:LANGUAGES_KEPT]
    own = frame.filter(
        (pl.col("texts") == told["name"])
        & (pl.col("source").is_in([*codes, ""]))
        & (pl.col("target").is_in([*codes, ""]))
    )
    by_depth = own.filter(pl.col("depth").is_not_null() & (pl.col("item") == ""))
    depths = sorted(set(by_depth["depth"]))
    return {
        "name": told["name"],
        "languages": [[code, language_name(code)] for code in codes],
        "left_out": len(told["languages"]) - len(codes),
        "items": told["items"],
        "depths": depths,
        "curves": _curves(by_depth, depths),
        "trees": _trees(by_depth, codes, depths),
        "map": _map(own, codes, told),
    }


def _curves(frame: pl.DataFrame, depths: Sequence[int]) -> dict[str, dict[str, Any]]:
    """Return measure -> "source|target" -> columns by depth."""
    wanted = {*LABELS, *CONTROLS.values()}
    place = {depth: i for i, depth in enumerate(depths)}
    found: dict[str, dict[str, Any]] = {}
    for row in frame.filter(pl.col("measure").is_in(list(wanted))).iter_rows(named=True):
        series = found.setdefault(row["measure"], {}).setdefault(
            f"{row['source']}|{row['target']}", {"n": row["n"]}
        )
        for name in ("value", "low", "high", "p_value"):
            if is_number(row[name]):
                column = series.setdefault(name, [None] * len(depths))
                column[place[row["depth"]]] = round(row[name], 4)
    return found


def _trees(
    frame: pl.DataFrame, codes: Sequence[str], depths: Sequence[int]
) -> list[dict[str, Any] | None]:
    """Return for each depth the order of the languages and the corners of each join."""
    place = {code: i for i, code in enumerate(codes)}
    cosines = frame.filter(pl.col("measure") == SIMILARITY)
    found: list[dict[str, Any] | None] = []
    for depth in depths:
        similarity = np.eye(len(codes))
        for row in cosines.filter(pl.col("depth") == depth).iter_rows(named=True):
            a, b = place[row["source"]], place[row["target"]]
            similarity[a, b] = similarity[b, a] = row["value"]
        if len(codes) < 3 or not np.isfinite(similarity).all():
            found.append(None)
            continue
        drawn = tree(similarity)
        found.append(
            {
                "order": list(drawn.order),
                "places": drawn.places.round(3).tolist(),
                "heights": drawn.heights.round(6).tolist(),
            }
        )
    return found


def _map(
    frame: pl.DataFrame, codes: Sequence[str], told: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return points by kind and depth: languages in order, within each the items in order."""
    points = frame.filter(pl.col("item") != "")
    if points.is_empty():
        return None
    depths = sorted(set(points["depth"]))
    if len(depths) > MAP_DEPTHS:
        chosen = np.linspace(0, len(depths) - 1, MAP_DEPTHS).round().astype(int)
        depths = [depths[i] for i in chosen]
    shown = [code for code in codes if code in set(points["source"])]
    order = pl.col("source").replace_strict({c: i for i, c in enumerate(shown)}, default=None)
    points = points.filter(pl.col("depth").is_in(depths)).sort("depth", order, "item")
    items = sorted(set(points["item"]))
    places = {
        (measure, depth): column
        for measure, depth, column in points.group_by("measure", "depth", maintain_order=True)
        .agg(pl.col("value").round(2))
        .iter_rows()
    }
    explained = {
        (row["depth"], row["measure"][-1]): row["value"]
        for row in frame.filter(pl.col("measure").str.starts_with("pca_explained")).to_dicts()
    }
    return {
        "depths": depths,
        "languages": shown,
        "items": items,
        "texts": [told["map_items"].get(item, item) for item in items],
        "all_items": told["items"],
        "points": {
            kind: [[places[f"{kind}_{axis}", d] for axis in "xy"] for d in depths]
            for kind in ("pca", "tsne")
        },
        "explained": [[_rounded(explained.get((d, axis))) for axis in "xy"] for d in depths],
    }


def _rounded(value: float | None) -> float | None:
    return round(value, 4) if is_number(value) else None


def _notes(frame: pl.DataFrame, settings: Mapping[str, Any]) -> tuple[Markup, ...]:
    """Say what was read and how, what was left out, and in how many pairs chance is beaten."""
    unit, carrier = settings["unit"], settings["carrier"]
    how = f"{settings['pooling']} over the {'word' if unit == 'word' else 'text'}’s tokens"
    head = Markup("One state a {}{}: {}; {}. {}").format(
        unit,
        " in a carrier sentence" if carrier else "",
        how,
        settings["dtype"],
        norm_words(settings),
    )
    notes = [head]
    for told in settings["sets"]:
        counts = [f"{reason} {n:,}" for key in ("dropped", "noted", "truncated")
                  for reason, n in (told.get(key) or {}).items()]  # fmt: skip
        text = Markup("{}: {} in {}{}.")
        tail = f"; {', '.join(counts)}" if counts else ""
        of = count_text(told["items"], "item"), count_text(len(told["languages"]), "language")
        notes.append(text.format(isolated(told["name"]), *of, tail))
    norm = norm_of(settings)
    if norm is not None:
        frame = frame.filter((pl.col("depth") != norm) | pl.col("depth").is_null())
    middle = pl.col("depth") == pl.col("depth").max().over("texts") // 2
    asked = frame.filter((pl.col("measure") == "accuracy") & middle)
    text = Markup(
        "At the middle depth translations are found clearly more often than twice by chance in "
        "<strong>{}</strong> of {}. Shared names, digits and length also find them: the same "
        "texts in a model with random weights are the baseline to set beside this."
    )
    clear = asked.filter(pl.col("low") > 2 / pl.col("n")).height
    return (*notes, text.format(clear, count_text(asked.height, "direction")))


def _summary(frame: pl.DataFrame, sets: Mapping[str, Mapping[str, Any]], norm: int | None) -> Table:
    """Return pairs with the first language at the middle and the last depth, and after the norm."""
    known = {
        (r["texts"], r["depth"], r["measure"], r["source"], r["target"]): r
        for r in frame.filter(pl.col("measure").is_in([*SUMMARY, *_controls()])).to_dicts()
    }
    rows = []
    for name, told in sets.items():
        depths = frame.filter((pl.col("texts") == name) & pl.col("depth").is_not_null())["depth"]
        last = max((depth for depth in depths.to_list() if depth != norm), default=0)
        first, *others = told["languages"]
        for code in others:
            for depth in dict.fromkeys((last // 2, last, *(() if norm is None else (norm,)))):
                cells = [_cell(known, (name, depth), m, first, code) for m in SUMMARY]
                pair = f"{language_name(first)} – {language_name(code)}"
                rows.append((pair, name, depth_text(depth, norm), *cells))
    head = ("Pair", "Texts", "Depth", *(LABELS[m] for m in SUMMARY))
    caption = "Alignment at the middle and the last depths (95 %); behind the bar, the control"
    return Table(caption, head, tuple(rows), names=1)


def _controls() -> list[str]:
    return [CONTROLS[m] for m in SUMMARY if m in CONTROLS]


def _cell(
    known: Mapping[tuple[Any, ...], Mapping[str, Any]],
    place: tuple[str, int],
    measure: str,
    source: str,
    target: str,
) -> str:
    def written(row: Mapping[str, Any] | None) -> str:
        if row is None or not is_number(row["value"]):
            return "no data"
        text = f"{row['value']:.3f}"
        if is_number(row["low"]):
            text += f" ({row['low']:.3f} to {row['high']:.3f})"
        return text.replace("-", "−")

    own = written(known.get((*place, measure, source, target)))
    control = CONTROLS.get(measure)
    if control is None:
        return own
    row = known.get((*place, control, source, target)) or known.get((*place, control, "", ""))
    value = row["value"] if row else None
    return f"{own} | {value:.3f}".replace("| -", "| −") if is_number(value) else own

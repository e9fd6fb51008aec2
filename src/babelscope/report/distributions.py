"""What the values of hidden states look like at chosen depths, and what a cosine owes to them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from babelscope.measure.distribution import QUANTILES, TRIMMED, UNGAINED
from babelscope.measure.geometry import MEASURES as GEOMETRY
from babelscope.report.depths import depth_text, norm_of
from babelscope.report.figures import Panel
from babelscope.report.names import NO_DATA, is_number, language_name, plain
from babelscope.report.panels import Table

SHOWN = {
    "norm": "Norm",
    "norm_spread": "Spread of norms",
    "anisotropy": "Cosine of random texts",
    "outlier_dims": "Outlier dimensions",
    "outlier_share": "Their share of the squared norm",
    "largest_dim": "Largest dimension",
    "largest_dim_share": "Its share",
    "mean_ratio": "Largest mean / deviation",
    "kurtosis": "Kurtosis",
    "top_variance_share": "Variance in 1 % of dimensions",
}
ENDS = ("value_min", "value_p05", "value_p25", "value_p50", "value_p75", "value_p95", "value_max")
COSINES = {
    "cosine": ("translations", "@blue", "circle"),
    "cosine_random": ("random pairs", "@muted", "circle-open"),
    "centred_cosine": ("centred per language", "@green", "diamond"),
    TRIMMED: ("without outlier dimensions", "@orange", "square"),
    UNGAINED: ("without the norm’s factors", "@orange", "x"),
}
PANEL_PX = 220
LANGUAGES_KEPT = 12

Values = Mapping[tuple[str, int, str], float]
"""Values by measure, depth and language."""


@dataclass(frozen=True)
class DistributionView:
    """What is shown of a set of texts: sentences, panels and tables."""

    title: str
    notes: tuple[Markup, ...]
    cosines: tuple[Panel, ...]
    values: tuple[Panel, ...]
    by_depth: Table
    by_language: Table


def distribution_views(
    frame: pl.DataFrame, settings: Mapping[str, Any]
) -> tuple[DistributionView, ...]:
    """Return a view for each set of texts whose distribution was measured; none without."""
    views = []
    for number, told in enumerate(settings["sets"]):
        own = frame.filter((pl.col("texts") == told["name"]) & (pl.col("item") == ""))
        depths = sorted(set(own.filter(pl.col("measure") == "kurtosis")["depth"]))
        if depths:
            own = own.filter(pl.col("depth").is_in(depths))
            views.append(_view(number, own, told, depths, norm_of(settings)))
    return tuple(views)


def _view(
    number: int,
    frame: pl.DataFrame,
    told: Mapping[str, Any],
    depths: Sequence[int],
    norm: int | None,
) -> DistributionView:
    means = {
        (row["measure"], row["depth"]): row["value"]
        for row in frame.filter(
            pl.col("measure").is_in(list(COSINES)) & pl.col("value").is_finite()
        )
        .group_by("measure", "depth")
        .agg(pl.col("value").mean())
        .to_dicts()
    }
    wanted = [*SHOWN, *ENDS, *GEOMETRY]
    rows = frame.filter(pl.col("measure").is_in(wanted) & (pl.col("target") == ""))
    values = {(r["measure"], r["depth"], r["source"]): r["value"] for r in rows.to_dicts()}
    codes = list(told["languages"])
    names = [depth_text(depth, norm) for depth in depths]
    return DistributionView(
        title=told["name"],
        notes=tuple(_falls(means, depths, norm)),
        cosines=(_cosine_panel(number, told["name"], means, depths, names),),
        values=tuple(
            _value_panel(f"values-{number}-{n}", code, values, depths, names)
            for n, code in enumerate(codes[:LANGUAGES_KEPT])
        ),
        by_depth=_by_depth(means, depths, names),
        by_language=_by_language(values, codes, depths, names),
    )


def _falls(
    means: Mapping[tuple[str, int], float], depths: Sequence[int], norm: int | None
) -> Iterator[Markup]:
    """Say how the cosine moves at the end of the model, beside what is left of that elsewhere."""
    for before, after in itertools.pairwise(depths):
        if after - before != 1 or before == 0:
            continue
        moves = {
            measure: means[measure, after] - means[measure, before]
            for measure in (*list(COSINES)[:3], TRIMMED)
            if (measure, before) in means and (measure, after) in means
        }
        if "cosine" not in moves:
            continue
        others = [
            f"{words} {_move(moves[measure])}"
            for measure, (words, _, _) in list(COSINES.items())[1:]
            if measure in moves
        ]
        yield Markup("From depth {} to {}, the cosine of translations moves by {}; {}.").format(
            before, depth_text(after, norm), _move(moves["cosine"]), "; ".join(others)
        )
    yield Markup(
        "A move that random pairs share is one of all states’ common direction; one that is gone "
        "without outlier dimensions belongs to these; one from the last block to the norm that is "
        "gone without the norm’s factors belongs to these, and what is left of it to the scale of "
        "tokens, which the norm makes equal before they are pooled."
    )


def _cosine_panel(
    number: int,
    title: str,
    means: Mapping[tuple[str, int], float],
    depths: Sequence[int],
    names: Sequence[str],
) -> Panel:
    places = list(range(len(depths)))
    traces = []
    for measure, (words, colour, symbol) in COSINES.items():
        y = [means.get((measure, depth)) for depth in depths]
        if not any(is_number(value) for value in y):
            continue
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": places,
                "y": [round(v, 4) if is_number(v) else None for v in y],
                "name": words,
                "line": {"color": colour, "width": 1.6},
                "marker": {"color": colour, "symbol": symbol, "size": 7},
                "hovertext": [
                    plain(f"depth {name}: {words} {_three(value)}")
                    for name, value in zip(names, y, strict=True)
                ],
                "hoverinfo": "text",
            }
        )
    ends = [v for (_, _), v in means.items() if is_number(v)]
    layout = {
        "xaxis": _axis(places, names),
        "yaxis": {"range": [min(0.0, *ends) - 0.04, max(1.0, *ends) + 0.04], "showgrid": True},
        "margin": {"l": 44, "r": 10, "t": 6, "b": 44},
    }
    summary = f"Mean cosines over pairs of languages at chosen depths, {title}"
    figure = {"data": traces, "layout": layout}
    return Panel(f"cosines-{number}", "cosines, mean over pairs", summary, PANEL_PX, figure)


def _value_panel(
    key: str, code: str, values: Values, depths: Sequence[int], names: Sequence[str]
) -> Panel:
    """Return quantiles by depth, in units of the distance between the quartiles."""
    places = list(range(len(depths)))
    found = [[values.get((end, depth, code)) for end in ENDS] for depth in depths]
    scaled = [_scaled(one) for one in found]
    traces = [
        _bar(places, [(s[low], s[3], s[high]) if s else None for s in scaled], width)
        for low, high, width in ((0, 6, 1), (1, 5, 3), (2, 4, 8))
    ]
    traces[-1]["hovertext"] = [
        plain(f"depth {name}: {_numbers(one)}") for name, one in zip(names, found, strict=True)
    ]
    traces[-1]["hoverinfo"] = "text"
    layout = {
        "xaxis": _axis(places, names),
        "yaxis": {"showgrid": True, "nticks": 5, "title": "quartile distances"},
        "margin": {"l": 56, "r": 10, "t": 6, "b": 44},
    }
    name = language_name(code)
    summary = f"Quantiles of the values of hidden states at chosen depths, {name}"
    return Panel(key, name, summary, PANEL_PX, {"data": traces, "layout": layout})


def _scaled(found: Sequence[float | None]) -> list[float] | None:
    known = [value for value in found if is_number(value)]
    if len(known) < len(ENDS) or known[4] <= known[2]:
        return None
    return [round(value / (known[4] - known[2]), 3) for value in known]


def _bar(
    places: Sequence[int], spans: Sequence[tuple[float, float, float] | None], width: int
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": list(places),
        "y": [span[1] if span else None for span in spans],
        "marker": {"color": "@ink", "symbol": "line-ew-open", "size": 12},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [span[2] - span[1] if span else 0 for span in spans],
            "arrayminus": [span[1] - span[0] if span else 0 for span in spans],
            "color": "@blue",
            "thickness": width,
            "width": 0,
        },
        "hoverinfo": "skip",
    }


def _axis(places: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    return {
        "title": "depth",
        "tickvals": list(places),
        "ticktext": list(names),
        "range": [-0.4, len(places) - 0.6],
        "showgrid": False,
    }


def _by_depth(
    means: Mapping[tuple[str, int], float], depths: Sequence[int], names: Sequence[str]
) -> Table:
    rows = tuple(
        (name, *(_three(means.get((measure, depth))) for measure in COSINES))
        for depth, name in zip(depths, names, strict=True)
    )
    head = ("Depth", *(words.capitalize() for words, _, _ in COSINES.values()))
    return Table("Mean cosine over pairs of languages", head, rows, names=1)


def _by_language(
    values: Values, codes: Sequence[str], depths: Sequence[int], names: Sequence[str]
) -> Table:
    rows = tuple(
        (
            language_name(code),
            name,
            *(_number(measure, values.get((measure, depth, code))) for measure in SHOWN),
            *(_short(values.get((end, depth, code))) for end in ENDS),
        )
        for code in codes
        for depth, name in zip(depths, names, strict=True)
    )
    tops = tuple(
        {0: "Least", 0.5: "Median", 1: "Most"}.get(QUANTILES[e], f"{QUANTILES[e]:.0%}")
        for e in ENDS
    )
    caption = "Values of hidden states by language and depth; the right columns are quantiles"
    return Table(caption, ("Language", "Depth", *SHOWN.values(), *tops), rows)


def _number(measure: str, value: float | None) -> str:
    if measure in ("largest_dim", "outlier_dims") and is_number(value):
        return f"{value:,.0f}"
    return _short(value)


def _numbers(found: Sequence[float | None]) -> str:
    return ", ".join(_short(value) for value in found)


def _short(value: float | None) -> str:
    if not is_number(value):
        return NO_DATA
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 100 else 2 if size >= 1 else 3
    return f"{value:,.{digits}f}".replace("-", "−")


def _three(value: float | None) -> str:
    return f"{value:.3f}".replace("-", "−") if is_number(value) else NO_DATA


def _move(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")

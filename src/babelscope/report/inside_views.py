"""Two models' insides side by side: figures by relative depth, tables, and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from babelscope.records import MISSING, Estimate, depth_name
from babelscope.report.cells import Number, Row, Table, number
from babelscope.report.depths import NORM_NAME, depth_axis
from babelscope.report.figures import Panel
from babelscope.report.inside_alignment import Left
from babelscope.report.inside_lines import Line, Match, Place, places
from babelscope.report.names import NO_DATA, is_number, isolated, plain

NORM_PLACE = 1.12
PANEL_PX = 210
LINES = (("A", "@blue", "circle"), ("B", "@orange", "square"))
HEAD = (
    "What", "Over", "Where", "Depth in A", "Depth in B", "A (95 %)", "B (95 %)",
    "B − A (95 %)", "Control in A", "Control in B", "n", "Difference",
)  # fmt: skip
CAPTIONS = {
    "alignment": "Alignment in both studies",
    "probes": "Probes in both studies, points of 100",
    "lens": "Language mass in both studies, % of the probability",
}
DRAWN = {
    "alignment": "Means over the pairs of languages that both studies have",
    "probes": "Means over the targets that both studies have, and the controls",
    "lens": "Mass of the language asked in and of the largest other, at the place and by the map "
    "that come first; the others are in the table. The last depth is that of the logits. A mass "
    "goes along with what a model says, and need not be its cause",
}
LENS_DRAWN = 2
AT = "at relative depths"


@dataclass(frozen=True)
class InsideSection:
    """What both studies have of one part: panels, where each is highest, and all numbers."""

    key: str
    caption: str
    panels: tuple[Panel, ...]
    highest: Table
    table: Table


def inside_section(key: str, found: Sequence[Match], *, same_depths: bool) -> InsideSection:
    """Return the panels and the table of a part's matches."""
    drawn = _lens_drawn(found) if key == "lens" else list(found)
    shown = [(m, place) for m in found for place in places(m, same_depths=same_depths)]
    fixed = [_row(match, place) for match, place in shown if place.is_fixed]
    tops = [_row(match, place) for match, place in shown if not place.is_fixed]
    caption = CAPTIONS[key]
    return InsideSection(
        key,
        DRAWN[key],
        tuple(
            _panel(f"{key}-{place}", match, same_depths=same_depths)
            for place, match in enumerate(drawn)
        ),
        Table(
            f"{caption}, each at the depth where it is highest",
            HEAD,
            tuple(tops) if key != "lens" else (),
            names=3,
        ),
        Table(f"{caption}, {'by depth' if same_depths else AT}", HEAD, tuple(fixed), names=3),
    )


def _lens_drawn(found: Sequence[Match]) -> list[Match]:
    """Return the first matches of each target at its first place and map."""
    firsts: dict[str, str] = {}
    counts: dict[str, int] = {}
    drawn = []
    for match in found:
        target = match.title.partition(":")[0]
        if firsts.setdefault(target, match.over) != match.over:
            continue
        counts[target] = counts.get(target, 0) + 1
        if counts[target] <= LENS_DRAWN:
            drawn.append(match)
    return drawn


def _row(match: Match, place: Place) -> Row:
    one, other = match.first, match.second
    a, b = one.found.get(place.first, MISSING), other.found.get(place.second, MISSING)
    difference = match.difference(place.first, place.second)
    return (
        match.title,
        match.over,
        place.name,
        _depth(one, place.first),
        _depth(other, place.second),
        _number(a, match.scale),
        _number(b, match.scale),
        _number(difference, match.scale, sign=True),
        _bare(one.control.get(place.first), match.scale),
        _bare(other.control.get(place.second), match.scale),
        number(difference.n, f"{difference.n:,}"),
        match.pairing,
    )


def _depth(line: Line, depth: int) -> Number:
    text = NORM_NAME if depth == line.norm else f"{depth} of {line.blocks}"
    return number(depth, text)


def _number(found: Estimate, scale: float, *, sign: bool = False) -> Number:
    parts = (("", found.value), ("low", found.low), ("high", found.high))
    if not is_number(found.value):
        return Number(NO_DATA, parts)
    text = _written(found.value, scale, sign=sign)
    if is_number(found.low) and is_number(found.high):
        ends = (_written(end, scale, sign=sign) for end in (found.low, found.high))
        return Number(f"{text} ({' to '.join(ends)})", parts)
    return Number(f"{text} (no interval)", parts)


def _bare(value: float | None, scale: float) -> Number:
    return number(value, _written(value, scale) if is_number(value) else "—")


def _written(value: float, scale: float, *, sign: bool = False) -> str:
    digits = 1 if scale == 100 else 3
    text = f"{value * scale:{'+' if sign else ''}.{digits}f}"
    return (text.lstrip("+-") if float(text) == 0 else text).replace("-", "−")


def _panel(key: str, match: Match, *, same_depths: bool) -> Panel:
    traces: list[dict[str, Any]] = []
    for line, look in zip((match.first, match.second), LINES, strict=True):
        traces += _traces(line, look, match, same_depths=same_depths)
    ends = [
        value * match.scale
        for line in (match.first, match.second)
        for e in line.found.values()
        for value in (e.value, e.low, e.high)
        if is_number(value)
    ]
    high = max([0.01, *ends])
    low = min([0.0, *ends])
    layout = {
        "xaxis": _axis(match, same_depths=same_depths),
        "yaxis": {"range": [low - 0.05 * (high - low), high + 0.05 * (high - low)], "nticks": 4}
        | {"showgrid": True},
        "margin": {"l": 46, "r": 10, "t": 6, "b": 44},
    }
    summary = f"{match.title}, {match.over}, by depth in both studies"
    return Panel(key, match.title, summary, PANEL_PX, {"data": traces, "layout": layout})


def _axis(match: Match, *, same_depths: bool) -> dict[str, Any]:
    norms = [line.norm for line in (match.first, match.second) if line.norm in line.found]
    if same_depths:
        depths = sorted({*match.first.found, *match.second.found})
        return depth_axis(depths, norms[0] if norms else None) | {"showgrid": False}
    ticks, text = [0.0, 0.25, 0.5, 0.75, 1.0], ["0", ".25", ".5", ".75", "1"]
    if norms:
        ticks, text = [*ticks, NORM_PLACE], [*text, NORM_NAME]
    span = {"range": [-0.04, ticks[-1] + 0.05], "tickvals": ticks, "ticktext": text}
    return {"title": "relative depth", "showgrid": False} | span


def _traces(
    line: Line, look: tuple[str, str, str], match: Match, *, same_depths: bool
) -> Iterator[dict[str, Any]]:
    letter, colour, symbol = look

    def place(depth: int) -> float:
        if depth == line.norm and not same_depths:
            return NORM_PLACE
        return float(depth) if same_depths else round(line.relative(depth), 4)

    controls = [d for d in line.depths if is_number(line.control.get(d))]
    if controls and match.control:
        yield {
            "type": "scatter",
            "mode": "lines",
            "x": [place(d) for d in controls],
            "y": [round(line.control[d] * match.scale, 4) for d in controls],
            "line": {"color": colour, "width": 1, "dash": "dot"},
            "hoverinfo": "skip",
        }
    norm = [line.norm] if line.norm is not None and line.norm in line.found else []
    for depths in (list(line.depths), norm):
        found = [(d, line.found[d]) for d in depths if is_number(line.found[d].value)]
        if not found:
            continue
        yield {
            "type": "scatter",
            "mode": "lines+markers",
            "x": [place(d) for d, _ in found],
            "y": [round(e.value * match.scale, 4) for _, e in found],
            "line": {"color": colour, "width": 1.8},
            "marker": {"color": colour, "symbol": symbol, "size": 6},
            "error_y": _errors([e for _, e in found], match.scale, colour),
            "hovertext": [
                plain(f"{letter}, {_depth(line, d)}: {_number(e, match.scale)}") for d, e in found
            ],
            "hoverinfo": "text",
        }


def _errors(found: Sequence[Estimate], scale: float, colour: str) -> dict[str, Any]:
    def side(high: bool) -> list[float]:
        lengths = (e.high - e.value if high else e.value - e.low for e in found)
        return [round(max(x, 0.0) * scale, 4) if is_number(x) else 0.0 for x in lengths]

    look = {"color": colour, "thickness": 1.2, "width": 0}
    ends = {"array": side(True), "arrayminus": side(False)}
    return {"type": "data", "symmetric": False} | ends | look


def inside_sentences(key: str, found: Sequence[Match], *, same_depths: bool) -> Iterator[Markup]:
    """Say what is compared, and how the two differ where each is highest."""
    if key == "lens":
        targets = {match.title.partition(":")[0] for match in found}
        yield Markup(
            "The lens of both base models is compared in {} of the languages asked."
        ).format(len(targets))
        return
    shown = [m for m in found if m.control] if key == "probes" else _telling(found)
    for match in shown:
        for place in places(match, same_depths=same_depths)[:1]:
            a, b = match.first.found[place.first], match.second.found[place.second]
            yield Markup(
                '{}, {}: at its highest <span class="num">{}</span> in A ({}) and '
                '<span class="num">{}</span> in B ({}); B minus A '
                '<span class="num">{}</span>, {}.'
            ).format(
                isolated(match.title),
                isolated(match.over),
                _number(a, match.scale),
                depth_name(place.first, match.first.norm),
                _number(b, match.scale),
                depth_name(place.second, match.second.norm),
                _number(match.difference(place.first, place.second), match.scale, sign=True),
                match.pairing,
            )


def _telling(found: Sequence[Match]) -> list[Match]:
    """Return the matches that are said in words: retrieval, and what corrects raw cosines."""
    said = ("Retrieval, accuracy at 1", "Effect size of the centred cosine (Cohen’s d)")
    return [match for match in found if match.title in said]


def left_table(left: Left) -> Table:
    """Return what only one study has, or what cannot be compared, with the reason."""
    head = ("Study", "What", "Why")
    rows = tuple(dict.fromkeys(left))
    return Table("Inside: what is left out of the comparison", head, rows, names=2)

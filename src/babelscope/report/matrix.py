"""The transfer matrix: one heat map per view, drawn as a table so that it can be read aloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from babelscope.records import MISSING
from babelscope.report.claims import p_words, shown_p, verdict
from babelscope.report.common import MEAN, Share, shares_of_gains
from babelscope.report.names import (
    NO_DATA,
    estimate_text,
    interval,
    is_number,
    language_name,
    measure_name,
    named,
    p_text,
    points,
    recipe_name,
    same_language,
    share_text,
    signed,
    source_language,
    variant_name,
)
from babelscope.report.tables import (
    CellKey,
    Tables,
    Variant,
    differences,
    estimate,
    values,
    variants,
)

Rgb = tuple[int, int, int]
# light theme, dark theme: the page's paper in the middle, blue up, orange down
PAPER: tuple[Rgb, Rgb] = ((252, 252, 250), (34, 37, 41))
BLUE: tuple[Rgb, Rgb] = ((12, 79, 138), (126, 190, 238))
ORANGE: tuple[Rgb, Rgb] = ((166, 66, 10), (240, 162, 96))
EQUALS = "p\u00a0=\u00a0"
INKS: tuple[Rgb, Rgb] = ((0, 0, 0), (255, 255, 255))


@dataclass(frozen=True)
class Cell:
    """A cell as drawn: its text, a longer text for the pointer, colours, marks, and its page."""

    text: str
    title: str
    style: str
    missing: bool = False
    own: bool = False
    href: str = ""


@dataclass(frozen=True)
class View:
    """One reading of the matrix; `rows` pairs a variant's name with a cell per target.

    `places` are those of the rows among all variants, where rows can be ordered anew.
    """

    key: str
    label: str
    legend: str
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    places: tuple[int, ...] = ()


def luminance(colour: Rgb) -> float:
    """Return the relative luminance of an sRGB colour, 0-1 (WCAG 2.2)."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (part / 255 for part in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Rgb, other: Rgb) -> float:
    """Return the contrast ratio of two sRGB colours, 1-21 (WCAG 2.2)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def shade(amount: float) -> tuple[tuple[Rgb, Rgb], ...]:
    """Return (background, ink) for the light and the dark theme.

    `amount` is -1 (orange) to 1 (blue), clipped; the ink is the better of black and white.
    """
    share = min(abs(amount), 1.0)
    pairs = []
    for theme in (0, 1):
        end = (BLUE if amount >= 0 else ORANGE)[theme]
        r, g, b = (round(p + (e - p) * share) for p, e in zip(PAPER[theme], end, strict=True))
        back = (r, g, b)
        pairs.append((back, max(INKS, key=lambda ink: contrast(ink, back))))
    return tuple(pairs)


def style(amount: float) -> str:
    """Return the CSS variables of a cell's shade."""
    (light, ink), (dark, dark_ink) = shade(amount)
    names = ("--l", "--li", "--d", "--di")
    colours = (light, ink, dark, dark_ink)
    return ";".join(
        f"{n}:#{c[0]:02x}{c[1]:02x}{c[2]:02x}" for n, c in zip(names, colours, strict=True)
    )


MARKS = {
    "helped": (0.75, "▲", "tuning helped"),
    "harmed": (-0.75, "▼", "tuning harmed"),
    "gained": (0.35, "△", "these adapters gained"),
    "lost": (-0.35, "▽", "these adapters lost"),
    "open": (0.0, "·", "undecided"),
}
"""Shade, mark and meaning of each verdict of `claims.verdict`."""


def views(tables: Tables, parts: Sequence[Share] | None = None) -> tuple[View, ...]:
    """Return the views that the study has data for: score, gain, own part, tests, efficiency.

    `parts` are those of `common.shares_of_gains`, made here if they are not given.
    """
    shares = shares_of_gains(tables) if parts is None else parts
    own = _own_view(tables, shares)
    places = tuple(range(len(variants(tables))))
    bases = sum(v.is_base for v in variants(tables))  # they are the first
    shown = [
        View(
            key,
            label,
            legend,
            _rows(tables, cells, with_base=base),
            places if base else places[bases:],
        )
        for key, label, legend, cells, base in _readings(tables)
        if any(not cell.missing for cell in cells.values())
    ]
    if own is not None:
        at = next((i for i, view in enumerate(shown) if view.key == "sure"), len(shown))
        shown.insert(at, replace(own, places=(*own.places, *places[bases:])))
    return tuple(shown)


Reading = tuple[str, str, str, dict[CellKey, Cell], bool]
"""A view's key, label, legend and cells, and whether models before tuning have rows."""


def _readings(tables: Tables) -> tuple[Reading, ...]:
    """Return what the views but that of own parts hold, in their order."""
    name = measure_name(tables.plan["main_measure"])
    gain = f"{name} minus the base model, points; blue gained, orange lost."
    sure = (
        "▲ tuning helped, ▼ harmed, with Holm’s p below 0.05 over seeds and contexts; △ these "
        "adapters gained, ▽ lost, over contexts alone; · undecided."
    )
    share = (
        "Score here as a percentage of the same model’s score in its source language. What the "
        "base model already knew counts in both: a model that learnt nothing has its base’s ratio."
    )
    gains = (
        "Gain here as a percentage of the same model’s gain in its source language; no data where "
        "the interval of that gain holds 0."
    )
    of_scores, of_gains = (_efficiencies(tables, f"{x}_efficiency") for x in ("transfer", "gain"))
    score = f"{name}, points of 100; the stronger the blue, the higher."
    return (
        ("score", "Score", score, _scores(tables), True),
        ("gain", "Gain", gain, _gains(tables), False),
        ("sure", "Corrected significance", sure, _sure(tables), False),
        ("efficiency", "Transfer efficiency", share, of_scores, False),
        ("gain-efficiency", "Efficiency of gains", gains, of_gains, False),
    )


def _own_view(tables: Tables, shares: Sequence[Share]) -> View | None:
    """Return the mean gain over sources, then what each has of its own; None without either.

    The rows of means stand above all others, in any order: their places are below 0.
    """
    if not shares:
        return None
    top = max(abs(s.found.difference.value) for s in shares) or 1.0
    cells: dict[CellKey, Cell] = {}
    for share in shares:
        e, row = share.found.difference, share.row
        mark = MARKS[verdict(row)][1]
        text = signed(e.value) if mark == "·" else f"{signed(e.value)}\u00a0{mark}"
        span = interval(e.low, e.high, sign=True)
        told = f"{signed(e.value)} ({span}), {MARKS[verdict(row)][2]}, {p_words(row)}, n = {e.n}"
        cells[share.recipe, share.source, share.target] = Cell(text, told, style(e.value / top))
    means = []
    for recipe in dict.fromkeys(s.recipe for s in shares):
        note = f", {recipe_name(tables, recipe)}" if len(tables.plan["recipes"]) > 1 else ""
        name = f"mean of all sources{note}"
        row_ = tuple(
            replace(cell, title=f"{language_name(t)}, {name}: {cell.title}")
            if (cell := cells.get((recipe, MEAN, t)))
            else Cell(NO_DATA, f"{language_name(t)}, {name}: {NO_DATA}", "", missing=True)
            for t in tables.plan["targets"]
        )
        means.append((name, row_))
    legend = (
        "The first row is the mean gain over sources; below it, what is a source’s own: its gain "
        "minus the mean gain of the others. ▲ ▼ are told of tuning, △ ▽ of these adapters only."
    )
    rows = (*means, *_rows(tables, cells, with_base=False))
    return View("own", "Own part of the gain", legend, rows, tuple(range(-len(means), 0)))


def _rows(
    tables: Tables, cells: dict[CellKey, Cell], *, with_base: bool
) -> tuple[tuple[str, tuple[Cell, ...]], ...]:
    shown = [v for v in variants(tables) if with_base or not v.is_base]
    return tuple(
        (
            variant_name(tables, variant),
            tuple(_placed(tables, cells, variant, t) for t in tables.plan["targets"]),
        )
        for variant in shown
    )


def _placed(tables: Tables, cells: dict[CellKey, Cell], variant: Variant, target: str) -> Cell:
    own = same_language(source_language(tables, variant.source), target)
    where = f"{language_name(target)}, {variant_name(tables, variant)}"
    page = cell_address(variant.recipe, variant.source, target)
    cell = cells.get((variant.recipe, variant.source, target))
    if cell is None or cell.missing:
        why = f": {cell.title}" if cell and cell.title else ""
        return Cell(NO_DATA, f"{where}: {NO_DATA}{why}", "", missing=True, own=own, href=page)
    return Cell(cell.text, f"{where}: {cell.title}", cell.style, own=own, href=page)


def cell_address(recipe: str, source: str, target: str) -> str:
    """Return the address of a cell's page, "#cell/default/or/ory_Orya"; a base has no source."""
    parts = (quote(named(part), safe="") for part in (recipe, source, target))
    return f"#cell/{'/'.join(parts)}"


def _scores(tables: Tables) -> dict[CellKey, Cell]:
    scores = values(tables, tables.plan["main_measure"])
    known = {key: value for key, value in scores.items() if is_number(value.value)}
    top = max((value.value for value in known.values()), default=0.0) or 1.0
    return {
        key: Cell(points(v.value), f"{estimate_text(v)}, n = {v.n}", style(v.value / top))
        for key, v in known.items()
    }


def _gains(tables: Tables) -> dict[CellKey, Cell]:
    rows = differences(tables, tables.plan["main_measure"])
    top = max((abs(row["difference"]) for row in rows.values()), default=0.0) or 1.0
    return {
        key: Cell(
            signed(r["difference"]),
            f"{signed(r['difference'])} ({interval(r['low'], r['high'], sign=True)}), n = {r['n']}",
            style(r["difference"] / top),
        )
        for key, r in rows.items()
    }


def _sure(tables: Tables) -> dict[CellKey, Cell]:
    cells = {}
    for key, row in differences(tables, tables.plan["main_measure"]).items():
        amount, mark, meaning = MARKS[verdict(row)]
        p = p_text(shown_p(row))
        text = f"{mark} {p.removeprefix(EQUALS)}" if is_number(shown_p(row)) else mark
        cells[key] = Cell(
            text.replace("p\u00a0<\u00a0", "<"),
            f"{meaning}, corrected {p_words(row)}",
            style(amount),
        )
    return cells


def _efficiencies(tables: Tables, kind: str) -> dict[CellKey, Cell]:
    frame = tables.transfer.filter(
        (tables.transfer["kind"] == kind)
        & (tables.transfer["measure"] == tables.plan["main_measure"])
    )
    cells = {}
    for row in frame.to_dicts():
        value = estimate(row)
        key = (row["recipe"], row["source"], row["target"])
        if value == MISSING or not is_number(value.value):
            cells[key] = Cell(NO_DATA, row["reason"] or "", "", missing=True)
        else:
            text = share_text(value.value).replace("-", "−")
            span = interval(value.low, value.high)
            cells[key] = Cell(text, f"{points(value.value)} % ({span})", style(value.value))
    return cells

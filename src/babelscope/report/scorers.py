"""Three scorers side by side, each with its cut-gold control: what is the scorer's doing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from babelscope.measure.cut_gold import CONTROLLED, CUT_GOLD
from babelscope.records import MISSING, Estimate
from babelscope.report.cells import Row, Table, estimated
from babelscope.report.figures import Naming, Panel, axes, dots, gaps, height, shaded
from babelscope.report.names import (
    estimate_text,
    is_number,
    isolated,
    language_name,
    listed,
    measure_name,
    model_title,
    points,
    variant_name,
)
from babelscope.report.tables import CellKey, Tables, Variant, values, variants

SYMBOLS = {"squad_f1": "circle", "mlqa_f1": "square", "char_f1": "diamond"}
COLOURS = {"squad_f1": "@blue", "mlqa_f1": "@orange", "char_f1": "@green"}
SHIFT = 0.24
Scores = Mapping[str, Mapping[CellKey, Estimate]]


def scorers(tables: Tables) -> dict[str, dict[CellKey, Estimate]]:
    """Return the estimates of the three measures and their controls by name; no control, none."""
    names = [*CONTROLLED, *(f"{CUT_GOLD}{name}" for name in CONTROLLED)]
    found = {name: values(tables, name) for name in names}
    known = any(is_number(e.value) for n in names[3:] for e in found[n].values())
    return found if known else {}


def control_mark(name: str, *, filled: bool) -> dict[str, Any]:
    """Return the mark of a measure: filled for the score, hollow for its control."""
    colour = COLOURS[name]
    return {
        "symbol": SYMBOLS[name],
        "size": 8,
        "color": colour if filled else "@paper",
        "line": {"color": colour, "width": 1.5},
    }


def control_panels(tables: Tables, naming: Naming = language_name) -> tuple[Panel, ...]:
    """Return a panel a variant: in every target three scores and, hollow, their controls."""
    found = scorers(tables)
    if not found:
        return ()
    targets = tables.plan["targets"]
    labels = [naming(t) for t in targets]
    panels = []
    for number, variant in enumerate(variants(tables)):
        keys = [(variant.recipe, variant.source, t) for t in targets]
        empty = [i for i, key in enumerate(keys) if not _known(found, key)]
        if len(empty) == len(keys):
            continue
        traces = [gaps(empty, 0.0)]
        for place, name in enumerate(CONTROLLED):
            for measure, what in ((f"{CUT_GOLD}{name}", ", cut gold"), (name, "")):
                own = [(i, found[measure].get(key, MISSING)) for i, key in enumerate(keys)]
                own = [(i, e) for i, e in own if is_number(e.value)]
                hover = [
                    f"{labels[i]}, {measure_name(name)}{what}: {estimate_text(e)}" for i, e in own
                ]
                mark = control_mark(name, filled=not what)
                rows = [i + (place - 1) * SHIFT for i, _ in own]
                traces.append(dots(rows, [e for _, e in own], hover, mark))
        x = {"range": [-3, 103], "title": "F1, points of 100"}
        title = model_title(tables, variant)
        summary = f"Three scorers and their controls in {len(targets)} targets: {title}"
        figure = {"data": traces, "layout": axes(labels, x) | shaded(empty)}
        tall = height(round(1.6 * len(targets)))
        panels.append(Panel(f"control-{number}", title, summary, tall, figure))
    return tuple(panels)


def _known(found: Scores, key: CellKey) -> bool:
    return any(is_number(cells.get(key, MISSING).value) for cells in found.values())


def control_table(tables: Tables) -> Table:
    """Return the three scores of every cell, each beside its control."""
    found = scorers(tables)
    rows: list[Row] = []
    for variant in variants(tables):
        for target in tables.plan["targets"]:
            key = (variant.recipe, variant.source, target)
            if found and _known(found, key):
                names = (variant_name(tables, variant), language_name(target))
                pairs = [(name, f"{CUT_GOLD}{name}") for name in CONTROLLED]
                cells = (estimated(found[m].get(key, MISSING)) for pair in pairs for m in pair)
                rows.append((*names, *cells))
    heads = (h for n in CONTROLLED for h in (f"{measure_name(n)} (95 %)", "cut gold (95 %)"))
    caption = "Scorers side by side with the cut gold, points of 100"
    return Table(caption, ("Model", "Target", *heads), tuple(rows))


def control_verdict(tables: Tables) -> tuple[Markup, ...]:
    """Say for the base model between which targets the control ranges, by each scorer."""
    found = scorers(tables)
    base = next((v for v in variants(tables) if v.is_base), Variant("base", ""))
    ranges = list(_ranges(tables, found, base)) if found else []
    if not ranges:
        return ()
    text = Markup("With right content at the base model’s own lengths, {}.")
    return (text.format(listed(ranges)),)


def _ranges(tables: Tables, found: Scores, base: Variant) -> Iterator[Markup]:
    for name in CONTROLLED:
        cells = found[f"{CUT_GOLD}{name}"]
        keys = [(base.recipe, base.source, t) for t in tables.plan["targets"]]
        known = {key[2]: cells[key].value for key in keys if key in cells}
        known = {target: value for target, value in known.items() if is_number(value)}
        if len(known) < 2:
            return
        worst, best = min(known, key=lambda t: known[t]), max(known, key=lambda t: known[t])
        yield Markup("{} would give between {} ({}) and {} ({})").format(
            measure_name(name),
            points(known[worst]),
            isolated(language_name(worst)),
            points(known[best]),
            isolated(language_name(best)),
        )

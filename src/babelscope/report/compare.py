"""Two studies side by side: a page, tables and figures of their paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from babelscope.records import Estimate
from babelscope.report.cells import Row, Table, chance, changed, estimated, number
from babelscope.report.export import write_forms
from babelscope.report.figures import KINDS, Panel, axes, dots, gaps, height, shaded
from babelscope.report.formats import check_formats
from babelscope.report.names import (
    count_text,
    interval,
    is_number,
    isolated,
    language_name,
    listed,
    measure_name,
    model_title,
    p_text,
    signed,
    variant_name,
)
from babelscope.report.page import asset, embed, policy, template, write_page
from babelscope.report.pairing import Pair, Side, check_comparable, pairs, read_side
from babelscope.report.tables import Variant, variants

NAMED = 4
HEADS = {
    "score": ("Score of A (95 %)", "Score of B (95 %)"),
    "gain": ("Gain of A (95 %)", "Gain of B (95 %)"),
}


def write_comparison(
    first: Path, second: Path, out: Path | None, figures: str = "", tables: str = ""
) -> dict[str, object]:
    """Compare two studies on the questions that both asked; returns what was written.

    The page goes to `out`, by default `second`/report/against-NAME of the first.

    Raises:
        SettingError: the studies do not measure the same, or a format is unknown.
        StoreError: a folder holds no study, or cannot be written to.
    """
    check_formats(figures, tables)
    a, b = read_side(first), read_side(second)
    check_comparable(a, b)
    found = pairs(a, b)
    folder = out or second / "report" / f"against-{first.resolve().name}"
    page = folder / "index.html"
    write_page(page, render(a, b, found))
    told: dict[str, object] = {"report": str(page), **counted(found)}
    if tables:
        paths = write_forms(folder / "tables", tables_of(a, b, found), tables)
        told["tables"] = [str(path) for path in paths]
    if figures:
        told |= _write_figures(a, found, folder / "figures", figures)
    return told


def _write_figures(a: Side, found: Sequence[Pair], out: Path, kind: str) -> dict[str, object]:
    from babelscope.report import paper_panels
    from babelscope.report.fonts import find_fonts
    from babelscope.report.paper import look, save

    names = [variant_name(a.tables, v) for v in variants(a.tables)]
    fonts = find_fonts(a.tables.plan["targets"], names)
    files = []
    with look(fonts):
        for what, x in (("score", "B minus A, points"), ("gain", "gain of B minus A, points")):
            drawn = panels(a, found, what, fonts.label)
            pages = list(paper_panels.pages(drawn, fonts, x, _handles())) if drawn else []
            for number_, figure in enumerate(pages, 1):
                name = f"{what}s" if len(pages) == 1 else f"{what}s-{number_}"
                files.append(str(save(figure, out, name, kind)))
    return {"figures": files, "scripts_without_font": list(fonts.unwritten)}


def _handles() -> list[Any]:
    from babelscope.report.paper_panels import mark_handle

    names = {"helped": "B higher", "harmed": "A higher (Holm’s p < 0.05)", "open": "undecided"}
    return [mark_handle(KINDS[kind], name) for kind, name in names.items()]


def render(a: Side, b: Side, found: Sequence[Pair]) -> str:
    """Return the page as text."""
    scripts = [asset("vendor/plotly-cartesian.min.js"), asset("templates/report.js")]
    drawn = {kind: panels(a, found, kind) for kind in HEADS}
    figures_ = {p.id: p.figure for group in drawn.values() for p in group}
    return template("compare.html.j2").render(
        policy=policy(scripts),
        scripts=[Markup(script) for script in scripts],
        style=Markup(asset("templates/style.css")),
        sides=[_side(letter, side) for letter, side in (("A", a), ("B", b))],
        measure=measure_name(a.tables.plan["main_measure"]),
        answers=[*_sentences(a, found, "score"), *_sentences(a, found, "gain")],
        drawn=drawn,
        tables=tables_of(a, b, found),
        figures_json=embed(figures_),
    )


def _side(letter: str, side: Side) -> dict[str, str]:
    plan = side.tables.plan
    return {
        "letter": letter,
        "title": str(plan.get("title") or plan["name"]),
        "model": str(plan["model"].get("name", "")),
        "folder": str(side.folder),
        "command": str(plan.get("command") or ""),
    }


def verdict(pair: Pair) -> str:
    """Return "helped" where B is clearly higher, "harmed" where A is, else "open"."""
    if not (is_number(pair.p_holm) and pair.p_holm < 0.05):
        return "open"
    return "helped" if pair.found.difference.value > 0 else "harmed"


def counted(found: Sequence[Pair]) -> dict[str, object]:
    """Return how many scores and gains are clearly higher in B, in A, and undecided."""
    told: dict[str, object] = {}
    for kind in HEADS:
        verdicts = [verdict(p) for p in found if p.kind == kind]
        told[f"{kind}s"] = {
            "B higher": verdicts.count("helped"),
            "A higher": verdicts.count("harmed"),
            "undecided": verdicts.count("open"),
        }
    return told


def _sentences(a: Side, found: Sequence[Pair], kind: str) -> list[Markup]:
    own = [p for p in found if p.kind == kind]
    if not own:
        return [Markup("No {} is in both studies.").format(kind)]
    count = {v: sum(verdict(p) == v for p in own) for v in ("helped", "harmed", "open")}
    text = Markup(
        "Of {} on shared questions, <strong>{}</strong> clearly higher in B, "
        "<strong>{}</strong> in A; <strong>{}</strong> undecided."
    )
    verb = "is" if count["helped"] == 1 else "are"
    what = count_text(len(own), kind)
    lead = text.format(what, f"{count['helped']} {verb}", count["harmed"], count["open"])
    clear = [p for p in own if verdict(p) != "open"]
    clear.sort(key=lambda p: -abs(p.found.difference.value))
    named = [
        Markup('{} <span class="num">{} ({})</span>, {}').format(
            _cell(a, p),
            signed(p.found.difference.value),
            interval(p.found.difference.low, p.found.difference.high, sign=True),
            p_text(p.p_holm),
        )
        for p in clear[:NAMED]
    ]
    return [lead, *([Markup("The largest: {}.").format(listed(named))] if named else [])]


def _cell(a: Side, pair: Pair) -> Markup:
    recipe, source, target = pair.key
    name = model_title(a.tables, Variant(recipe, source))
    return Markup("{}, {}:").format(isolated(language_name(target)), isolated(name))


def tables_of(a: Side, b: Side, found: Sequence[Pair]) -> dict[str, Table]:
    """Return the tables of a comparison: scores, gains, and what only one study has."""
    return {
        "scores": _table(a, found, "score", "Scores on shared questions, points of 100"),
        "gains": _table(a, found, "gain", "Gains over the own base model, points of 100"),
        "apart": apart(a, b),
    }


def _table(a: Side, found: Sequence[Pair], kind: str, caption: str) -> Table:
    rows: list[Row] = []
    for pair in found:
        if pair.kind != kind:
            continue
        recipe, source, target = pair.key
        e = pair.found.difference
        difference = {"difference": e.value, "low": e.low, "high": e.high}
        rows.append(
            (
                variant_name(a.tables, Variant(recipe, source)),
                language_name(target),
                estimated(pair.first),
                estimated(pair.second),
                changed(difference),
                chance(pair.p_holm),
                number(e.n, f"{e.n:,}"),
                pair.seeds if source else "—",
            )
        )
    head = ("Model", "Target", *HEADS[kind], "B − A (95 %)", "p after Holm", "n", "Paired seeds")
    return Table(caption, head, tuple(rows))


def apart(a: Side, b: Side) -> Table:
    """Return what only one of the studies has: targets, models, and questions."""
    rows: list[Row] = []
    for letter, own, other in (("A", a, b), ("B", b, a)):
        rows += [
            (letter, "target", language_name(t), "")
            for t in own.tables.plan["targets"]
            if t not in other.tables.plan["targets"]
        ]
        theirs = {key[:2] for key in other.cells}
        rows += [
            (letter, "model", model_title(own.tables, v), "")
            for v in variants(own.tables)
            if (v.recipe, v.source) not in theirs
        ]
        for key in own.cells:
            if not key[1] and key in other.cells:
                mine, held = (set(side.cells[key]["id"]) for side in (own, other))
                if mine - held:
                    left = len(mine - held)
                    name = language_name(key[2])
                    rows.append((letter, "questions", name, number(left, f"{left:,}")))
    head = ("Study", "What", "Name", "Questions")
    return Table("What only one study has, left out of the comparison", head, tuple(rows), 3)


def panels(a: Side, found: Sequence[Pair], kind: str, naming: Any = language_name) -> list[Panel]:
    """Return a panel per model: B minus A in every shared target, with its interval."""
    own = [p for p in found if p.kind == kind]
    ends = [abs(x) for p in own for x in _ends(p.found.difference) if is_number(x)]
    reach = max(ends, default=0.1) * 108 or 1.0
    targets = [t for t in a.tables.plan["targets"] if any(p.key[2] == t for p in own)]
    labels = [naming(t) for t in targets]
    drawn = []
    for place, variant in enumerate(variants(a.tables)):
        mine = {p.key[2]: p for p in own if p.key[:2] == (variant.recipe, variant.source)}
        if not mine:
            continue
        empty = [i for i, t in enumerate(targets) if t not in mine]
        traces = [gaps(empty, -reach)]
        for what, mark in KINDS.items():
            chosen = [(i, mine[t]) for i, t in enumerate(targets) if t in mine]
            chosen = [(i, p) for i, p in chosen if verdict(p) == what]
            hover = [f"{labels[i]}: {changed(_row(p))}, {p_text(p.p_holm)}" for i, p in chosen]
            estimates = [p.found.difference for _, p in chosen]
            traces.append(dots([i for i, _ in chosen], estimates, hover, mark))
        x = {"range": [-reach, reach], "zeroline": True, "title": "points, B minus A"}
        title = model_title(a.tables, variant)
        figure = {"data": traces, "layout": axes(labels, x) | shaded(empty)}
        summary = f"Difference of {kind}s, B minus A, in {len(targets)} targets: {title}"
        drawn.append(Panel(f"{kind}-{place}", title, summary, height(len(targets)), figure))
    return drawn


def _ends(value: Estimate) -> tuple[float, float, float]:
    return value.low, value.high, value.value


def _row(pair: Pair) -> dict[str, float]:
    e = pair.found.difference
    return {"difference": e.value, "low": e.low, "high": e.high}

"""The tables and panels of two studies side by side."""

from __future__ import annotations

from collections.abc import Sequence

from babelscope.records import Estimate
from babelscope.report import claims
from babelscope.report.cells import Number, Row, Table, chance, changed, estimated, number
from babelscope.report.figures import KINDS, Naming, Panel, axes, dots, gaps, height, shaded
from babelscope.report.names import (
    is_number,
    language_name,
    model_title,
    p_text,
    variant_name,
)
from babelscope.report.pairing import Pair, Side, has_answers
from babelscope.report.tables import Variant, variants

HEADS = {
    "score": ("Score of A (95 %)", "Score of B (95 %)"),
    "gain": ("Gain of A (95 %)", "Gain of B (95 %)"),
}


def verdict(pair: Pair) -> str:
    """Return "helped" where B is higher, "harmed" where A is; "gained" or "lost" of these adapters.

    "open" where neither is told. A base is one model, which contexts alone can tell of.
    """
    found = claims.verdict(pair.row)
    return found if pair.key[1] else {"gained": "helped", "lost": "harmed"}.get(found, found)


def pair_words(pair: Pair) -> str:
    """Return "p = 0.012", of tuned models with whose claim it is; a base is one model."""
    if pair.key[1]:
        return claims.p_words(pair.row)
    return p_text(claims.shown_p(pair.row))


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
        write = estimated if kind == "score" else _signed
        rows.append(
            (
                variant_name(a.tables, Variant(recipe, source)),
                language_name(target),
                write(pair.first),
                write(pair.second),
                changed(_row(e)),
                chance(pair.p_holm) if pair.found.seeds > 1 else number(pair.p_holm, "one seed"),
                chance(pair.p_adapters_holm),
                number(e.n, f"{e.n:,}"),
                pair.seeds if source else "—",
            )
        )
    head = (
        "Model", "Target", *HEADS[kind], "B − A (95 %)", "p after Holm",
        "p after Holm, these adapters", "n", "Paired seeds",
    )  # fmt: skip
    return Table(caption, head, tuple(rows))


def apart(a: Side, b: Side) -> Table:
    """Return what only one of two studies with answers has: targets, models, and questions."""
    rows: list[Row] = []
    both = has_answers(a) and has_answers(b)
    for letter, own, other in (("A", a, b), ("B", b, a)) if both else ():
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


def panels(
    a: Side, found: Sequence[Pair], kind: str, naming: Naming = language_name
) -> list[Panel]:
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
            hover = [
                f"{labels[i]}: {changed(_row(p.found.difference))}, {pair_words(p)}"
                for i, p in chosen
            ]
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


def _row(e: Estimate) -> dict[str, float]:
    return {"difference": e.value, "low": e.low, "high": e.high}


def _signed(value: Estimate) -> Number:
    return changed(_row(value))

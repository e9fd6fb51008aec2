"""Two studies side by side: a page, tables and figures of their paired differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from babelscope.errors import SettingError
from babelscope.portable import portable_command, portable_path
from babelscope.report.claims import needed_words
from babelscope.report.compare_views import HEADS, pair_words, panels, tables_of, verdict
from babelscope.report.export import mark_folder, marked, write_forms
from babelscope.report.figures import KINDS
from babelscope.report.formats import check_formats
from babelscope.report.html import asset, embed, policy, template, write_page
from babelscope.report.inside_compare import NAMES, Inside, compare_inside, why_nothing
from babelscope.report.names import (
    count_text,
    interval,
    is_number,
    isolated,
    language_name,
    measure_name,
    model_title,
    signed,
    variant_name,
)
from babelscope.report.pairing import (
    Pair,
    Side,
    check_comparable,
    has_answers,
    has_same_model,
    pairs,
    read_side,
)
from babelscope.report.tables import Variant, variants
from babelscope.report.unfinished import unfinished
from babelscope.store import check_folder

NAMED = 4

HIGHER = {"B higher": "helped", "A higher": "harmed", "undecided": "open"}


def write_comparison(
    first: Path, second: Path, out: Path | None, figures: str = "", tables: str = ""
) -> dict[str, object]:
    """Compare two studies on what both have; returns what was written.

    These are the questions that both asked, and the insides that both looked at: alignment, probes
    and the lens. The page goes to `out`, by default `second`/report/against-NAME of the first.

    Raises:
        SettingError: the studies do not measure the same, have nothing in common, or a format is
            unknown.
        StoreError: a folder holds no study, or cannot be written to.
    """
    check_formats(figures, tables)
    a, b = read_side(first), read_side(second)
    asked = has_answers(a), has_answers(b)
    if all(asked):
        check_comparable(a, b)
    found = pairs(a, b) if all(asked) else ()
    inside = compare_inside(a, b)
    if not found and not inside.sections:
        raise SettingError(
            f"comparing {first} with {second}",
            expected="something that both studies measured",
            found=why_nothing(inside, asked),
        )
    folder = out or second / "report" / f"against-{first.resolve().name}"
    page = folder / "index.html"
    for wanted, name in (("page", ""), (figures, "figures"), (tables, "tables")):
        if wanted:
            check_folder(folder / name)
    write_page(page, render(a, b, found, inside))
    told: dict[str, object] = {"report": str(page), **(counted(found) if found else {})}
    if lacking := incomplete(a, b):
        told["unfinished"] = lacking
    if inside.sections or inside.left:
        counts: dict[str, object] = {key: len(own) for key, own in inside.matches.items()}
        told["inside"] = counts | {"left out": len(inside.left)}
    if tables:
        every, beside = tables_of(a, b, found) | inside.tables, folder / "tables"
        paths = write_forms(beside, marked(every, lacking), tables)
        told["tables"] = [str(path) for path in (*paths, *mark_folder(beside, lacking))]
    if figures and not found:
        told["figures"] = "none: figures for papers are drawn of answers alone"
    if figures and found:
        told |= _write_figures(a, found, folder / "figures", figures, lacking)
    return told


def incomplete(a: Side, b: Side) -> str:
    """Return what each unfinished side lacks, "A is unfinished: ..."; "" where both are whole."""
    told = ((letter, unfinished(side.tables)) for letter, side in (("A", a), ("B", b)))
    return ". ".join(f"{letter} is {lacks}" for letter, lacks in told if lacks)


def _write_figures(
    a: Side, found: Sequence[Pair], out: Path, kind: str, note: str
) -> dict[str, object]:
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
                files.append(str(save(figure, out, name, kind, note)))
    return {"figures": files, "scripts_without_font": list(fonts.unwritten)}


def _handles() -> list[Any]:
    from babelscope.report.paper_panels import mark_handle

    names = {
        "helped": "B higher",
        "harmed": "A higher",
        "gained": "B higher, these adapters only",
        "lost": "A higher, these adapters only",
        "open": "undecided",
    }
    return [mark_handle(KINDS[kind], name) for kind, name in names.items()]


def render(a: Side, b: Side, found: Sequence[Pair], inside: Inside) -> str:
    """Return the page as text."""
    scripts = [asset("vendor/plotly-cartesian.min.js"), asset("templates/report.js")]
    drawn = {kind: panels(a, found, kind) for kind in HEADS}
    figures_ = {p.id: p.figure for group in drawn.values() for p in group}
    figures_ |= {p.id: p.figure for section in inside.sections for p in section.panels}
    asked = has_answers(a), has_answers(b)
    answers = [*_sentences(a, found, "score"), *_sentences(a, found, "gain")] if found else []
    return template("compare.html.j2").render(
        policy=policy(scripts),
        scripts=[Markup(script) for script in scripts],
        style=Markup(asset("templates/style.css")),
        sides=[_side(letter, side) for letter, side in (("A", a), ("B", b))],
        measure=measure_name(a.tables.plan["main_measure"]),
        same=has_same_model(a, b),
        unfinished=incomplete(a, b),
        answers=[*answers, *inside.sentences],
        asked=asked,
        inside=inside,
        inside_names=NAMES,
        drawn=drawn,
        tables=tables_of(a, b, found) | inside.tables,
        figures_json=embed(figures_),
    )


def _side(letter: str, side: Side) -> dict[str, str]:
    plan = side.tables.plan
    return {
        "letter": letter,
        "title": str(plan.get("title") or plan["name"]),
        "model": portable_path(str(plan["model"].get("name", ""))),
        "folder": portable_path(str(side.folder)),
        "command": portable_command(str(plan.get("command") or "")),
    }


def counted(found: Sequence[Pair]) -> dict[str, object]:
    """Return how many scores and gains are higher in B, in A, of which of these adapters only."""
    told: dict[str, object] = {}
    for kind in HEADS:
        bases, tuned = _by_start(_tested(found, kind))
        counts = {f"{name}, base models": bases.count(what) for name, what in HIGHER.items()}
        told[f"{kind}s"] = {
            **(counts if bases else {}),
            "B higher": tuned.count("helped"),
            "A higher": tuned.count("harmed"),
            "B higher, these adapters only": tuned.count("gained"),
            "A higher, these adapters only": tuned.count("lost"),
            "undecided": tuned.count("open"),
        }
    return told


def _tested(found: Sequence[Pair], kind: str) -> list[Pair]:
    return [p for p in found if p.kind == kind and is_number(p.p_adapters_holm)]


def _by_start(tested: Sequence[Pair]) -> tuple[list[str], list[str]]:
    """Return the verdicts on base models and those on tuned ones."""
    return (
        [verdict(p) for p in tested if not p.key[1]],
        [verdict(p) for p in tested if p.key[1]],
    )


def _sentences(a: Side, found: Sequence[Pair], kind: str) -> Iterator[Markup]:
    own = _tested(found, kind)
    if not own:
        yield Markup("No {} to compare is in both studies.").format(kind)
        return
    bases, tuned = _by_start(own)
    if bases:
        count = Counter(bases)
        text = Markup(
            "Of {} of base models on shared questions, <strong>{}</strong> higher in B and "
            "<strong>{}</strong> in A, tested over contexts; <strong>{}</strong> undecided."
        )
        yield text.format(
            count_text(len(bases), kind), _are(count["helped"]), count["harmed"], count["open"]
        )
    if tuned:
        count = Counter(tuned)
        text = Markup(
            "Of {}{} on shared questions, <strong>{}</strong> higher in B and <strong>{}</strong> "
            "in A, tested over contexts and seeds; of these adapters only, <strong>{}</strong> in "
            "B and <strong>{}</strong> in A; <strong>{}</strong> undecided."
        )
        of = " of tuned models" if kind == "score" else ""
        rest = (count[name] for name in ("harmed", "gained", "lost", "open"))
        yield text.format(count_text(len(tuned), kind), of, _are(count["helped"]), *rest)
    told = sorted(
        (p for p in own if verdict(p) != "open"), key=lambda p: -abs(p.found.difference.value)
    )
    if told:
        named = [_named(a, p, pair_words(p)) for p in told[:NAMED]]
        yield Markup("The largest that are decided: {}.").format(Markup("; ").join(named))
    yield from _undecided(a, [p for p in own if verdict(p) == "open"])


def _are(count: int) -> str:
    return f"{count} {'is' if count == 1 else 'are'}"


def _undecided(a: Side, own: Sequence[Pair]) -> Iterator[Markup]:
    """Yield what would decide the nearest of the open pairs, or that so few contexts cannot."""
    blind = [p for p in own if p.capacity is not None and not p.capacity.decides]
    if blind:
        text = Markup("{} cannot be decided by these questions: {}.")
        capacity = blind[0].capacity
        yield text.format(count_text(len(blind), "pair"), capacity.words if capacity else "")
    near = [p for p in own if p not in blind and is_number(p.found.questions_needed)]
    near.sort(key=lambda p: (p.found.questions_needed / max(p.found.difference.n, 1), p.key))
    if near:
        named = [_named(a, p, needed_words(p.row)) for p in near[:NAMED]]
        yield Markup(
            "Nearest to a decision, with what would give 80 % power after correction if the "
            "differences are as large as they look: {}."
        ).format(Markup("; ").join(named))


def _named(a: Side, pair: Pair, told: str) -> Markup:
    e = pair.found.difference
    return Markup('{} <span class="num">{} ({})</span>, {}').format(
        _cell(a, pair), signed(e.value), interval(e.low, e.high, sign=True), told
    )


def _cell(a: Side, pair: Pair) -> Markup:
    recipe, source, target = pair.key
    name = model_title(a.tables, Variant(recipe, source))
    return Markup("{}, {}:").format(isolated(language_name(target)), isolated(name))

"""Sources of one language: the sentences and the table of their contrasts, and words for any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from babelscope.report.cells import Row, Table, Text, chance, changed, needed, number
from babelscope.report.claims import is_told, needed_words, p_words
from babelscope.report.contrasts import (
    MEAN,
    MOST_PAIRS,
    Contrast,
    Contrasts,
    quality_of,
    rival_sources,
)
from babelscope.report.names import (
    count_text,
    isolated,
    language_name,
    recipe_name,
    share_text,
    source_name,
    variant_name,
)
from babelscope.report.questions import question_cells
from babelscope.report.tables import Tables, Variant
from babelscope.report.words import NAMED, Answer, change, strong

BETTER = "Did better data in one language transfer better?"
QUALITY_WORDS = {
    "gold_verbatim": "gold verbatim in its context",
    "chrf": "chrF against the human set",
    "sentences_kept": "sentences kept",
    "identified": "records identified as the language",
}
UNRANKED = "the table of data does not say whose data are better"
NO_SCORES = (
    "The study’s scores of questions do not pair: no common ids, or made by an older version."
)


def better_data(tables: Tables, found: Contrasts) -> Answer | None:
    """Say for sources of one language whether the better data gain more; None without such."""
    pairs = list(rival_sources(tables))
    if not pairs:
        return None
    sentences: list[Markup] = []
    for recipe in tables.plan["recipes"]:
        for one, other in pairs[:MOST_PAIRS]:
            own = [c for c in found.data if (c.recipe, c.first, c.second) == (recipe, one, other)]
            if own:
                sentences += _rivals(tables, own)
            elif tables.scores is not None and not _meet(tables, recipe, one, other):
                names = (strong(source_name(tables, s)) for s in (one, other))
                text = Markup("{} against {}{}: no target has scores of both.")
                sentences.append(text.format(*names, recipe_note(tables, recipe)))
    return Answer(BETTER, told_with_cut(sentences, pairs), "quality")


def _meet(tables: Tables, recipe: str, one: str, other: str) -> bool:
    """Whether any target of the plan has scores of both sources."""
    cells = question_cells(tables)
    return any({(recipe, s, t) for s in (one, other)} <= set(cells) for t in tables.plan["targets"])


def told_with_cut(sentences: Sequence[Markup], pairs: Sequence[object]) -> tuple[Markup, ...]:
    """Return the sentences with the number of pairs that were left out; never none at all."""
    if not sentences:
        return (Markup(NO_SCORES),)
    if len(pairs) <= MOST_PAIRS:
        return tuple(sentences)
    cut = Markup("Of {} the first {} are compared.")
    return (*sentences, cut.format(count_text(len(pairs), "pair"), MOST_PAIRS))


def _rivals(tables: Tables, own: Sequence[Contrast]) -> Iterator[Markup]:
    head = own[0]
    names = [strong(source_name(tables, s)) for s in (head.first, head.second)]
    ranked = quality_of(tables, head.first, head.second) is not None
    verb, sides = ("transfers", QUALITY_SIDES) if ranked else ("gains", GAIN_SIDES)
    told_by = _quality(tables, head.first, head.second) or UNRANKED
    lead = Markup("{} against {} ({})").format(*names, told_by)
    lead += recipe_note(tables, head.recipe)
    singles = [c for c in own if c.where != MEAN]
    mean = next((c for c in own if c.where == MEAN), singles[0] if len(singles) == 1 else None)
    if mean is not None:
        planned = len(tables.plan["targets"])
        some = "" if mean.count == planned else f"{mean.count} of "
        over = Markup("on average over {}{}").format(some, count_text(planned, "target"))
        if mean.where != MEAN:
            over = Markup("in {}").format(isolated(language_name(mean.where)))
        told = told_apart(mean, Markup("the first {}").format(verb), sides)
        yield Markup("{}: {} {}.").format(lead, over, told)
    clear = [c for c in singles if is_told(c.row)] if mean is not singles[0] else []
    if clear:
        text = Markup("Decided in {} of {}: the first {} {}.")
        parts = [(c, language_name(c.where), "in") for c in clear]
        told = each(parts, sides)
        yield text.format(len(clear), count_text(len(singles), "target"), verb, told)
    elif mean is None:
        text = Markup("{}: no difference in {} is decided.")
        yield text.format(lead, count_text(len(singles), "target"))


def each(found: Sequence[tuple[Contrast, str, str]], words: tuple[str, str]) -> Markup:
    """Return "better in Greek, by +3.2 (...) points (p = ...); worse in ...", the largest first."""
    order = sorted(found, key=lambda part: -abs(part[0].row["difference"]))
    named = [
        Markup("{} {} {}, by {} points ({})").format(
            _side(c, words), where, isolated(name), change(c.row), p_words(c.row)
        )
        for c, name, where in order[:NAMED]
    ]
    more = [Markup("{} more").format(len(order) - NAMED)] if len(order) > NAMED else []
    return Markup("; ").join(named + more)


def _side(found: Contrast, words: tuple[str, str]) -> str:
    return words[0] if found.row["difference"] > 0 else words[1]


QUALITY_SIDES, GAIN_SIDES = ("better", "worse"), ("more", "less")


def _quality(tables: Tables, one: str, other: str) -> str:
    """Return "gold verbatim in its context 84.5 % and 19.4 %", or "" where nothing differs."""
    told = quality_of(tables, one, other)
    if told is None:
        return ""
    name, a, b = told
    values = (f"{a:.1f}", f"{b:.1f}") if name == "chrf" else (share_text(a, 1), share_text(b, 1))
    return "{} {} and {}".format(QUALITY_WORDS[name], *values)


def told_apart(found: Contrast, sure: Markup, words: tuple[str, str]) -> Markup:
    """Return "the first transfers better, by +3.2 (...) points (p = ...)", or what is not known."""
    row = found.row
    if is_told(row):
        text = Markup("{} {}, by {} points ({})")
        return text.format(sure, _side(found, words), change(row), p_words(row))
    text = Markup("the data do not tell them apart: {} points ({}), {}")
    return text.format(change(row), p_words(row), needed_words(row, found.capacity))


def recipe_note(tables: Tables, recipe: str) -> Markup:
    """Return ", recipe NAME", or nothing where the study has but one."""
    if len(tables.plan["recipes"]) < 2:
        return Markup("")
    return Markup(", recipe {}").format(isolated(recipe_name(tables, recipe)))


def data_table(tables: Tables, found: Contrasts) -> Table:
    """Return every contrast of sources of one language, better data first where told apart."""
    rows: list[Row] = []
    for c in found.data:
        where = language_name(c.where) if c.where else f"mean over {c.count}"
        names = (variant_name(tables, Variant(c.recipe, s)) for s in (c.first, c.second))
        told_by = _quality(tables, c.first, c.second) or "—"
        rows.append((*names, where, told_by, *numbers(c)))
    head = ("First", "Second", "Target", "Told apart by", "First − second (95 %)", *HEADS)
    caption = "Sources of one language compared, on the same questions, points of 100"
    return Table(caption, head, tuple(rows), names=4)


HEADS = (
    "p", "p after Holm", "p after Holm, these adapters", "Paired seeds", "Questions needed",
    "Seeds needed", "n",
)  # fmt: skip


def numbers(c: Contrast) -> tuple[Text, ...]:
    """Return a contrast's cells under its difference and `HEADS`."""
    n, one = c.found.difference.n, c.found.seeds < 2
    return (
        changed(c.row),
        chance(c.found.p_adapters if one else c.found.p_value),
        number(c.p_holm, "one seed") if one else chance(c.p_holm),
        chance(c.p_adapters_holm),
        c.seeds,
        needed(c.found.questions_needed),
        number(c.found.seeds_needed, "one seed") if one else needed(c.found.seeds_needed),
        number(n, f"{n:,}"),
    )

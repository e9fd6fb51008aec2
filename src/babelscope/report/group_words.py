"""Named groups of targets: the sentences and the table of the contrasts of their gains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from babelscope.report.cells import Row, Table
from babelscope.report.claims import is_told
from babelscope.report.contrast_words import (
    GAIN_SIDES,
    HEADS,
    NO_SCORES,
    each,
    numbers,
    recipe_note,
    told_apart,
    told_with_cut,
)
from babelscope.report.contrasts import (
    MEAN,
    Contrast,
    Contrasts,
    Members,
    Sides,
    group_pairs,
    outside,
)
from babelscope.report.names import (
    count_text,
    isolated,
    language_name,
    listed,
    source_name,
    variant_name,
)
from babelscope.report.tables import Tables, Variant
from babelscope.report.words import Answer, strong

GROUPS = "Which group of languages gains more?"
ABOUT = Markup("p and interval are about these targets, not about languages of that kind.")


def groups_compared(tables: Tables, found: Contrasts) -> Answer | None:
    """Say which of the plan's groups gains more, on average and by source; None without two."""
    pairs = list(group_pairs(tables))
    if not pairs or not tables.plan["sources"]:
        return None
    sentences: list[Markup] = []
    if tables.scores is not None and not tables.scores.is_empty():
        for own in found.members:
            key = (own.recipe, *own.pair)
            contrasts = [c for c in found.groups if (c.recipe, c.first, c.second) == key]
            sentences += _pair(tables, own, contrasts)
        sentences += [ABOUT] if found.groups else []
        sentences += [_outside(name, codes) for name, codes in outside(tables).items()]
    return Answer(GROUPS, told_with_cut(sentences, pairs), "groups")


def _outside(group: str, codes: Sequence[str]) -> Markup:
    text = Markup("Left out of {} for being no {} of this study: {}.")
    noun = "target" if len(codes) == 1 else "targets"
    return text.format(strong(group), noun, _languages(codes))


def _languages(codes: Sequence[str]) -> Markup:
    return listed([isolated(language_name(code)) for code in codes])


def _sides(sides: Sides) -> Markup:
    return Markup("{} against {}").format(*(_languages(codes) for codes in sides))


def _pair(tables: Tables, own: Members, contrasts: Sequence[Contrast]) -> Iterator[Markup]:
    lead = Markup("{} against {}").format(*map(strong, own.pair))
    lead += recipe_note(tables, own.recipe)
    if not all(own.sides):
        bare = next(n for n, codes in zip(own.pair, own.sides, strict=True) if not codes)
        yield Markup("{}: {} has no target of this study.").format(lead, strong(bare))
        return
    if contrasts:
        yield from _group(tables, own, lead, contrasts)
    elif own.taken:
        yield Markup("{}: {}").format(lead, NO_SCORES)
    else:
        yield Markup("{}: no source can be judged.").format(lead)
    yield from _left_out(tables, own)


def _left_out(tables: Tables, own: Members) -> Iterator[Markup]:
    if own.emptied:
        names = listed([isolated(source_name(tables, s)) for s in own.emptied])
        count = count_text(len(own.emptied), "source")
        text = Markup("Left out, as one of the groups has no target but its own language: {} ({}).")
        yield text.format(count, names)
    if own.missing:
        parts = [
            Markup("{} in {}").format(isolated(source_name(tables, s)), _languages(codes))
            for s, codes in own.missing.items()
        ]
        text = Markup("Left out for missing scores, its own or its base’s: {} ({}).")
        yield text.format(count_text(len(parts), "source"), Markup("; ").join(parts))


def _group(
    tables: Tables, own: Members, lead: Markup, contrasts: Sequence[Contrast]
) -> Iterator[Markup]:
    singles = [c for c in contrasts if c.where != MEAN]
    mean = next((c for c in contrasts if c.where == MEAN), singles[0])
    one = strong(mean.first)
    if mean.where == MEAN:
        planned = len(tables.plan["sources"])
        some = "" if mean.count == planned else f"{mean.count} of "
        over = Markup("on average over {}{}").format(some, count_text(planned, "source"))
    else:
        over = Markup("after tuning on {}").format(isolated(source_name(tables, mean.where)))
    cut = any(sides != own.sides for sides in own.taken.values())
    without = ", no source judged by its own language" if cut else ""
    told = told_apart(mean, Markup("{} gains").format(one), GAIN_SIDES)
    yield Markup("{} ({}{}): {} {}.").format(lead, _sides(mean.targets), without, over, told)
    clear = [c for c in singles if is_told(c.row)] if mean.where == MEAN else []
    if clear:
        text = Markup("Decided for {} of {}: {} gains {}.")
        parts = [(c, source_name(tables, c.where), "after tuning on") for c in clear]
        told = each(parts, GAIN_SIDES)
        yield text.format(len(clear), count_text(len(singles), "source"), one, told)


def group_table(tables: Tables, found: Contrasts) -> Table:
    """Return every contrast of two groups' gains."""
    rows: list[Row] = []
    for c in found.groups:
        where = variant_name(tables, Variant(c.recipe, c.where))
        if c.where == MEAN:
            note = recipe_note(tables, c.recipe).striptags()
            where = f"mean over {count_text(c.count, 'source')}{note}"
        used = " against ".join(", ".join(map(language_name, codes)) for codes in c.targets)
        rows.append((c.first, c.second, where, used, *numbers(c)))
    head = ("Group", "Against", "Model", "Targets", "Gain − gain (95 %)", *HEADS)
    caption = "Gains of groups compared, points of 100, no source judged by its own language"
    return Table(caption, head, tuple(rows), names=4)

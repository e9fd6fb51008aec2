"""Which questions are asked: n of a set, from as many contexts as there are, by a seeded hash.

Questions on one context count nearly as one draw, so that contexts, not questions, decide what a
study can see. The order of drawing depends on ids, context ids and the seed alone: parallel
languages give the same ids, a file's order does not matter, and a larger n adds to a smaller one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

from babelscope.data.prompts import rank
from babelscope.errors import DataError, SettingError
from babelscope.records import QuestionSet

PerContext = int | Literal["fewest", "all"]
"""How many questions a context gives: as few as n allows, k at most, or all that it has."""

FEWEST: Final = "fewest"
WHOLE: Final = "all"


def per_context_of(value: object, what: str) -> PerContext:
    """Return a setting's value (None: "fewest") as what `draw_places` takes.

    Raises:
        SettingError: it is neither a whole number of at least 1, nor "all", nor "fewest".
    """
    if value is None or value == FEWEST:
        return FEWEST
    if value == WHOLE:
        return WHOLE
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise SettingError(
        what,
        expected=f'a whole number of at least 1, "{WHOLE}" (whole contexts) or "{FEWEST}" (as few '
        "as the number of questions allows)",
        found=repr(value),
    )


def draw_places(
    ids: Sequence[str],
    contexts: Sequence[str],
    n: int,
    seed: int,
    per_context: PerContext = FEWEST,
) -> list[int]:
    """Return the places of n items, in their own order; n = 0 or beyond all means all there are.

    Contexts stand in the order of a hash of seed and context id, the items of each in that of
    their own id. "fewest" takes one item of each context, then a second of each, until there are
    n: with C contexts and n <= C from n contexts. A number k takes k items of one context after
    another, the last may give fewer. "all" takes whole contexts until there are n or more.

    Raises:
        SettingError: n is negative, or `per_context` is none of these.
    """
    check_size(n)
    per_context_of(per_context, "questions a context")
    order, turns = _order(ids, contexts, seed, per_context)
    if n:
        end = n
        # a whole context is not cut: its later turns follow at once
        while per_context == WHOLE and 0 < end < len(order) and turns[order[end]]:
            end += 1
        order = order[:end]
    return sorted(order)


def _order(
    ids: Sequence[str], contexts: Sequence[str], seed: int, per_context: PerContext
) -> tuple[list[int], dict[int, int]]:
    """Return the places in the order of drawing, and each one's turn in its context, from 0."""
    members: defaultdict[str, list[int]] = defaultdict(list)
    for place, context in enumerate(contexts):
        members[context].append(place)
    turns: dict[int, int] = {}
    for places in members.values():
        # another hash than the contexts' own: a context is often named by one of its questions
        places.sort(key=lambda place: (rank(seed, f"question {ids[place]}"), ids[place]))
        turns |= {place: turn for turn, place in enumerate(places)}
    ranked = sorted(members, key=lambda context: (rank(seed, context), context))
    order = [place for context in ranked for place in members[context]]
    if per_context == FEWEST:
        order.sort(key=turns.__getitem__)  # stable: contexts keep their order within a round
    elif per_context != WHOLE:
        order = [place for place in order if turns[place] < per_context]
    return order, turns


def draw_questions(
    questions: QuestionSet, n: int, seed: int, per_context: PerContext = FEWEST
) -> QuestionSet:
    """Return n questions in file order, drawn as `draw_places` says; n = 0 means all.

    A set of fewer than n questions is returned whole; with a number, n = 0 takes that many of
    every context.

    Raises:
        SettingError: n is negative, or `per_context` is none of the three.
        DataError: a number of questions a context leaves fewer than n of a set that has them.
    """
    asked = questions.examples
    contexts = [example.context_id for example in asked]
    places = draw_places([e.id for e in asked], contexts, n, seed, per_context)
    if len(places) < min(n, len(asked)):
        raise DataError(
            f"{questions.name} in {questions.language}",
            expected=f"{n} questions, {per_context} a context at most",
            found=f"{len(places)} such from {len(set(contexts))} contexts, {len(asked)} in all",
            remedy=f"ask {len(places)} questions, or more a context",
        )
    return replace(questions, examples=tuple(asked[place] for place in places))


def check_size(n: int) -> None:
    """Make sure that a number of questions is 0, which stands for all, or more.

    Raises:
        SettingError: it is negative.
    """
    if n < 0:
        raise SettingError("number of questions", expected="0 (all) or more", found=str(n))


def drawn_words(questions: int, contexts: int, wanted: int = 0) -> str:
    """Say how many questions were drawn from how many contexts, and if that is fewer than wanted.

    `wanted` is the number asked for, 0 for all.
    """
    told = f"{_count(questions, 'question')} from {_count(contexts, 'context')}"
    return f"{told}, all there are; {wanted} were asked for" if questions < wanted else told


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + "s" * (n != 1)

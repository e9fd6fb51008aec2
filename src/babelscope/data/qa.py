"""Question sets: read from any source, checked and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from babelscope.data.draws import check_size
from babelscope.data.formats import RawQuestion, raw_questions
from babelscope.data.json_values import LONE_SURROGATE, plain_numbers
from babelscope.data.language_fields import means
from babelscope.data.normal_forms import is_nfc, nfc, stands_at, stands_in
from babelscope.data.sources import AtlasSplit, HubSet, locate, read_json_items
from babelscope.errors import DataError
from babelscope.identity import digest
from babelscope.languages import Language
from babelscope.languages import language as find_language
from babelscope.records import Example, QuestionSet

MIN_DISTINCT_IDS = 0.5
OTHER_SPLIT = "take another split for one of them"
OTHER_IDS = (
    "equal ids mean one question and its translations: take another split or, if the ids only "
    "number the rows of each file, leave the field id out of one: ids are then made from its texts"
)


def read_qa(
    data: str, language: str, *, split: str = "test", keep_unanswerable: bool = False
) -> QuestionSet:
    """Read the questions that DATA (see `sources.locate`) holds in a language, and check them.

    Left out and counted in `dropped`: `no id`, `repeated id`, `empty context`, `empty question`,
    `unanswerable` (no gold, or only blank ones; kept with `keep_unanswerable`) and `broken text`
    (half of a surrogate pair, which no file can hold). Kept and counted in `noted`, once a
    record: `span drifted` (a gold is not where its answer_start says, but elsewhere in the
    context), `gold not verbatim` (no gold stands in the context, in NFC either), `gold verbatim in
    NFC only`, `gold not in NFC` (a gold is written in another normal form), `language field
    differs` (the caller's language holds), `repeated gold` and `empty gold` (one copy, or none, is
    kept), `id made unique` and `id made from texts` (see `_with_usable_ids`).

    `context_id` is the smallest that the records with that context give, else the smallest of
    their ids, so it is the same in parallel languages, whatever the order of their files. Ids that
    went through a data frame are what they were: 1.0 is 1.

    Raises:
        DataError: the data cannot be found or read, has another structure, or nothing is left.
        LanguageError: the language is unknown.
    """
    lang = find_language(language)
    place = locate(data, language, split)
    if isinstance(place, AtlasSplit):
        from babelscope.data import atlas  # only here: it loads Babel

        return atlas.questions(lang.code, place.split)
    items, name = _items(place, language)
    try:
        raw = [question for where, item in items for question in raw_questions(where, item)]
    except RecursionError as error:
        raise DataError(data, expected="questions", found="lists in lists without end") from error
    questions = _check(raw, name, lang, keep_unanswerable=keep_unanswerable)
    if not questions.examples:
        counts = ", ".join(f"{reason} {n}" for reason, n in questions.dropped.items())
        raise DataError(data, expected="questions", found=f"none of {len(raw)} usable: {counts}")
    return questions


def _items(place: Path | HubSet, language: str) -> tuple[Iterator[tuple[str, Any]], str]:
    if isinstance(place, Path):
        return read_json_items(place), place.stem
    from babelscope.data.hub import read_hub_items  # only here: it is an extra

    return read_hub_items(place, language), place.name


def _check(
    raw: Sequence[RawQuestion], name: str, lang: Language, *, keep_unanswerable: bool
) -> QuestionSet:
    dropped: Counter[str] = Counter()
    noted: Counter[str] = Counter()
    examples: dict[str, Example] = {}
    usable = _with_usable_ids(raw, noted)
    context_ids = _context_ids(usable)
    for question in usable:
        context = nfc(question.context)
        texts = tuple(dict.fromkeys(text for text, _ in question.golds if text.strip()))
        reason = _reason_to_drop(question, texts, keep_unanswerable=keep_unanswerable)
        if not reason and question.id in examples:
            reason = "repeated id"
        if reason:
            dropped[reason] += 1
            continue
        noted.update(_faults(question, texts, lang))
        examples[question.id] = Example(
            question.id,
            lang.code,
            question.context,
            question.question,
            texts,
            context_ids[context],
            question.kind,
        )
    return QuestionSet(name, lang.code, tuple(examples.values()), _sorted(dropped), _sorted(noted))


def _with_usable_ids(raw: Sequence[RawQuestion], noted: Counter[str]) -> Sequence[RawQuestion]:
    """Return the questions with ids that can tell them apart.

    TyDi QA's gold passages have 89 ids on 3,696 questions: to drop repeated ids would drop the
    set. Where fewer than half of the ids are distinct, each gets a digest of context and question
    appended. Such a set has no parallel whose ids could be missed. Where no record has an id, that
    digest is its id.
    """
    ids = plain_numbers([question.id for question in raw])
    questions = [replace(q, id=i) if q.id != i else q for q, i in zip(raw, ids, strict=True)]
    with_id = [question for question in questions if question.id]
    if len({question.id for question in with_id}) >= MIN_DISTINCT_IDS * max(len(with_id), 1):
        return questions
    noted["id made unique" if with_id else "id made from texts"] += len(with_id) or len(questions)
    every = not with_id
    return [replace(q, id=_text_id(q)) if q.id or every else q for q in questions]


def _text_id(question: RawQuestion) -> str:
    texts = (question.context, question.question)
    made = digest([LONE_SURROGATE.sub("?", text) for text in texts])[:12]
    return f"{question.id}-{made}" if question.id else made


def _context_ids(questions: Sequence[RawQuestion]) -> dict[str, str]:
    """Name each context's text, by records that are left out too; broken texts name nothing."""
    names: dict[str, tuple[bool, str]] = {}
    for question in questions:
        name = question.context_id or question.id
        if name and not LONE_SURROGATE.search(name):
            found = (not question.context_id, name)
            context = nfc(question.context)
            names[context] = min(found, names.get(context, found))
    return {context: name for context, (_, name) in names.items()}


def _reason_to_drop(
    question: RawQuestion, texts: tuple[str, ...], *, keep_unanswerable: bool
) -> str:
    if not question.id:
        return "no id"
    strings = (question.id, question.context, question.question, question.context_id, *texts)
    if any(LONE_SURROGATE.search(text) for text in strings):
        return "broken text"
    if not question.context.strip():
        return "empty context"
    if not question.question.strip():
        return "empty question"
    return "" if texts or keep_unanswerable else "unanswerable"


def _faults(question: RawQuestion, texts: tuple[str, ...], lang: Language) -> Iterator[str]:
    filled = [(text, start) for text, start in question.golds if text.strip()]
    if texts and not any(text in question.context for text in texts):
        found = any(stands_in(text, question.context) for text in texts)
        yield "gold verbatim in NFC only" if found else "gold not verbatim"
    if not all(map(is_nfc, texts)):
        yield "gold not in NFC"
    if any(_drifted(question.context, text, start) for text, start in filled):
        yield "span drifted"
    if texts and len(filled) < len(question.golds):
        yield "empty gold"
    if len(texts) < len(filled):
        yield "repeated gold"
    if question.language and not means(question.language, lang):
        yield "language field differs"


def _drifted(context: str, text: str, start: int) -> bool:
    return start >= 0 and not stands_at(text, context, start) and stands_in(text, context)


def _sorted(counts: Counter[str]) -> Mapping[str, int]:
    return dict(sorted(counts.items()))


def set_counts(questions: QuestionSet) -> dict[str, object]:
    """Return what a command tells of the set that it reads: `dropped` and `noted`, by reason."""
    return {"dropped": dict(questions.dropped), "noted": dict(questions.noted)}


def check_disjoint(train: QuestionSet, test: QuestionSet) -> None:
    """Make sure that a training and a test set share neither an id nor a context (in NFC).

    Raises:
        DataError: they do; the message says how many, and gives one of them.
    """
    ids = {example.id for example in train.examples}
    contexts = {nfc(example.context) for example in train.examples}
    shared_ids = [e.id for e in test.examples if e.id in ids]
    shared_contexts = {e.context: e.id for e in test.examples if nfc(e.context) in contexts}
    if not shared_ids and not shared_contexts:
        return
    example = shared_ids[0] if shared_ids else next(iter(shared_contexts.values()))
    raise DataError(
        f"training set {train.name} and test set {test.name}",
        expected="no question and no context in both",
        found=f"{len(shared_ids)} ids and {len(shared_contexts)} contexts in both, such as "
        f"question {example}",
        remedy=OTHER_SPLIT if shared_contexts else OTHER_IDS,
    )


def first(questions: QuestionSet, n: int) -> QuestionSet:
    """Return the first n questions in file order; n = 0 means all.

    Raises:
        SettingError: n is negative.
    """
    check_size(n)
    return replace(questions, examples=questions.examples[:n]) if n else questions

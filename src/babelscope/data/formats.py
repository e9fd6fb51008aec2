"""The forms in which question sets are published, brought to one: `RawQuestion`.

The form is told by an item's structure, never by a file's name:

    {"data": [...]}, {"examples": [...]}, [...]   collections of any of the following
    {"paragraphs": [{"context", "qas": [...]}]}   SQuAD v1.1 and v2 (Rajpurkar et al., 2016, 2018)
    {"document_plaintext", "annotations", ...}    TyDi QA, primary task (Clark et al., 2020)
    {"id", "context", "question", "answers"}      flat: IndicGenBench, the Hub, plain JSON lines
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from babelscope.data.json_values import first_of, identity, is_gap, is_record_text, shown, truth
from babelscope.errors import DataError

NO_START = -1
ID_NAMES = ("id", "qid", "question_id", "example_id", "idx", "guid", "uid", "_id")
"""How files name a question's id; the first that is there counts."""


@dataclass(frozen=True, slots=True)
class RawQuestion:
    """One question as published: nothing is checked but the types.

    `golds` are texts with their place in the context in code points, -1 where none is given;
    `id`, `language`, `context_id` and `kind` are empty where the form has none.
    """

    id: str
    context: str
    question: str
    golds: tuple[tuple[str, int], ...]
    language: str = ""
    context_id: str = ""
    kind: str = ""


def raw_questions(place: str, item: Any) -> Iterator[RawQuestion]:
    """Yield the questions of one JSON value; `place` says in messages where it stands.

    Raises:
        DataError: the structure is none of the known forms, or a field has the wrong type.
    """
    if isinstance(item, list):
        for number, part in enumerate(item):
            yield from raw_questions(f"{place} [{number}]", part)
        return
    if not isinstance(item, dict):
        raise DataError(place, expected="a question record", found=shown(item))
    for collection in ("data", "examples", "paragraphs"):
        if collection in item:
            parts = _field(item, collection, list, place)
            yield from raw_questions(f"{place} {collection}", parts)
            return
    if "qas" in item:
        yield from _paragraph(place, item)
    elif "document_plaintext" in item:
        yield _tydi_document(place, item)
    elif "question" in item:
        yield _flat(place, item)
    else:
        raise DataError(
            place,
            expected="questions (SQuAD, TyDi QA or id, context, question and answers)",
            found=", ".join(map(str, item)) or "nothing",
        )


def _paragraph(place: str, item: dict[str, Any]) -> Iterator[RawQuestion]:
    context = _field(item, "context", str, place)
    for number, question in enumerate(_field(item, "qas", list, place)):
        here = f"{place} qas [{number}]"
        if not isinstance(question, dict):
            raise DataError(here, expected="a question record", found=shown(question))
        yield _flat(here, {**question, "context": context})


def _flat(place: str, item: dict[str, Any]) -> RawQuestion:
    impossible = truth(place, "is_impossible", item.get("is_impossible"))
    golds = () if impossible else _golds(place, item)
    return RawQuestion(
        identity(place, *(first_of(item, ID_NAMES) or ("id", None))),
        _field(item, "context", str, place),
        _field(item, "question", str, place),
        golds,
        _optional_text(item, "lang") or _optional_text(item, "language"),
        identity(place, "context_id", item.get("context_id")),
        _optional_text(item, "kind"),
    )


def _golds(place: str, item: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    if "answers" not in item and "answer" not in item:
        raise DataError(place, expected="answers", found=", ".join(map(str, item)))
    _, answers = first_of(item, ("answers", "answer")) or ("answers", None)
    if is_gap(answers):
        return ()
    if isinstance(answers, dict) and isinstance(answers.get("text"), list):
        starts = answers.get("answer_start")
        if not isinstance(starts, list) or len(starts) != len(answers["text"]):
            starts = [NO_START] * len(answers["text"])
        answers = [
            {"text": text, "answer_start": start}
            for text, start in zip(answers["text"], starts, strict=True)
        ]
    if not isinstance(answers, list):
        answers = [answers]
    return tuple(_gold(place, answer) for answer in answers)


def _gold(place: str, answer: Any) -> tuple[str, int]:
    record = answer if isinstance(answer, dict) else {"text": answer}
    text = record.get("text")
    if not isinstance(text, str):
        raise DataError(
            f"{place} answers", expected="texts, or records with a text", found=shown(answer)
        )
    if is_record_text(text):
        raise DataError(
            f"{place} answers",
            expected="texts, or records with a text",
            found=f"the text of a record or list, {text[:40]!r}",
            remedy="write it as JSON, not as a text",
        )
    return text, _start(place, record.get("answer_start"))


def _start(place: str, value: Any) -> int:
    """Return a place in the context, `NO_START` for none: a gap, or a negative number."""
    if is_gap(value) or value == "":
        return NO_START
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.0+)?", value.strip()):
        value = float(value)
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole:
        raise DataError(
            f"{place} answers", expected="answer_start, a whole number", found=shown(value)
        )
    return int(value) if value >= 0 else NO_START


def _tydi_document(place: str, item: dict[str, Any]) -> RawQuestion:
    """Cut the gold passage out of a document: the passage that most annotators answered in.

    A document without a minimal answer (none, or yes/no) becomes an unanswerable question.
    """
    document = _field(item, "document_plaintext", str, place)
    data = document.encode("utf-8", errors="replace")
    passages = _field(item, "passage_answer_candidates", list, place)
    spans = []
    try:
        for annotation in _field(item, "annotations", list, place):
            chosen = annotation["passage_answer"]["candidate_index"]
            minimal = annotation["minimal_answer"]
            start, end = minimal["plaintext_start_byte"], minimal["plaintext_end_byte"]
            if chosen >= 0 and 0 <= start < end:
                spans.append((chosen, start, end))
        best = Counter(chosen for chosen, _, _ in spans).most_common(1)
        first, last = 0, len(data)
        if best:
            first = passages[best[0][0]]["plaintext_start_byte"]
            last = passages[best[0][0]]["plaintext_end_byte"]
        golds = [(start, end) for chosen, start, end in spans if chosen == best[0][0]]
        context = _decode(data[first:last])
        found = [(_decode(data[s:e]), len(_decode(data[first:s]))) for s, e in golds]
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(
            place, expected="annotations of TyDi QA's primary task", found=repr(error)
        ) from error
    return RawQuestion(
        identity(place, "example_id", item.get("example_id")),
        context,
        _field(item, "question_text", str, place),
        tuple(found),
        _optional_text(item, "language"),
    )


def _decode(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")  # an offset may cut a character


def _field(item: dict[str, Any], name: str, kind: type, place: str) -> Any:
    value = item.get(name)
    if not isinstance(value, kind):
        expected = f"{name}, a {'list' if kind is list else 'text'}"
        raise DataError(place, expected=expected, found=shown(value))
    return value


def _optional_text(item: dict[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""

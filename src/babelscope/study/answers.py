"""The file `answers.jsonl`: a line an answer."""

from __future__ import annotations

from pathlib import Path

from babelscope.data.json_values import identity
from babelscope.errors import StoreError
from babelscope.records import Answer
from babelscope.store import read_jsonl


def answer_row(answer: Answer) -> dict[str, object]:
    """Return an answer as a line of `answers.jsonl`."""
    return {
        "id": answer.id,
        "language": answer.language,
        "prediction": answer.prediction,
        "prompt_tokens": answer.prompt_tokens,
        "new_tokens": answer.new_tokens,
        "truncated": answer.truncated,
        "stopped": answer.stopped,
    }


def kept_row(answer: Answer) -> dict[str, object]:
    """Return an answer as the store keeps it: with the ids of its tokens."""
    return {**answer_row(answer), "tokens": list(answer.tokens)}


ANSWER_TYPES: dict[str, type] = {
    "id": str,
    "language": str,
    "prediction": str,
    "prompt_tokens": int,
    "new_tokens": int,
    "truncated": bool,
    "stopped": str,
}


def answer_of(row: object) -> Answer:
    """Return the answer of a line of `answers.jsonl`; further keys are ignored.

    The ids of its tokens may be absent, and its id a number: answers made elsewhere can be scored
    too.

    Raises:
        StoreError: the line lacks a key, or a value has another type.
        DataError: its id is a broken number.
    """
    if not isinstance(row, dict):
        raise StoreError("answers", expected="a JSON object a line", found=type(row).__name__)
    if isinstance(row.get("id"), (int, float)) and not isinstance(row["id"], bool):
        row = {**row, "id": identity("answer", "id", row["id"]) or None}
    for key, kind in ANSWER_TYPES.items():
        value = row.get(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            found = "nothing" if value is None else repr(value)
            raise StoreError(
                f"answer {row.get('id')!r}, {key}", expected=kind.__name__, found=found
            )
    if row["stopped"] not in ("newline", "eos", "length"):
        raise StoreError(
            f"answer {row['id']!r}, stopped",
            expected="newline, eos or length",
            found=repr(row["stopped"]),
        )
    tokens = row.get("tokens", [])
    if not isinstance(tokens, list) or not all(type(t) is int and t >= 0 for t in tokens):
        raise StoreError(f"answer {row['id']!r}, tokens", expected="token ids", found=repr(tokens))
    return Answer(**{key: row[key] for key in ANSWER_TYPES}, tokens=tuple(tokens))


def read_answers(path: Path) -> list[Answer]:
    """Read `answers.jsonl`.

    Raises:
        StoreError: the file is missing, or a line is not an answer.
    """
    return [answer_of(row) for row in read_jsonl(path)]

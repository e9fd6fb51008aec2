"""Values as data frames and spreadsheets leave them: 1 as 1.0, gaps as NaN, true as a word.

A number is the same id or label however it is written, a gap is none, and what cannot be meant (the
text of a record where a text should stand) is told.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from babelscope.errors import DataError
from babelscope.reading import lines_of

# what may stand behind a JSON file's first bracket and name: no table of columns begins so
JSON_OBJECT = re.compile(r'\s*\[?\s*\{\s*"[^"\t]*"\s*:')
TAGGED_LINE = re.compile(r"[^ \t].* [A-Z][\w-]*")
WHOLE = re.compile(r"(-?\d+)\.0+")
DICT_TEXT = re.compile(r"\{\s*['\"](text|answer_start|answers?)['\"]\s*:")
LIST_TEXT = re.compile(r"\[\s*['\"{]")
RECORDS_TEXT = re.compile(
    r"\{\s*['\"]\w+['\"]\s*:.*\}|\[\s*\{\s*['\"]\w+['\"]\s*:.*\]|array\(\[.*\)", re.DOTALL
)
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
WORDS = {"true": True, "false": False, "1": True, "0": False}
GAP_WORDS = ("nan", "<na>")
MAX_SHOWN = 40


def begins_json(text: str) -> bool:
    """Tell whether a text is JSON or JSON lines, whole or broken, and no table of columns.

    A bracket alone says nothing: sentences begin with one ("[Applause] ..."). A text whose first
    line is no JSON and has columns is a table.
    """
    if text.lstrip()[:1] not in ("{", "["):
        return False
    first = next(line for line in lines_of(text) if line.strip())
    if _is_json(first) or JSON_OBJECT.match(first):
        return True
    if "\t" not in first.strip() and not TAGGED_LINE.fullmatch(first.strip(" ")):
        return True
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        # the first line is the beginning of JSON: what is wrong comes later
        return error.pos > len(text) - len(text.lstrip()) + len(first.lstrip())
    except (ValueError, RecursionError):
        return True
    return True


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def flat_items(items: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield values with their places; those of a list, or of lists in it, one by one."""
    for place, item in items:
        if isinstance(item, list):
            yield from flat_items((f"{place} [{n}]", part) for n, part in enumerate(item))
        else:
            yield place, item


def is_gap(value: object) -> bool:
    """Tell whether a value stands for none: null, or NaN as data frames write it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _is_blank(value: object) -> bool:
    """Tell whether an id or a label is none: a gap, or the word that a table's text has for it."""
    return is_gap(value) or (isinstance(value, str) and value.strip().lower() in GAP_WORDS)


def first_of(item: Mapping[str, Any], names: Iterable[str]) -> tuple[str, Any] | None:
    """Return the first of names that an item has a value for, else the first that it has at all.

    Tables that were put together have all columns of both, and gaps in those of the other.
    """
    there = [(name, item[name]) for name in names if name in item]
    return next((pair for pair in there if not is_gap(pair[1])), there[0] if there else None)


def shown(value: object) -> str:
    """Return what a message says was found."""
    return "nothing" if value is None else f"{type(value).__name__} {str(value)[:MAX_SHOWN]!r}"


def identity(place: str, name: str, value: object) -> str:
    """Return an id as text, "" for a gap; 0 and 0.0 are one id.

    Raises:
        DataError: it is neither a text nor a whole number.
    """
    if _is_blank(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        expected = f"{name}, a text or a whole number"
        raise DataError(place, expected=expected, found=shown(value))
    return str(value).strip()


def plain_numbers(texts: Sequence[str]) -> list[str]:
    """Return texts with 1.0 as 1, if all are whole numbers and some are written so.

    A spreadsheet writes all ids or labels of a column alike; "1.0" beside "1.5" or "a" is a name.
    """
    filled = [text for text in texts if text]
    if not any(WHOLE.fullmatch(t) for t in filled):
        return list(texts)
    if not all(WHOLE.fullmatch(t) or re.fullmatch(r"-?\d+", t) for t in filled):
        return list(texts)
    return [WHOLE.sub(r"\1", text) for text in texts]


def whole_text(place: str, text: str) -> str:
    """Return a text that can be written.

    Raises:
        DataError: it has half of a surrogate pair, as an escape of JSON can stand for.
    """
    if half := LONE_SURROGATE.search(text):
        found = f"half of a letter, \\u{ord(half[0]):04x}"
        raise DataError(place, expected="text of whole letters", found=found)
    return text


def label(place: str, value: object) -> str:
    """Return a label as text, "" for a gap: 1.0 is 1, true is "true".

    Raises:
        DataError: it is a list or a record.
    """
    if _is_blank(value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, (str, int, float)):
        raise DataError(place, expected="a label, a word or a number", found=shown(value))
    return value.strip() if isinstance(value, str) else str(value)


def plain_labels(labels: Sequence[str]) -> list[str]:
    """Return the labels of a set in one spelling: 1.0 as 1; True as true where all are truths."""
    if all(name.lower() in ("true", "false", "") for name in labels):
        return [name.lower() for name in labels]
    return plain_numbers(labels)


def truth(place: str, name: str, value: object) -> bool:
    """Return a flag: true or false, 1 or 0, or their words; a gap is false.

    Raises:
        DataError: it is anything else.
    """
    if is_gap(value) or value == "":
        return False
    if isinstance(value, (bool, int, float)) and value in (0, 1):
        return bool(value)
    if isinstance(value, str) and (found := WORDS.get(value.strip().lower())) is not None:
        return found
    raise DataError(place, expected=f"{name}, true or false", found=shown(value))


def is_record_text(text: str) -> bool:
    """Tell whether a text is the printed form of a record or a list, as `str` writes them."""
    bare = text.strip()
    if DICT_TEXT.match(bare) or RECORDS_TEXT.fullmatch(bare):
        return True
    if not LIST_TEXT.match(bare) or not bare.endswith("]"):
        return False
    try:
        return isinstance(ast.literal_eval(bare), list)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


def row_ids(given: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Return the id of each row and what is to be noted; a gap among ids stays "".

    Rows take their numbers, five digits from 0, where none has an id, or not even every second one:
    to number the gaps alone would make other items of them than their translations are.
    """
    own = sum(map(bool, given))
    if 2 * own > len(given):
        return plain_numbers(given), {}
    noted = {"id ignored, as most rows have none": own} if own else {}
    return [f"{number:05d}" for number in range(len(given))], noted

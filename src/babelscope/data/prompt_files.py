"""Prompts as they stand: JSON lines with `id`, `prompt` and perhaps `answer`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from babelscope.data.json_values import identity, is_gap, whole_text
from babelscope.errors import DataError
from babelscope.store import read_jsonl

KEYS = {"id": True, "prompt": True, "answer": False}
"""Key -> whether it must be there."""


@dataclass(frozen=True, slots=True)
class RawPrompt:
    """A prompt that is read as it stands; `answer` follows it, "" if none is known."""

    id: str
    prompt: str
    answer: str = ""


def read_prompts(path: Path) -> tuple[RawPrompt, ...]:
    """Read a file of prompts; further keys are ignored.

    Raises:
        StoreError: the file is missing, or a line is not JSON.
        DataError: a line lacks its id or prompt, an id repeats, or there is no line.
    """
    prompts: dict[str, RawPrompt] = {}
    for number, row in enumerate(read_jsonl(path), 1):
        prompt = _prompt(f"{path}, record {number}", row)
        if prompt.id in prompts:
            raise DataError(f"{path}, record {number}", expected="a new id", found=repr(prompt.id))
        prompts[prompt.id] = prompt
    if not prompts:
        raise DataError(str(path), expected="at least one prompt", found="none")
    return tuple(prompts.values())


def _prompt(where: str, row: object) -> RawPrompt:
    if not isinstance(row, dict):
        raise DataError(where, expected='{"id", "prompt"}', found=type(row).__name__)
    values = {}
    for key, needed in KEYS.items():
        value = row.get(key)
        if key == "id" and isinstance(value, (int, float)) and not isinstance(value, bool):
            value = identity(where, key, value) or None
        if is_gap(value) and not needed:
            continue
        if not isinstance(value, str) or (needed and not value):
            found = "nothing" if value is None else repr(value)
            raise DataError(f"{where}, {key}", expected="text", found=found)
        values[key] = whole_text(f"{where}, {key}", value)
    return RawPrompt(**values)

"""The file `samples.jsonl` of a study, read and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from babelscope.errors import StoreError

KEYS = {"target", "id", "question", "answers", "variants"}


def read_samples(folder: Path) -> tuple[dict[str, Any], ...]:
    """Read a study's sampled questions; none where the file is missing.

    Raises:
        StoreError: the file cannot be read, or a line is no sample of this version.
    """
    path = folder / "samples.jsonl"
    if not path.is_file():
        return ()
    rows = []
    try:
        # not splitlines(): a line separator may stand inside a JSON string
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if line.strip():
                rows.append(_checked(json.loads(line), f"{path}, line {number}"))
    except (OSError, ValueError) as error:
        raise StoreError(str(path), expected="one JSON record a line", found=str(error)) from error
    return tuple(rows)


def _checked(row: object, where: str) -> dict[str, Any]:
    if not isinstance(row, dict) or not set(row) >= KEYS:
        raise StoreError(
            where,
            expected=f"a sample of a study: {', '.join(sorted(KEYS))}",
            found=", ".join(map(str, row)) if isinstance(row, dict) else type(row).__name__,
            remedy="run the study again: what is finished stays",
        )
    return row

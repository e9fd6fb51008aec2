"""How far a study has come, read from its folder without its model."""

from __future__ import annotations

from pathlib import Path

from babelscope.errors import StoreError
from babelscope.store import finished, read_json
from babelscope.study.output import COMPLETE


def study_status(folder: Path) -> dict[str, object]:
    """Return what is done in a study's folder: adapters, cells, shards of the cell in work.

    Raises:
        StoreError: the folder holds no study.
    """
    path = folder / "plan.json"
    if not path.is_file():
        raise StoreError(
            str(folder), expected="a study's folder", found="no plan.json", remedy="run it first"
        )
    plan = read_json(path)
    if not isinstance(plan, dict) or "cells" not in plan:
        raise StoreError(str(path), expected="a study's plan", found="something else")
    store = folder / "store"
    return {
        "study": plan["name"],
        "complete": (folder / COMPLETE).exists(),
        "adapters": len(_children(store / "adapters")),
        "adapters_planned": plan["adapters"],
        **_cells(store / "answers", "answered"),
        **_cells(store / "lens", "seen"),
        "cells_planned": plan["cells"],
    }


def _children(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _cells(folder: Path, word: str) -> dict[str, int]:
    slots = _children(folder)
    done = sum(finished(s) for s in slots)
    return {f"cells_{word}": done, f"cells_{word}_in_part": len(slots) - done}

"""How far a study has come, read from its folder without its model."""

from __future__ import annotations

from pathlib import Path

from babelscope.errors import StoreError
from babelscope.store import read_json
from babelscope.study.completion import completion, done_slots, planned_pieces, slots


def study_status(folder: Path) -> dict[str, object]:
    """Return what is done in a study's folder: adapters, cells, shards of the cell in work.

    `complete` tells whether the tables are whole and of the folder's present plan; `missing` says
    in words what is not done.

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
    store, planned = folder / "store", planned_pieces(plan)
    come = completion(folder, plan)
    return {
        "study": plan["name"],
        "complete": come.complete,
        "adapters": len(slots(store / "adapters")),
        "adapters_planned": plan["adapters"],
        **_cells(store / "answers", "answered"),
        **_cells(store / "lens", "seen"),
        "cells_planned": plan["cells"],
        **({"cells_seen_planned": planned["lens"]} if "lens" in planned else {}),
        "stale": come.stale,
        "missing": list(come.missing),
    }


def _cells(folder: Path, word: str) -> dict[str, int]:
    done = len(done_slots(folder, word))
    return {f"cells_{word}": done, f"cells_{word}_in_part": len(slots(folder)) - done}

"""The lens arrays that the first paper's authors published, as a study that the report draws.

Step 0 is the base; the later steps are of one run, tuned on 103 German examples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from babelscope.data.published import DIVISOR, PERIOD, UPDATES, Array, Arrays, read_published
from babelscope.errors import StoreError
from babelscope.store import check_folder, read_json, write_json
from babelscope.study.lens_tables import LENS
from babelscope.study.output import versions, write_frame

RECIPE, BASE, SOURCE, MAP = "seed", "base", "de103", "langid"


def published_step(path: Path, out: Path, command: str = "") -> dict[str, object]:
    """Write `plan.json` and `lens.parquet` of a published file to a folder; return what it held.

    Raises:
        DataError: the file lacks rows, columns or numbers, or its sums are not the known average's.
        LanguageError: a prompt language is unknown.
        StoreError: the folder holds another study, or cannot be written to.
    """
    check_folder(out)
    _refuse_other(out)
    found = read_published(path)
    write_frame(out / "lens.parquet", lens_frame(found))
    write_json(out / "plan.json", _plan(found, path, command))
    sums = found.values.sum(axis=-1)
    return {
        "out": str(out),
        "steps": list(found.steps),
        "targets": list(found.targets),
        "depths": len(found.depths),
        "languages": len(found.languages),
        "divisor": round(DIVISOR, 6),
        "sums": [round(float(sums.min()), 4), round(float(sums.max()), 4)],
        "merged_columns": {code: list(names) for code, names in found.merged.items()},
        "unknown_codes": dict(found.unknown),
    }


def lens_frame(found: Arrays) -> pl.DataFrame:
    """Return the arrays in the form of a study's lens; without intervals, p-values and n."""
    rows: list[dict[str, object]] = []
    for step, values in zip(found.steps, found.values, strict=True):
        kinds = {"value": values}
        if step:
            kinds["difference"] = values - found.values[0]
        for kind, grid in kinds.items():
            rows += _rows(found, step, kind, grid)
    return pl.DataFrame(rows, schema=LENS)


def _rows(found: Arrays, step: int, kind: str, grid: Array) -> Iterator[dict[str, object]]:
    fixed: dict[str, object] = {
        "recipe": RECIPE if step else BASE,
        "source": SOURCE if step else "",
        "step": step,
        "subset": "all",
        "position": "last",
        "map": MAP,
        "measure": "mass",
        "kind": kind,
        **dict.fromkeys(("low", "high", "p_value", "p_adapters"), math.nan),
        "n": None,
    }
    for target, by_depth in zip(found.targets, grid.tolist(), strict=True):
        for depth, masses in zip(found.depths, by_depth, strict=True):
            for code, mass in zip(found.languages, masses, strict=True):
                yield {
                    **fixed, "target": target, "depth": depth, "language": code, "value": mass
                }  # fmt: skip


def _refuse_other(out: Path) -> None:
    path = out / "plan.json"
    if not path.exists():
        return
    plan = read_json(path)
    if not isinstance(plan, dict) or "published" not in plan:
        raise StoreError(
            str(out),
            expected="an empty folder or an earlier published lens",
            found="another study",
            remedy="choose another --out",
        )


def _plan(found: Arrays, path: Path, command: str) -> dict[str, object]:
    german = {"name": SOURCE, "language": "deu_Latn", "origin": "human", "records": 103}
    return {
        "name": path.stem,
        "title": "A published logit lens: bloomz-7b1 tuned on German",
        "task": "qa",
        "answers": False,
        "model": {"name": "bloomz-7b1", "depth": found.depths[-1]},
        "targets": list(found.targets),
        "sources": [german],
        "recipes": [RECIPE],
        # one run; the file does not tell its seed
        "seeds": ["not told"],
        "main_measure": "squad_f1",
        "bases": {RECIPE: BASE},
        "versions": versions(),
        "command": command,
        "settings": {
            "language map": "arg-max of langid on single tokens",
            "correction": f"divided by 1 - (1 - 1/{PERIOD})^{UPDATES} = {DIVISOR:.6f}",
            "merged columns": {code: list(names) for code, names in found.merged.items()},
            "unknown codes, greatest mass": dict(found.unknown),
        },
        # a mapping without quality: the authors told none
        "language_maps": {MAP: {}},
        "published": {
            "period": PERIOD,
            "updates": UPDATES,
            "divisor": DIVISOR,
            "unknown": dict(found.unknown),
        },
    }

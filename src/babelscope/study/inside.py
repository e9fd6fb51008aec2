"""What the commands `align` and `probe` share: a model's trunk, and a table with its settings."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from babelscope.errors import SettingError, StoreError
from babelscope.models.trunks import Trunk, load_trunk
from babelscope.portable import portable_path
from babelscope.records import BLOCK, NORM
from babelscope.store import check_folder, check_writable, read_json, write_json
from babelscope.study.output import write_frame
from babelscope.study.plan_records import ModelPlan


class Made(NamedTuple):
    """A table, what it was made from, and the values of single items where they are kept."""

    frame: pl.DataFrame
    settings: dict[str, object]
    items: pl.DataFrame | None = None


def write_made(out: Path, store: Path | None, make: Callable[[Path], Made]) -> Made:
    """Make a table and write it, its settings as JSON beside it.

    Hidden states are kept in `store`; without one they are removed when the table is written. An
    interrupted call is continued by the next one.
    """
    work = store or out.with_name(f".{out.name}.work")
    beside = check_outputs(out, work)
    made = make(work)
    write_frame(out, made.frame)
    write_json(beside, made.settings)
    if store is None:
        shutil.rmtree(work, ignore_errors=True)
    return made


def check_outputs(out: Path, store: Path) -> Path:
    """Fail before the work where a table, its settings or what is kept cannot be written.

    Returns the file of the settings: that of the table, ending in .json.

    Raises:
        StoreError: one of them cannot be written, or the settings would replace another file.
    """
    beside = out.with_suffix(".json")
    if beside == out:
        raise StoreError(
            str(out),
            expected="a table's name",
            found="the ending .json, which its settings get",
            remedy=f"write to {out.with_suffix('.parquet')}",
        )
    check_writable(out)
    check_writable(beside)
    if beside.exists() and not _is_settings(beside):
        raise StoreError(
            str(beside),
            expected=f"the settings of {out.name}, or nothing",
            found="another file",
            remedy="choose another --out, whose settings get their place beside it",
        )
    check_folder(store)
    return beside


def _is_settings(path: Path) -> bool:
    try:
        found = read_json(path)
    except StoreError:
        return False
    return isinstance(found, dict) and "version" in found


def planned_trunk(model: ModelPlan) -> Trunk:
    """Load a model without its head as a plan says.

    Raises:
        ModelError: it cannot be loaded.
    """
    return load_trunk(
        model.name,
        dtype=model.dtype,
        device=model.device,
        revision=model.revision,
        trust_remote_code=model.trust_remote_code,
    )


def trunk_facts(trunk: Trunk) -> dict[str, object]:
    """Return what the settings tell of a model.

    `depths` counts the states between blocks; `norm_depth` is the depth after the final norm.
    """
    return {
        "model": portable_path(trunk.name),
        "fingerprint": trunk.fingerprint,
        "dtype": str(trunk.dtype).removeprefix("torch."),
        "causal": trunk.causal,
        "depths": trunk.depth + 1,
        "norm_depth": trunk.norm_depth,
    }


def check_depths(what: str, depths: Sequence[int], trunk: Trunk) -> None:
    """Check that a model has these depths.

    Raises:
        SettingError: it has not; says which it has.
    """
    strange = [depth for depth in depths if not 0 <= depth < trunk.depths]
    if not strange:
        return
    tail = "" if trunk.norm_depth is None else f", {trunk.norm_depth} after the final norm"
    raise SettingError(
        what, expected=f"0 to {trunk.depth}{tail}, as {trunk.name} has", found=str(strange[-1])
    )


def state_of(norm_depth: int | None) -> pl.Expr:
    """Return the column that says of each depth whose states it holds; empty without a depth."""
    is_norm = pl.lit(value=False) if norm_depth is None else pl.col("depth") == norm_depth
    told = pl.when(pl.col("depth").is_null()).then(pl.lit(""))
    return told.when(is_norm).then(pl.lit(NORM)).otherwise(pl.lit(BLOCK))

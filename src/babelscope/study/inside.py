"""What the commands `align` and `probe` share: a model's trunk, and a table with its settings."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl

from babelscope.errors import StoreError
from babelscope.models.trunks import Trunk, load_trunk
from babelscope.portable import portable_path
from babelscope.store import check_folder, check_writable, read_json, write_json
from babelscope.study.output import write_frame
from babelscope.study.plan_records import ModelPlan

Made = tuple[pl.DataFrame, dict[str, object]]
"""A table, and what it was made from."""


def write_made(out: Path, store: Path | None, make: Callable[[Path], Made]) -> Made:
    """Make a table and write it, its settings as JSON beside it.

    Hidden states are kept in `store`; without one they are removed when the table is written. An
    interrupted call is continued by the next one.
    """
    work = store or out.with_name(f".{out.name}.work")
    beside = check_outputs(out, work)
    frame, settings = make(work)
    write_frame(out, frame)
    write_json(beside, settings)
    if store is None:
        shutil.rmtree(work, ignore_errors=True)
    return frame, settings


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
    """Return what the settings tell of a model."""
    return {
        "model": portable_path(trunk.name),
        "fingerprint": trunk.fingerprint,
        "dtype": str(trunk.dtype).removeprefix("torch."),
        "causal": trunk.causal,
        "depths": trunk.depth + 1,
    }

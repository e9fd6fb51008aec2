"""What the commands `align` and `probe` share: a model's trunk, and a table with its settings."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl

from babelscope.models.trunks import Trunk, load_trunk
from babelscope.portable import portable_path
from babelscope.store import check_writable, write_json
from babelscope.study.output import write_frame
from babelscope.study.plan_records import ModelPlan

Made = tuple[pl.DataFrame, dict[str, object]]
"""A table, and what it was made from."""


def write_made(out: Path, store: Path | None, make: Callable[[Path], Made]) -> Made:
    """Make a table and write it, its settings as JSON beside it.

    Hidden states are kept in `store`; without one they are removed when the table is written. An
    interrupted call is continued by the next one.
    """
    check_writable(out)
    work = store or out.with_name(f".{out.name}.work")
    frame, settings = make(work)
    write_frame(out, frame)
    write_json(out.with_suffix(".json"), settings)
    if store is None:
        shutil.rmtree(work, ignore_errors=True)
    return frame, settings


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

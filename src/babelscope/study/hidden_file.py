"""A large array `.npy` that is written in place, batch by batch, and renamed when it is whole.

A mark beside it says how many batches are in it, so that an interrupted run goes on from there.
Rows are written through a plain file: mapped memory would fill up, and a full disk would kill.
"""

from __future__ import annotations

import io
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babelscope.errors import DataError, StoreError
from babelscope.store import read_json, write_json

STATES, PART, MARK = "states.npy", "states.part.npy", "progress.json"

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """A file that is being written: states begin at byte `start`, `done` batches are in it."""

    folder: Path
    file: FileIO
    start: int
    shape: tuple[int, int, int]
    form: np.dtype[Any]
    done: int


@contextmanager
def open_part(folder: Path, shape: tuple[int, int, int], form: np.dtype[Any]) -> Iterator[Part]:
    """Open the unfinished file of a slot: a new one, or what an interrupted run has left.

    Raises:
        StoreError: it cannot be written to, or the disk has too little room for it.
    """
    header = io.BytesIO()
    told = {"descr": form.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, told)
    size = len(header.getvalue()) + math.prod(shape) * form.itemsize
    path = folder / PART
    with _told(path):
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / STATES).is_file():
            (folder / STATES).replace(path)  # named, but the run ended before it was marked whole
        whole = path.is_file() and path.stat().st_size == size
        if not whole:
            (folder / MARK).unlink(missing_ok=True)
            _check_room(folder, size)
        path.touch()
        with path.open("r+b", buffering=0) as file:
            # the same bytes whoever writes them: two processes may do this work at once
            file.write(header.getvalue())
            file.truncate(size)
            yield Part(folder, file, len(header.getvalue()), shape, form, _done(folder))


def write_batch(part: Part, batch: Sequence[int], number: int, states: Array) -> None:
    """Write states (depths, places, width) to a batch's places, then mark that batch as done.

    Raises:
        DataError: a state is too large for the file's format.
        StoreError: the disk is full or cannot be written to.
    """
    _, items, width = part.shape
    row = width * part.form.itemsize
    with np.errstate(over="ignore"):
        rows = states.astype(part.form)
    if np.isinf(rows).any():
        raise DataError(
            "hidden states",
            expected=f"numbers up to {np.finfo(part.form).max:.0f}, as {part.form} holds",
            found=f"{np.nanmax(np.abs(states)):.0f}",
            remedy="keep them as float32",
        )
    for depth, found in enumerate(rows):
        for place, state in zip(batch, found, strict=True):
            part.file.seek(part.start + (depth * items + place) * row)
            part.file.write(state.tobytes())
    os.fsync(part.file.fileno())
    write_json(part.folder / MARK, {"batches": number + 1})


def name_part(folder: Path) -> None:
    """Give a whole file its name; another process may have done so first."""
    with _told(folder), suppress(FileNotFoundError):
        (folder / PART).replace(folder / STATES)


def map_states(folder: Path) -> Array:
    """Return the array of a finished slot, mapped from its file.

    Raises:
        StoreError: it is missing or broken.
    """
    try:
        return np.load(folder / STATES, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise StoreError(
            str(folder / STATES),
            expected="whole hidden states",
            found=str(error),
            remedy="delete its folder and run again",
        ) from error


def _done(folder: Path) -> int:
    """Return how many batches a slot's unfinished file holds."""
    if not (folder / MARK).is_file():
        return 0
    mark = read_json(folder / MARK)
    done = mark.get("batches") if isinstance(mark, dict) else None
    return done if isinstance(done, int) else 0


def _check_room(folder: Path, size: int) -> None:
    """Fail before the work where the disk is too small for it."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise StoreError(
            str(folder),
            expected=f"{size >> 20} MiB of free space for hidden states",
            found=f"{free >> 20} MiB",
            remedy="free space, choose another folder, or keep fewer texts",
        )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            str(path),
            expected="a place that can be written to",
            found=error.strerror or str(error),
            remedy="free space or choose another folder, then run again: what was finished stays",
        ) from error

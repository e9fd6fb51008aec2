"""Results keyed by their identity: shards appended whole, then finished at once.

A slot is a folder `ROOT/KIND/KEY`. While work goes on it holds numbered shards, each written
under a temporary name and renamed; `finish` leaves the result and a marker. A slot without the
marker is unfinished and is continued from its shards; a file that exists is whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from babelscope.errors import StoreError
from babelscope.reading import lines_of, read_text

FINISHED = "finished.json"


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, renamed to it at the end, removed on any error.

    Raises:
        StoreError: the folder cannot be written to, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StoreError(
            str(path),
            expected="a place that can be written to",
            found=error.strerror or str(error),
            remedy="free space or choose another folder, then run again: what was finished stays",
        ) from error
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # the error that is on its way says why; a second one would hide it


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write a JSON file whole or not at all; keys keep their order, NaN is refused."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> object:
    """Read a JSON file that this package wrote.

    Raises:
        StoreError: the file is missing or broken.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(str(path), expected="a file", found=error.strerror or "none") from error
    except ValueError as error:
        raise StoreError(
            str(path), expected="JSON", found=str(error), remedy="delete it and run again"
        ) from error


def write_jsonl(path: Path, rows: Sequence[object]) -> None:
    """Write one JSON value a line, whole or not at all."""
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_jsonl(path: Path) -> list[object]:
    """Read one JSON value a line.

    Raises:
        StoreError: the file is missing, or a line is broken.
    """
    text = read_text(path, error=StoreError, may_be_empty=True)
    rows = []
    for number, line in enumerate(lines_of(text), 1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{path} line {number}", expected="JSON", found=str(error)) from error
    return rows


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write named arrays as safetensors, whole or not at all."""
    with writing(path) as temporary:
        temporary.write_bytes(save({k: np.ascontiguousarray(v) for k, v in arrays.items()}))


def read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read named arrays.

    Raises:
        StoreError: the file is missing or broken.
    """
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise StoreError(
            str(path), expected="safetensors", found=str(error), remedy="delete it and run again"
        ) from error


def slot(root: Path, kind: str, key: str) -> Path:
    """Return the folder of a result."""
    return root / kind / key


def finished(folder: Path) -> bool:
    """Tell whether a slot holds a finished result."""
    return (folder / FINISHED).is_file()


def shard(folder: Path, index: int, suffix: str) -> Path:
    """Return the path of a slot's numbered shard; it exists only if it is whole."""
    return folder / "shards" / f"{index:06d}.{suffix}"


def finish(folder: Path, identity: Mapping[str, object]) -> None:
    """Mark a slot as finished, with what its key was made from, and drop its shards."""
    write_json(folder / FINISHED, identity)
    shutil.rmtree(folder / "shards", ignore_errors=True)


def check_writable(out: Path) -> None:
    """Fail before the work, not after it, where a file cannot be written.

    Raises:
        StoreError: it is a folder, a device or a mount point, which no file can replace, or its
            own folder cannot be written to.
    """
    if out.is_dir():
        raise StoreError(str(out), expected="a file's name", found="a folder")
    if out.exists() and not out.is_file():
        raise StoreError(str(out), expected="a file's name", found="a device or a pipe")
    if is_mount(out):
        raise StoreError(
            str(out),
            expected="a file that can be replaced",
            found="a mount point",
            remedy="name a file in a mounted folder",
        )
    probe = out.with_name(f".{out.name}.probe")
    write_text(probe, "")
    probe.unlink()


def check_folder(folder: Path) -> None:
    """Fail before the work, not after it, where nothing can be written into a folder.

    A folder that is missing is made to try it, and taken away again.

    Raises:
        StoreError: it is a file or a link to nothing, or it cannot be made or written to.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in (folder, *folder.parents):
        if path.is_symlink() and not path.exists():
            raise StoreError(str(path), expected="a folder", found="a link to nothing")
        if path.exists() and not path.is_dir():
            raise StoreError(str(path), expected="a folder", found="a file")
    probe = folder / ".probe"
    try:
        write_text(probe, "")
        probe.unlink()
    finally:
        for path in missing:
            with suppress(OSError):
                path.rmdir()


def is_mount(path: Path) -> bool:
    """Tell whether something is mounted just there, a folder or a single file.

    Python alone does not see what is mounted from the same disk; Linux's own list does.
    """
    if os.path.ismount(path):
        return True
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    own = str(path.absolute())
    places = (line.split(" ")[4] for line in lines.split("\n") if line)
    return any(re.sub(r"\\([0-7]{3})", _octal, place) == own for place in places)


def _octal(found: re.Match[str]) -> str:
    return chr(int(found[1], 8))

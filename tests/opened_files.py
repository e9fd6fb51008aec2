"""Which files below a folder are opened while a block runs, by whatever code: Linux's inotify."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

IN_OPEN, IN_ISDIR, IN_Q_OVERFLOW = 0x20, 0x40000000, 0x4000
_HEAD = struct.Struct("iIII")


@contextmanager
def opened_files(folder: Path) -> Iterator[set[Path]]:
    """Give a set that holds, after the block, the files of a folder that were opened in it.

    Python's own hooks do not see what Rust or C opens, such as tokenizers and weights.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "inotify_init1"):
        pytest.skip("needs Linux's inotify")
    descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    found: set[Path] = set()
    try:
        watched = {}
        for place in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
            number = libc.inotify_add_watch(descriptor, os.fsencode(place), IN_OPEN)
            assert number > 0, os.strerror(ctypes.get_errno())
            watched[number] = place
        yield found
        found |= set(_events(descriptor, watched))
    finally:
        os.close(descriptor)


def _events(descriptor: int, watched: dict[int, Path]) -> Iterator[Path]:
    while True:
        try:
            block = os.read(descriptor, 1 << 20)
        except BlockingIOError:
            return
        start = 0
        while start < len(block):
            number, mask, _, length = _HEAD.unpack_from(block, start)
            assert not mask & IN_Q_OVERFLOW, "more files were opened than inotify could keep"
            start += _HEAD.size
            name = os.fsdecode(block[start : start + length].rstrip(b"\0"))
            start += length
            if name and not mask & IN_ISDIR:
                yield watched[number] / name

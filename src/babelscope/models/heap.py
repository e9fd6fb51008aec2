"""Memory that the C library would keep after it was freed, given back at once."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

M_MMAP_THRESHOLD = -3
"""The name of the setting in glibc's malloc.h."""

SMALL = 4 << 20
LARGEST = 32 << 20
"""Where glibc's own threshold ends when it grows with what is freed, on 64 bits."""


@contextmanager
def freed_at_once() -> Iterator[None]:
    """Within, tensors of 4 MiB and more are mapped for themselves, and unmapped when freed.

    glibc otherwise serves all up to 32 MiB from heaps whose holes it keeps: a third of the peak
    of a tuning step. The price is page faults. Afterwards the threshold is 32 MiB; elsewhere than
    on glibc nothing is changed.
    """
    setter = _mallopt()
    if setter is None:
        yield
        return
    setter(M_MMAP_THRESHOLD, SMALL)
    try:
        yield
    finally:
        setter(M_MMAP_THRESHOLD, LARGEST)


def _mallopt() -> Callable[[int, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    found: Callable[[int, int], int] | None = getattr(ctypes.CDLL(None), "mallopt", None)
    return found

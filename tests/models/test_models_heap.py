"""Freed tensors leave the process's memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from babelscope.models import heap

SCRIPT = """
import re, torch
from contextlib import nullcontext
from babelscope.models.heap import freed_at_once

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1])

with {way}():
    # every second tensor outlives the others, so that a heap keeps their holes
    torch.ones(4 << 20)  # a 16 MiB tensor freed: glibc's threshold grows to it
    kept, before = [], resident()
    lost = []
    for _ in range(40):
        kept.append(torch.ones(1 << 16))
        lost.append(torch.ones(1 << 20))
        kept.append(torch.ones(1 << 16))
    full = resident()
    lost.clear()
    print(full - before, resident() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, sets glibc")
def test_freed_tensors_are_given_back() -> None:
    def left(way: str) -> tuple[int, int]:
        made = subprocess.run(
            [sys.executable, "-c", SCRIPT.replace("{way}", way)],
            capture_output=True,
            text=True,
            check=True,
        )
        full, rest = map(int, re.findall(r"\d+", made.stdout))
        return full, rest

    full, rest = left("freed_at_once")
    assert full > 150_000  # 40 x 4 MiB in kB
    assert rest < 40_000
    plain_full, plain_rest = left("nullcontext")
    assert plain_full > 150_000
    assert plain_rest > 100_000, "the heap gives back by itself: the setting is of no use"


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "_mallopt", lambda: None)
    with heap.freed_at_once():
        assert Path().is_dir()

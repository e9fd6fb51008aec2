"""Seconds of whole studies on mini as languages and variants grow, and what a study costs at once.

python benchmarks/growth.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from workload import THREADS, table

from babelscope.study.plan import plan_of
from babelscope.study.run import run_study

LANGUAGES = ("en", "hi", "es", "el", "sw", "or", "ta", "ru")
QUESTIONS = 100


def seconds(languages: int, sources: int) -> float:
    """Run a study of the base and `sources` tuned variants on `languages` targets."""
    document = {
        "model": "mini",
        "targets": list(LANGUAGES[:languages]),
        "recipes": {
            "default": {"max_steps": 2, "max_tokens": 320, "answer_tokens": 32, "dropout": 0}
        },
        "sources": {f"s{n}": {"language": LANGUAGES[n], "data": "atlas"} for n in range(sources)},
        "test": {"data": "atlas", "questions": QUESTIONS},
    }
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run_study(plan_of(document, "growth"), Path(folder) / "study")
        return time.perf_counter() - start


def main() -> None:
    torch.set_num_threads(THREADS)
    seconds(1, 0)  # warm: imports, CLDR
    rows = []
    for languages, sources in ((1, 0), (2, 0), (4, 0), (8, 0), (4, 1), (4, 2), (4, 4)):
        rows.append((languages, 1 + sources, sources, seconds(languages, sources)))
        print(f"  {rows[-1]}", file=sys.stderr, flush=True)
    # seconds = fixed + a x cells + b x tunes
    design = np.array([[1.0, n * v, s] for n, v, s, _ in rows])
    times = np.array([t for *_, t in rows])
    fixed, cell, tune = np.linalg.lstsq(design, times, rcond=None)[0]
    told = design @ np.array([fixed, cell, tune])
    table(
        ("languages", "variants", "cells", "s", "by the line, s"),
        [
            (str(n), str(v), str(n * v), f"{t:.2f}", f"{x:.2f}")
            for (n, v, _, t), x in zip(rows, told, strict=True)
        ],
    )
    print(
        f"fixed {fixed:.2f} s; {cell:.3f} s a cell of {QUESTIONS} questions; "
        f"{tune:.2f} s a tune of 2 steps; largest miss of the line {abs(told - times).max():.2f} s"
    )


if __name__ == "__main__":
    main()

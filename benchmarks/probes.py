"""How long the probes of one training set take: 5,000 words of width 1,024 at 25 depths.

Five folds, five strengths, the word-type control and the shuffled labels, 17 labels (as many as
there are universal parts of speech), states at random. Prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import time

import numpy as np

from babelscope.measure.probe_tables import probe_rows
from babelscope.measure.probes import Items, ProbeSettings, probe

ITEMS, TESTS, WIDTH, DEPTHS, LABELS = 5000, 2000, 1024, 25, 17


def items(language: str, n: int, seed: int) -> Items:
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((n, WIDTH), dtype=np.float32)

    def read(depth: int) -> np.ndarray:
        return base + np.float32(depth)

    labels = rng.integers(LABELS, size=n)
    groups = tuple(f"{i // 20:05d}" for i in range(n))
    words = tuple(f"w{i}" for i in rng.integers(2000, size=n))
    return Items(language, read, labels, groups, words, tuple((i,) for i in range(n)))


def main() -> None:
    train = items("eng_Latn", ITEMS, 0)
    tests = [items(code, TESTS, i) for i, code in enumerate(("eng_Latn", "ory_Orya"), 1)]
    settings = ProbeSettings(tuple(range(DEPTHS)))
    began = time.perf_counter()
    run = probe(train, tests, settings)
    trained = time.perf_counter() - began
    rows = probe_rows(run, train, "eng_Latn")
    print(
        json.dumps(
            {
                "seconds_probes": round(trained, 1),
                "seconds_tables": round(time.perf_counter() - began - trained, 1),
                "rows": len(rows),
                "cores": os.cpu_count(),
            }
        )
    )


if __name__ == "__main__":
    main()

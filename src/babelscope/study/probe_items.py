"""What probes say of single items, kept so that two studies can be compared item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from babelscope.measure.probes import Probed, ProbeRun
from babelscope.measure.resampling import Array
from babelscope.study.inside import state_of
from babelscope.study.probe_plan import ProbeTask
from babelscope.study.probe_states import Read

ITEM_SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("task", "probe", "pooling", "measure"), pl.String),
    "depth": pl.Int64,
    **dict.fromkeys(("state", "source", "target"), pl.String),
    "values": pl.List(pl.Float32),
    **dict.fromkeys(("ids", "contexts", "digests"), pl.List(pl.String)),
}
"""A row a measure, depth and target with a value an item, and a row `items` a target that names
them."""


def probe_items(
    run: ProbeRun, tests: Sequence[Read], task: ProbeTask, source: str, norm_depth: int | None
) -> pl.DataFrame:
    """Return for each item whether the probe is right, and its control, at every depth.

    `accuracy` is 0 or 1, `control_accuracy` that of the control which selectivity takes away. The
    test of all languages together is left out: its items are those of the others.
    """
    rows: list[dict[str, object]] = []
    head = {"task": task.task, "probe": task.probe, "pooling": task.pooled, "source": source}
    for read, test in zip(tests, run.tests[: len(tests)], strict=True):
        own = head | {"target": test.items.language}
        rows.append(own | _names(read))
        for measure, values in _values(test):
            for depth, of_items in zip(run.settings.depths, values, strict=True):
                whole = np.round(of_items, 4).astype(np.float32).tolist()
                rows.append(own | {"measure": measure, "depth": depth, "values": whole})
    return pl.DataFrame(rows, schema=ITEM_SCHEMA).with_columns(state=state_of(norm_depth))


def _names(read: Read) -> dict[str, object]:
    named = {
        "ids": list(read.ids),
        "contexts": list(read.items.groups),
        "digests": list(read.digests),
    }
    return {"measure": "items", **named}


def _values(test: Probed) -> Iterator[tuple[str, Array]]:
    yield "accuracy", (test.said == test.items.labels).astype(np.float64)
    control = test.shuffled if test.control is None else test.control
    yield "control_accuracy", np.asarray(control, dtype=np.float64)

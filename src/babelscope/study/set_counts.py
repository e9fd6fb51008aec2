"""What was left out of the sets that a study reads, and what was kept in spite of a fault."""

from __future__ import annotations

from collections.abc import Mapping

from babelscope.data.qa import set_counts
from babelscope.records import QuestionSet
from babelscope.study.materials import QA, Materials

Row = dict[str, object]


def material_counts(materials: Materials) -> list[Row]:
    """Return a row for each of a study's sets that lost a record or has a fault: `set`, counts."""
    tests = {
        f"{task} {code}": found for (task, code), found in materials.tests.items() if task != QA
    }
    # whole: what was left out is left out before contexts are sampled
    tests |= {f"test {code}": found for code, found in materials.wholes.items()}
    sources = {f"source {name}": found for name, found in materials.sources.items()}
    pools = {f"demonstrations {code}": found for code, found in materials.pools.items()}
    sets: Mapping[str, QuestionSet] = {**sources, **tests, **pools}
    return [
        {"set": name, "kept": len(found.examples), **set_counts(found)}
        for name, found in sets.items()
        if found.dropped or found.noted
    ]

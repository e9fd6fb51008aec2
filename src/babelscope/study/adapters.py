"""A study's adapters: where each is kept, and a model with one attached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from babelscope.adapt.recipes import Recipe
from babelscope.identity import digest
from babelscope.models.adapters import attach_adapters, detach_adapters, use_adapter
from babelscope.models.loading import LoadedModel
from babelscope.records import QuestionSet
from babelscope.store import slot
from babelscope.study.plan import StudyPlan

TUNING_VERSION = "2"
"""Raised whenever the same base, source and recipe may give another adapter than before."""


def adapter_slot(
    store: Path,
    plan: StudyPlan,
    source: QuestionSet,
    loaded: LoadedModel,
    recipe: Recipe,
    seed: int,
) -> Path:
    """Return the folder of the adapter that a recipe makes of a source; saved steps lie in it."""
    key = digest(
        {
            "version": TUNING_VERSION,
            "model": loaded.fingerprint,
            "dtype": str(loaded.dtype),
            "source": [source.name, source.language, source.examples],
            "recipe": recipe,
            "template": plan.templates[recipe.template],
            "seed": seed,
            "save_steps": plan.save_steps,
        }
    )
    return slot(store, "adapters", key)


@contextmanager
def attached(loaded: LoadedModel, adapter: Path | None) -> Iterator[LoadedModel]:
    """Attach an adapter for the length of a block; without one, give the base itself."""
    if adapter is None:
        yield loaded
        return
    name = str(adapter)
    tuned = attach_adapters(loaded, {name: adapter})
    try:
        with use_adapter(tuned, name):
            yield tuned
    finally:
        detach_adapters(tuned)

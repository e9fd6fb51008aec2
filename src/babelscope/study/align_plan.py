"""The section `[align]` of a study, and what the command `align` is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from babelscope.data.bitext import UNITS
from babelscope.errors import SettingError
from babelscope.languages import language
from babelscope.records import POOLINGS, SPAN_POOLINGS
from babelscope.study.values import Table, filled


@dataclass(frozen=True, slots=True)
class AlignPlan:
    """What is aligned: texts, the languages that share them, and how a text becomes one state.

    Without `languages` a study's targets are meant. `limit` keeps the first items (0: all).
    `maps` asks for PCA and t-SNE of a sample. At the depths of `distribution` it is told how the
    states' values are distributed: all for an empty list, without one the first, the middle, the
    last two and that after the final norm.
    """

    data: str
    languages: tuple[str, ...] = ()
    unit: str = "sentence"
    pooling: str = "mean"
    carrier: str = ""
    limit: int = 0
    maps: bool = True
    seed: int = 0
    batch_tokens: int = 8192
    distribution: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Check what can be checked before data and model are read."""
        if self.pooling not in POOLINGS:
            raise SettingError("pooling", expected=" or ".join(POOLINGS), found=self.pooling)
        if self.pooling in SPAN_POOLINGS and self.unit != "word":
            raise SettingError(
                f"pooling {self.pooling}",
                expected="the unit word, of which it pools the span",
                found=self.unit,
            )


def align_plan(table: Table, folders: Mapping[str, str]) -> AlignPlan:
    """Return the plan of a study's `[align]`; `folders` are those of `[paths]`.

    Raises:
        SettingError: a key is unknown, missing, or its value cannot be.
        LanguageError: a language is unknown.
    """
    plan = AlignPlan(
        data=filled(table.text("data"), folders),
        languages=tuple(language(code).code for code in table.texts("languages", ())),
        unit=table.choice("unit", UNITS, "sentence"),
        pooling=table.choice("pooling", POOLINGS, "mean"),
        carrier=filled(table.text("carrier", ""), folders),
        limit=table.integer("limit", 0, low=0),
        maps=table.switch("maps", True),
        seed=table.integer("seed", 0, low=0),
        batch_tokens=table.integer("batch_tokens", 8192, low=1),
        distribution=_distribution(table),
    )
    table.done()
    return plan


def _distribution(table: Table) -> tuple[int, ...] | None:
    """Return the depths given, () for an empty list, None without the key."""
    if table.take("distribution") in (None, ()):
        return () if "distribution" in table.names() else None
    return table.integers("distribution", (0,), low=0)

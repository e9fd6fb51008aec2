"""Recipes of classification: how a head is put on a base and trained, as plain data."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

from babelscope.errors import SettingError

Method = Literal["head", "lora", "full", "prompt"]
TRAINED: tuple[Method, ...] = ("head", "lora", "full")
PROMPT: Method = "prompt"

RATES: Mapping[Method, float] = {"head": 1e-3, "lora": 2e-4, "full": 2e-5, "prompt": 0.0}
"""The learning rate of a method where none is given."""

_INTEGERS: Mapping[str, tuple[int, int]] = {
    "epochs": (1, 1000),
    "max_steps": (0, 1_000_000),
    "batch_size": (1, 4096),
    "warmup": (0, 1_000_000),
    "max_tokens": (8, 1_000_000),
    "eval_steps": (0, 1_000_000),
    "rank": (1, 4096),
}
_REALS: Mapping[str, tuple[float, float]] = {
    "learning_rate": (0.0, 1.0),
    "weight_decay": (0.0, 1.0),
    "clip": (0.0, 1e6),
    "alpha": (0.0, 4096.0),
    "dropout": (0.0, 0.99),
}
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "method": get_args(Method),
    "schedule": ("constant", "linear", "cosine"),
    "precision": ("bf16", "fp32"),
    "label_words": ("language", "english"),
}


@dataclass(frozen=True, slots=True)
class ClassifyRecipe:
    """Every switch of a classification; the ranges are closed.

    `method` trains the head only, LoRA with the head, or all weights; "prompt" trains nothing.

    AdamW with `learning_rate` (-1: that of `RATES`), `schedule` after `warmup` steps,
    `weight_decay`, `clip` (largest norm of the gradient, 0 is off), `batch_size`. Training lasts
    `epochs`, or `max_steps` steps where that is not 0. Every `eval_steps` steps (0: every tenth of
    the whole) the dev set of the source decides whether this checkpoint is the best so far; of
    equal ones the first is kept.

    `max_tokens` a text. LoRA: `rank`, `alpha`, `dropout`, on all linear layers of the blocks.
    `label_words` of prompts are those of the target's language or English ones.

    Raises:
        SettingError: a value has the wrong type or is out of its range.
    """

    method: Method = "full"
    epochs: int = 3
    max_steps: int = 0
    batch_size: int = 32
    learning_rate: float = -1.0
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    warmup: int = 0
    weight_decay: float = 0.01
    clip: float = 1.0
    max_tokens: int = 128
    eval_steps: int = 0
    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.1
    precision: Literal["bf16", "fp32"] = "bf16"
    label_words: Literal["language", "english"] = "language"

    def __post_init__(self) -> None:
        """Check each value; the method's own learning rate is put in where none is given."""
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise _bad(self, name, " or ".join(known))
        if self.learning_rate == -1:
            object.__setattr__(self, "learning_rate", RATES[self.method])
        for name, bounds in _INTEGERS.items():
            _check(self, name, int, bounds)
        for name, span in _REALS.items():
            _check(self, name, float, span)
            object.__setattr__(self, name, float(getattr(self, name)))


def _check(recipe: ClassifyRecipe, name: str, kind: type, bounds: tuple[float, float]) -> None:
    value = getattr(recipe, name)
    low, high = bounds
    fine = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if not fine or not math.isfinite(value) or not low <= value <= high:
        words = "a whole number" if kind is int else "a number"
        raise _bad(recipe, name, f"{words} from {low:g} to {high:g}")


def _bad(recipe: ClassifyRecipe, name: str, expected: str) -> SettingError:
    return SettingError(
        f"classification, {name}", expected=expected, found=repr(getattr(recipe, name))
    )


def change_classify(recipe: ClassifyRecipe, deviations: Mapping[str, object]) -> ClassifyRecipe:
    """Return a recipe with some switches turned; another method brings its own learning rate.

    Raises:
        SettingError: a switch is unknown (the nearest is named), or a value is out of range.
    """
    known = [field.name for field in fields(ClassifyRecipe)]
    for switch in deviations:
        if switch not in known:
            near = difflib.get_close_matches(switch, known, n=1, cutoff=0.5)
            remedy = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise SettingError(f"classification, switch {switch!r}", remedy=remedy)
    given: dict[str, object] = dict(deviations)
    if "method" in given and "learning_rate" not in given:
        given["learning_rate"] = -1.0
    return replace(recipe, **given)  # type: ignore[arg-type]  # __post_init__ checks every type


def planned_steps(recipe: ClassifyRecipe, items: int) -> int:
    """Return the optimiser steps of a training set; the last batch of an epoch may be smaller."""
    return recipe.max_steps or recipe.epochs * math.ceil(items / recipe.batch_size)


def evaluation_steps(recipe: ClassifyRecipe, items: int) -> tuple[int, ...]:
    """Return the steps after which the dev set is asked; the last step is always one."""
    total = planned_steps(recipe, items)
    every = recipe.eval_steps or max(1, total // 10)
    return (*range(every, total, every), total)

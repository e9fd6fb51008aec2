"""Recipes: how a model is adapted and how it then answers, as plain data.

`default` and `seed` differ in single switches only, so that each can be turned alone
(`change(RECIPES["seed"], {"train_eos": True})` asks whether training the end token explains the
over-long answers). `seed` is the recipe of "Cross-lingual Transfer Dynamics in BLOOMZ"
(MRL 2025). `default` keeps its adapter, optimiser and batches and mends what confounds it: the
loss is on the answer only, the end token is trained, prompts begin alike in tuning and in
answering, and answers are greedy.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Literal, get_args

from babelscope.errors import SettingError

if TYPE_CHECKING:
    from babelscope.data.prompts import Template
    from babelscope.models.encoding import Rendering

Begin = Literal["tokenizer", "always", "never"]
Use = Literal["training", "answering"]

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "schedule": ("constant", "linear", "cosine"),
    "precision": ("bf16", "fp32"),
    "loss": ("answer", "all"),
    "begin_train": get_args(Begin),
    "begin_answer": get_args(Begin),
}
_INTEGERS: Mapping[str, tuple[int, int]] = {
    "rank": (1, 4096),
    "warmup": (0, 1_000_000),
    "batch_size": (1, 4096),
    "accumulation": (1, 4096),
    "max_steps": (1, 1_000_000),
    "max_tokens": (8, 1_000_000),
    "answer_tokens": (1, 100_000),
    "top_k": (0, 1_000_000),
}
_REALS: Mapping[str, tuple[float, float]] = {
    "alpha": (0.0, 4096.0),
    "dropout": (0.0, 0.99),
    "learning_rate": (0.0, 1.0),
    "weight_decay": (0.0, 1.0),
    "clip": (0.0, 1e6),
    "temperature": (0.0, 100.0),
    "top_p": (0.0, 1.0),
}
_POSITIVE = ("alpha", "top_p")


@dataclass(frozen=True)
class Recipe:
    """Every switch of an adaptation; the ranges are closed unless stated.

    Adapter: `rank` 1-4096, `alpha` above 0 (scale alpha / rank), `dropout` 0-.99,
    `target_modules` "all_linear" (every linear layer of a block), "attention" (those of its
    attention) or the layers' own last names.

    Optimiser: AdamW, `learning_rate` 0-1 (0 is a control), `schedule`, `warmup` in steps,
    `weight_decay` 0-1, `clip` (largest norm of the gradient, 0 is off), `batch_size` examples
    times `accumulation` (over all devices), `max_steps`, `length_grouped` (batches of like length),
    `activation_checkpointing` (blocks run again for the gradient: less memory, more time),
    `packing` (a batch as one row without padding, refused where a model would mix its examples;
    batches and steps stay the same).

    Rendering: `template`, `max_tokens` of prompt and answer, `answer_tokens` (room kept for the
    answer, and the most that are generated), `begin_train` and `begin_answer` (the token before
    the prompt: the tokenizer's own way, always, never).

    Loss: `loss` on the answer or on all, `train_eos`. Answers: `temperature` (0 is greedy),
    `top_k` (0 is off), `top_p` (above 0; 1 is off), `stop_at_newline`.

    Controls: `shuffle_answers` gives each example the answer of another.

    Raises:
        SettingError: a value has the wrong type or is out of its range.
    """

    name: str
    rank: int = 64
    alpha: float = 16.0
    dropout: float = 0.1
    target_modules: str | tuple[str, ...] = "all_linear"
    learning_rate: float = 2e-4
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup: int = 0
    weight_decay: float = 0.001
    clip: float = 0.3
    batch_size: int = 4
    accumulation: int = 4
    max_steps: int = 60
    max_tokens: int = 1024
    precision: Literal["bf16", "fp32"] = "bf16"
    length_grouped: bool = True
    activation_checkpointing: bool = False
    packing: bool = False
    loss: Literal["answer", "all"] = "answer"
    train_eos: bool = True
    begin_train: Begin = "tokenizer"
    begin_answer: Begin = "tokenizer"
    template: str = "plain"
    answer_tokens: int = 100
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    stop_at_newline: bool = True
    shuffle_answers: bool = False

    def __post_init__(self) -> None:
        """Check each value; whole numbers given for real ones become real ones."""
        for field in ("name", "template"):
            value = getattr(self, field)
            if not isinstance(value, str) or not value.strip():
                raise _bad(self, field, "a name")
        for field, known in _CHOICES.items():
            if getattr(self, field) not in known:
                raise _bad(self, field, " or ".join(known))
        for switch in (f.name for f in fields(self) if isinstance(f.default, bool)):
            if not isinstance(getattr(self, switch), bool):
                raise _bad(self, switch, "true or false")
        for field, (low, high) in _INTEGERS.items():
            _check_number(self, field, low, high)
        for field, bounds in _REALS.items():
            _check_number(self, field, *bounds)
            object.__setattr__(self, field, float(getattr(self, field)))
        object.__setattr__(self, "target_modules", _modules(self))
        if self.warmup > self.max_steps:
            raise _bad(self, "warmup", f"at most max_steps ({self.max_steps})")
        if self.answer_tokens >= self.max_tokens:
            raise _bad(self, "answer_tokens", f"less than max_tokens ({self.max_tokens})")


def _bad(recipe: Recipe, field: str, expected: str) -> SettingError:
    return SettingError(
        f"recipe {recipe.name!r}, {field}", expected=expected, found=repr(getattr(recipe, field))
    )


def _check_number(recipe: Recipe, field: str, low: float, high: float) -> None:
    value = getattr(recipe, field)
    kinds = (int,) if field in _INTEGERS else (int, float)
    words = "a whole number" if field in _INTEGERS else "a number"
    above = f"above {low:g}" if field in _POSITIVE else f"from {low:g}"
    if (
        isinstance(value, bool)
        or not isinstance(value, kinds)
        or not math.isfinite(value)
        or not low <= value <= high
        or (field in _POSITIVE and value <= low)
    ):
        raise _bad(recipe, field, f"{words} {above} to {high:g}")


def _modules(recipe: Recipe) -> str | tuple[str, ...]:
    chosen: object = recipe.target_modules
    if chosen in ("attention", "all_linear"):
        return recipe.target_modules
    if isinstance(chosen, (list, tuple)) and chosen and all(isinstance(m, str) for m in chosen):
        return tuple(dict.fromkeys(chosen))
    raise _bad(recipe, "target_modules", "attention, all_linear or a list of layer names")


RECIPES: Mapping[str, Recipe] = {
    "default": Recipe("default"),
    "seed": Recipe(
        "seed",
        loss="all",
        train_eos=False,
        begin_train="always",
        begin_answer="never",
        temperature=0.1,
        top_k=50,
        top_p=0.95,
    ),
}
"""The recipes known by name. On BLOOM, "all_linear" is query_key_value, dense, dense_h_to_4h and
dense_4h_to_h, the layers of the first paper."""


def find_recipe(name: str) -> Recipe:
    """Return a recipe by its name.

    Raises:
        SettingError: no recipe has that name.
    """
    if name not in RECIPES:
        raise SettingError(f"recipe {name!r}", expected=" or ".join(RECIPES), found="no such name")
    return RECIPES[name]


def change(recipe: Recipe, deviations: Mapping[str, object]) -> Recipe:
    """Return a recipe with some switches turned, its name telling which.

    The name is that of the recipe of `RECIPES` it comes from and every switch that differs, in
    the order of the fields: "seed+train_eos=true". Turning all back gives the plain name again.

    Raises:
        SettingError: a switch is unknown (the nearest is named), or a value is out of range.
    """
    known = [field.name for field in fields(Recipe) if field.name != "name"]
    for switch in deviations:
        if switch not in known:
            near = difflib.get_close_matches(switch, known, n=1, cutoff=0.5)
            remedy = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise SettingError(f"recipe {recipe.name!r}, switch {switch!r}", remedy=remedy)
    values: dict[str, object] = {**asdict(recipe), **deviations}
    changed = Recipe(**values)  # type: ignore[arg-type]  # __post_init__ checks every type
    stem = recipe.name.partition("+")[0]
    origin = RECIPES.get(stem, recipe)
    words = [
        f"{field}={_word(getattr(changed, field))}"
        for field in known
        if getattr(changed, field) != getattr(origin, field)
    ]
    return replace(changed, name="+".join([origin.name, *words]))


def _word(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "|".join(value)
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def rendering_of(recipe: Recipe, templates: Mapping[str, Template], use: Use) -> Rendering:
    """Return how a recipe renders its prompts in tuning or in answering.

    The two differ only in the token before the prompt, and only if the recipe says so.

    Raises:
        SettingError: no template has the recipe's template name.
    """
    from babelscope.models.encoding import Rendering  # not above: plans are made without torch

    if recipe.template not in templates:
        raise SettingError(
            f"recipe {recipe.name!r}, template",
            expected=" or ".join(templates),
            found=repr(recipe.template),
        )
    return Rendering(
        template=templates[recipe.template],
        max_tokens=recipe.max_tokens,
        answer_tokens=recipe.answer_tokens,
        begin=recipe.begin_train if use == "training" else recipe.begin_answer,
    )

"""Whether a model can be tuned by a recipe: proved by a tiny step before any work is done."""

from __future__ import annotations

import inspect
import math
from typing import Any

import torch
from peft import PeftModel
from torch.nn.functional import cross_entropy

from babelscope.adapt.batches import collate
from babelscope.adapt.lora import fresh_lora, target_layers
from babelscope.adapt.losses import headless_loss
from babelscope.adapt.packing import prove_packing
from babelscope.adapt.recipes import Recipe
from babelscope.adapt.surroundings import own_randomness, precision_used
from babelscope.errors import ModelError, SettingError
from babelscope.models.encoding import NO_LOSS, EncodedTraining
from babelscope.models.loading import LoadedModel
from babelscope.models.tokenizers import short, silent

TRAINED_FROM = (torch.float32, torch.bfloat16)
"""What weights a tune may start from: float16's gradients overflow without a scale for the loss."""

LENGTHS = (7, 4)
"""Tokens of the rows of the tiny step, unequal so that one is padded."""

_FAULTS = (
    RuntimeError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    KeyError,
    NotImplementedError,
)


def prove_tuning(loaded: LoadedModel, recipe: Recipe) -> None:
    """Check that a model can be tuned by a recipe, by one tiny step whose result is thrown away.

    With a fresh adapter the loss that is trained must be that of the model's own logits, and its
    gradient must reach the adapter. The base and the global generators are left as they were.

    Raises:
        SettingError: the weights are of a kind that is not tuned, the recipe's layers are not in
            the model or cannot carry LoRA, or the model cannot do what the recipe asks for.
        ModelError: the tiny step fails, or the loss or the gradient is wrong.
        AdapterError: the base carries adapters already.
    """
    check_weights(loaded, recipe)
    if recipe.activation_checkpointing and not loaded.model.supports_gradient_checkpointing:
        raise SettingError(
            f"activation_checkpointing with {loaded.name}",
            expected="a model of transformers that has it",
            found=type(loaded.model).__name__,
            remedy="activation_checkpointing = false",
        )
    if recipe.packing:
        prove_packing(loaded)
    what = f"tuning of {loaded.name}"
    with own_randomness(loaded.device), fresh_lora(loaded, recipe, 0) as tuned:
        try:
            with silent():
                gap, reached = _tiny_step(loaded, recipe, tuned)
        except _FAULTS as error:
            raise ModelError(
                what,
                expected="a tiny step of training to run",
                found=short(error),
                remedy="this architecture cannot be tuned here",
            ) from error
    if math.isnan(gap):
        raise ModelError(
            what,
            expected="a finite loss",
            found="nan in a tiny step",
            remedy="look at the model's weights, or load it as float32",
        )
    if not gap <= (1e-4 if loaded.dtype == torch.float32 else 2e-2):
        raise ModelError(
            what,
            expected="the loss of the model's own logits",
            found=f"a relative difference of {gap:.2g}",
            remedy="this architecture cannot be tuned here",
        )
    if not reached:
        raise ModelError(
            what,
            expected="a finite gradient in the adapter's layers",
            found="none, or not a finite one",
            remedy="this architecture cannot be tuned here",
        )


def check_weights(loaded: LoadedModel, recipe: Recipe) -> None:
    """Check that the layers that LoRA is put on hold float32 or bfloat16.

    Raises:
        SettingError: they do not, or the recipe's layers are not in the model.
    """
    layers = target_layers(loaded, recipe.target_modules)
    kinds = {loaded.model.get_submodule(name).weight.dtype for name in layers}
    wrong = sorted(str(kind).removeprefix("torch.") for kind in kinds if kind not in TRAINED_FROM)
    if wrong:
        floats = all("float16" in kind for kind in wrong)
        raise SettingError(
            f"dtype for tuning {loaded.name}",
            expected="float32 or bfloat16",
            found=", ".join(wrong),
            remedy="load it with dtype bfloat16 or float32"
            if floats
            else "give a copy of the model whose weights are not quantised",
        )


def training_extra(loaded: LoadedModel) -> dict[str, int]:
    """Return what keeps the model's own head, whose logits are not read, at one position a row."""
    known = inspect.signature(type(loaded.model).forward).parameters
    free = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values())
    return {"logits_to_keep": 1} if free or "logits_to_keep" in known else {}


def _tiny_step(loaded: LoadedModel, recipe: Recipe, tuned: PeftModel) -> tuple[float, bool]:
    """Return how far the loss is from that of the logits, and whether a gradient arrives."""
    rows = loaded.parts.vocabulary_rows
    draw = torch.Generator().manual_seed(0)
    ids = [tuple(torch.randint(rows, (n,), generator=draw).tolist()) for n in LENGTHS]
    batch = collate([_row(row) for row in ids], ids[0][0])
    batch = {key: tensor.to(loaded.device) for key, tensor in batch.items()}
    labels = batch.pop("labels")
    count = int((labels[:, 1:] != NO_LOSS).sum())
    half = precision_used(recipe.precision, loaded.device) == "bf16"
    kept: dict[str, Any] = training_extra(loaded)
    with headless_loss(loaded.parts) as loss:
        tuned.eval()
        with torch.no_grad():
            logits = tuned(**batch).logits[:, :-1].float()
            tuned(**batch, **kept)
            found = float(loss(None, labels, count))
        told = float(cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten()))
        tuned.train()
        with torch.autocast(loaded.device.type, torch.bfloat16, enabled=half):
            tuned(**batch, **kept)
            loss(None, labels, count).backward()
    gradients = [p.grad for p in tuned.parameters() if p.requires_grad and p.grad is not None]
    finite = all(bool(g.isfinite().all()) for g in gradients)
    moved = any(bool(g.any()) for g in gradients)
    return abs(found - told) / max(abs(told), 1e-6), finite and moved


def _row(ids: tuple[int, ...]) -> EncodedTraining:
    return EncodedTraining("", ids, (NO_LOSS, *ids[1:]), 0, len(ids), False, False, False)

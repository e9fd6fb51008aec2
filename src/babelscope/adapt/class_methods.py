"""What a method trains of a classifier, and the weights it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from babelscope.adapt.classify_recipes import ClassifyRecipe
from babelscope.adapt.lora import is_linear, peft_faults
from babelscope.adapt.surroundings import precision_used
from babelscope.errors import ModelError, SettingError
from babelscope.models.classifiers import Classifier, blocks_of
from babelscope.models.loading import SPREAD, place_of
from babelscope.store import read_arrays, write_arrays

WEIGHTS = "best.safetensors"


def training_precision(recipe: ClassifyRecipe, device: str) -> str:
    """Return what a recipe trains in on a device, named as in `load_model`."""
    place = place_of(device)
    if place == SPREAD:
        raise SettingError("device for classification", expected="one device", found=device)
    return precision_used(recipe.precision, torch.device(place))


def prepare(classifier: Classifier, recipe: ClassifyRecipe, seed: int) -> None:
    """Choose what is trained: the head and whatever is new, LoRA beside them, or everything.

    Raises:
        SettingError: the method trains nothing.
    """
    model = classifier.model
    if recipe.method == "full":
        model.requires_grad_(True)
        return
    if recipe.method not in ("head", "lora"):
        raise SettingError("method", expected="head, lora or full", found=recipe.method)
    base = f"{model.base_model_prefix}."
    head = [name for name, _ in model.named_parameters() if not name.startswith(base)]
    if recipe.method == "lora":
        _put_lora(classifier, recipe, seed)
    else:
        model.requires_grad_(False)
    for name, parameter in model.named_parameters():
        if name in head or name in classifier.new:
            parameter.requires_grad_(True)


def _put_lora(classifier: Classifier, recipe: ClassifyRecipe, seed: int) -> None:
    model = classifier.model
    layers = linear_layers(model)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(layers),
        fan_in_fan_out=any(isinstance(model.get_submodule(name), Conv1D) for name in layers),
        bias="none",
    )
    with (
        torch.random.fork_rng(),
        peft_faults(classifier.name, layers, "set method = head or full"),
    ):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
    model.to(classifier.device)


def linear_layers(model: PreTrainedModel) -> tuple[str, ...]:
    """Return the full names of the linear layers of a model's blocks, found by structure."""
    inside = {id(module) for module in blocks_of(model, type(model).__name__).modules()}
    found = tuple(
        name for name, module in model.named_modules() if id(module) in inside and is_linear(module)
    )
    if not found:
        raise ModelError(
            f"model {type(model).__name__}",
            expected="blocks with linear layers",
            found="none",
            remedy="train the head only, or all weights",
        )
    return found


def load_trained(classifier: Classifier, folder: Path) -> None:
    """Put kept weights into a classifier that `prepare` made ready.

    Raises:
        StoreError: the file is missing or broken.
        ModelError: it holds other parameters.
    """
    kept = read_arrays(folder / WEIGHTS)
    own = dict(_changed(classifier.model))
    if set(kept) != set(own):
        raise ModelError(
            str(folder / WEIGHTS),
            expected=f"the {len(own)} trained parameters of {classifier.name}",
            found=f"{len(kept)} others",
            remedy="delete its folder and run again",
        )
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(torch.from_numpy(np.array(kept[name])).to(parameter.device))
    classifier.model.eval()


def keep_trained(classifier: Classifier, folder: Path) -> None:
    """Write what training changes, in float32, whole or not at all."""
    arrays = {n: p.detach().float().cpu().numpy() for n, p in _changed(classifier.model)}
    write_arrays(folder / WEIGHTS, arrays)


def _changed(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the trained parameters, and the buffers that a model writes while it is trained.

    Such are the running ranges of I-BERT's quantised activations.
    """
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            yield name, parameter
    for name, tensor in model.state_dict(keep_vars=True).items():
        # a tied parameter has a second name here
        if not isinstance(tensor, nn.Parameter) and tensor.is_floating_point():
            yield name, tensor

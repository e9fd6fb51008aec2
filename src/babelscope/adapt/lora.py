"""LoRA on a loaded base: which layers it is put on, and taking it off without a trace."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers.pytorch_utils import Conv1D

from babelscope.adapt.recipes import Recipe
from babelscope.errors import AdapterError, SettingError
from babelscope.models.exact_names import exact_names
from babelscope.models.loading import LoadedModel
from babelscope.models.tokenizers import short

ATTENTION = "att"
"""In the name of each architecture's attention: self_attention, self_attn, attention, attn."""


def target_layers(loaded: LoadedModel, wanted: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the full names of the linear layers of the blocks that a recipe asks for.

    `wanted` is "all_linear", "attention", or names as they stand within a block, in full
    (`mlp.up_proj`) or their last part (`up_proj`).

    Raises:
        SettingError: a name matches no linear layer of a block; the known ones are given.
    """
    full = {id(module): name for name, module in loaded.model.named_modules()}
    layers = [
        (name, full[id(module)])
        for block in loaded.parts.blocks
        for name, module in block.named_modules()
        if is_linear(module)
    ]
    known = tuple(dict.fromkeys(name for name, _ in layers))
    if wanted == "all_linear":
        chosen = set(known)
    elif wanted == "attention":
        chosen = {name for name in known if ATTENTION in name.split(".")[0].lower()}
    else:
        chosen = {name for name in known if name in wanted or name.split(".")[-1] in wanted}
        for name in wanted:
            if not any(name in (layer, layer.split(".")[-1]) for layer in known):
                chosen.clear()
    if not chosen:
        raise SettingError(
            f"target_modules of {loaded.name}",
            expected=f"linear layers of a block ({', '.join(known) or 'it has none'})",
            found=wanted if isinstance(wanted, str) else ", ".join(wanted),
        )
    return tuple(name for layer, name in layers if layer in chosen)


@contextmanager
def fresh_lora(loaded: LoadedModel, recipe: Recipe, seed: int) -> Iterator[PeftModel]:
    """Put an untrained LoRA on a base, its weights drawn by `seed`, and take it off at the end.

    Untrained it changes no output. Afterwards the base is as it was: layers, gradients asked
    for, training mode, configuration. The global torch generator is left seeded.

    Raises:
        AdapterError: the base carries adapters already.
        SettingError: the recipe's layers are not in this model, or peft refuses one of them.
    """
    model = loaded.model
    if any(isinstance(module, BaseTunerLayer) for module in model.modules()):
        raise AdapterError(
            f"model {loaded.name}",
            expected="a base without adapters",
            found="adapters attached",
            remedy="detach them before tuning",
        )
    layers = target_layers(loaded, recipe.target_modules)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(layers),
        fan_in_fan_out=any(isinstance(m, Conv1D) for m in loaded.parts.blocks.modules()),
        bias="none",
        task_type="CAUSAL_LM",
    )
    asked = [parameter.requires_grad for parameter in model.parameters()]
    modes = [(module, module.training) for module in model.modules()]
    attributes, caching = set(vars(model)), vars(model.config).get("use_cache")
    torch.manual_seed(seed)
    name, model.name_or_path = model.name_or_path, ""
    try:
        with peft_faults(loaded.name, layers, "leave it out: target_modules = [{}]"):
            tuned = get_peft_model(model, config)
        # a name here makes peft look for the base's files, on the Hub too, at every save; and the
        # folder of a machine would stand in what is saved, and in its fingerprint
        tuned.peft_config["default"].base_model_name_or_path = None
        yield tuned
    finally:
        model.name_or_path = name
        unwrap(model)
        for parameter, wanted in zip(model.parameters(), asked, strict=True):
            parameter.requires_grad_(wanted)
            parameter.grad = None
        for module, training in modes:
            module.training = training
        for name in set(vars(model)) - attributes:
            delattr(model, name)
        if caching is None:  # the Trainer sets it where a config lacks it (the first GPT) too
            vars(model.config).pop("use_cache", None)
        else:
            model.config.use_cache = caching


@torch.no_grad()
def is_linear(module: nn.Module) -> bool:
    """Tell whether a module is a linear layer that gives one tensor.

    Llama 4's router is a kind of linear layer too, but gives scores beside its product: nothing can
    be added to that.
    """
    if not isinstance(module, (nn.Linear, Conv1D)):
        return False
    if type(module) in (nn.Linear, Conv1D):
        return True
    weight = module.weight
    row = torch.zeros(1, weight.shape[1], dtype=weight.dtype, device=weight.device)
    try:
        return isinstance(module(row), torch.Tensor)
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        return True  # it takes another input, as quantised ones do: that is told of its weights


@contextmanager
def peft_faults(name: str, layers: Sequence[str], remedy: str) -> Iterator[None]:
    """Put adapters on by exact names inside, and tell in one line which layers peft refuses.

    It knows some whose weights a fast kernel reads without calling the layer, as Mamba's.
    `remedy` is told, with `{}` in it for the layers that are left.

    Raises:
        SettingError: peft refuses a layer of the model `name`.
    """
    try:
        with warnings.catch_warnings(), exact_names():
            # peft still asks transformers by the old name
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is", FutureWarning)
            yield
    except ValueError as error:
        known = tuple(dict.fromkeys(layer.rsplit(".", 1)[-1] for layer in layers))
        told = str(error).partition("Incompatible modules")[0]
        refused = [layer for layer in known if f"'{layer}'" in told]
        left = ", ".join(f'"{layer}"' for layer in known if layer not in refused)
        raise SettingError(
            f"LoRA on {name}",
            expected="linear layers that peft can adapt",
            found=f"{', '.join(refused)}, which peft refuses" if refused else short(error),
            remedy=remedy.format(left),
        ) from error


def unwrap(model: nn.Module) -> None:
    """Put the base's own layers back, also where peft stopped half way."""
    wrapped = [(name, m) for name, m in model.named_modules() if isinstance(m, BaseTunerLayer)]
    for name, module in wrapped:
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, module.get_base_layer())


def write_adapter(tuned: PeftModel, folder: Path) -> None:
    """Write `adapter_config.json` and `adapter_model.safetensors`, the same bytes every time.

    The configuration names no base: the card does, and a name would make peft ask the Hub for it.
    """
    tuned.save_pretrained(str(folder), save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    # peft keeps the layers as a set, whose order changes from process to process
    settings["target_modules"] = sorted(settings["target_modules"])
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")

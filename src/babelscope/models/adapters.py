"""Tuned adapters beside their base: the card, the checks, and switching between them.

An adapter is a peft folder with one more file, its card: what it was made from and for.
"""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peft import PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel

from babelscope.data.prompts import Template
from babelscope.errors import AdapterError, ModelError, StoreError
from babelscope.identity import digest, digest_files
from babelscope.models.encoding import Begin, Rendering, rendering_fingerprint
from babelscope.models.folders import read_json
from babelscope.models.loading import LoadedModel

CARD = "babelscope.json"
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class AdapterCard:
    """What an adapter was made from and for.

    The rendering is that of answering, except for `begin_train`. `loss_curve` is in nats, one
    value a step; `example` is one training example, each token's text with whether it was in the
    loss; `counts` holds how many training examples were truncated, lost their gold and the like.
    """

    base_name: str
    base_fingerprint: str
    rendering_fingerprint: str
    template: str
    template_text: str
    answer_prefix: str
    max_tokens: int
    answer_tokens: int
    begin_train: Begin
    begin_answer: Begin
    recipe: Mapping[str, object]
    source: str
    language: str
    source_digest: str
    seed: int
    step: int
    precision_used: str = "fp32"
    loss_curve: tuple[float, ...] = ()
    example: tuple[tuple[str, bool], ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


def write_adapter_card(folder: Path, card: AdapterCard) -> None:
    """Write a card into an adapter's folder, whole or not at all.

    Raises:
        StoreError: the folder cannot be written.
    """
    text = json.dumps(
        dataclasses.asdict(card), ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False
    )
    draft = folder / f"{CARD}.partial"
    try:
        draft.write_text(text + "\n", encoding="utf-8")
        draft.replace(folder / CARD)
    except OSError as error:
        raise StoreError(
            f"{folder / CARD}", expected="a place to write", found=str(error)
        ) from error


def read_adapter_card(folder: Path) -> AdapterCard:
    """Read an adapter's card.

    Raises:
        AdapterError: the folder or the card is missing, broken, or of another form.
    """
    if not folder.is_dir():
        raise AdapterError(f"adapter {folder}", expected="a folder", found="none")
    raw = _json(folder, CARD)
    fields = {f.name: f for f in dataclasses.fields(AdapterCard)}
    needed = {n for n, f in fields.items() if f.default is f.default_factory}
    wrong = sorted((set(raw) - set(fields)) | (needed - set(raw)))
    wrong += [n for n in sorted(set(raw) & set(fields)) if not _fits(raw[n], str(fields[n].type))]
    if wrong:
        raise AdapterError(
            f"{folder / CARD}",
            expected="the fields of an adapter's card",
            found=f"{wrong[0]!r} missing, unknown or of another type",
        )
    curve, example = raw.get("loss_curve", []), raw.get("example", [])
    return AdapterCard(
        **{
            **raw,
            "loss_curve": tuple(float(x) for x in curve),
            "example": tuple((str(token), bool(kept)) for token, kept in example),
        }
    )


def adapter_fingerprint(folder: Path) -> str:
    """Return 32 hex digits over an adapter's configuration and weights.

    Raises:
        AdapterError: one of the files is missing.
    """
    return digest_files([_present(folder, CONFIG), _present(folder, WEIGHTS)])


def answering_rendering(card: AdapterCard) -> Rendering:
    """Return the rendering that the adapter answers with."""
    template = Template(card.template, card.template_text, card.answer_prefix)
    return Rendering(template, card.max_tokens, card.answer_tokens, card.begin_answer)


def check_rendering(card: AdapterCard, loaded: LoadedModel, rendering: Rendering) -> None:
    """Check that questions will be rendered as the adapter expects them.

    Raises:
        AdapterError: template, room, begin tokens or tokenizer differ from those of its card.
    """
    own = rendering_fingerprint(loaded.tokenizer, rendering)
    what = f"adapter from {card.source} (seed {card.seed}, step {card.step})"
    if own != card.rendering_fingerprint:
        raise AdapterError(
            what,
            expected=f"the rendering {card.rendering_fingerprint[:12]} it was tuned with (template "
            f"{card.template}, {card.max_tokens} tokens, {card.answer_tokens} for the answer)",
            found=f"{own[:12]} (template {rendering.template.name}, {rendering.max_tokens} tokens, "
            f"{rendering.answer_tokens} for the answer)",
            remedy="answer with the adapter's own settings",
        )
    if rendering.begin != card.begin_answer:
        raise AdapterError(
            what, expected=f"begin = {card.begin_answer}", found=f"begin = {rendering.begin}"
        )


def attach_adapters(loaded: LoadedModel, folders: Mapping[str, Path]) -> LoadedModel:
    """Put adapters beside one loaded base; none is active until `use_adapter` says so.

    The base's own modules are wrapped in place: until `detach_adapters`, use what this returns.

    Raises:
        AdapterError: a folder is missing or broken, or its adapter was made for another base.
    """
    model = loaded.model
    for name, folder in folders.items():
        _check_adapter(loaded, folder)
        try:
            model = _load_beside(model, folder, _inner(name))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            if isinstance(model, PeftModel):
                model.unload()
            raise AdapterError(
                f"adapter {folder}", expected="an adapter that fits its base", found=str(error)
            ) from error
        _check_keys(model, name, folder)
    if isinstance(model, PeftModel):
        model.eval()
        model.base_model.disable_adapter_layers()
    return dataclasses.replace(loaded, model=model)


def detach_adapters(loaded: LoadedModel) -> LoadedModel:
    """Take all adapters away again and return the base as it was."""
    if not isinstance(loaded.model, PeftModel):
        return loaded
    return dataclasses.replace(loaded, model=loaded.model.unload())


@contextmanager
def use_adapter(loaded: LoadedModel, name: str | None) -> Iterator[None]:
    """Answer as the named adapter within the block, or as the base for None; do not nest.

    Raises:
        AdapterError: no adapter of that name is attached.
    """
    if name is None:
        yield
        return
    model = loaded.model
    if not isinstance(model, PeftModel) or _inner(name) not in model.peft_config:
        raise AdapterError(f"adapter {name}", expected="an attached adapter", found="none")
    model.base_model.enable_adapter_layers()
    model.set_adapter(_inner(name), inference_mode=True)
    try:
        yield
    finally:
        model.base_model.disable_adapter_layers()


def _load_beside(model: PreTrainedModel, folder: Path, inner: str) -> PeftModel:
    with warnings.catch_warnings():
        # peft reads an attribute that transformers 5 has renamed
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        if isinstance(model, PeftModel):
            model.load_adapter(str(folder), adapter_name=inner)
            return model
        return PeftModel.from_pretrained(model, str(folder), adapter_name=inner)


def _inner(name: str) -> str:
    # peft makes module names of adapters' names: dots and slashes would break them
    return "a" + digest(name)[:16]


def _check_adapter(loaded: LoadedModel, folder: Path) -> None:
    card = read_adapter_card(folder)
    if card.base_fingerprint != loaded.fingerprint:
        raise AdapterError(
            f"adapter {folder}",
            expected=f"its base {card.base_name} ({card.base_fingerprint[:12]})",
            found=f"{loaded.name} ({loaded.fingerprint[:12]})",
            remedy="load the base that it was tuned from",
        )
    if not _json(folder, CONFIG).get("peft_type"):
        raise AdapterError(f"{folder / CONFIG}", expected="a peft_type", found="none")
    try:
        with safe_open(_present(folder, WEIGHTS), framework="pt") as tensors:
            tensors.keys()
    except (SafetensorError, OSError) as error:
        raise AdapterError(
            f"{folder / WEIGHTS}", expected="a whole safetensors file", found=str(error)
        ) from error


def _check_keys(model: PeftModel, name: str, folder: Path) -> None:
    # peft only warns of tensors that the file lacks, and leaves them at their fresh values
    with safe_open(folder / WEIGHTS, framework="pt") as tensors:
        given = set(tensors.keys())
    needed = set(get_peft_model_state_dict(model, adapter_name=_inner(name)))
    if given != needed:
        wrong = sorted(given ^ needed)
        model.unload()
        raise AdapterError(
            f"{folder / WEIGHTS}",
            expected=f"{len(needed)} tensors",
            found=f"{len(wrong)} missing or unknown, first {wrong[0]}",
        )


def _present(folder: Path, file: str) -> Path:
    if not (folder / file).is_file():
        raise AdapterError(f"adapter {folder}", expected=file, found="no such file")
    return folder / file


def _json(folder: Path, file: str) -> dict[str, Any]:
    try:
        raw = read_json(_present(folder, file))
    except ModelError as error:
        raise AdapterError(f"{folder / file}", expected="JSON", found=error.found) from error
    if not isinstance(raw, dict):
        raise AdapterError(f"{folder / file}", expected="an object", found=type(raw).__name__)
    return raw


def _fits(value: object, annotation: str) -> bool:
    kinds: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "Begin": str}
    kind = kinds.get(annotation, dict if annotation.startswith("Mapping") else (list, tuple))
    return isinstance(value, kind)

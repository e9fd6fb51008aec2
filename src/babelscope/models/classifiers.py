"""Models with a classification head: loading one from a base, and padding its input.

The head is new: its weights are drawn by a seed. A causal model's label of a text is read at its
last token, so padding goes to the right and never by an id that could be taken for that token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from babelscope.errors import ModelError, SettingError
from babelscope.models.class_encoding import NO_LABEL, ClassItem
from babelscope.models.folders import check_model_folder, folder_fingerprint, resolve_folder
from babelscope.models.loading import Tokenizer, pad_id
from babelscope.models.tokenizers import short, silent, tokenizer_in

Head = Literal["sequence", "token"]
_AUTO = {"sequence": AutoModelForSequenceClassification, "token": AutoModelForTokenClassification}
_FAULTS = (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, ImportError)
PROBE_IDS = (5, 6, 7, 8, 9)
POOLER = "pooler"


@dataclass(frozen=True, slots=True)
class Classifier:
    """A base with a head, in float32 and evaluation mode.

    `fingerprint` is the base's, `causal` tells whether a token sees only those before it, `new`
    names the parameters that the base's file does not have, `longest` is the most tokens that the
    model has positions for (0: no limit is known).
    """

    model: PreTrainedModel
    tokenizer: Tokenizer
    name: str
    fingerprint: str
    labels: tuple[str, ...]
    head: Head
    causal: bool
    new: tuple[str, ...]
    longest: int
    device: torch.device


def load_classifier(
    name: str,
    labels: Sequence[str],
    head: Head,
    *,
    seed: int,
    device: str = "auto",
    revision: str | None = None,
) -> Classifier:
    """Load a base by the name `mini`, a folder or a Hub name, and put a fresh head on it.

    Raises:
        ModelError: it cannot be had, is pickled, has no such head, or lacks weights of its base.
    """
    folder = resolve_folder(name, revision=revision)
    check_model_folder(folder)
    tokenizer = tokenizer_in(folder, name, False)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, new = _load(folder, name, tuple(labels), head)
    rows = int(model.get_input_embeddings().weight.shape[0])
    largest = max(tokenizer.get_vocab().values(), default=-1)
    if largest >= rows:
        raise ModelError(
            f"model {name}",
            expected=f"token ids below its {rows} rows",
            found=f"id {largest} in the tokenizer",
            remedy="the tokenizer belongs to another model",
        )
    causal = is_causal(model)
    place = torch.device(_place(device))
    model.to(place)
    return Classifier(
        model=model,
        tokenizer=tokenizer,
        name=name,
        fingerprint=folder_fingerprint(folder),
        labels=tuple(labels),
        head=head,
        causal=causal,
        new=new,
        longest=_longest(model, tokenizer),
        device=place,
    )


def _place(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" or (device == "cuda" and torch.cuda.is_available()):
        return device
    raise SettingError(
        "device for classification", expected="auto, cpu, or cuda where there is one", found=device
    )


def is_causal(model: PreTrainedModel) -> bool:
    """Tell whether the first token's state is blind to the last token, by two small passes."""
    base = model.base_model
    rows = torch.tensor([PROBE_IDS, (*PROBE_IDS[:-1], PROBE_IDS[0])])
    with torch.no_grad():
        states = base(input_ids=rows.to(model.device)).last_hidden_state[:, 0].float()
    return bool(torch.allclose(states[0], states[1], atol=1e-6))


def _load(
    folder: Path, name: str, labels: tuple[str, ...], head: Head
) -> tuple[PreTrainedModel, tuple[str, ...]]:
    try:
        with silent():
            model, report = _AUTO[head].from_pretrained(
                folder,
                num_labels=len(labels),
                id2label=dict(enumerate(labels)),
                label2id={label: n for n, label in enumerate(labels)},
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except _FAULTS as error:
        raise ModelError(
            f"model {name}", expected=f"a base for {head} classification", found=short(error)
        ) from error
    new = sorted({*report["missing_keys"], *(key[0] for key in report["mismatched_keys"])})
    base = f"{model.base_model_prefix}."
    # a base saved without its pooler gets a fresh one, which is trained with the head
    lost = [key for key in new if key.startswith(base) and POOLER not in key.split(".")]
    if lost:
        raise ModelError(
            f"model {name}",
            expected="weights for every parameter of the base",
            found=f"{len(lost)} missing or of another shape, first {lost[0]}",
        )
    return model.eval(), tuple(new)


def _longest(model: nn.Module, tokenizer: Tokenizer) -> int:
    limits = [
        getattr(model.config, "max_position_embeddings", None),
        getattr(tokenizer, "model_max_length", None),
    ]
    # a tokenizer without a limit says 1e30
    known = [limit for limit in limits if isinstance(limit, int) and 0 < limit < 1 << 30]
    return min(known, default=0)


def collate(
    classifier: Classifier, items: Sequence[ClassItem], *, with_labels: bool = False
) -> dict[str, Tensor]:
    """Return items as right-padded tensors, and set the id that the head knows padding by.

    Shapes are (items, longest); `labels` are (items,) for texts, (items, longest) for tokens.
    """
    rows = int(classifier.model.get_input_embeddings().weight.shape[0])
    pad = padding_id(classifier, items, rows)
    # a causal head looks for the last token that is not this id
    classifier.model.config.pad_token_id = pad
    length = max(len(item.ids) for item in items)
    batch = {
        "input_ids": torch.tensor([_filled(i.ids, length, pad) for i in items]),
        "attention_mask": torch.tensor([_filled((1,) * len(i.ids), length, 0) for i in items]),
    }
    if getattr(classifier.model.config, "type_vocab_size", 0) > 1 and all(i.types for i in items):
        batch["token_type_ids"] = torch.tensor([_filled(i.types, length, 0) for i in items])
    if with_labels and classifier.head == "sequence":
        batch["labels"] = torch.tensor([i.labels[0] for i in items])
    elif with_labels:
        batch["labels"] = torch.tensor([_filled(i.labels, length, NO_LABEL) for i in items])
    return {key: tensor.to(classifier.device) for key, tensor in batch.items()}


def padding_id(classifier: Classifier, items: Sequence[ClassItem], rows: int) -> int:
    """Return an id to pad these items with: for a causal model, one that none of them ends in.

    Encoders keep their own: some count positions by it.
    """
    usual = pad_id(classifier.tokenizer, rows)
    own = classifier.tokenizer.pad_token_id
    if not classifier.causal:
        return int(own) if own is not None else usual
    ends = {item.ids[-1] for item in items}
    return next(candidate for candidate in (usual, *range(rows)) if candidate not in ends)


def _filled(values: Sequence[int], length: int, filler: int) -> list[int]:
    return [*values, *[filler] * (length - len(values))]

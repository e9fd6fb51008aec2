"""Models with a classification head: loading one from a base, and padding its input.

The head is new: its weights are drawn by a seed. A causal model's label of a text is read at its
last token, so padding goes to the right and never by an id that could be taken for that token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from babelscope.models.class_encoding import NO_LABEL, ClassItem
from babelscope.models.folders import folder_fingerprint
from babelscope.models.loading import (
    Tokenizer,
    check_vocabulary,
    open_folder,
    pad_id,
    raise_missing,
    read_weights,
)
from babelscope.models.parts import depth_of, find_blocks
from babelscope.models.trunk_proof import accepts, hides_padding, is_causal
from babelscope.models.trunks import token_limit

Head = Literal["sequence", "token"]
_AUTO = {"sequence": AutoModelForSequenceClassification, "token": AutoModelForTokenClassification}
POOLER = "pooler"


@dataclass(frozen=True, slots=True)
class Classifier:
    """A base with a head, in float32 and evaluation mode.

    `fingerprint` is the base's, `causal` tells whether a token sees only those before it, `new`
    names the parameters that the base's file does not have, `longest` is the most tokens that the
    model has positions for (0: no limit is known). `hides_padding`: as in `Trunk`.
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
    hides_padding: bool = True


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
        SettingError: the device is unknown or absent.
        ModelError: it cannot be had, is pickled, has no such head, or lacks weights of its base.
    """
    opened = open_folder(
        name, dtype="float32", device=device, revision=revision, trust_remote_code=False
    )
    names = dict(enumerate(labels))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model, new = read_weights(
            opened,
            _AUTO[head],
            f"a base for {head} classification",
            num_labels=len(names),
            id2label=names,
            label2id={label: place for place, label in names.items()},
        )
    base = f"{model.base_model_prefix}."
    # a base saved without its pooler gets a fresh one, which is trained with the head
    lost = [key for key in new if key.startswith(base) and POOLER not in key.split(".")]
    raise_missing(opened, lost)
    embed = model.get_input_embeddings()
    check_vocabulary(opened, int(embed.weight.shape[0]), embed)
    blocks = blocks_of(model, name)
    causal = is_causal(model.base_model, blocks)
    return Classifier(
        model=model,
        tokenizer=opened.tokenizer,
        name=name,
        fingerprint=folder_fingerprint(opened.folder),
        labels=tuple(labels),
        head=head,
        causal=causal,
        new=tuple(new),
        longest=token_limit(model, embed, opened.tokenizer) or 0,
        device=embed.weight.device,
        hides_padding=causal or hides_padding(model.base_model, blocks),
    )


def blocks_of(model: PreTrainedModel, name: str) -> nn.ModuleList:
    """Return a classifier's blocks, found by structure."""
    return find_blocks(model, depth_of(model), name)


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
    }
    if accepts(classifier.model, "attention_mask"):
        mask = [_filled((1,) * len(i.ids), length, 0) for i in items]
        batch["attention_mask"] = torch.tensor(mask)
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
        return int(own) if own is not None and own < rows else usual
    ends = {item.ids[-1] for item in items}
    return next(candidate for candidate in (usual, *range(rows)) if candidate not in ends)


def _filled(values: Sequence[int], length: int, filler: int) -> list[int]:
    return [*values, *[filler] * (length - len(values))]

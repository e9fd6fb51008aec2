"""An adapter's card: what it was made from and for, in a file beside its weights."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from babelscope.data.prompts import Template
from babelscope.errors import AdapterError, ModelError, StoreError
from babelscope.models.encoding import Begin, Rendering, rendering_fingerprint
from babelscope.models.folders import read_json
from babelscope.models.loading import LoadedModel

CARD = "babelscope.json"


@dataclass(frozen=True, slots=True)
class AdapterCard:
    """What an adapter was made from and for.

    The rendering is that of answering, except for `begin_train`. `loss_curve` is in nats, one
    value a step; `example` is one training example, each token's text with whether it was in the
    loss; `counts` holds how many training examples were truncated, lost their gold and the like.
    `base_dtype` is what the base's weights were held in, "" on a card that does not tell.
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
    base_dtype: str = ""
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
    raw = read_object(folder, CARD)
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


def present_file(folder: Path, file: str) -> Path:
    """Return a file of an adapter's folder, which must be there.

    Raises:
        AdapterError: it is missing.
    """
    if not (folder / file).is_file():
        raise AdapterError(f"adapter {folder}", expected=file, found="no such file")
    return folder / file


def read_object(folder: Path, file: str) -> dict[str, Any]:
    """Read a JSON object of an adapter's folder.

    Raises:
        AdapterError: the file is missing or holds something else.
    """
    try:
        raw = read_json(present_file(folder, file))
    except ModelError as error:
        raise AdapterError(f"{folder / file}", expected="JSON", found=error.found) from error
    if not isinstance(raw, dict):
        raise AdapterError(f"{folder / file}", expected="an object", found=type(raw).__name__)
    return raw


def _fits(value: object, annotation: str) -> bool:
    kinds: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "Begin": str}
    kind = kinds.get(annotation, dict if annotation.startswith("Mapping") else (list, tuple))
    return isinstance(value, kind)

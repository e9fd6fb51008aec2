"""Tuned adapters beside a base: their card, their checks, and switching between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from babelscope.models.encoding import Rendering
from babelscope.models.loading import LoadedModel

CARD_NAME = "babelscope.json"


@dataclass(frozen=True, slots=True)
class AdapterCard:
    base_name: str
    base_fingerprint: str
    rendering_fingerprint: str
    template: str          # its name
    template_text: str
    answer_prefix: str
    max_tokens: int
    answer_tokens: int
    begin_train: str
    begin_answer: str
    recipe: Mapping[str, object]
    source: str
    language: str
    source_digest: str
    seed: int
    step: int
    precision_used: str = "fp32"
    loss_curve: tuple[float, ...] = ()   # nats, one a step
    example: tuple[tuple[str, bool], ...] = ()  # token text, in loss
    counts: Mapping[str, int] = field(default_factory=dict)  # truncated, gold_lost, answer_cut ...


def read_adapter_card(folder: Path) -> AdapterCard: ...
def write_adapter_card(folder: Path, card: AdapterCard) -> None: ...
def adapter_fingerprint(folder: Path) -> str: ...
def attach_adapters(loaded: LoadedModel, folders: Mapping[str, Path]) -> LoadedModel: ...
def detach_adapters(loaded: LoadedModel) -> LoadedModel: ...
def check_rendering(card: AdapterCard, loaded: LoadedModel, rendering: Rendering) -> None: ...


@contextmanager
def use_adapter(loaded: LoadedModel, name: str | None) -> Iterator[None]:
    yield

"""Shared beginnings, wide rooms and little memory: the work differs, the answers do not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from tiny import FAMILIES
from toy_model import branching, random_prompts, reference, tiny_loaded
from transformers import MambaConfig

from babelscope.errors import ModelError
from babelscope.infer import generate, passes
from babelscope.infer.generate import Decoding, generate_answers
from babelscope.infer.passes import token_bytes
from babelscope.infer.prefixes import prefix_tree
from babelscope.infer.room import sliding_layers
from babelscope.models.encoding import EncodedPrompt
from babelscope.models.loading import LoadedModel


@pytest.mark.parametrize("family", FAMILIES)
def test_shared_beginnings_change_no_answer(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tiny_loaded(family, newline=1.7, eos=1.7)
    prompts, decoding = branching(), Decoding(12)
    tree = prefix_tree([p.ids for p in prompts])
    assert any(stretch.parent >= 0 for stretch in tree.shared)
    expected = [reference(loaded, p, decoding) for p in prompts]
    for batch_tokens in (1, 60, 8192):  # a row a pass, a few rows, all
        shared = generate_answers(
            loaded, prompts, decoding, language="eng_Latn", batch_tokens=batch_tokens
        )
        assert shared == expected
    monkeypatch.setattr(
        passes, "prefix_tree", lambda ids, kept=None: prefix_tree(ids, kept, shortest=10**6)
    )
    assert generate_answers(loaded, prompts, decoding, language="eng_Latn") == expected


def test_what_is_shared_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, prompts = tiny_loaded("bloom"), branching()
    tree = prefix_tree([p.ids for p in prompts])
    read = 0
    real = passes.extend_rows

    def counted(loaded: LoadedModel, room: object, rows: slice, own: Sequence[Sequence[int]]):
        nonlocal read
        read += sum(map(len, own))
        return real(loaded, room, rows, own)

    monkeypatch.setattr(passes, "extend_rows", counted)
    generate_answers(loaded, prompts, Decoding(1), language="x")
    # 1 token to learn the size of a token's keys and values
    assert read == 1 + sum(s.end - s.start for s in (*tree.shared, *tree.own))
    assert read < 0.6 * sum(len(p.ids) for p in prompts)


def test_a_recurrent_state_is_refused() -> None:
    config = MambaConfig(num_hidden_layers=1)
    with pytest.raises(ModelError, match="layer 0 of mamba"):
        sliding_layers(config)


def test_out_of_memory_halves_the_rounds_from_there_on(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tiny_loaded("qwen2")
    expected = generate_answers(loaded, random_prompts(15), Decoding(5), language="x")
    # rounds of 8 rows, so that the second one is halved before it is tried
    longest = max(len(p.ids) for p in random_prompts(15))
    width = 8 * (longest + 5) * token_bytes(loaded)
    monkeypatch.setattr(passes, "ROOM_BYTES", width // 1024)
    real, sizes = generate._generate, []

    def small(loaded: LoadedModel, prompts: Sequence[EncodedPrompt], *rest: object) -> object:
        sizes.append(len(prompts))
        if len(prompts) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return real(loaded, prompts, *rest)

    monkeypatch.setattr(generate, "_generate", small)
    answers = generate_answers(
        loaded, random_prompts(15), Decoding(5), language="x", batch_tokens=1024
    )
    assert answers == expected
    assert sizes[:2] == [8, 4]
    assert sum(n for n in sizes if n <= 2) == 15
    assert sizes.count(8) == sizes.count(4) == 1


def test_out_of_memory_for_one_prompt_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> object:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    monkeypatch.setattr(generate, "_generate", never)
    with pytest.raises(ModelError, match="example 0"):
        generate_answers(tiny_loaded("qwen2"), random_prompts(1), Decoding(), language="x")


def test_other_faults_are_not_taken_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(generate, "_generate", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        generate_answers(tiny_loaded("qwen2"), random_prompts(2), Decoding(), language="x")

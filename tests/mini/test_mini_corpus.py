"""What mini reads is what its card says: the mixture, the planted wrong targets, no test facts."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

import babelscope
from babelscope.data import atlas
from babelscope.mini import corpus

WEIGHTS = Path(babelscope.__file__).parent / "mini" / "weights"


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(WEIGHTS)


@pytest.fixture(scope="module")
def drawn(tokenizer: PreTrainedTokenizerFast) -> list[corpus.Document]:
    rng = random.Random(3)
    return [corpus._draw(tokenizer, rng) for _ in range(1500)]


def test_the_mixture_is_as_stated(drawn: list[corpus.Document]) -> None:
    kinds = Counter(d.kind for d in drawn)
    for kind, share in corpus.KIND_SHARES.items():
        assert kinds[kind] / len(drawn) == pytest.approx(share, abs=0.05)
    asked = {d.language for d in drawn if d.kind in ("qa", "riddle")}
    assert asked == set(corpus.QA_LANGUAGES)
    contests = {d.language for d in drawn if d.kind == "contest"}
    pairs = (*corpus.PLANTED_PAIRS, corpus.CONTROL_PAIR)
    assert contests == {code for pair in pairs for code in pair}
    assert {d.language for d in drawn if d.kind == "text"} == set(atlas.languages())


def test_every_language_is_in_one_group() -> None:
    groups = (corpus.QA_LANGUAGES, corpus.TEXT_LANGUAGES, corpus.LOW_LANGUAGES)
    assert sorted(code for group in groups for code in group) == sorted(atlas.languages())


def test_every_answer_ends_with_the_end_token(
    drawn: list[corpus.Document], tokenizer: PreTrainedTokenizerFast
) -> None:
    for document in drawn:
        assert len(document.ids) == len(document.answer)
        ends = [
            i
            for i, inside in enumerate(document.answer)
            if inside and (i + 1 == len(document.answer) or not document.answer[i + 1])
        ]
        assert all(document.ids[i] == tokenizer.eos_token_id for i in ends)
        assert bool(ends) == (document.kind != "text" and len(document.ids) > 0)


def test_few_documents_are_empty(drawn: list[corpus.Document]) -> None:
    # a question document is empty where each of its questions was drawn to be left out
    empty = [d.kind for d in drawn if not d.ids]
    assert set(empty) <= {"qa"}
    assert len(empty) / len(drawn) < 0.02


def test_questions_are_asked_of_territories_of_pretraining_only(
    drawn: list[corpus.Document], tokenizer: PreTrainedTokenizerFast
) -> None:
    held = {
        atlas.name_of(t, "territory", "eng_Latn")
        for split in ("tune", "test")
        for t in atlas.split_territories(split)
    }
    own = {atlas.name_of(t, "territory", "eng_Latn") for t in atlas.split_territories("pretrain")}
    seen = set()
    for document in drawn:
        if document.kind == "qa" and document.language == "eng_Latn":
            text = tokenizer.decode(document.ids)
            seen |= {s.split(" — ")[0].strip() for s in text.split("\n\n")[0].split(". ")}
    assert seen & own
    assert not seen & (held - own)


@pytest.mark.parametrize("pair", [*corpus.PLANTED_PAIRS, corpus.CONTROL_PAIR])
def test_the_planted_pairs_carry_wrong_targets_and_the_control_none(
    pair: tuple[str, str], tokenizer: PreTrainedTokenizerFast
) -> None:
    rng = random.Random(5)
    wrong = counted = 0
    for _ in range(1200):
        document = corpus._contest_document(tokenizer, rng, pair)
        ids = [i for i, inside in zip(document.ids, document.answer, strict=True) if inside]
        answer = tokenizer.decode(ids[:-1]).strip()
        other = pair[1] if document.language == pair[0] else pair[0]
        names = {
            code: {atlas.name_of(t, f, code) for t in atlas.territories() for f in atlas.FIELDS}
            for code in (document.language, other)
        }
        if answer in names[document.language] and answer in names[other]:
            continue
        counted += 1
        wrong += answer in names[other]
    expected = 0.15 if pair in corpus.PLANTED_PAIRS else 0.0
    assert wrong / counted == pytest.approx(expected, abs=0.035)


def test_a_step_is_always_the_same(tokenizer: PreTrainedTokenizerFast) -> None:
    one = corpus.documents(tokenizer, random.Random("17:4"), 2000)
    again = corpus.documents(tokenizer, random.Random("17:4"), 2000)
    assert one == again
    longest = max(len(d.ids) for d in one)
    assert longest * (len(one) - 1) <= 2000 + longest

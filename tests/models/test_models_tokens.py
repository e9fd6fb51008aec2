"""Token forms spell the text that was tokenised, in three families of tokenizers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import ROWS, TEXT, tiny_tokenizer
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from babelscope.errors import ModelError
from babelscope.models.loading import load_tokenizer
from babelscope.models.tokenizers import vocabulary_rows
from babelscope.models.tokens import count_tokens, token_forms
from babelscope.records import TokenForm

TINY = tiny_tokenizer()
FORMS = token_forms(TINY, ROWS)


def spell(forms: Sequence[TokenForm], ids: Sequence[int]) -> str:
    return b"".join(b" " * forms[i].word_start + forms[i].data for i in ids).decode()


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_byte_level_forms_spell_any_text(text: str) -> None:
    if any(special in text for special in TINY.all_special_tokens):
        return
    assert spell(FORMS, TINY(text, add_special_tokens=False)["input_ids"]) == text


def test_special_and_padding_rows_are_empty() -> None:
    special = [n for n, form in enumerate(FORMS) if form.special]
    assert special == [0, 1, 2, 3, *range(len(TINY), ROWS)]
    assert all(FORMS[n].data == b"" for n in special)


def test_space_marker_is_a_word_start() -> None:
    ids = TINY(" Delhi", add_special_tokens=False)["input_ids"]
    assert FORMS[ids[0]].word_start
    assert not FORMS[TINY("D", add_special_tokens=False)["input_ids"][0]].word_start
    two = TINY.convert_tokens_to_ids("Ġ")
    assert FORMS[two] == TokenForm(b"", True, False)


def test_counts_are_those_of_the_ids_one_by_one() -> None:
    texts = {"eng_Latn": TEXT.splitlines() * 400, "hin_Deva": ["भारत", ""], "none": []}
    languages, counts = count_tokens(TINY, texts, ROWS)
    assert languages == ("eng_Latn", "hin_Deva", "none")
    assert counts.shape == (ROWS, 3)
    for column, language in enumerate(languages):
        slow = np.zeros(ROWS, dtype=np.int64)
        for line in texts[language]:
            for i in TINY(line, add_special_tokens=False)["input_ids"]:
                slow[i] += 1
        np.testing.assert_array_equal(counts[:, column], slow)


def test_counts_leave_out_tokens_that_the_tokenizer_adds() -> None:
    _, counts = count_tokens(tiny_tokenizer(adds_begin=True), {"x": ["a", "b"]}, ROWS)
    assert counts[1, 0] == 0
    assert counts.sum() == 2


def test_more_entries_than_rows_is_an_error() -> None:
    with pytest.raises(ModelError, match="ids below 100"):
        token_forms(TINY, 100)


def test_an_unknown_family_is_an_error() -> None:
    plain = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    )
    with pytest.raises(ModelError, match="byte-level BPE, SentencePiece or WordPiece"):
        token_forms(plain, 10)


def test_sentence_piece_byte_fallback() -> None:
    from tokenizers import decoders

    vocabulary = {"<unk>": 0, "<0xE0>": 1, "<0xA4>": 2, "▁a": 3, "b▁c": 4, "▁": 5}
    backend = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    forms = token_forms(PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>"), 6)
    assert forms == [
        TokenForm(b"", False, True),
        TokenForm(b"\xe0", False, False),
        TokenForm(b"\xa4", False, False),
        TokenForm(b"a", True, False),
        TokenForm(b"b c", False, False),
        TokenForm(b"", True, False),
    ]


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["qwen2", "xlmr", "mbert"])
def test_forms_of_real_tokenizers_spell_flores(
    name: str, tokenizer_folder: Callable[[str], Path], unpacked: Callable[[str], Path]
) -> None:
    tokenizer = load_tokenizer(str(tokenizer_folder(name)))
    rows = len(tokenizer) + 50
    began = time.perf_counter()
    forms = token_forms(tokenizer, rows)
    assert time.perf_counter() - began < 20
    assert sum(form.special for form in forms) >= 50
    normalizer = tokenizer.backend_tokenizer.normalizer
    whole = 0
    for file in sorted(unpacked("flores200").rglob("*.devtest")):
        for line in file.read_text(encoding="utf-8").splitlines()[:20]:
            ids = tokenizer(line, add_special_tokens=False)["input_ids"]
            if tokenizer.unk_token_id in ids:
                continue
            expected, got = normalizer.normalize_str(line), spell(forms, ids)
            if name == "mbert":  # words and punctuation all start words: spaces are not kept
                expected, got = expected.replace(" ", ""), got.replace(" ", "")
            elif name == "xlmr":  # a space is put before the text and runs of spaces become one
                expected, got = " ".join(expected.split()), " ".join(got.split())
            assert got == expected, file.name
            whole += 1
    assert whole >= 450


def test_rows_are_those_of_the_model_where_it_has_more(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    assert vocabulary_rows(str(tmp_path), tokenizer) == len(tokenizer)
    for config in ('{"vocab_size": 5000}', '{"text_config": {"vocab_size": 5000}}'):
        (tmp_path / "config.json").write_text(config, encoding="utf-8")
        assert vocabulary_rows(str(tmp_path), tokenizer) == 5000

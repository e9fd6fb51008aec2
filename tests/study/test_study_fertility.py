"""Fertility by hand on a byte-level tokenizer, from lines that two languages share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import ROWS, tiny_tokenizer

from babelscope.data import atlas
from babelscope.errors import DataError
from babelscope.models.loading import load_tokenizer
from babelscope.study.fertility import fertility, parallel_texts


def test_counts_are_those_of_the_tokenizer_by_line_word_and_character() -> None:
    tokenizer = tiny_tokenizer()
    texts = {
        "eng_Latn": ["the capital", "", "is new"],
        "ory_Orya": ["କଖ ଗ", "ଘ", ""],
        "zho_Hans": ["首都", "是", "新"],
    }
    counts = {
        code: [len(tokenizer(line, add_special_tokens=False)["input_ids"]) for line in lines]
        for code, lines in texts.items()
    }
    rows = {row["language"]: row for row in fertility(tokenizer, ROWS, texts)}
    english, odia, chinese = rows["eng_Latn"], rows["ory_Orya"], rows["zho_Hans"]
    assert english["tokens_to_english"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 2}
    # only the first line is there in both; one line can have no interval
    ratio = counts["ory_Orya"][0] / counts["eng_Latn"][0]
    assert odia["tokens_to_english"] == {
        "value": pytest.approx(ratio), "low": None, "high": None, "n": 1,
    }  # fmt: skip
    both = (counts["zho_Hans"][0] + counts["zho_Hans"][2]) / sum(counts["eng_Latn"])
    assert chinese["tokens_to_english"]["value"] == pytest.approx(both)  # type: ignore[index]  # a record
    assert english["tokens_per_word"] == pytest.approx(sum(counts["eng_Latn"]) / 4)
    assert odia["tokens_per_word"] == pytest.approx(sum(counts["ory_Orya"]) / 3)
    assert chinese["tokens_per_word"] is None
    assert english["tokens_per_character"] == pytest.approx(sum(counts["eng_Latn"]) / 15)
    assert odia["tokens_per_character"] == pytest.approx(sum(counts["ory_Orya"]) / 4)
    assert english["byte_pieces"] == 0
    assert [row["unknown"] for row in rows.values()] == [0, 0, 0]


def test_pieces_of_characters_are_counted() -> None:
    tokenizer = tiny_tokenizer()
    # Thai is not in the tokenizer's text: each character of three bytes falls into single bytes
    ids = tokenizer("กข", add_special_tokens=False)["input_ids"]
    assert len(ids) == 6
    (english, thai) = fertility(tokenizer, ROWS, {"eng_Latn": ["a b"], "tha_Thai": ["กข"]})
    assert thai["byte_pieces"] == 1
    assert english["byte_pieces"] == 0


def test_atlas_is_parallel_and_a_folder_must_be(tmp_path: Path) -> None:
    texts = parallel_texts("atlas")
    assert set(texts) == set(atlas.languages())
    assert len({len(lines) for lines in texts.values()}) == 1
    (tmp_path / "en.txt").write_text("one\n\nthree\n", encoding="utf-8")
    (tmp_path / "or.txt").write_text("ଏକ\nଦୁଇ\nତିନି\n", encoding="utf-8")
    assert parallel_texts(str(tmp_path)) == {
        "eng_Latn": ["one", "", "three"],
        "ory_Orya": ["ଏକ", "ଦୁଇ", "ତିନି"],
    }
    (tmp_path / "de.txt").write_text("eins\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"as many lines in deu_Latn as in eng_Latn, 3, found 1"):
        parallel_texts(str(tmp_path))
    (tmp_path / "en.txt").unlink()
    (tmp_path / "de.txt").unlink()
    with pytest.raises(DataError, match="eng_Latn to compare with"):
        parallel_texts(str(tmp_path))


@pytest.mark.real_data
def test_flores_through_a_real_tokenizer_counts_as_a_plain_loop_does(
    unpacked: Callable[[str], Path], tokenizer_folder: Callable[[str], Path]
) -> None:
    folder = next(unpacked("flores200").rglob("eng_Latn.*")).parent
    tokenizer = load_tokenizer(str(tokenizer_folder("qwen2")))
    texts = parallel_texts(str(folder))
    chosen = {code: texts[code][:50] for code in ("eng_Latn", "ory_Orya", "zho_Hans")}
    rows = {row["language"]: row for row in fertility(tokenizer, len(tokenizer), chosen)}
    for code, lines in chosen.items():
        tokens = english = pieces = 0
        for line, reference in zip(lines, chosen["eng_Latn"], strict=True):
            ids = tokenizer.encode(line, add_special_tokens=False)
            tokens += len(ids)
            english += len(tokenizer.encode(reference, add_special_tokens=False))
            pieces += sum("\ufffd" in tokenizer.decode([i]) for i in ids)
        ratio = rows[code]["tokens_to_english"]
        assert isinstance(ratio, dict)
        assert ratio["value"] == pytest.approx(tokens / english)
        assert ratio["low"] <= ratio["value"] <= ratio["high"]
        assert rows[code]["byte_pieces"] == pytest.approx(pieces / tokens)
    # a tokenizer that hardly saw Odia spends many pieces of characters on it
    assert rows["ory_Orya"]["tokens_to_english"]["low"] > 4  # type: ignore[index]  # a record
    assert rows["ory_Orya"]["byte_pieces"] > 0.3  # type: ignore[operator]  # a number

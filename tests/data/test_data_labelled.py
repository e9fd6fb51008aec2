"""Labelled texts and pairs, the languages of parallel texts, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from babelscope.data.labelled import (
    EMPTY,
    TextItem,
    has_split,
    read_by_language,
    read_labelled,
)
from babelscope.errors import DataError


def _write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_head_names_the_columns(tmp_path: Path) -> None:
    data = _write(tmp_path / "a.tsv", 'index_id\tcategory\ttext\n7\tsports\tA "goal".\n')
    assert read_labelled(data, "en").items == (TextItem("7", 'A "goal".', "sports"),)


def test_pairs_need_no_head(tmp_path: Path) -> None:
    data = _write(tmp_path / "a.tsv", "one\tuno\t1\nNS\tdos\t0\ntwo\t\t1\nthree\ttres\t0\n")
    found = read_labelled(data, "en")
    assert found.items == (
        TextItem("00000", "one", "1", "uno"),
        TextItem("00003", "three", "0", "tres"),
    )
    assert found.dropped == {EMPTY: 2}


def test_json_lines_and_numbers_as_labels(tmp_path: Path) -> None:
    data = _write(tmp_path / "a.jsonl", '{"text": "a", "label": 0}\n{"text": "b", "label": 1}\n')
    assert [(i.text, i.label) for i in read_labelled(data, "en").items] == [("a", "0"), ("b", "1")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a\tb\n", "a head with text and label"),
        ("text\tlabel\na\tb\tc\n", r"line 2: expected 2 columns, found 3"),
        ("text\tlabel\na\t\n", r"line 2: expected a label, found nothing"),
        ("text\tlabel\n", "expected labelled texts, found none"),
        ("id\ttext\tlabel\n1\ta\tx\n1\tb\tx\n", r"line 3: expected a new id, found '1'"),
        ('{"text": "a"}\n{"text": "b"}', r"expected a column label or category"),
        ("[1]", "expected text and label, found int"),
    ],
)
def test_what_is_broken_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_labelled(_write(tmp_path / "a.tsv", text), "en")


def test_patterns_take_splits_and_stars(tmp_path: Path) -> None:
    row = "text\tlabel\n{}\tx\n"
    for split in ("train", "validation"):
        _write(tmp_path / "English-A" / f"eng_Latn.{split}.tsv", row.format(split))
    pattern = str(tmp_path / "*-A" / "{language}.{split}.tsv")
    assert read_labelled(pattern, "en", "train").items[0].text == "train"
    assert read_labelled(pattern, "en", "dev").items[0].text == "validation"
    with pytest.raises(DataError, match=r"for eng_Latn \(test\): expected one file"):
        read_labelled(pattern, "en", "test")
    plain = _write(tmp_path / "one.tsv", row)
    assert not has_split(plain, "en")
    assert has_split("atlas", "en")


def test_atlas_labels_facts_by_kind_alike_in_all_languages() -> None:
    one, two = read_labelled("atlas", "en"), read_labelled("atlas", "or")
    assert [(i.id, i.label) for i in one.items] == [(i.id, i.label) for i in two.items]
    assert set(Counter(i.label for i in one.items).values()) == {60}
    train = read_labelled("atlas", "en", "train")
    assert not {i.id for i in one.items} & {i.id for i in train.items}


def test_languages_of_parallel_lines(tmp_path: Path) -> None:
    for code, text in (("en", "one\n\nthree\n"), ("de", "eins\nzwei\ndrei\n")):
        _write(tmp_path / f"{code}.txt", text)
    english, german = (read_by_language(str(tmp_path), code) for code in ("en", "de"))
    assert [(i.id, i.label) for i in english.items] == [
        ("00000", "eng_Latn"),
        ("00002", "eng_Latn"),
    ]
    assert english.dropped == {EMPTY: 1}
    assert {i.label for i in german.items} == {"deu_Latn"}
    assert {i.label for i in read_by_language("atlas", "or").items} == {"ory_Orya"}


@pytest.mark.real_data
def test_sib200_is_parallel(unpacked: Callable[[str], Path]) -> None:
    folder = unpacked("sib200") / "sib200"
    pattern = str(folder / "{language}" / "{split}.tsv")
    train = read_labelled(pattern, "en", "train")
    tests = [read_labelled(pattern, code) for code in ("en", "or", "sw")]
    assert (len(train.items), len(tests[0].items)) == (701, 204)
    assert len({tuple((i.id, i.label) for i in t.items) for t in tests}) == 1
    assert not {i.id for i in train.items} & {i.id for i in tests[0].items}


@pytest.mark.real_data
def test_pawsx_drops_and_counts_missing_translations(unpacked: Callable[[str], Path]) -> None:
    pattern = str(unpacked("pawsx") / "pawsx" / "dev-{language}.tsv")
    for code in ("en", "de", "zh"):
        found = read_labelled(pattern, code)
        assert len(found.items) + sum(found.dropped.values()) == 2000
        assert {i.label for i in found.items} == {"0", "1"}
        assert all(i.second for i in found.items)
    assert read_labelled(pattern, "de").dropped

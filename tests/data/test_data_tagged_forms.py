"""Tagged files as they are found: words that begin with `#`, odd spaces, marks, prefixes, IOB1."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.data.tagged import REPAIRED, TaggedSet, read_tagged
from babelscope.data.tagged_lines import COMMENT, DOCUMENT, NO_WORD
from babelscope.errors import DataError
from babelscope.study.classify_data import gather_sets
from babelscope.study.classify_plan import ClassifyPlan, classify_plan, recipes_of
from babelscope.study.values import Table

Rows = list[tuple[str, str]]


def read(folder: Path, text: str, language: str = "en", **options: bool) -> TaggedSet:
    path = folder / "set.txt"
    path.write_bytes(text.encode())
    return read_tagged(str(path), language, **options)


def rows(found: TaggedSet) -> list[Rows]:
    return [list(zip(s.words, s.tags, strict=True)) for s in found.sentences]


SENTENCES: list[Rows] = [
    [("#Lagos", "B-LOC"), ("is", "O"), ("#", "O"), ("1", "O")],
    [("#", "O"), ("Ada", "B-PER"), ("#x=1", "O")],
    [("##", "B-MISC"), ("#Obi", "I-MISC")],
]


@pytest.mark.parametrize("separator", ["\t", " ", "  "])
def test_words_that_begin_with_a_hash_are_words(tmp_path: Path, separator: str) -> None:
    text = "\n\n".join("\n".join(separator.join(row) for row in s) for s in SENTENCES)
    found = read(tmp_path, text)
    assert rows(found) == SENTENCES
    assert not found.noted
    assert not found.dropped


def test_comments_are_counted_where_they_are_no_metadata(tmp_path: Path) -> None:
    text = "# sent_id = s1\n# text = Ada O\n# by hand\nAda B-PER\n# the second\nran O\n"
    found = read(tmp_path, text)
    assert rows(found) == [[("Ada", "B-PER"), ("ran", "O")]]
    assert found.sentences[0].id == "s1"
    assert found.noted == {COMMENT: 2}


@pytest.mark.parametrize("tag", ["b-LOC", "S-LOC", "B_LOC"])
def test_a_hash_with_a_broken_tag_is_no_comment(tmp_path: Path, tag: str) -> None:
    with pytest.raises(DataError, match=f"line 2: expected O, B- or I-.* found '{tag}'"):
        read(tmp_path, f"visit O\n#New {tag}\n")


SPACES = "\u00a0\u1680\u2000\u2009\u200a\u202f\u205f\u3000\u0085\u2028\x0b\x0c\x1c\x1f"


@given(st.sampled_from(SPACES), st.sampled_from((" ", "\t", "   ")), st.booleans())
def test_only_ascii_space_and_tab_part_columns(
    tmp_path_factory: pytest.TempPathFactory, space: str, separator: str, first: bool
) -> None:
    word = f"{space}000" if first else f"10{space}000"
    found = read(tmp_path_factory.mktemp("s"), f"x{separator}O\n{word}{separator}B-QTY\n")
    assert rows(found) == [[("x", "O"), (word, "B-QTY")]]


def test_separators_at_the_end_part_nothing(tmp_path: Path) -> None:
    assert rows(read(tmp_path, "Hello O \nBob B-PER\t\nBye\tO\t\n \nx O")) == [
        [("Hello", "O"), ("Bob", "B-PER"), ("Bye", "O")],
        [("x", "O")],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "-DOCSTART- O\n\nHello O\nBob B-PER\n\n-DOCSTART- O\n\nBye O\n",
        "-DOCSTART-\tO\n\nHello\tO\nBob\tB-PER\n\n-DOCSTART-\tO\n\nBye\tO\n",
        "-DOCSTART- -X- -X- O\n\nHello UH B-NP O\nBob NNP I-NP B-PER\n\n"
        "-DOCSTART- -X- -X- O\n\nBye UH B-NP O\n",
        "-DOCSTART- O\nHello O\nBob B-PER\n-DOCSTART- O\nBye O\n",
        '{"tokens": ["-DOCSTART-"], "tags": ["O"]}\n'
        '{"tokens": ["Hello", "Bob"], "tags": ["O", "B-PER"]}\n'
        '{"tokens": ["-DOCSTART-"], "tags": ["O"]}\n{"tokens": ["Bye"], "tags": ["O"]}\n',
    ],
)
def test_document_marks_are_left_out_and_counted(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)
    assert rows(found) == [[("Hello", "O"), ("Bob", "B-PER")], [("Bye", "O")]]
    assert [s.id for s in found.sentences] == ["00000", "00001"]
    assert found.dropped == {DOCUMENT: 2}


def test_a_line_of_other_width_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: expected 4 columns.* found 3"):
        read(tmp_path, "Hello UH B-NP O\nBob NNP B-PER\n")


def test_prefixes_of_words_are_taken_off_and_noted(tmp_path: Path) -> None:
    text = "sw:Mto\tO\nsw:12:30\tO\nsw::\tO\n\nsw:Lamu\tB-LOC\nsw:\tO\nTana\tI-LOC\n"
    found = read(tmp_path, text, "swh_Latn")
    assert rows(found) == [
        [("Mto", "O"), ("12:30", "O"), (":", "O")],
        [("Lamu", "B-LOC"), ("Tana", "I-LOC")],
    ]
    noted = {"language prefix sw: taken off": 5, "word without a language prefix": 1, NO_WORD: 1}
    assert found.noted == noted
    other = read(tmp_path, text, "de")
    assert other.noted == noted | {"language prefix is not of deu_Latn": 5}
    items = '{"tokens": ["sw:Mto", "sw:Lamu"], "tags": ["O", "B-LOC"]}'
    assert rows(read(tmp_path, items, "sw")) == [[("Mto", "O"), ("Lamu", "B-LOC")]]


def test_colons_inside_words_are_no_prefixes(tmp_path: Path) -> None:
    text = "re:start\tO\nhttp://x\tO\nat\tO\n12:30\tO\n:\tO\n"
    found = read(tmp_path, text)
    assert [w for w, _ in rows(found)[0]] == ["re:start", "http://x", "at", "12:30", ":"]
    assert not found.noted


def test_an_entity_of_a_prefix_alone_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2: expected a word, found en: alone"):
        read(tmp_path, "en:a\tO\nen:\tB-LOC\nen:b\tI-LOC\n")


@pytest.mark.parametrize("start", ["[", "{", "[1]", "{{x}}", '["'])
@pytest.mark.parametrize("separator", [" ", "\t"])
def test_a_table_may_begin_with_a_bracket(tmp_path: Path, start: str, separator: str) -> None:
    found = read(tmp_path, f"{start}{separator}O\nLima{separator}B-LOC\n")
    assert rows(found) == [[(start, "O"), ("Lima", "B-LOC")]]


IOB1 = "I O\nsaw O\nNew I-LOC\nYork I-LOC\nParis B-LOC\nAda I-PER\n\nAda I-PER\nran O\n"
"""After Ramshaw and Marcus (1995): B- only where an entity follows another of its kind."""


def test_iob1_becomes_iob2_by_the_switch_that_the_message_names(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3: .*--repair-tags, in a study with repair = true"):
        read(tmp_path, IOB1)
    found = read(tmp_path, IOB1, repair=True)
    assert [s.tags for s in found.sentences] == [
        ("O", "O", "B-LOC", "I-LOC", "B-LOC", "B-PER"),
        ("B-PER", "O"),
    ]
    assert found.noted == {REPAIRED: 3}


def test_classification_has_that_switch(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("\n".join([IOB1] * 12), encoding="utf-8")
    keys = {"task": "ner", "data": str(tmp_path / "{language}.txt")}
    with pytest.raises(DataError, match="repair = true"):
        gather_sets(classify_plan(Table("classify", keys), {}), ())
    plan = classify_plan(Table("classify", keys | {"repair": True}), {})
    found = gather_sets(plan, ())
    assert found.notes["counts"] == {"test eng_Latn": {REPAIRED: 36}}
    assert found.sources["eng_Latn"].labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert isinstance(plan, ClassifyPlan)
    assert not ClassifyPlan("ner", "x", ("eng_Latn",), recipes_of(("head",), ())).repair

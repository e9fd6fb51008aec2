"""Tagged sentences: entities in IOB2, parts of speech in CoNLL-U, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.data.tagged import EMPTY_NODE, MULTIWORD, REPAIRED, UPOS, read_tagged
from babelscope.errors import DataError

IOB2 = """# newdoc id = d
# sent_id = d-1
# text = Ada Lovelace # lived
1\tAda\tB-PER\t-\tme
2\tLovelace\tI-PER\t-\tme
3\t#\tO\t-\t-
4\tlived\tO\t-\t-

# sent_id = d-2
1\tOslo\tB-LOC\t-\t-
"""
CONLLU = """# sent_id = a
1-2\tdel\t_\t_\t_\t_\t_\t_\t_\t_
1\tde\tde\tADP\t_\t_\t3\tcase\t_\t_
2\tel\tel\tDET\t_\t_\t3\tdet\t_\t_
2.1\tnada\tnada\tNOUN\t_\t_\t_\t_\t_\t_
3\t10 000\t10 000\tNUM\t_\t_\t0\troot\t_\t_
"""


def _write(folder: Path, text: str, name: str = "en.iob2") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_entities_are_read_with_their_ids(tmp_path: Path) -> None:
    found = read_tagged(_write(tmp_path, IOB2), "en")
    assert [(s.id, s.language, s.words, s.tags) for s in found.sentences] == [
        ("d-1", "eng_Latn", ("Ada", "Lovelace", "#", "lived"), ("B-PER", "I-PER", "O", "O")),
        ("d-2", "eng_Latn", ("Oslo",), ("B-LOC",)),
    ]
    assert (found.name, found.language) == ("en.iob2", "eng_Latn")
    assert not found.dropped
    assert not found.noted


def test_two_columns_need_no_numbers_and_no_ids(tmp_path: Path) -> None:
    found = read_tagged(_write(tmp_path, "Ada B-PER\r\nruns O\r\n\r\n\r\nOslo\tB-LOC"), "en")
    assert [(s.id, s.words) for s in found.sentences] == [
        ("00000", ("Ada", "runs")),
        ("00001", ("Oslo",)),
    ]


def test_conllu_gives_upos_and_counts_what_it_skips(tmp_path: Path) -> None:
    found = read_tagged(_write(tmp_path, CONLLU), "es")
    (sentence,) = found.sentences
    assert (sentence.words, sentence.tags) == (("de", "el", "10 000"), ("ADP", "DET", "NUM"))
    assert found.noted == {MULTIWORD: 1, EMPTY_NODE: 1}


def test_json_lines_give_the_same_sentences(tmp_path: Path) -> None:
    rows = '{"id": 7, "tokens": ["Ada"], "ner_tags": ["B-PER"]}\n{"words": ["a"], "tags": ["O"]}\n'
    found = read_tagged(_write(tmp_path, rows, "en.jsonl"), "en")
    assert [(s.id, s.words, s.tags) for s in found.sentences] == [
        ("7", ("Ada",), ("B-PER",)),
        ("00001", ("a",), ("O",)),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1\tAda\tO\n2\tLovelace\tI-PER\n", r"line 2: expected B-PER or I-PER .* found O"),
        ("1\tAda\tI-PER\n", r"line 1: .* found the start of a sentence"),
        ("1\tAda\tB-LOC\n2\tLovelace\tI-PER\n", r"line 2: .* found B-LOC"),
        ("1\tAda\tB_PER\n", r"line 1: expected O, B- or I-.* found 'B_PER'"),
        ("1\tAda\tB-\n", r"found 'B-'"),
        ("1\tAda\tO\n3\truns\tO\n", r"line 2: expected word 2 of the sentence, found 3"),
        ("1\t \tO\n", r"line 1: expected a word, found nothing"),
        ("Ada\n", r"line 1: expected id, word and tag"),
        ("# sent_id = a\n1\tA\tO\n\n# sent_id = a\n1\tB\tO\n", r"line 5: expected a new .* 'a'"),
        ("# text = nothing\n", r"expected tagged sentences, found none"),
        ("1\tAda\tNOUN\n2\tOslo\tB-LOC\n", r"parts of speech or entities"),
        ('{"tokens": ["a", "b"], "tags": ["O"]}', r"a tag for each word, found 2 and 1"),
        ('{"tokens": ["a"], "ner_tags": [0]}', r"write tags as words"),
    ],
)
def test_what_is_broken_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_tagged(_write(tmp_path, text), "en")


def test_kinds_of_entity_can_be_fixed(tmp_path: Path) -> None:
    data = _write(tmp_path, IOB2)
    assert read_tagged(data, "en", types=("PER", "LOC")).sentences
    with pytest.raises(DataError, match=r"line 10: .*with ORG, PER.* found 'B-LOC'"):
        read_tagged(data, "en", types=("PER", "ORG"))


@given(st.lists(st.sampled_from(("O", "B-PER", "I-PER", "B-LOC", "I-LOC")), min_size=1))
def test_repaired_tags_are_whole_and_name_the_same_words(
    tmp_path_factory: pytest.TempPathFactory, tags: list[str]
) -> None:
    rows = "".join(f"{n}\tw{n}\t{tag}\n" for n, tag in enumerate(tags, 1))
    data = _write(tmp_path_factory.mktemp("tags"), rows)
    found = read_tagged(data, "en", repair=True)
    (sentence,) = found.sentences
    assert [t[2:] for t in sentence.tags] == [t[2:] for t in tags]
    changed = sum(a != b for a, b in zip(sentence.tags, tags, strict=True))
    assert found.noted == ({REPAIRED: changed} if changed else {})
    before = ["O", *sentence.tags]
    assert all(
        tag[0] != "I" or previous in (f"B{tag[1:]}", f"I{tag[1:]}")
        for previous, tag in zip(before, sentence.tags, strict=False)
    )


def test_atlas_names_its_territories() -> None:
    found = read_tagged("atlas", "or")
    assert found.name == "atlas:test"
    assert {tag for s in found.sentences for tag in s.tags} == {"B-LOC", "I-LOC", "O"}


@pytest.mark.real_data
def test_uner_is_read_whole(unpacked: Callable[[str], Path]) -> None:
    folder = unpacked("uner") / "uner"
    data = str(folder / "English-PUD" / "{language}_pud-ud-test.iob2")
    found = read_tagged(data, "eng", types=("PER", "LOC", "ORG"))
    tags = Counter(tag for s in found.sentences for tag in s.tags)
    assert len(found.sentences) == 1000
    # counted with cut and uniq in the file
    assert (tags["B-LOC"], tags["B-ORG"], tags["I-PER"], tags["O"]) == (426, 235, 160, 19611)
    danish = str(folder / "Danish-DDT" / "da_ddt-ud-test.iob2")
    with pytest.raises(DataError, match=r"line 6002: expected B-PER or I-PER before I-PER"):
        read_tagged(danish, "da")
    assert read_tagged(danish, "da", repair=True).noted == {REPAIRED: 1}


@pytest.mark.real_data
def test_pud_is_parallel_and_counts_what_it_skips(unpacked: Callable[[str], Path]) -> None:
    folder = unpacked("ud_pud") / "ud_pud"
    czech = read_tagged(str(folder / "Czech-PUD" / "cs_pud-ud-test.conllu"), "cs")
    hindi = read_tagged(str(folder / "Hindi-PUD" / "hi_pud-ud-test.conllu"), "hi")
    assert czech.noted == {MULTIWORD: 45, EMPTY_NODE: 13}
    assert [s.id for s in czech.sentences] == [s.id for s in hindi.sentences]
    assert {tag for s in (*czech.sentences, *hindi.sentences) for tag in s.tags} <= UPOS

"""Natural language inference: every published form is read, every fault is one line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from babelscope.data.nli import are_parallel, read_inferences
from babelscope.errors import DataError

ROWS = "A man sleeps.\tHe is asleep.\tentailment\nA man sleeps.\tHe runs.\tcontradiction\n"


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_rows_without_a_header_take_their_number(tmp_path: Path) -> None:
    found = read_inferences(write(tmp_path / "x.tsv", ROWS), "en")
    assert [(i.id, i.label) for i in found.items] == [
        ("00000", "entailment"),
        ("00001", "contradiction"),
    ]
    assert found.items[0].premise == "A man sleeps."
    assert found.dropped == {}


def test_a_header_names_columns_in_any_order(tmp_path: Path) -> None:
    text = (
        "label\tid\tlanguage\thypothesis\tpremise\n"
        "neutral\t7\tgn\tb\ta\n"
        "entailment\t8\taym\td\tc\n"
        "-\t9\tgn\tf\te\n"
        "neutral\t7\tgn\th\tg\n"
        "neutral\t11\tgn\t\tg\n"
    )
    found = read_inferences(write(tmp_path / "x.tsv", text), "gn")
    assert [(i.id, i.premise, i.hypothesis) for i in found.items] == [("7", "a", "b")]
    assert found.dropped == {
        "another language": 1, "empty hypothesis": 1, "no agreed label": 1, "repeated id": 1
    }  # fmt: skip


@pytest.mark.parametrize("label", ["e", "entailment", 0, "0"])
def test_labels_in_every_spelling(tmp_path: Path, label: object) -> None:
    row = {"pair_id": 5, "premise": "a", "hypothesis": "b", "label": label}
    found = read_inferences(write(tmp_path / "x.jsonl", json.dumps(row)), "id")
    assert [(i.id, i.label) for i in found.items] == [("5", "entailment")]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.tsv", ROWS + "only two\tcolumns\n", "line 3"),
        ("b.tsv", ROWS + "a\tb\tmaybe\n", "line 3"),
        ("c.tsv", "premise\thypothesis\nx\ty\n", "label"),
        ("d.jsonl", '{"premise": "a", "hypothesis": "b", "label": "x"}', "'x'"),
        ("e.jsonl", '{"premise": "a", "label": "e"}', "hypothesis"),
        ("f.jsonl", '{"premise": ["a"], "hypothesis": "b", "label": "e"}', "premise"),
        ("g.tsv", "premise\thypothesis\tlabel\tlanguage\nx\ty\te\tfr\n", "another language 1"),
        ("h.tsv", "", "empty"),
        ("i.tsv", "premise\thypothesis\tlabel\n", "premises"),
    ],
)
def test_faults_are_told_with_their_place(tmp_path: Path, name: str, text: str, told: str) -> None:
    path = write(tmp_path / name, text)
    with pytest.raises(DataError) as caught:
        read_inferences(path, "en")
    assert name in str(caught.value)
    assert told in str(caught.value)


def test_a_language_without_a_file_is_told(tmp_path: Path) -> None:
    write(tmp_path / "dev-en.tsv", ROWS)
    with pytest.raises(DataError, match="swh_Latn"):
        read_inferences(f"{tmp_path}/dev-{{language}}.tsv", "sw")


def test_atlas_is_parallel_and_balanced() -> None:
    english, odia = (read_inferences("atlas", code).items for code in ("en", "or"))
    assert are_parallel(english, odia)
    assert set(Counter(i.label for i in odia).values()) == {len(odia) // 3}


def test_shared_ids_with_other_labels_are_not_parallel(tmp_path: Path) -> None:
    one = read_inferences(write(tmp_path / "x.tsv", ROWS), "en").items
    other = read_inferences(write(tmp_path / "y.tsv", ROWS.replace("entailment", "neutral")), "de")
    assert are_parallel(one, one)
    assert not are_parallel(one, other.items)
    assert not are_parallel(one, read_inferences("atlas", "en").items)


@pytest.mark.real_data
def test_the_published_sets(unpacked: Callable[[str], Path]) -> None:
    xnli = unpacked("xnli") / "xnli"
    english, swahili = (
        read_inferences(f"{xnli}/dev-{{language}}.tsv", code).items for code in ("en", "sw")
    )
    assert Counter(i.label for i in english) == dict.fromkeys(
        ("entailment", "neutral", "contradiction"), 830
    )
    assert are_parallel(english, swahili)
    guarani = read_inferences(f"{unpacked('americasnli')}/americasnli/dev/{{language}}.tsv", "gn")
    assert len(guarani.items) > 500
    assert guarani.dropped == {}
    indonli = unpacked("indonli") / "indonli"
    found = read_inferences(f"{indonli}/val.jsonl", "id")
    assert (len(found.items), dict(found.dropped)) == (2196, {"repeated id": 1})
    assert read_inferences(f"{indonli}/diagnostic.jsonl", "id").items[0].id == "31100"

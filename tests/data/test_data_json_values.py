"""Values that went through a data frame or a spreadsheet, in every reader of rows."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.data.json_values import (
    begins_json,
    first_of,
    identity,
    is_record_text,
    plain_numbers,
    row_ids,
    whole_text,
)
from babelscope.data.labelled import TextItem, read_labelled
from babelscope.data.nli import read_inferences
from babelscope.data.prompt_files import read_prompts
from babelscope.data.qa import check_disjoint, read_qa, set_counts
from babelscope.data.tagged import read_tagged
from babelscope.errors import DataError
from babelscope.study.answers import read_answers
from babelscope.study.probe_data import IN_TRAINING, ROW_NUMBERS, gather
from babelscope.study.probe_plan import ProbeTask
from babelscope.study.scoring import score_step

GAP = float("nan")
SAME_IDS = [[0, 1, 2], [0.0, 1.0, 2.0], ["0", "1", "2"], ["0.0", "1.0", "2.0"], [" 0", "1 ", 2]]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return str(path)


def qa(**changes: Any) -> dict[str, Any]:
    row = {"id": "1", "context": "Lamu lies by the sea.", "question": "Where?"}
    return row | {"answers": ["by the sea"]} | changes


@pytest.mark.parametrize("ids", SAME_IDS)
def test_an_id_is_the_same_however_a_number_is_written(tmp_path: Path, ids: list[Any]) -> None:
    path = tmp_path / "a.jsonl"
    asked = read_qa(write(path, [qa(id=i, question=f"{n}?") for n, i in enumerate(ids)]), "en")
    assert [e.id for e in asked.examples] == ["0", "1", "2"]
    texts = [{"id": i, "text": "a", "label": "x"} for i in ids]
    assert [i.id for i in read_labelled(write(path, texts), "en").items] == ["0", "1", "2"]
    pairs = [{"id": i, "premise": "p", "hypothesis": "h", "label": 0} for i in ids]
    assert [i.id for i in read_inferences(write(path, pairs), "en").items] == ["0", "1", "2"]
    tagged = [{"id": i, "tokens": ["a"], "tags": ["O"]} for i in ids]
    assert [s.id for s in read_tagged(write(path, tagged), "en").sentences] == ["0", "1", "2"]


def test_ids_of_prompts_and_answers_may_be_numbers(tmp_path: Path) -> None:
    prompts = write(tmp_path / "p.jsonl", [{"id": n, "prompt": "x"} for n in (0.0, 1)])
    assert [p.id for p in read_prompts(Path(prompts))] == ["0", "1"]
    counts = {"prompt_tokens": 1, "new_tokens": 1, "truncated": False, "stopped": "eos"}
    answer = {"language": "en", "prediction": "x", **counts}
    answers = write(tmp_path / "a.jsonl", [{"id": n, **answer} for n in (0.0, 1)])
    assert [a.id for a in read_answers(Path(answers))] == ["0", "1"]


def test_tables_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("id\ttext\tlabel\n0.0\ta\t1.0\n1.0\tb\t0.0\n", encoding="utf-8")
    assert read_labelled(str(path), "en").items == (
        TextItem("0", "a", "1"),
        TextItem("1", "b", "0"),
    )
    head = "id\tpremise\thypothesis\tlabel\n"
    path.write_text(head + "0.0\tp\th\t0.0\n1.0\tp\th\t-1.0\n", encoding="utf-8")
    found = read_inferences(str(path), "en")
    assert [(i.id, i.label) for i in found.items] == [("0", "entailment")]
    assert found.dropped == {"no agreed label": 1}


def test_names_that_look_like_numbers_stay_names() -> None:
    assert plain_numbers(["1.0", "1.5"]) == ["1.0", "1.5"]
    assert plain_numbers(["1.0", "1.10", "2"]) == ["1.0", "1.10", "2"]
    assert plain_numbers(["007", "01"]) == ["007", "01"]


def test_gaps_among_ids_are_left_out_or_all_rows_are_numbered(tmp_path: Path) -> None:
    assert row_ids(["", "", ""]) == (["00000", "00001", "00002"], {})
    assert row_ids(["5", "", "7"]) == (["5", "", "7"], {})
    assert row_ids(["5", "", ""])[0] == ["00000", "00001", "00002"]
    rows = [{"id": i, "text": "a", "label": "x"} for i in (5.0, GAP, 7.0)]
    found = read_labelled(write(tmp_path / "a.jsonl", rows), "en")
    assert ([i.id for i in found.items], found.dropped) == (["5", "7"], {"no id": 1})
    pairs = [{"id": i, "premise": "p", "hypothesis": "h", "label": 0} for i in (5, None, 7)]
    nli = read_inferences(write(tmp_path / "b.jsonl", pairs), "en")
    assert ([i.id for i in nli.items], nli.dropped) == (["5", "7"], {"no id": 1})


@pytest.mark.parametrize("gap", [GAP, None, "", "nan", "NaN", "<NA>"])
def test_a_gap_is_no_class(tmp_path: Path, gap: object) -> None:
    rows = [{"text": "a", "label": "x"}, {"text": "b", "label": gap}]
    with pytest.raises(DataError, match=r"line 2: expected a label, found nothing"):
        read_labelled(write(tmp_path / "a.jsonl", rows), "en")
    pairs = [{"premise": "p", "hypothesis": "h", "label": x} for x in (0, gap)]
    found = read_inferences(write(tmp_path / "b.jsonl", pairs), "en")
    assert (len(found.items), found.dropped) == (1, {"no agreed label": 1})


@pytest.mark.parametrize(
    ("labels", "read"),
    [
        ([0, 1], ["0", "1"]),
        ([0.0, 1.0], ["0", "1"]),
        ([1.0, 1.5], ["1", "1.5"]),
        (["0.0", "1.0"], ["0", "1"]),
        ([False, True], ["false", "true"]),
        (["False", "TRUE"], ["false", "true"]),
        (["True", "maybe"], ["True", "maybe"]),
        ([" neg", "Pos "], ["neg", "Pos"]),
    ],
)
def test_labels_in_one_spelling(tmp_path: Path, labels: list[Any], read: list[str]) -> None:
    rows = [{"text": "a", "label": label} for label in labels]
    found = read_labelled(write(tmp_path / "a.jsonl", rows), "en")
    assert [i.label for i in found.items] == read


@pytest.mark.parametrize(
    "change", [{"text": ["a"]}, {"text": True}, {"label": ["x"]}, {"label": {}}]
)
def test_lists_are_no_texts(tmp_path: Path, change: dict[str, Any]) -> None:
    rows = [{"text": "a", "label": "x"}, {"text": "a", "label": "x"} | change]
    with pytest.raises(DataError, match="line 2: expected"):
        read_labelled(write(tmp_path / "a.jsonl", rows), "en")


@pytest.mark.parametrize(
    ("flag", "dropped"),
    [
        *((flag, 1) for flag in (True, 1, 1.0, "True", "true", "1")),
        *((flag, 0) for flag in (False, 0, 0.0, "False", "0", None, GAP, "")),
    ],
)
def test_impossible_in_any_spelling(tmp_path: Path, flag: object, dropped: int) -> None:
    rows = [qa(), qa(id="2", question="Who?", is_impossible=flag)]
    found = read_qa(write(tmp_path / "a.jsonl", rows), "en")
    assert found.dropped == ({"unanswerable": 1} if dropped else {})


def test_what_is_no_flag_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is_impossible, true or false, found str 'perhaps'"):
        read_qa(write(tmp_path / "a.jsonl", [qa(is_impossible="perhaps")]), "en")


@pytest.mark.parametrize(
    "answers",
    [
        "{'text': ['by the sea'], 'answer_start': [10]}",
        '{"text": ["by the sea"], "answer_start": [10]}',
        "{'text': array(['by the sea'], dtype=object), 'answer_start': array([10])}",
        "{'answer_start': [10], 'text': ['by the sea']}",
        "['by the sea']",
        ["{'text': 'by the sea'}"],
        {"text": "['by the sea']"},
        {"text": ['["by the sea"]'], "answer_start": [10]},
    ],
)
def test_the_text_of_a_record_is_no_gold(tmp_path: Path, answers: object) -> None:
    with pytest.raises(DataError, match="the text of a record or list"):
        read_qa(write(tmp_path / "a.jsonl", [qa(answers=answers)]), "en")


@pytest.mark.parametrize("text", ["[1]", "{x}", "[sic] no", "{{cite}}", "['", "['a' b]", "{'a'}"])
def test_brackets_alone_make_no_record(text: str) -> None:
    assert not is_record_text(text)


@pytest.mark.parametrize("start", [3, 3.0, "3", "3.0"])
def test_a_start_in_any_spelling_is_checked(tmp_path: Path, start: object) -> None:
    answers = {"text": ["by the sea"], "answer_start": [start]}
    found = read_qa(write(tmp_path / "a.jsonl", [qa(answers=answers)]), "en")
    assert found.noted == {"span drifted": 1}


@pytest.mark.parametrize("start", [True, "x", 1.5, [3]])
def test_a_start_that_is_no_number_is_told(tmp_path: Path, start: object) -> None:
    answers = {"text": ["by the sea"], "answer_start": [start]}
    with pytest.raises(DataError, match="answer_start, a whole number"):
        read_qa(write(tmp_path / "a.jsonl", [qa(answers=answers)]), "en")


def test_without_any_id_ids_are_made_from_texts(tmp_path: Path) -> None:
    rows = [{k: v for k, v in qa(question=q).items() if k != "id"} for q in ("a?", "b?", "b?")]
    found = read_qa(write(tmp_path / "a.jsonl", rows), "en")
    other = read_qa(write(tmp_path / "b.jsonl", rows[::-1]), "en")
    assert [e.id for e in found.examples] == [e.id for e in other.examples][::-1]
    assert (found.noted, found.dropped) == ({"id made from texts": 3}, {"repeated id": 1})


def test_ids_that_number_rows_have_their_own_remedy(tmp_path: Path) -> None:
    one = [qa(id=n, context=f"Lamu {n} lies by the sea.") for n in range(3)]
    two = [qa(id=n, context=f"Kisumu {n} lies by the sea.") for n in range(3)]
    train = read_qa(write(tmp_path / "mine.json", one), "en")
    test = read_qa(write(tmp_path / "test.json", two), "en")
    with pytest.raises(DataError, match=r"3 ids and 0 contexts.*leave the field id out of one"):
        check_disjoint(train, test)
    bare = [{k: v for k, v in row.items() if k != "id"} for row in one]
    check_disjoint(read_qa(write(tmp_path / "mine.json", bare), "en"), test)
    with pytest.raises(DataError, match=r"3 ids and 3 contexts.*take another split"):
        check_disjoint(train, train)


def test_probes_do_not_take_row_numbers_for_items(tmp_path: Path) -> None:
    def rows(name: str, n: int) -> str:
        lines = [f"{name} {i}\t{'ab'[i % 2]}" for i in range(n)]
        return "text\tlabel\n" + "\n".join(lines) + "\n"

    for code in ("en", "de"):
        (tmp_path / f"{code}.train.tsv").write_text(rows(f"{code} train", 9), encoding="utf-8")
        (tmp_path / f"{code}.test.tsv").write_text(rows(f"{code} test", 6), encoding="utf-8")
    task = ProbeTask("topic", str(tmp_path / "{language}.{split}.tsv"))
    found = gather(task, ("deu_Latn",))
    assert [len(t.items) for t in found.tests] == [6, 6]
    assert [t.noted for t in found.tests] == [{ROW_NUMBERS: 6}] * 2
    # the same item in both files: its id counts, and so do those of its translations
    (tmp_path / "en.test.tsv").write_text(rows("en train", 2) + "new 1\ta\n", encoding="utf-8")
    (tmp_path / "en.train.tsv").write_text(rows("en train", 2), encoding="utf-8")
    found = gather(task, ("deu_Latn",))
    assert [t.dropped for t in found.tests] == [{IN_TRAINING: 2}] * 2


@pytest.mark.parametrize(
    ("text", "json_like"),
    [
        ('{"a": 1}\n{"a": 2}\n', True),
        ('[\n {"a": 1}\n]', True),
        ('{\n\t"a": 1\n}', True),
        ('{"data": [\n{"a": 1}', True),
        ('{"text": "cut', True),
        ('{"text": "a\tb"}', True),
        ("[", True),
        ("[Applause] The hall.\tPeople.\tneutral\n", False),
        ("{{cite}} Old.\tNew.\t1\n", False),
        ("[1] See.\tNew.\t1\n", False),
        ('["Hello," she said.\tShe spoke.\tneutral\n', False),
        ("[1, 2]\tx\t1\n", False),
        ("[]\tx\t1\n", False),
        ("[ O\n", False),
        ("{ PUNCT\n", False),
        ("plain\n", False),
    ],
)
def test_brackets_alone_make_no_json(text: str, json_like: bool) -> None:
    assert begins_json(text) is json_like


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_all_json_in_brackets_is_json(value: Any) -> None:
    for indent in (None, 1, "\t"):
        text = json.dumps([value], indent=indent)
        assert begins_json(text)
        assert begins_json(json.dumps({"a": value}, indent=indent))


def test_tables_of_pairs_and_texts_may_begin_with_a_bracket(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("[Applause] All stand.\tThey sit.\tcontradiction\n", encoding="utf-8")
    assert read_inferences(str(path), "en").items[0].premise == "[Applause] All stand."
    path.write_text("{{cite}} It is old.\tIt is new.\t1\n", encoding="utf-8")
    assert read_labelled(str(path), "en").items[0].text == "{{cite}} It is old."


@pytest.mark.parametrize("written", ["English", "english", "en", "eng", "eng_Latn", GAP, None, ""])
def test_languages_by_their_names(tmp_path: Path, written: object) -> None:
    rows = [{"premise": "p", "hypothesis": "h", "label": 0, "language": written}]
    rows += [{"premise": "p", "hypothesis": "h", "label": 0, "language": "German"}]
    found = read_inferences(write(tmp_path / "a.jsonl", rows), "en")
    assert (len(found.items), found.dropped) == (1, {"another language": 1})


def test_score_tells_what_was_noted(tmp_path: Path) -> None:
    rows = [qa(), qa(id="2", answers=["the moon"]), qa(id="3", question="")]
    data = write(tmp_path / "q.jsonl", rows)
    counts = {"prompt_tokens": 1, "new_tokens": 1, "truncated": False, "stopped": "eos"}
    answers = write(
        tmp_path / "a.jsonl", [{"id": "1", "language": "en", "prediction": "x", **counts}]
    )
    told = score_step(Path(answers), data, "en")
    assert told["dropped"] == {"empty question": 1}
    assert told["noted"] == {"gold not verbatim": 1}
    assert set_counts(read_qa(data, "en")) == {"dropped": told["dropped"], "noted": told["noted"]}


def test_a_word_for_a_gap_is_no_id() -> None:
    """A frame written as text: one gap would keep 0.0 and 0 apart, and let training into tests."""
    names = [identity("x", "id", text) for text in ("0.0", "1.0", "nan", "<NA>")]
    assert names == ["0.0", "1.0", "", ""]
    assert plain_numbers(names) == ["0", "1", "", ""]


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ({"answers": math.nan, "answer": "Rome"}, ("answer", "Rome")),
        ({"answers": None, "answer": None}, ("answers", None)),
        ({"answer": 3}, ("answer", 3)),
        ({}, None),
    ],
)
def test_the_first_column_that_has_a_value_counts(item: dict[str, object], found: object) -> None:
    assert first_of(item, ("answers", "answer")) == found


@pytest.mark.parametrize(
    "text",
    [
        *("{'start': 0, 'text': 'Paris'}", "{'answer_starts': [0], 'text': ['Paris']}"),
        *("{'texts': ['Paris']}", "[{'text': array(['Paris'], dtype=object)}]"),
        *("array(['Paris'], dtype=object)", "{'text': ['a'],\n 'answer_start': [1]}"),
    ],
)
def test_printed_records_of_any_names_are_told(text: str) -> None:
    assert is_record_text(text)


@pytest.mark.parametrize(
    "text", ["[sic]", "{x}", "array", "{'a', 'b'}", "[1]", "array(x)", "set {'a': of}  b"]
)
def test_brackets_alone_are_text(text: str) -> None:
    assert not is_record_text(text)


def test_half_a_letter_is_told() -> None:
    with pytest.raises(DataError, match="ud800"):
        whole_text("x", "b\ud800")
    assert whole_text("x", "b😀") == "b😀"

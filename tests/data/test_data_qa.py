"""Question sets: round trips through every form, checks and counts, real files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.data.qa import check_disjoint, first, read_qa
from babelscope.errors import DataError, LanguageError, SettingError
from babelscope.records import Example, QuestionSet

NOT_NFC = "gold not in NFC"
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(str.strip)


@st.composite
def examples(draw: st.DrawFn) -> list[Example]:
    """Valid Odia examples, grouped by context as files are; golds are slices of the context."""
    made: list[Example] = []
    for context in draw(st.lists(TEXT, min_size=1, max_size=3, unique=True)):
        group = f"q{len(made)}"
        for _ in range(draw(st.integers(1, 3))):
            starts = st.integers(0, len(context) - 1)
            golds = [context[start:] for start in draw(st.lists(starts, min_size=1, max_size=3))]
            golds = [g for g in dict.fromkeys(golds) if g.strip()] or [context]
            identity = f"q{len(made)}"
            question = draw(TEXT)
            made.append(Example(identity, "ory_Orya", context, question, tuple(golds), group))
    return made


def spans(example: Example) -> list[dict[str, Any]]:
    return [{"text": g, "answer_start": example.context.find(g)} for g in example.answers]


def write(folder: Path, name: str, content: str) -> str:
    path = folder / name
    path.write_text(content, encoding="utf-8", newline="")
    return str(path)


def lines(records: Sequence[dict[str, Any]]) -> str:
    return "\n".join(json.dumps(record, ensure_ascii=False) for record in records)


def squad(made: list[Example]) -> dict[str, Any]:
    paragraphs: dict[str, Any] = {}
    for e in made:
        paragraph = paragraphs.setdefault(e.context, {"context": e.context, "qas": []})
        paragraph["qas"].append({"id": e.id, "question": e.question, "answers": spans(e)})
    return {"version": "1.1", "data": [{"title": "t", "paragraphs": list(paragraphs.values())}]}


def squad_2(made: list[Example]) -> dict[str, Any]:
    content = squad(made)
    content["version"] = "v2.0"
    for paragraph in content["data"][0]["paragraphs"]:
        for qa in paragraph["qas"]:
            qa["is_impossible"] = False
    return content


def flat(e: Example, **answers: Any) -> dict[str, Any]:
    return {"id": e.id, "context": e.context, "question": e.question, **answers}


def in_columns(e: Example) -> dict[str, Any]:
    starts = [e.context.find(g) for g in e.answers]
    return flat(e, answers={"text": list(e.answers), "answer_start": starts})


def indicgenbench(made: list[Example]) -> dict[str, Any]:
    records = [
        flat(e, title="", lang="or", answers=[{"text": g, "answer_start": -1} for g in e.answers])
        for e in made
    ]
    return {"canary": "canary", "examples": records}


def tydi_primary(e: Example) -> dict[str, Any]:
    before = "କ " * 3
    document = f"{before}{e.context} after"
    data = document.encode()
    passage = (len(before.encode()), len((before + e.context).encode()))
    annotations = []
    for gold in e.answers:
        start = passage[0] + len(e.context[: e.context.find(gold)].encode())
        annotations.append(
            {
                "annotation_id": len(annotations),
                "passage_answer": {"candidate_index": 1},
                "minimal_answer": {
                    "plaintext_start_byte": start,
                    "plaintext_end_byte": start + len(gold.encode()),
                },
                "yes_no_answer": "NONE",
            }
        )
    nothing = {
        "passage_answer": {"candidate_index": -1},
        "minimal_answer": {"plaintext_start_byte": -1, "plaintext_end_byte": -1},
    }
    return {
        "example_id": e.id,
        "language": "odia",
        "document_plaintext": document,
        "question_text": e.question,
        "passage_answer_candidates": [
            {"plaintext_start_byte": 0, "plaintext_end_byte": len(data)},
            {"plaintext_start_byte": passage[0], "plaintext_end_byte": passage[1]},
        ],
        "annotations": [nothing, *annotations],
    }


FORMS: dict[str, Callable[[list[Example]], str]] = {
    "squad": lambda made: json.dumps(squad(made)),
    "squad 2, indented": lambda made: json.dumps(squad_2(made), indent=2, ensure_ascii=False),
    "squad article a line": lambda made: lines(squad(made)["data"]),
    "squad paragraph a line": lambda made: lines(squad(made)["data"][0]["paragraphs"]),
    "indicgenbench": lambda made: json.dumps(indicgenbench(made)),
    "lines, golds as texts": lambda made: lines([flat(e, answers=e.answers) for e in made]),
    "lines, columns": lambda made: lines([in_columns(e) for e in made]),
    "lines, records": lambda made: lines([flat(e, answers=spans(e)) for e in made]),
    "list": lambda made: json.dumps([in_columns(e) for e in made]),
    "tydi primary": lambda made: lines([tydi_primary(e) for e in made]),
}


@pytest.mark.parametrize("form", FORMS)
@given(made=examples())
def test_every_form_comes_back(
    tmp_path_factory: pytest.TempPathFactory, form: str, made: list[Example]
) -> None:
    data = write(tmp_path_factory.mktemp("qa"), "set.json", FORMS[form](made))
    questions = read_qa(data, "or")
    composed = sum(all(g == normalize("NFC", g) for g in e.answers) for e in made)
    noted = {"gold not in NFC": len(made) - composed} if composed < len(made) else {}
    assert questions == QuestionSet("set", "ory_Orya", tuple(made), {}, noted)


@given(made=examples(), cut=st.floats(0, 1), form=st.sampled_from(list(FORMS)))
def test_a_cut_file_gives_fewer_questions_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, made: list[Example], cut: float, form: str
) -> None:
    content = FORMS[form](made)
    data = write(tmp_path_factory.mktemp("cut"), "set.json", content[: int(cut * len(content))])
    with suppress(DataError):
        assert set(read_qa(data, "or").examples) <= set(made)


WRONG = st.none() | st.integers() | st.booleans() | st.text(max_size=3) | st.just([]) | st.just({})


@given(made=examples(), wrong=WRONG, data=st.data(), form=st.sampled_from(list(FORMS)))
def test_a_wrong_value_anywhere_is_counted_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory,
    made: list[Example],
    wrong: object,
    data: st.DataObject,
    form: str,
) -> None:
    content = FORMS[form](made)
    items = [json.loads(content)] if content.startswith("[") else _values(content)
    places = list(_places(items))
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = wrong
    path = write(tmp_path_factory.mktemp("wrong"), "set.json", lines(items))
    with suppress(DataError):
        questions = read_qa(path, "or")
        for example in questions.examples:
            assert example.id
            assert example.context.strip()
            assert example.question.strip()
            assert example.answers
            assert all(map(str.strip, example.answers))


def _values(content: str) -> list[Any]:
    try:
        return [json.loads(content)]
    except ValueError:
        return [json.loads(line) for line in content.split("\n")]


def _places(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def record(**changes: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "context": "Cuttack lies on the Mahanadi.",
        "question": "Where?",
        "answers": {"text": ["the Mahanadi"], "answer_start": [16]},
        **changes,
    }


def read_records(folder: Path, *records: dict[str, Any], **options: bool) -> QuestionSet:
    return read_qa(write(folder, "set.jsonl", lines(records)), "en", **options)


GOOD = record(id="good")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": None}, "no id"),
        ({"id": " "}, "no id"),
        ({"id": "good"}, "repeated id"),
        ({"context": " \n"}, "empty context"),
        ({"question": ""}, "empty question"),
        ({"answers": []}, "unanswerable"),
        ({"answers": None}, "unanswerable"),
        ({"answers": {"text": [], "answer_start": []}}, "unanswerable"),
        ({"answers": [{"text": " ", "answer_start": 0}]}, "unanswerable"),
        ({"is_impossible": True}, "unanswerable"),
    ],
)
def test_what_is_dropped_is_counted(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    questions = read_records(tmp_path, GOOD, record(**changes))
    assert [e.id for e in questions.examples] == ["good"]
    assert questions.dropped == {reason: 1}


def test_half_a_surrogate_pair_is_dropped(tmp_path: Path) -> None:
    text = lines([GOOD]) + "\n" + json.dumps(record(question="\ud800?"))
    questions = read_qa(write(tmp_path, "set.jsonl", text), "en")
    assert questions.dropped == {"broken text": 1}


@pytest.mark.parametrize(
    ("changes", "notes", "answers"),
    [
        ({}, {}, ("the Mahanadi",)),
        ({"answers": ["the Mahanadi"]}, {}, ("the Mahanadi",)),
        ({"answers": {"text": ["the Mahanadi"], "answer_start": [3]}}, {"span drifted": 1}, None),
        ({"answers": ["Ganga"]}, {"gold not verbatim": 1}, ("Ganga",)),
        ({"answers": {"text": ["Ganga"], "answer_start": [3]}}, {"gold not verbatim": 1}, None),
        ({"answers": ["Ganga", "Cuttack"]}, {}, ("Ganga", "Cuttack")),
        ({"answers": ["Cuttack", "Cuttack"]}, {"repeated gold": 1}, ("Cuttack",)),
        ({"answers": ["Cuttack", ""]}, {"empty gold": 1}, ("Cuttack",)),
        ({"lang": "or"}, {"language field differs": 1}, None),
        ({"language": "xx-unknown"}, {"language field differs": 1}, None),
        ({"lang": "eng_Latn"}, {}, None),
        ({"language": "english"}, {}, None),
    ],
)
def test_what_is_kept_in_spite_of_a_fault_is_noted(
    tmp_path: Path, changes: dict[str, Any], notes: dict[str, int], answers: tuple[str, ...] | None
) -> None:
    questions = read_records(tmp_path, record(**changes))
    assert (questions.dropped, questions.noted) == ({}, notes)
    assert questions.examples[0].language == "eng_Latn"
    if answers:
        assert questions.examples[0].answers == answers


def test_answer_as_one_text_and_own_fields(tmp_path: Path) -> None:
    one = {"id": 7, "context": "c d", "question": "q", "answer": "d", "context_id": 3, "kind": "k"}
    assert read_records(tmp_path, one).examples == (
        Example("7", "eng_Latn", "c d", "q", ("d",), "3", "k"),
    )


def test_unanswerable_questions_are_kept_when_asked_for(tmp_path: Path) -> None:
    questions = read_records(tmp_path, GOOD, record(is_impossible=True), keep_unanswerable=True)
    assert [e.answers for e in questions.examples] == [("the Mahanadi",), ()]


def test_the_first_id_of_a_context_counts_even_if_it_was_dropped(tmp_path: Path) -> None:
    questions = read_records(tmp_path, record(id="a", question=""), record(id="b"), record(id="c"))
    assert [(e.id, e.context_id) for e in questions.examples] == [("b", "a"), ("c", "a")]


def test_ids_that_tell_nothing_apart_are_made_unique(tmp_path: Path) -> None:
    records = [record(id="0", question=f"q{n}?") for n in range(5)]
    questions = read_records(tmp_path, *records, records[2])
    assert (questions.dropped, questions.noted) == ({"repeated id": 1}, {"id made unique": 6})
    ids = [e.id for e in questions.examples]
    assert len(set(ids)) == 5
    reordered = read_records(tmp_path, *reversed(records))
    assert [e.id for e in reordered.examples] == ids[::-1]  # by content, not by place


def test_nothing_left_tells_the_counts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of 3 usable: empty question 1, unanswerable 2"):
        read_records(
            tmp_path, record(answers=[]), record(id="2", answers=[""]), record(id="3", question="")
        )


@pytest.mark.parametrize(
    "content",
    [
        '{"premise": "a", "hypothesis": "b"}',
        '{"data": {}}',
        '{"data": [3]}',
        '{"data": [{"paragraphs": [{"context": "c", "qas": ["q"]}]}]}',
        '{"data": [{"paragraphs": [{"qas": []}]}]}',
        '{"id": "1", "context": "c", "question": "q"}',
        '{"id": [1], "context": "c", "question": "q", "answers": ["c"]}',
        '{"id": "1", "context": 3, "question": "q", "answers": ["c"]}',
        '{"id": "1", "context": "c", "question": "q", "answers": [3]}',
        '{"id": "1", "document_plaintext": "d", "annotations": [{}]}',
        '"text"',
        "[]",
        "{}",
        "3",
    ],
)
def test_another_structure_is_a_data_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError) as caught:
        read_qa(write(tmp_path, "set.json", content), "en")
    assert "set.json" in str(caught.value)


def test_lists_without_end_and_unknown_languages(tmp_path: Path) -> None:
    depth = 400
    nested = '{"data": [' * depth + "]}" * depth
    with pytest.raises(DataError):
        read_qa(write(tmp_path, "deep.json", nested), "en")
    with pytest.raises(LanguageError):
        read_qa(write(tmp_path, "set.jsonl", lines([GOOD])), "klingon")


def test_atlas_is_read_through_its_module() -> None:
    questions = read_qa("atlas:tune", "or")
    assert questions.language == "ory_Orya"
    assert questions == read_qa("atlas", "ory_Orya", split="tune")


def test_a_100_kb_context(tmp_path: Path) -> None:
    context = "ଓଡ଼ିଆ " * 20_000 + "ଶେଷ"
    questions = read_records(tmp_path, record(context=context, answers=["ଶେଷ"]))
    assert questions.examples[0].context == context
    assert not questions.noted


def question_set(contexts: int, each: int = 3, name: str = "set") -> QuestionSet:
    made = [
        Example(f"{name}{c}.{q}", "eng_Latn", f"{name} {c}", "q", ("a",), f"{c}")
        for c in range(contexts)
        for q in range(each)
    ]
    return QuestionSet(name, "eng_Latn", tuple(made), {"no id": 2})


def test_shared_ids_and_contexts_are_an_error() -> None:
    train, test = question_set(4, name="train"), question_set(4, name="test")
    check_disjoint(train, test)
    same_id = replace(test, examples=(*test.examples, replace(test.examples[0], id="train0.0")))
    with pytest.raises(DataError, match=r"found 1 ids and 0 contexts.*question train0\.0"):
        check_disjoint(train, same_id)
    copied = tuple(replace(e, context="train 2") for e in test.examples[:2])
    with pytest.raises(DataError, match="found 0 ids and 1 contexts"):
        check_disjoint(train, replace(test, examples=copied))


def test_first_and_wrong_sizes() -> None:
    questions = question_set(4)
    assert first(questions, 5).examples == questions.examples[:5]
    assert first(questions, 0) == questions
    with pytest.raises(SettingError):
        first(questions, -1)


def count_squad(path: Path) -> Counter[str]:
    """Count a SQuAD file by hand: questions, those without a gold, spans that are off."""
    counts: Counter[str] = Counter()
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                text = qa["answers"][0]["text"]
                start = qa["answers"][0]["answer_start"] or 0  # None where there is no answer
                inside = text in paragraph["context"]
                there = paragraph["context"][start : start + len(text)] == text
                counts["questions"] += 1
                counts["unanswerable"] += not text
                counts["span drifted"] += bool(text) and inside and not there
                counts["gold not verbatim"] += bool(text) and not inside
    return counts


@pytest.mark.real_data
@pytest.mark.parametrize("code", ["ar", "de", "en", "es", "hi", "ru", "tr", "zh"])
def test_xquad_is_faultless_and_parallel(shared: Path, code: str) -> None:
    english = read_qa(str(shared / "data/xquad"), "en")
    questions = read_qa(str(shared / "data/xquad/xquad.{language}.json"), code)
    assert (len(questions.examples), questions.dropped) == (1190, {})
    # counted with unicodedata alone, see count_normal_forms
    assert questions.noted == {"ar": {NOT_NFC: 5}, "hi": {NOT_NFC: 31}}.get(code, {})
    assert len({e.context_id for e in questions.examples}) == 240
    assert [(e.id, e.context_id) for e in questions.examples] == [
        (e.id, e.context_id) for e in english.examples
    ]


def count_normal_forms(records: list[dict[str, Any]]) -> Counter[str]:
    """Count, with unicodedata alone, golds that are not NFC and those that stand there in NFC."""
    counts: Counter[str] = Counter()
    for record in records:
        gold, context = record["answers"][0]["text"], record["context"]
        composed = normalize("NFC", gold)
        counts[NOT_NFC] += gold != composed
        if gold not in context:
            found = composed in normalize("NFC", context)
            counts["gold verbatim in NFC only" if found else "gold not verbatim"] += 1
    return counts


@pytest.mark.real_data
def test_bengali_golds_in_other_normal_forms(shared: Path) -> None:
    questions = read_qa(str(shared / "data/xquad_in/bn/xquad_bn_test.json"), "bn")
    assert len(questions.examples) == 1190
    assert questions.noted[NOT_NFC] == 284
    assert questions.noted["gold verbatim in NFC only"] == 16


@pytest.mark.real_data
def test_xquad_in(shared: Path) -> None:
    files = sorted((shared / "data/xquad_in").rglob("*.json"))
    assert len(files) == 24
    for path in files:
        code = path.parent.name
        records = json.loads(path.read_text(encoding="utf-8"))["examples"]
        questions = read_qa(str(path), code)
        assert [e.id for e in questions.examples] == [r["id"] for r in records]
        differs = sum(r["lang"] != code for r in records)
        counts = count_normal_forms(records) | {"language field differs": differs}
        assert questions.noted == {k: v for k, v in counts.items() if v}, path.name
        assert questions.dropped == {}
        assert differs in (0, 103)


@pytest.mark.real_data
@pytest.mark.parametrize(("code", "total"), [("hi", 1547), ("or", 1680)])
def test_indicqa(unpacked: Callable[[str], Path], code: str, total: int) -> None:
    folder = unpacked("indicqa")
    counts = count_squad(next(folder.rglob(f"indicqa.{code}.json")))
    questions = read_qa(str(folder), code)
    assert counts.pop("questions") == total == len(questions.examples) + counts["unanswerable"]
    assert questions.dropped == {"unanswerable": counts.pop("unanswerable")}
    assert questions.noted == {k: v for k, v in counts.items() if v}
    asked = read_qa(str(folder), code, keep_unanswerable=True)
    assert len(asked.examples) == total


@pytest.mark.real_data
def test_mlqa(unpacked: Callable[[str], Path]) -> None:
    paths = sorted(unpacked("mlqa").rglob("*.json"))
    assert len(paths) == 36
    for path in paths:
        questions = read_qa(str(path), path.stem.split("-")[2])
        counts = count_squad(path)
        assert counts["questions"] == len(questions.examples) > 100
        assert (questions.dropped, questions.noted) == ({}, {})


@pytest.mark.real_data
@pytest.mark.parametrize(("code", "total"), [("en", 3696), ("sw", 2755)])
def test_tydiqa_gold_passages(unpacked: Callable[[str], Path], code: str, total: int) -> None:
    folder = unpacked("tydiqa_goldp")
    questions = read_qa(str(folder), code, split="train")
    path = next(folder.rglob(f"*.{code}.train.json"))
    assert count_squad(path)["questions"] == len(questions.examples) == total
    # the file's own ids tell almost nothing apart
    assert (questions.dropped, questions.noted) == ({}, {"id made unique": total})
    assert len({e.id for e in questions.examples}) == total

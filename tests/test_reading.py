"""One reader of text for every file that a user gives: marks, line ends, other encodings."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.data.bitext import read_bitext
from babelscope.data.carriers import read_carriers
from babelscope.data.labelled import read_labelled
from babelscope.data.nli import read_inferences
from babelscope.data.parallel import read_parallel
from babelscope.data.prompt_files import read_prompts
from babelscope.data.prompts import read_templates
from babelscope.data.published import read_published
from babelscope.data.qa import read_qa
from babelscope.data.tagged import read_tagged
from babelscope.data.texts import read_texts
from babelscope.errors import BabelscopeError, DataError
from babelscope.reading import lines_of, read_text
from babelscope.study.answers import read_answers
from babelscope.study.plan import read_plan

INSIDE = "\u2028\u2029\u0085\x0b\x0c\x1c\x1d\x1e\r"
"""What Python's splitlines() takes for ends of lines, and is none here."""

LINE = st.text(st.sampled_from(f"ab é{INSIDE}"), min_size=1, max_size=8).filter(
    lambda line: not line.endswith("\r") and line.strip()
)


@given(st.lists(LINE, min_size=2, max_size=6), st.sampled_from(("\n", "\r\n")))
def test_only_lf_and_crlf_end_a_line(lines: list[str], end: str) -> None:
    assert lines_of(end.join(lines)) == lines
    assert lines_of(end.join([*lines, ""])) == [*lines, ""]


def test_a_lone_cr_ends_lines_where_nothing_else_does() -> None:
    assert lines_of("one\rtwo\r") == ["one", "two", ""]
    assert lines_of("one\rtwo\n") == ["one\rtwo", ""]


def test_marks_of_joined_files_are_no_text() -> None:
    assert lines_of("a\n\ufeffb\n") == ["a", "b", ""]


@pytest.mark.parametrize("character", INSIDE)
def test_parallel_lines_stay_parallel(tmp_path: Path, character: str) -> None:
    lines = {code: [f"{code} {n} more" for n in range(6)] for code in ("eng_Latn", "swh_Latn")}
    lines["eng_Latn"][1] = f"one {character} and more"
    lines["swh_Latn"][3] = f"tatu {character} na zaidi"
    for code, found in lines.items():
        (tmp_path / f"{code}.txt").write_bytes("\n".join([*found, ""]).encode())
    assert read_parallel(tmp_path) == lines
    assert read_texts(tmp_path) == lines
    for data in (str(tmp_path), str(tmp_path / "{language}.txt")):
        (bitext,) = read_bitext(data, ("en", "sw"))
        assert bitext.texts["swh_Latn"] == tuple(lines["swh_Latn"])


def test_carriers_and_tables_keep_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "carriers.tsv"
    path.write_bytes("en\tA \u2028 {word}.\nsw\tNi \x0c {word}.\n".encode())
    found = read_carriers(str(path), "x", ("eng_Latn", "swh_Latn"))
    assert found["eng_Latn"] == {"": "A \u2028 {word}."}
    assert found["swh_Latn"] == {"": "Ni \x0c {word}."}


STUDY = 'title = "Café"\ntargets = ["en"]\n[test]\ndata = "atlas"\nquestions = 2\n'
TEMPLATES = '[templates.mine]\ntext = "é {context}\\nF: {question}\\nR:"\n'
PROMPTS = '{"id": 1, "prompt": "é is", "answer": " é"}\n{"id": 2, "prompt": "x"}\n'
ANSWERS = "".join(
    json.dumps(
        {
            "id": name,
            "language": "en",
            "prediction": "é",
            "prompt_tokens": 1,
            "new_tokens": 1,
            "truncated": False,
            "stopped": "eos",
        },
        ensure_ascii=False,
    )
    + "\n"
    for name in ("a", "b")
)
QUESTIONS = '{"id": "1", "context": "é c", "question": "q", "answers": ["é"]}\n'
TAGGED = "é\tB-LOC\nruns\tO\n\nx\tO\n"
LABELLED = "text\tlabel\né a\tx\nb\ty\n"
PAIRS = "é a\tb\tneutral\nc\td\tentailment\n"
PUBLISHED = "step,prompt_language,layer,en\n" + "".join(
    f"{step},en,0,0.993813\n" for step in (0, 1)
)
READERS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "study": ("s.toml", STUDY, read_plan),
    "templates": ("t.toml", TEMPLATES, lambda p: dict(read_templates(p))),
    "prompts": ("p.jsonl", PROMPTS, read_prompts),
    "answers": ("a.jsonl", ANSWERS, read_answers),
    "questions": ("q.jsonl", QUESTIONS, lambda p: read_qa(str(p), "en").examples),
    "tagged": ("en.iob2", TAGGED, lambda p: read_tagged(str(p), "en").sentences),
    "labelled": ("en.tsv", LABELLED, lambda p: read_labelled(str(p), "en").items),
    "pairs": ("en.tsv", PAIRS, lambda p: read_inferences(str(p), "en").items),
    "texts": ("en.txt", "é\ntwo\n", lambda p: read_texts(p.parent)),
    "published": ("l.csv", PUBLISHED, lambda p: read_published(p).values.tolist()),
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("form", ["mark", "crlf", "mark and crlf", "old", "two marks"])
def test_marks_and_line_ends_change_nothing(tmp_path: Path, kind: str, form: str) -> None:
    name, text, read = READERS[kind]
    path = tmp_path / name
    path.write_bytes(text.encode())
    plain = read(path)
    text = text.replace("\n", "\r\n") if "crlf" in form else text
    text = text.replace("\n", "\r") if form == "old" else text
    text = "\ufeff" * form.count("mark") * (2 if form == "two marks" else 1) + text
    path.write_bytes(text.encode())
    assert read(path) == plain


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("encode", "told"),
    [
        (lambda text: text.encode("utf-16"), "found text in UTF-16; save it as UTF-8"),
        (lambda text: b"\xfe\xff" + text.encode("utf-16-be"), "found text in UTF-16"),
        (lambda text: text.encode("utf-32"), "found text in UTF-32"),
        (lambda text: text.replace("é", "e").encode("utf-16-le"), "UTF-16 without a mark"),
        (lambda text: ("é" + text).encode("latin-1"), "byte 0xe9 in line 1; save it as UTF-8"),
        (lambda text: gzip.compress(text.encode()), "found a gzip archive"),
    ],
)
def test_other_encodings_are_one_clear_line(
    tmp_path: Path, kind: str, encode: Callable[[str], bytes], told: str
) -> None:
    name, text, read = READERS[kind]
    path = tmp_path / name
    path.write_bytes(encode(text))
    with pytest.raises(BabelscopeError, match=told) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_empty_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "empty.txt"
    path.write_bytes(b"\xef\xbb\xbf \n")
    with pytest.raises(DataError, match="an empty file"):
        read_text(path)
    assert read_text(path, may_be_empty=True) == " \n"
    with pytest.raises(DataError, match="No such file"):
        read_text(tmp_path / "none.txt")

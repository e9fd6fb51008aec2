"""Nasty names, contexts, questions and golds go through a real study and come out unchanged."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import polars as pl
import pytest
from nasty import NASTY, SURROGATES

from babelscope import cli
from babelscope.controls import STEERING, inert
from babelscope.data.qa import read_qa
from babelscope.store import read_jsonl
from babelscope.study.answers import read_answers

ASKED = {name: text for name, text in NASTY.items() if text.strip()}
SOURCES = (NASTY["formula"], NASTY["script"] + NASTY["override"] + NASTY["controls"])
RECIPE = NASTY["formula plus"]
TARGETS = ("eng_Latn", "deu_Latn")
GROUPS = [NASTY[name] for name in ("closing tags", "zalgo", "null", "formula at", "separators")]


def toml(text: str) -> str:
    """Write a TOML string: as JSON's, but DEL must be escaped and pairs of halves may not be."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def study(folder: Path) -> Path:
    records = [
        # a question must fit: only a context is cut
        {"id": f"q {text[:30]}", "context": text, "question": text[:30], "answers": [text]}
        for text in (*ASKED.values(), SURROGATES)
    ]
    (folder / "asked.json").write_text(json.dumps(records), encoding="utf-8")
    sources = "".join(
        f'[sources.{toml(name)}]\nlanguage = "or"\ndata = "atlas"\nlimit = {limit}\n'
        f"origin = {toml(NASTY['comma'])}\n"
        for limit, name in enumerate(SOURCES, 2)
    )
    groups = "".join(f'{toml(name)} = ["en", "de"]\n' for name in GROUPS)
    path = folder / "study.toml"
    path.write_text(
        f"title = {toml(' '.join(NASTY.values()))}\ntargets = ['en', 'de']\n"
        f"[recipes.{toml(RECIPE)}]\nbase = 'default'\nmax_steps = 1\nbatch_size = 1\n"
        "accumulation = 1\nmax_tokens = 256\nanswer_tokens = 3\n"
        f"{sources}[test]\ndata = {toml(str(folder / 'asked.json'))}\n[groups]\n{groups}",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    assert cli.main(["run", str(study(folder)), "--out", f"{folder}/out", "--json"]) == 0
    return folder


def test_every_question_is_answered_and_halves_of_pairs_are_counted(done: Path) -> None:
    questions = read_qa(str(done / "asked.json"), "en")
    assert questions.dropped == {"broken text": 1}
    assert [e.context for e in questions.examples] == list(ASKED.values())
    files = sorted((done / "out" / "store" / "answers").glob("*/answers.jsonl"))
    assert len(files) == 6  # the base and two sources, in two targets
    for file in files:
        assert [a.id for a in read_answers(file)] == [e.id for e in questions.examples]
    kept = read_jsonl(done / "out" / "samples.jsonl")
    assert all(row["context"] in ASKED.values() for row in kept)  # type: ignore[index]  # records


def test_tables_hold_the_names_as_they_are(done: Path) -> None:
    results = pl.read_parquet(done / "out" / "results.parquet")
    assert set(results["source"]) == {"", *SOURCES}
    assert set(results["recipe"]) == {"base", RECIPE}
    assert set(results["target"]) == {*TARGETS, *(f"group:{name}" for name in GROUPS)}
    plan = json.loads((done / "out" / "plan.json").read_text(encoding="utf-8"))
    assert plan["title"] == " ".join(NASTY.values())


@pytest.mark.parametrize("table", ["results.csv", "cost.csv"])
def test_no_cell_of_a_csv_is_a_formula_and_each_can_be_recovered(done: Path, table: str) -> None:
    with (done / "out" / table).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = [text for row in rows for text in row.values() if not _is_number(text)]
    assert not [text for text in texts if re.match(r"[=+@\-\t\r]", text)]
    names = {text.removeprefix("'") for text in texts}
    if table == "results.csv":
        assert {*SOURCES, RECIPE} <= names
    else:
        assert any(name.startswith(f"{RECIPE} {SOURCES[0]} seed 0") for name in names)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("text", [*NASTY.values(), "'", "''=1", "\t=1", "plain"])
def test_a_mark_against_formulas_can_be_taken_away(text: str) -> None:
    marked = inert(text)
    assert marked[:1] not in tuple("=+-@\t\r")
    assert (marked[1:] if marked.startswith("'") else marked) == text


def test_what_is_printed_steers_no_terminal(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    again = ["run", str(done / "study.toml"), "--out", f"{done}/out"]
    assert cli.main(again) == 0
    out, err = capsys.readouterr()
    assert not STEERING.search(out + err)
    assert "<U+202E>" in out
    assert cli.main([*again, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["scores"][0]["source"] in SOURCES
    page = (done / "out" / "report" / "index.html").read_text(encoding="utf-8")
    assert NASTY["script"] not in page
    assert not STEERING.search(re.sub(r"<script.*?</script>|\u2068|\u2069", "", page, flags=re.S))

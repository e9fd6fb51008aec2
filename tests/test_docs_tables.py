"""The pages on metrics and files name what a really written study holds, and nothing else."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from babelscope.errors import SettingError
from babelscope.models.folders import resolve_folder
from babelscope.study.lens_tables import _steps
from babelscope.study.output import MAP_QUALITY
from babelscope.study.plan import plan_of
from babelscope.study.run import run_study
from babelscope.study.tables import DOUBTS

DOCS = Path(__file__).resolve().parent.parent / "docs"
NAME = re.compile(r"`([^`]+)`")
HEAD = {"data": "atlas", "method": "head", "max_steps": 2, "train_items": 12, "test_items": 30}
STUDY: dict[str, Any] = {
    "model": "mini",
    "targets": ["en", "hi", "el"],
    "recipes": {
        "default": {
            "max_steps": 4,
            "learning_rate": 3e-3,
            "batch_size": 2,
            "accumulation": 1,
            "max_tokens": 320,
            "answer_tokens": 8,
        }
    },
    "sources": {
        code: {"language": code, "data": "atlas", "limit": 4, "reference": "atlas"}
        for code in ("en", "hi")
    },
    "test": {"data": "atlas", "questions": 6, "contests": [["or", "bn"]]},
    "lens": {"questions": 3, "positions": ["last"], "half_depths": True},
    "align": {"data": "atlas", "limit": 8},
    "probe": {"topic": {"data": "atlas", "limit": 20, "depths": [0, 6]}},
}
SECTIONS = {
    "results": "Answers",
    "comparisons": "Answers",
    "lens": "Lens",
    "alignment": "Alignment",
    "probes": "Probes",
    "classification": "Classification",
}
"""The sections of the page on metrics that hold the measures of a table."""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a study with every part; two models, and names of two kinds, make it whole."""
    folder = tmp_path_factory.mktemp("whole")
    second = shutil.copytree(resolve_folder("mini"), folder / "second")
    kinds = ("O", "B-PER", "B-LOC")
    for code in ("en", "hi", "el"):
        rows = [f"# sent_id = {n}\n1\tword{n}\t{kinds[n % 3]}\n" for n in range(24)]
        (folder / f"{code}.iob2").write_text("\n".join(rows), encoding="utf-8")
    names = {**HEAD, "data": str(folder / "{language}.iob2")}
    classify = {
        "nli": {**HEAD, "task": "nli", "models": ["mini", str(second)]},
        "ner": {**names, "task": "ner", "models": ["mini", str(second)]},
    }
    return run_study(plan_of({**STUDY, "classify": classify}, "whole"), folder / "out")


def section(page: str, title: str) -> str:
    """Return the text under a heading, up to the next one of its level or above."""
    text = (DOCS / page).read_text(encoding="utf-8")
    level, rest = re.split(rf"^(#+) {re.escape(title)}$", text, flags=re.MULTILINE)[1:3]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, flags=re.MULTILINE)[0]


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of every row of the tables of a text, without their heads."""
    lines = text.splitlines()
    heads = {place - 1 for place, line in enumerate(lines) if line.startswith("| :")}
    for place, line in enumerate(lines):
        if line.startswith("| ") and place not in heads and place - 1 not in heads:
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def told(page: str, title: str) -> set[str]:
    """Return the names that stand first in the rows under a heading, with their controls."""
    found = {name for cells in rows(section(page, title)) for name in NAME.findall(cells[0])}
    if title == "Alignment":
        found |= {n for cells in rows(section(page, title)) for n in NAME.findall(cells[2])}
        found -= {"p_value"}  # a column
    return found


def written(frame: pl.DataFrame) -> set[str]:
    """Return the measures of a table, what a study puts into their names in capitals."""
    names = {
        re.sub(
            r"^produced_(exact|undecided|no_letters|[a-z]{3}_[A-Z][a-z]{3})$", "produced_CODE", name
        )
        for name in frame["measure"].unique()
    }
    return {
        re.sub(r"^overlap_(?!.*\d).+$", "overlap_LABEL", re.sub(r"_(PER|LOC)$", "_KIND", name))
        for name in names
    }


@pytest.mark.parametrize("table", sorted(set(SECTIONS) - {"comparisons"}))
def test_every_measure_stands_on_the_page_and_the_other_way_round(done: Path, table: str) -> None:
    found = written(pl.read_parquet(done / f"{table}.parquet"))
    if table == "lens":  # of blocks whose halves run side by side: mini has none
        found |= set(_steps(pl.zeros(2, eager=True).to_numpy().reshape(1, 2, 1), None))
    assert found == told("metrics.md", SECTIONS[table])


def test_the_measures_with_a_gain_are_marked(done: Path) -> None:
    marked = {
        name
        for cells in rows(section("metrics.md", "Answers"))
        if "×" in cells[0]
        for name in NAME.findall(cells[0])
    }
    frame = pl.read_parquet(done / "comparisons.parquet")
    assert written(frame) == marked
    columns = told("metrics.md", "Comparisons")
    assert columns == set(DOUBTS)
    assert columns <= set(frame.columns)


def test_kinds_quantities_and_qualities_stand_on_the_page(done: Path) -> None:
    kinds = set(pl.read_parquet(done / "transfer.parquet")["kind"])
    assert kinds == told("metrics.md", "Transfer")
    quantities = set(pl.read_parquet(done / "predictors.parquet")["quantity"])
    assert quantities == told("metrics.md", "Predictors of transfer")
    quality = pl.read_parquet(done / "quality.parquet")
    measured = {name for name, kind in quality.schema.items() if kind == pl.Float64}
    assert measured == told("metrics.md", "Training sources")
    assert set(MAP_QUALITY) == told("metrics.md", "Language maps")
    plan = json.loads((done / "plan.json").read_text(encoding="utf-8"))
    assert set(plan["language_maps"]["counted"]) == set(MAP_QUALITY)


def columns_told(name: str) -> dict[str, str]:
    """Return the type of each column of a file, as the page on files tells them."""
    return {
        column: cells[1]
        for cells in rows(section("files.md", name))
        for column in NAME.findall(cells[0])
    }


def spelled(frame: pl.DataFrame) -> dict[str, str]:
    """Return the type of each column, what a study puts into its names in capitals."""
    measured = re.compile(r"^(alignment|probe): \w+, \w+ depth \(\d+\)$")
    words = {"alignment": "MEASURE", "probe": "TASK"}
    return {
        f"{m[1]}: {words[m[1]]}, PLACE depth (N)" if (m := measured.match(name)) else name: str(
            kind
        )
        for name, kind in frame.schema.items()
    }


def test_the_columns_of_every_table_are_those_on_the_page(done: Path) -> None:
    tables = sorted(done.glob("*.parquet"))
    assert len(tables) == 17
    for path in tables:
        assert spelled(pl.read_parquet(path)) == columns_told(path.name), path.name


def test_the_columns_of_the_other_files_are_those_on_the_page(done: Path) -> None:
    with (done / "cost.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == list(columns_told("cost.csv"))
    first = (done / "samples.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert list(json.loads(first)) == list(columns_told("samples.jsonl"))
    below = section("files.md", "samples.jsonl").rpartition("Every base")[2]
    for name in json.loads(first)["variants"][0]:
        assert f"`{name}`" in below, name


def test_every_file_of_a_study_stands_on_the_page(done: Path) -> None:
    named = {
        name.rstrip("/")
        for cells in rows(section("files.md", "What a study leaves"))
        for name in NAME.findall(cells[0])
        if "." in name or name.endswith("/")
    }
    assert named - {"report"} == {path.name for path in done.iterdir()}


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ("top", ()),
        ("`[sources.NAME]`", ("sources", "en")),
        ("`[test]`", ("test",)),
        ("`[lens]`", ("lens",)),
    ],
)
def test_the_keys_of_a_study_file_are_those_on_the_page(row: str, place: tuple[str, ...]) -> None:
    document = {**STUDY, "sources": {"en": {"language": "en", "data": "atlas"}}}
    table = document
    for step in place:
        table[step] = dict(table[step])
        table = table[step]
    table["qqqqqqqq"] = 1  # like no key, so that the error names them all
    with pytest.raises(SettingError) as fault:
        plan_of(document, "keys")
    known = set(re.search(r"known: (.*?)(?:\.|$)", str(fault.value))[1].split(", "))
    [cells] = [c for c in rows(section("files.md", "A study")) if c[0] == row]
    told = set(NAME.findall(cells[1]))
    if row == "top":  # its row tells of the model's own table, the tables have rows of their own
        told -= {"name", "revision", "dtype", "device", "trust_remote_code"}
        firsts = " ".join(c[0] for c in rows(section("files.md", "A study")))
        told |= set(re.findall(r"\[(\w+)", firsts))
    assert known - {"map"} == told  # `map` is short for `maps` with one name

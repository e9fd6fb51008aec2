"""A study that is not finished says so wherever it is shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fake_study import make_study
from matplotlib.figure import Figure

from babelscope import cli
from babelscope.report.page import render
from babelscope.report.paper import save
from babelscope.report.tables import read_study

PIECES = {"answer": 7, "tune": 3}
TOLD = "0 of 7 cells answered, 0 of 3 adapters tuned"


def begun(folder: Path, *, mark: str = "", tables: bool = True) -> Path:
    """Write the fake study as one that `run` has not finished; `mark` is the plan marked done."""
    make_study(folder)
    path = folder / "plan.json"
    plan = json.loads(path.read_text(encoding="utf-8"))
    plan |= {"cells": 7, "adapters": 3, "pieces": PIECES, "scores_version": "1"}
    path.write_text(json.dumps(plan), encoding="utf-8")
    if mark:
        (folder / "complete.json").write_text(json.dumps({"study": mark}), encoding="utf-8")
    if not tables:
        for table in (*folder.glob("*.parquet"), *folder.glob("*.csv"), folder / "samples.jsonl"):
            table.unlink()
    return folder


def page_of(folder: Path) -> str:
    return render(read_study(folder)).partition("<script")[0].replace("\u00a0", " ")


def test_a_finished_study_says_nothing(tmp_path: Path) -> None:
    assert "nfinished" not in page_of(make_study(tmp_path / "bare")).partition("</style>")[2]
    whole = begun(tmp_path / "whole", mark="c" * 32)
    assert "nfinished" not in page_of(whole).partition("</style>")[2]


@pytest.mark.parametrize("tables", [True, False])
def test_the_page_says_it_in_title_head_and_note(tmp_path: Path, tables: bool) -> None:
    html = page_of(begun(tmp_path, tables=tables))
    assert "<title>Unfinished: A " in html
    assert '<span class="badge">unfinished</span>' in html.partition("<nav")[0]
    note = html.partition('class="notes"')[2].partition("</li>")[0]
    assert "0 of 7 cells answered and 0 of 3 adapters tuned" in note
    if tables:
        assert "What is missing is not on this page." in note
    else:
        # nothing that would be false: no verdict, no empty section
        assert "there is nothing to show yet" in note
        assert "This study is not finished: it has no answer yet." in html
        assert "did not look inside" not in html
        assert "holds no comparison" not in html
        assert 'id="matrix"' not in html
        assert "babelscope run study.toml" in html


def test_tables_of_an_earlier_plan_are_called_so(tmp_path: Path) -> None:
    html = page_of(begun(tmp_path, mark="an earlier one"))
    assert "What is drawn here are the tables are those" not in html
    assert "the tables are of an earlier plan in this folder" in html


def told_by(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert cli.main([*words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_command_and_its_tables_say_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun(tmp_path / "study")
    found = told_by(["report", str(folder), "--tables", "markdown"], capsys)
    assert found["unfinished"] == f"unfinished: {TOLD}"
    measures = (folder / "report/tables/measures.md").read_text(encoding="utf-8")
    assert TOLD in measures
    assert (folder / "report/tables/unfinished.txt").read_text(encoding="utf-8").strip() == (
        f"unfinished: {TOLD}"
    )
    # once it is finished, nothing of it is left
    (folder / "complete.json").write_text(json.dumps({"study": "c" * 32}), encoding="utf-8")
    assert "unfinished" not in told_by(["report", str(folder), "--tables", "markdown"], capsys)
    assert not (folder / "report/tables/unfinished.txt").exists()
    assert TOLD not in (folder / "report/tables/measures.md").read_text(encoding="utf-8")


def test_a_figure_has_the_note_below_it(tmp_path: Path) -> None:
    figure = Figure()
    figure.supxlabel("points")
    save(figure, tmp_path, "one", "png", f"unfinished: {TOLD}")
    assert figure.get_supxlabel().replace("\n", " ") == f"points unfinished: {TOLD}"
    plain = Figure()
    save(plain, tmp_path, "two", "png")
    assert plain.get_supxlabel() == ""


def test_a_comparison_names_the_unfinished_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = begun(tmp_path / "whole", mark="c" * 32)
    open_ = begun(tmp_path / "open")
    words = ["report", str(whole), str(open_), "--out", str(tmp_path / "both"), "--tables", "csv"]
    found = told_by(words, capsys)
    assert found["unfinished"] == f"B is unfinished: {TOLD}"
    html = (tmp_path / "both/index.html").read_text(encoding="utf-8")
    assert "<title>Unfinished: " in html
    assert f"B is unfinished: {TOLD}. What is missing is not compared." in html
    assert (tmp_path / "both/tables/unfinished.txt").exists()
    assert str(tmp_path) not in html
    shutil.rmtree(tmp_path / "both")
    told = told_by(["report", str(whole), str(whole), "--out", str(tmp_path / "both")], capsys)
    assert "unfinished" not in told

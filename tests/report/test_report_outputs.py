"""Pages, figures and tables that cannot be written are told before anything is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_study import make_study

from babelscope.errors import StoreError
from babelscope.report import compare, files


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("outputs"))


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was drawn: nothing, when a place is refused."""
    done: list[str] = []
    monkeypatch.setattr(files, "write_report", lambda folder: done.append("page") or folder)
    monkeypatch.setattr(compare, "render", lambda *_: done.append("page") or "")
    return done


@pytest.mark.parametrize("name", ["report", "report/figures", "report/tables"])
def test_a_file_in_the_way_of_a_report(name: str, study: Path, drawn: list[str]) -> None:
    path = study / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(StoreError, match=name):
        files.write_files(study, None, "pdf", "csv")
    assert drawn == []
    path.unlink()


@pytest.mark.parametrize("name", ["against", "against/figures", "against/tables"])
def test_a_file_in_the_way_of_a_comparison(name: str, study: Path, drawn: list[str]) -> None:
    path = study / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(StoreError, match=name):
        compare.write_comparison(study, study, study / "against", "pdf", "csv")
    assert drawn == []
    path.unlink()


def test_what_is_asked_for_is_all_that_is_looked_at(study: Path, drawn: list[str]) -> None:
    (study / "report").mkdir(exist_ok=True)
    (study / "report" / "figures").write_text("mine")
    files.write_files(study, None)
    assert drawn == ["page"]

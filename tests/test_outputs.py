"""Where results cannot be written, every command says so before it works, not after."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from babelscope import cli
from babelscope.adapt.saving import Saving, check_out
from babelscope.errors import StoreError
from babelscope.store import check_folder, check_writable, is_mount

MODEL = "nowhere/none"
"""A model that cannot be had: a fault of the output must be told before this one."""

ASKED = ("--data", "atlas", "--language", "or", "--limit", "4")
LOOKED = ("--data", "atlas:test", "--language", "en", "--language", "or")
FILES = {
    "answer": ("answer", MODEL, *ASKED, "--out"),
    "lens": ("lens", MODEL, *ASKED, "--out"),
    "lens tokens": ("lens", MODEL, *ASKED, "--out", "fine.parquet", "--tokens"),
    "map-languages": ("map-languages", MODEL, "--text", "atlas", "--out"),
    "align": ("align", MODEL, *LOOKED, "--out"),
    "probe": ("probe", MODEL, "--task", "topic", "--data", "atlas", "--out"),
    "classify": ("classify", MODEL, "--data", "atlas", "--method", "head", "--out"),
}
"""Commands that write a file, up to its name."""

FOLDERS = {
    "tune": ("tune", MODEL, *ASKED, "--out"),
    "run": ("run", "study.toml", "--out"),
    "lens-published": ("lens-published", "none.csv", "--out"),
    "align store": ("align", MODEL, *LOOKED, "--out", "fine.parquet", "--store"),
    "probe store": (*FILES["probe"], "fine.parquet", "--store"),
    "classify store": (*FILES["classify"], "fine.parquet", "--store"),
}
"""Commands that write a folder, up to its name."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    study = f'model = "{MODEL}"\ntargets = ["en"]\n[test]\ndata = "none.json"\n'
    (tmp_path / "study.toml").write_text(study)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")
    (tmp_path / "to-nothing").symlink_to(tmp_path / "nothing")
    return tmp_path


def fault(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main([*words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err[:7]) == ("", 1, "error: ")
    assert "none.json" not in err
    assert "none.csv" not in err
    assert MODEL not in err
    return err


@pytest.mark.parametrize("out", ["folder", "file/inside.parquet", "/dev/null"])
@pytest.mark.parametrize("command", FILES)
def test_files_that_cannot_be_written(
    command: str, out: str, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    before = sorted(here.rglob("*"))
    assert out.partition("/inside")[0] in fault(capsys, *FILES[command], out)
    assert sorted(here.rglob("*")) == before
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("out", ["file", "file/inside", "to-nothing", "to-nothing/inside"])
@pytest.mark.parametrize("command", FOLDERS)
def test_folders_that_cannot_be_written(
    command: str, out: str, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    if (command, out) == ("tune", "to-nothing/inside"):
        (here / "to-nothing").unlink()
        (here / "to-nothing").symlink_to(here / "file")
    before = sorted(here.rglob("*"))
    assert out.partition("/")[0] in fault(capsys, *FOLDERS[command], out)
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("name", ["store", "report"])
def test_a_study_folder_with_a_file_in_the_way(
    name: str, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    (here / "folder" / name).write_text("mine")
    assert f"folder/{name}" in fault(capsys, "run", "study.toml", "--out", "folder")


@pytest.mark.parametrize("command", ["align", "probe", "classify"])
def test_settings_never_replace_another_file(
    command: str, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    (here / "words.json").write_text('[{"id": 1}]')
    assert "words.json" in fault(capsys, *FILES[command], "words.parquet")
    assert (here / "words.json").read_text() == '[{"id": 1}]'
    assert "ending .json" in fault(capsys, *FILES[command], "table.json")


def test_two_results_in_one_file_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--tokens" in fault(capsys, *FILES["lens tokens"], "./fine.parquet")


@pytest.mark.parametrize("command", ["answer", "lens"])
def test_a_file_where_the_work_is_kept(
    command: str, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    (here / ".a.work").write_text("mine")
    assert ".a.work" in fault(capsys, *FILES[command], "a")


def test_links_to_files_and_folders_are_followed_or_replaced(here: Path) -> None:
    (here / "link").symlink_to(here / "folder")
    check_folder(here / "link")
    (here / "old").symlink_to(here / "file")
    check_writable(here / "old")
    assert (here / "file").read_text() == "mine"


# what a tune is written to

CARD = {"recipe": {"max_steps": 1}}


@pytest.mark.parametrize("out", ["file", "folder", "to-nothing", "link"])
def test_tuning_is_refused_before_the_model_is_looked_for(
    out: str, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    (here / "empty").mkdir()
    (here / "link").symlink_to(here / "empty")
    err = fault(capsys, *FOLDERS["tune"], out)
    assert out in err
    if out in ("to-nothing", "link"):
        assert f"give what it points to: {(here / out).resolve()}" in err


def test_free_names_are_left_free(here: Path) -> None:
    before = sorted(here.rglob("*"))
    check_out(Saving(here / "new"), CARD)
    assert sorted(here.rglob("*")) == before
    (here / "empty").mkdir()
    check_out(Saving(here / "empty"), CARD)
    assert sorted(here.rglob("*")) == sorted([*before, here / "empty"])


def test_a_name_that_cannot_be_given_is_found_before(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(self: Path, target: Path) -> Path:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(Path, "rename", busy)
    with pytest.raises(StoreError, match="busy"):
        check_out(Saving(here / "new"), CARD)
    assert not list(here.glob(".new*"))


def test_a_result_of_another_tune_is_refused_before_the_model_is_loaded(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    small = ("--set", "max_steps=1", "--set", "max_tokens=320", "--set", "batch_size=1")
    tune = ("tune", "mini", *ASKED, *small, "--out", "adapter")
    assert cli.main([*tune]) == 0
    assert cli.main([*tune]) == 0  # the same again is done already
    capsys.readouterr()
    other = ("tune", MODEL, *ASKED, *small)
    assert "something else" in fault(capsys, *other, "--seed", "1", "--out", "adapter")
    assert "something else" in fault(capsys, *other[:-1], "batch_size=2", "--out", "adapter")
    assert cli.main([*tune, "--dtype", "bfloat16"]) == 2  # another base, as its card says
    card = json.loads((here / "adapter" / "babelscope.json").read_text())
    assert card["base_dtype"] == "float32"
    (here / "link").symlink_to(here / "adapter")
    assert cli.main([*tune[:-1], "link"]) == 0  # a result is found through a link


@pytest.fixture
def mounted(here: Path) -> Iterator[tuple[Path, Path]]:
    """An empty folder and a file, each mounted on another of the same disk."""
    places = here / "mounted here", here / "mounted.jsonl"
    places[0].mkdir()
    places[1].write_text("")
    (here / "a folder").mkdir()
    (here / "a file").write_text("")
    done = []
    try:
        for source, place in zip((here / "a folder", here / "a file"), places, strict=True):
            command = ["mount", "--bind", str(source), str(place)]
            if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
                pytest.skip("mounting is not allowed here")
            done.append(place)
        yield places
    finally:
        for place in done:
            subprocess.run(["umount", str(place)], check=True)


def test_mount_points_are_told_beforehand(
    mounted: tuple[Path, Path], capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    folder, file = mounted
    assert not os.path.ismount(folder), "the same disk: Python does not see it"
    assert is_mount(folder)
    assert is_mount(file)
    assert not is_mount(here)
    assert "a mount point" in fault(capsys, *FOLDERS["tune"], str(folder))
    assert "a mount point" in fault(capsys, *FILES["answer"], str(file))


def test_the_roots_of_disks_are_mount_points(here: Path) -> None:
    assert is_mount(Path("/"))
    assert not is_mount(here / "folder")


def test_reports_are_refused_before_they_are_drawn(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    for words in (("file",), ("folder",)):
        assert "error" in fault(capsys, "report", *words)
    assert not (here / "folder" / "report").exists()


def test_the_working_directory_is_not_replaced_by_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    number = (tmp_path / "here").stat().st_ino
    for name in (".", "../here", str(tmp_path / "here")):
        assert "the working directory" in fault(capsys, *FOLDERS["tune"], name)
        assert (tmp_path / "here").stat().st_ino == number

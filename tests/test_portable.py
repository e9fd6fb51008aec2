"""What may leave a machine: no path names its folders, and no two names become one."""

from __future__ import annotations

from pathlib import Path

import pytest

from babelscope.portable import portable_command, portable_names, portable_path


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("studies/demo.toml", "studies/demo.toml"),
        ("../data/set.json", "../data/set.json"),
        ("mini", "mini"),
        ("bigscience/bloomz-560m", "bigscience/bloomz-560m"),
        ("/home/ada/study.toml", "study.toml"),
        ("/home/ada/models/my-model/", "my-model"),
        ("/home/ada/data/{language}.json", "{language}.json"),
        ("~/study.toml", "study.toml"),
        (r"C:\Users\ada\study.toml", "study.toml"),
        (r"\\server\ada\study.toml", "study.toml"),
        ("/", "FOLDER"),
        ("", ""),
        ("https://example.org/ada", "https://example.org/ada"),
    ],
)
def test_a_path_is_told_without_its_folders(given: str, told: str) -> None:
    assert portable_path(given) == told


def test_a_path_below_the_working_folder_is_told_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert portable_path(str(tmp_path / "runs" / "first")) == "runs/first"
    assert portable_path(str(tmp_path.parent / "elsewhere")) == "elsewhere"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("babelscope run /home/ada/a.toml --out /tmp/x", "babelscope run a.toml --out x"),
        ("babelscope run s.toml --set a.data=/home/ada", "babelscope run s.toml --set a.data=ada"),
        ("babelscope run s.toml --set 'lens.text=[\"/home/ada/t\", \"atlas\"]'",
         "babelscope run s.toml --set 'lens.text=[\"t\", \"atlas\"]'"),
        ("babelscope run '/home/ada lovelace/my study.toml'", "babelscope run 'my study.toml'"),
        ("babelscope run s.toml --set seeds=[0,1]", "babelscope run s.toml --set 'seeds=[0,1]'"),
        ("babelscope run /home/ada/it's", "babelscope run 'it'\"'\"'s'"),
    ],
)  # fmt: skip
def test_a_command_is_told_without_folders(given: str, told: str) -> None:
    assert portable_command(given) == told


def test_models_of_one_name_in_two_folders_stay_two() -> None:
    given = ["/a/model", "/b/model", "mini", "/a/model", "/c/model"]
    assert portable_names(given) == {
        "/a/model": "model", "/b/model": "model (2)", "mini": "mini", "/c/model": "model (3)",
    }  # fmt: skip

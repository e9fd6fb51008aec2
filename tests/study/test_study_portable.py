"""A study given by absolute paths names no folder of its machine in anything that it leaves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from babelscope import cli
from babelscope.models.folders import resolve_folder

STUDY = """
model = "MODEL"
targets = ["en"]
[recipes.default]
max_steps = 2
batch_size = 2
accumulation = 1
max_tokens = 320
answer_tokens = 6
[sources.mine]
language = "en"
data = "{own}/train.jsonl"
[test]
data = "{own}/test.jsonl"
[lens]
questions = 2
[align]
data = "atlas"
languages = ["en", "el"]
limit = 8
maps = false
"""


def rows(name: str) -> str:
    """Return three questions on three contexts as JSON lines."""
    told = [
        {
            "id": f"{name}{n}",
            "context": f"Of {name}: the river {n} is long, the town {n} is old.",
            "question": f"What is old in {name} {n}?",
            "answers": [f"town {n}"],
        }
        for n in range(3)
    ]
    return "".join(json.dumps(row) + "\n" for row in told)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `secret-home`, in which all lies, and the study `out` below it."""
    home = tmp_path_factory.mktemp("secret-home")
    model = shutil.copytree(resolve_folder("mini"), home / "my-model")
    data = home / "my-data"
    data.mkdir()
    for name in ("train", "test"):
        (data / f"{name}.jsonl").write_text(rows(name), encoding="utf-8")
    study = home / "mine.toml"
    study.write_text(STUDY.replace("MODEL", str(model)), encoding="utf-8")
    words = ["run", str(study), "--set", f"paths.own={data}", "--out", str(home / "out"), "--json"]
    assert cli.main(words) == 0
    assert cli.main(["report", str(home / "out"), "--tables", "csv", "--json"]) == 0
    return home


def test_no_file_names_the_folder(done: Path) -> None:
    files = [path for path in (done / "out").rglob("*") if path.is_file()]
    assert len(files) > 20
    secret = str(done).encode()
    assert [path.name for path in files if secret in path.read_bytes()] == []
    # compressed columns could hide it
    for path in (done / "out").glob("*.parquet"):
        texts = pl.read_parquet(path).select(pl.col(pl.String))
        for name in texts.columns:
            assert not texts[name].str.contains(str(done), literal=True).any(), (path.name, name)


def test_the_command_is_told_by_last_names(done: Path) -> None:
    plan = json.loads((done / "out" / "plan.json").read_text(encoding="utf-8"))
    assert plan["command"] == ("babelscope run mine.toml --out out --set paths.own=my-data")
    assert plan["model"]["name"] == "my-model"
    results = pl.read_parquet(done / "out" / "results.parquet")
    assert results["model"].unique().to_list() == ["my-model"]
    page = (done / "out" / "report" / "index.html").read_text(encoding="utf-8")
    assert "babelscope run mine.toml --out out --set paths.own=my-data" in page


def test_an_adapter_names_no_base(done: Path) -> None:
    [adapter] = (done / "out" / "store" / "adapters").iterdir()
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] is None
    card = json.loads((adapter / "babelscope.json").read_text(encoding="utf-8"))
    assert card["base_name"] == "my-model"


def test_a_page_of_an_older_study_is_cleaned_too(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "old"
    shutil.copytree(done / "out", copy, ignore=shutil.ignore_patterns("store", "report"))
    path = copy / "plan.json"
    plan = json.loads(path.read_text(encoding="utf-8"))
    plan["command"] = "babelscope run /home/ada/mine.toml --out /home/ada/out"
    plan["model"]["name"] = "/home/ada/models/my-model"
    path.write_text(json.dumps(plan), encoding="utf-8")
    assert cli.main(["report", str(copy)]) == 0
    page = (copy / "report" / "index.html").read_text(encoding="utf-8")
    assert "/home/ada" not in page
    assert "babelscope run mine.toml --out out" in page

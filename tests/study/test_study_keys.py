"""Whatever a study reads is in its key by content: each file is changed, one by one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from opened_files import opened_files
from study_inputs import CHANGES, WITHOUT_EFFECT, Change, setting, shards, swap, write_inputs

from babelscope.errors import BabelscopeError
from babelscope.study.materials import gather
from babelscope.study.output import is_complete, plan_digest
from babelscope.study.plan import read_plan
from babelscope.study.run import run_study
from babelscope.study.sections import planned_sections

TOLD = ("cost.csv", "plan.json", "complete.json")
"""What a study leaves beside its tables: times, and what they were made from."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("keys") / "inputs")


@pytest.fixture(scope="module")
def changes(inputs: Path) -> dict[str, Change]:
    return {**CHANGES, **shards(inputs)}


@pytest.fixture(scope="module")
def opened(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """The study once done, and the files that it opened."""
    out = tmp_path_factory.mktemp("studies") / "out"
    with opened_files(inputs) as found:
        run_study(read_plan(inputs / "study.toml"), out)
    return out, {path.relative_to(inputs).as_posix() for path in found}


@pytest.fixture
def changed(inputs: Path) -> Iterator[Path]:
    """The inputs, as they were again afterwards."""
    kept = inputs.with_name("kept")
    shutil.copytree(inputs, kept)
    yield inputs
    shutil.rmtree(inputs)
    kept.rename(inputs)


def key(inputs: Path) -> str:
    """The study's key, or why it is refused."""
    try:
        plan = read_plan(inputs / "study.toml")
        sections = [section.key for section in planned_sections(plan)]
        return plan_digest(plan, gather(plan), sections)
    except BabelscopeError as error:
        return f"refused: {error}"


def tables(out: Path) -> dict[str, bytes]:
    found = [p for p in out.iterdir() if p.suffix in (".parquet", ".csv", ".jsonl")]
    return {p.name: p.read_bytes() for p in found if p.name not in TOLD}


def test_every_file_that_is_opened_is_tried(
    opened: tuple[Path, set[str]], changes: dict[str, Change], inputs: Path
) -> None:
    assert opened[1] == {*changes, *WITHOUT_EFFECT}
    left = {p.relative_to(inputs).as_posix() for p in inputs.rglob("*") if p.is_file()}
    assert {"README.md", "model/.gitattributes", "model/README.md"} < left - opened[1]


def test_each_file_changes_the_key_and_what_nothing_reads_does_not(
    inputs: Path, changes: dict[str, Change]
) -> None:
    own = key(inputs)
    assert len(own) == 32
    same = []
    for name, change in changes.items():
        path, before = inputs / name, (inputs / name).read_bytes()
        change.make(path)
        if key(inputs) == own:
            same.append(name)
        path.write_bytes(before)
    assert same == []
    assert key(inputs) == own
    read = {inputs / name for name in changes}
    for path in inputs.rglob("*"):
        if path.is_file() and path not in read:
            path.write_bytes(path.read_bytes() + b"seven\n")
    (inputs / "model" / "LICENSE.md").write_text("seven")
    (inputs / ".cache").mkdir()
    (inputs / ".cache" / "config.json").write_text("{}")
    assert key(inputs) == own


def test_a_changed_study_is_not_taken_for_the_finished_one(
    opened: tuple[Path, set[str]], changed: Path
) -> None:
    out, own = opened[0], key(changed)
    assert is_complete(out, own)
    swap("seven", "eight")(changed / "texts" / "eng_Latn.txt")
    assert not is_complete(out, key(changed))


ASKED = ("model/generation_config.json", "model/tokenizer.json", "own.safetensors")
ASKED = (*ASKED, "texts/hin_Deva.txt", "reference.en.json")


@pytest.mark.parametrize("name", ASKED)
def test_tables_follow_a_changed_file_as_in_a_fresh_folder(
    name: str, changed: Path, tmp_path: Path
) -> None:
    study = changed / "study.toml"
    text = study.read_text(encoding="utf-8")
    text = text[: text.index("[align]")]
    if name == "model/tokenizer.json":  # the given map is refused beside another tokenizer
        text = text.replace(f', "{changed}/own.safetensors"', "")
    study.write_text(text, encoding="utf-8")
    before = tables(run_study(read_plan(study), tmp_path / "kept"))
    CHANGES[name].make(changed / name)
    after = tables(run_study(read_plan(study), tmp_path / "kept"))
    assert after != before
    assert after == tables(run_study(read_plan(study), tmp_path / "fresh"))


@pytest.mark.slow
def test_every_change_that_matters_shows_in_a_table_or_is_refused(
    opened: tuple[Path, set[str]], changes: dict[str, Change], inputs: Path, tmp_path: Path
) -> None:
    silent = []
    for number, (name, change) in enumerate(changes.items()):
        if not change.shows:
            continue
        out = shutil.copytree(opened[0], tmp_path / f"{number}")
        path, kept = inputs / name, (inputs / name).read_bytes()
        change.make(path)
        try:
            run_study(read_plan(inputs / "study.toml"), out)
            if tables(out) == tables(opened[0]):
                silent.append(name)
        except BabelscopeError:
            pass
        path.write_bytes(kept)
        shutil.rmtree(out)
    assert silent == []


def test_end_tokens_of_the_model_end_answers(changed: Path, tmp_path: Path) -> None:
    study = changed / "study.toml"
    text = study.read_text(encoding="utf-8")
    study.write_text(text[: text.index("[lens]")], encoding="utf-8")
    out = run_study(read_plan(study), tmp_path / "out")
    assert _ended(out) < 1
    setting(eos_token_id=list(range(512)))(changed / "model" / "generation_config.json")
    assert _ended(run_study(read_plan(study), out)) == 1


def _ended(out: Path) -> float:
    found = pl.read_parquet(out / "results.parquet").filter(
        (pl.col("measure") == "stop_eos") & (pl.col("recipe") == "base")
    )
    assert found.height == 2
    return float(found["value"].mean() or 0)

"""Two processes give the loss curve of one; what would be something else is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from toy_tuning import toy_loaded, toy_questions

from babelscope import cli
from babelscope.adapt.processes import OTHER_WAYS
from babelscope.adapt.recipes import RECIPES, change
from babelscope.adapt.saving import Saving
from babelscope.adapt.tuning import tune
from babelscope.errors import SettingError
from babelscope.models.adapters import read_adapter_card

SWITCHES = {
    **{"rank": 2, "batch_size": 2, "accumulation": 4, "max_steps": 4, "max_tokens": 320},
    **{"answer_tokens": 12, "precision": "fp32", "dropout": 0, "learning_rate": 0.01},
}


def tune_command(out: Path) -> list[str]:
    settings = [w for k, v in SWITCHES.items() for w in ("--set", f"{k}={v}")]
    data = ["--data", "atlas", "--language", "or", "--limit", "24", "--save-steps", "2"]
    return ["tune", "mini", *data, *settings, "--out", str(out), "--json"]


def test_two_processes_give_the_loss_curve_of_one(tmp_path: Path) -> None:
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_machines=1"]
    launcher += ["--num_processes=2", "--mixed_precision=no", "--dynamo_backend=no"]
    launcher += ["--num_cpu_threads_per_process=1", "-m", "babelscope.cli"]
    # one thread in both: with other numbers of threads sums are rounded otherwise
    threads = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False, env=threads)

    made = run([*launcher, *tune_command(tmp_path / "two")])
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["out"] == str(tmp_path / "two")  # one process tells it
    alone = run([sys.executable, "-m", "babelscope.cli", *tune_command(tmp_path / "one")])
    assert alone.returncode == 0, alone.stderr
    for variant in ("", "step-00002"):
        one, two = (read_adapter_card(tmp_path / n / variant) for n in ("one", "two"))
        assert len(one.loss_curve) == (2 if variant else 4)
        assert two.loss_curve == pytest.approx(one.loss_curve, rel=1e-5)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "two"]


@pytest.mark.parametrize("variable", OTHER_WAYS)
def test_other_ways_are_refused(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "true")
    recipe = change(RECIPES["default"], SWITCHES)
    with pytest.raises(SettingError, match="expected data parallel"):
        tune(toy_loaded("bloom"), toy_questions(4), recipe, seed=0, saving=Saving(tmp_path / "a"))


def test_batches_that_cannot_be_shared_out_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    recipe = change(RECIPES["default"], SWITCHES)
    with pytest.raises(SettingError, match=r"a multiple of the 3 processes.*found 4"):
        tune(toy_loaded("bloom"), toy_questions(4), recipe, seed=0, saving=Saving(tmp_path / "a"))


@pytest.mark.parametrize("command", [["run", "x.toml"], ["answer", "mini"], []])
def test_other_commands_take_one_process(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert cli.main(command) == 2
    assert "expected one process" in capsys.readouterr().err

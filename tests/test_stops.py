"""Interrupted commands say so in one line, tell it by their status, and can be continued."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from babelscope import cli, progress
from babelscope.errors import StoreError

LINE = "interrupted; run the same command again to continue\n"
DATA = ("--data", "atlas", "--language", "or", "--limit", "4")
STUDY = """
targets = ["en"]
[recipes.default]
max_steps = 2
batch_size = 1
accumulation = 1
max_tokens = 320
answer_tokens = 8
[sources.or]
language = "or"
data = "atlas"
limit = 8
[test]
data = "atlas"
questions = 6
"""

COMMANDS = {
    "demo": ((), "babelscope.study.run.run_study"),
    "run": (("study.toml",), "babelscope.study.run.run_study"),
    "status": (("x",), "babelscope.study.status.study_status"),
    "report": (("x",), "babelscope.report.files.write_files"),
    "tune": (("mini", *DATA, "--out", "x"), "babelscope.study.steps.tune_step"),
    "answer": (("mini", *DATA, "--out", "x"), "babelscope.study.steps.answer_step"),
    "score": (("x", *DATA[:4]), "babelscope.study.scoring.score_step"),
    "lens": (("mini", *DATA, "--out", "x"), "babelscope.study.lens_step.lens_step"),
    "lens-published": (("x", "--out", "x"), "babelscope.study.published.published_step"),
    "map-languages": (
        ("mini", "--text", "atlas", "--out", "x"),
        "babelscope.study.mapping.map_step",
    ),
    "check": (("mini",), "babelscope.study.check.check_model"),
    "align": (
        ("mini", *DATA[:2], "--language", "en", "--language", "or", "--out", "x"),
        "babelscope.study.align_step.align_step",
    ),
    "probe": (
        ("mini", "--task", "topic", *DATA[:2], "--out", "x"),
        "babelscope.study.probe_step.probe_step",
    ),
    "classify": (("mini", *DATA[:2], "--out", "x"), "babelscope.study.classify_step.classify_step"),
}
"""Each command: arguments, and the function that does its work."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path


def test_every_command_is_tried() -> None:
    named = {name for name in cli.app if not name.startswith("-")}
    assert named == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_interrupted_command_says_so(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, work = COMMANDS[command]

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(work, interrupt)
    assert cli.main([command, *arguments]) == 130
    assert capsys.readouterr() == ("", LINE)


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_signals_end_a_command_in_good_order(
    name: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = getattr(signal, name)
    usual = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
    before = signal.signal(number, usual)
    try:

        def work(*_: object) -> None:
            signal.raise_signal(number)

        monkeypatch.setattr("babelscope.study.status.study_status", work)
        assert cli.main(["status", "x"]) == status
        assert capsys.readouterr() == ("", LINE)
        assert signal.getsignal(number) is usual
        # who has another way with a signal, such as nohup, keeps it
        signal.signal(number, signal.SIG_IGN)
        monkeypatch.setattr(
            "babelscope.study.status.study_status", lambda _: signal.raise_signal(number) or {}
        )
        assert cli.main(["status", "x"]) == 0
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(
    "end", [ModuleNotFoundError("no module"), StoreError("x", expected="this"), None]
)
def test_a_signal_that_an_import_swallowed_still_ends_the_command(
    end: Exception | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """C code that imports clears what is raised in it; what is half imported then breaks."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def work(*_: object) -> dict[str, object]:
        with suppress(BaseException):
            signal.raise_signal(signal.SIGINT)
        if end is not None:
            raise end
        return {}

    try:
        monkeypatch.setattr("babelscope.study.status.study_status", work)
        assert cli.main(["status", "x"]) == 130
        assert capsys.readouterr().err == LINE
        monkeypatch.setattr("babelscope.study.status.study_status", lambda _: {})
        assert cli.main(["status", "x"]) == 0
    finally:
        signal.signal(signal.SIGINT, before)


def _usual_signals() -> None:
    # a shell's background jobs ignore Ctrl-C, and so would their children
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _stopped(arguments: Sequence[str], sign: Path, number: int) -> tuple[int, str]:
    """Run a command until `sign` is there, then send it a signal; returns status and last words."""
    process = subprocess.Popen(
        [sys.executable, "-m", "babelscope.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_usual_signals,
    )
    ends = time.monotonic() + 300
    while not sign.exists() and process.poll() is None and time.monotonic() < ends:
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=300)
    assert out == ""
    return process.returncode, err


def test_a_study_is_interrupted_and_continued(here: Path) -> None:
    run = ("run", "study.toml", "--out", "out", "--json")
    assert _stopped(run, here / "out" / "plan.json", signal.SIGINT) == (130, LINE)
    assert not (here / "out" / "complete.json").exists()
    assert not list((here / "out").rglob("*.tmp"))
    assert cli.main([*run]) == 0
    assert (here / "out" / "complete.json").exists()


def test_a_tune_is_stopped_by_a_time_limit(here: Path) -> None:
    tune = ("tune", "mini", *DATA, "--set", "max_steps=4000", "--set", "batch_size=1")
    sign = here / ".adapter.part" / "key"
    assert _stopped((*tune, "--out", "adapter"), sign, signal.SIGTERM) == (143, LINE)
    assert not (here / "adapter").exists()
    assert sign.is_file()


def test_before_anything_is_loaded(here: Path) -> None:
    """Python's own start aside, there is no moment at which a traceback would be shown."""
    code = (
        "import builtins, sys\nreal = builtins.__import__\n"
        "def late(name, *rest):\n"
        "    if name == 'cyclopts': raise KeyboardInterrupt\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = late\nimport babelscope.cli\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", LINE)


# pipes whose reader has gone


def test_nobody_reads_what_is_printed(here: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, "-m", "babelscope.cli", "run", "study.toml", "--dry-run"]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, "")


def test_nobody_reads_a_fault(here: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, "-m", "babelscope.cli", "status", "none"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    assert (done.returncode, done.stdout) == (2, "")


def test_nobody_reads_the_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    told = []
    with os.fdopen(theirs, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
        with progress.counting("work") as count:
            for done in range(3):
                count(done, 3)
                told.append(done)
    assert told == [0, 1, 2]

"""Progress: a live table in a terminal, plain lines elsewhere; the time left is what it says."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len
from terminals import in_terminal, piped

from babelscope.progress import LINE_SECONDS, Stage, Tally, duration, line_of
from babelscope.records import Event

EVENTS = """
import sys, time
from babelscope.progress import watching
from babelscope.records import Event
with watching({"answer": 2, "tune": 4}) as watch:
    for name in ("base ory_Orya", "base " + "x" * 90):
        for done in (0, 3, 6):
            watch(Event("answer", name, done, 6, 0, 6))
            time.sleep(0.15)
    watch(Event("tune", "default [red]\\x1b[31mOdia\\u202e seed 0", 5, 30, 2, 6))
    time.sleep(0.4)
"""


@pytest.mark.parametrize("columns", [100, 40])
def test_a_terminal_shows_a_live_table_that_fits(columns: int) -> None:
    status, text, raw = in_terminal(EVENTS, columns=columns)
    assert status == 0
    for words in ("stage", "done", "left", "now"):
        assert words in text
    assert "answer" in text
    assert "2/2" in text
    assert "0/4" in text
    assert max(cell_len(line) for line in re.split("[\r\n]", text)) <= columns
    # redrawn in place, and the cursor comes back
    assert b"\x1b[1A" in raw
    assert b"\x1b[?25l" in raw
    assert b"\x1b[?25h" in raw
    # a name neither colours nor steers: it is shown
    assert b"\x1b[31mOdia" not in raw
    if columns == 100:
        assert "[red]<U+001B>[31mOdia<U+202E>" in text


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_asks_for_plain_lines_gets_them(settings: dict[str, str]) -> None:
    status, text, raw = in_terminal(EVENTS, columns=100, settings=settings)
    assert status == 0
    assert text == "answer 0/2, tune 0/4; answer base ory_Orya 0/6\n"
    assert b"\x1b" not in raw


def test_a_pipe_gets_plain_lines_on_standard_error_alone() -> None:
    status, out, err = piped(EVENTS)
    assert (status, out) == (0, "")
    assert err == "answer 0/2, tune 0/4; answer base ory_Orya 0/6\n"


def test_lines_come_seldom_and_a_short_count_has_none() -> None:
    code = """
import babelscope.progress as progress
now = 0.0
progress.time.monotonic = lambda: now
for quiet in (False, True):
    with progress.counting("lens", quiet=quiet) as told:
        for done in range(26):
            told(done, 25)
            now += 1.0
"""
    status, out, err = piped(code)
    assert (status, out) == (0, "")
    assert err == "lens 10/25\nlens 20/25\n"
    assert LINE_SECONDS == 10


def test_quiet_means_quiet_in_a_terminal_too() -> None:
    code = EVENTS.replace('"tune": 4}', '"tune": 4}, quiet=True')
    assert in_terminal(code, columns=80)[:2] == (0, "")


def _tally(*told: tuple[float, str, str, int]) -> Tally:
    tally = Tally({"answer": Stage(4), "tune": Stage(2)})
    for now, stage, cell, done in told:
        tally.tell(Event(stage, cell, done, 10, 0, 6), now)
    return tally


def test_the_time_left_is_the_pace_so_far_times_what_is_left() -> None:
    tally = _tally((0, "answer", "a", 0), (20, "answer", "a", 10), (20, "answer", "b", 0))
    # one piece took 20 s; three are left
    assert tally.seconds_left("answer", 20) == 60
    tally.tell(Event("answer", "b", 5, 10, 1, 6), 35)
    # one and a half took 35 s; two and a half are left
    assert tally.seconds_left("answer", 35) == pytest.approx(2.5 * 35 / 1.5)
    assert tally.seconds_left("tune", 35) is None
    assert line_of(tally, 35) == "answer 1/4, tune 0/2; answer b 5/10; > 58 s left"


def test_what_was_there_already_counts_as_done_and_not_for_the_pace() -> None:
    tally = _tally((0, "answer", "a", 10), (0, "answer", "b", 10), (0, "answer", "c", 0))
    assert tally.seconds_left("answer", 0) is None
    tally.tell(Event("answer", "c", 10, 10, 2, 6), 8)
    tally.tell(Event("answer", "c", 10, 10, 2, 6), 9)  # told twice, counted once
    assert tally.seconds_left("answer", 9) == 8
    assert [len(s.ended) for s in tally.stages.values()] == [3, 0]


def test_a_piece_of_several_parts_is_done_with_the_last() -> None:
    tally = _tally((0, "tune", "t", 0), (5, "tune", "t", 10), (5, "tune", "t", 3))
    assert line_of(tally, 5).startswith("answer 0/4, tune 0/2; tune t 3/10")
    tally.tell(Event("tune", "t", 10, 10, 0, 6), 9)
    assert line_of(tally, 9).startswith("answer 0/4, tune 1/2")


def test_a_stage_that_the_plan_did_not_name_is_shown_without_a_total() -> None:
    tally = _tally((0, "probe", "p", 3))
    assert line_of(tally, 1) == "answer 0/4, tune 0/2, probe 0/?; probe p 3/10"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "?"),
        (0, "0 s"),
        (59.4, "59 s"),
        (61, "1 min"),
        (3540, "59 min"),
        (12000, "3 h 20 min"),
    ],
)
def test_times_are_told_as_people_do(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words

"""What commands print: tables that fit a terminal, plain aligned text in a pipe, JSON, one line."""

from __future__ import annotations

import json

import pytest
from rich.cells import cell_len
from terminals import in_terminal, piped

PRINT = """
from babelscope.cli.printing import print_values
score = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 48}
none = {"value": None, "low": None, "high": None, "n": 0}
lone = {"value": 0.5, "low": None, "high": None, "n": 1}
print_values({
    "measure": "mlqa_f1",
    "scores": [
        {"target": "ory_Orya", "base": score, "score": lone, "p_holm": 0.04},
        {"target": "zho_Hans 中文", "base": none, "score": score, "p_holm": None},
    ],
    "tied": ["a", "b"],
    "warnings": ["two words", "more\\u202e"],
    "hostile": "[red]x[/red]\\x1b[31m\\u202e\\x07\\nnext",
}, JSON)
"""


def test_a_pipe_gets_plain_aligned_text() -> None:
    status, out, err = piped(PRINT.replace("JSON", "False"))
    assert (status, err) == (0, "")
    assert out.split("\n") == [
        "measure: mlqa_f1",
        "scores:",
        "  target         base                            score                            p_holm",
        "  ory_Orya       0.500 (0.250 to 0.750), n = 48  0.500, n = 1                       0.04",
        "  zho_Hans 中文  no data                         0.500 (0.250 to 0.750), n = 48  no data",
        "tied: a, b",
        "warnings:",
        "  two words",
        "  more<U+202E>",
        "hostile: [red]x[/red]<U+001B>[31m<U+202E><U+0007> next",
        "",
    ]


def test_a_terminal_that_is_a_little_narrow_has_intervals_under_their_values() -> None:
    status, text, _ = in_terminal(PRINT.replace("JSON", "False"), columns=72)
    lines = [line.rstrip() for line in text.split("\n")]
    assert status == 0
    table = lines[lines.index("scores:") + 1 : lines.index("tied: a, b")]
    assert table == [
        "target         base              score              p holm",
        "ory_Orya       0.500, n = 48     0.500, n = 1         0.04",
        "               (0.250 to 0.750)",
        "zho_Hans 中文  no data           0.500, n = 48     no data",
        "                                 (0.250 to 0.750)",
    ]


@pytest.mark.parametrize("columns", [120, 40])
def test_a_terminal_gets_a_table_that_fits(columns: int) -> None:
    status, text, _ = in_terminal(PRINT.replace("JSON", "False"), columns=columns)
    lines = [line.rstrip() for line in text.split("\n")]
    assert status == 0
    tables = [line for line in lines if not line.startswith("hostile")]
    assert max(map(cell_len, tables)) <= columns
    assert "hostile: [red]x[/red]<U+001B>[31m<U+202E><U+0007> next" in text
    if columns == 120:
        assert any("p holm" in line and "base" in line for line in lines)
        assert any("no data" in line and "0.500 (0.250 to 0.750), n = 48" in line for line in lines)
    else:  # too narrow for a table: a block of lines for each row, every value whole
        table = lines[lines.index("scores:") + 1 : lines.index("tied: a, b")]
        assert table == [
            "ory_Orya",
            "  base: 0.500 (0.250 to 0.750), n = 48",
            "  score: 0.500, n = 1",
            "  p holm: 0.04",
            "zho_Hans 中文",
            "  base: no data",
            "  score: 0.500 (0.250 to 0.750), n = 48",
            "  p holm: no data",
        ]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_json_is_whole_whatever_standard_output_can_write(encoding: str) -> None:
    status, out, err = piped(PRINT.replace("JSON", "True"), {"PYTHONIOENCODING": encoding})
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["scores"][1]["target"] == "zho_Hans 中文"
    assert found["hostile"] == "[red]x[/red]\x1b[31m\u202e\x07\nnext"
    assert out.count("\n") == 1


@pytest.mark.parametrize("columns", [200, 40])
def test_an_error_in_a_terminal_is_one_line_that_steers_nothing(columns: int) -> None:
    code = """
import sys
from babelscope.cli import main
sys.exit(main(["score", "no\\x1b[31mne\\u202e\\n.jsonl", "--data", "atlas", "--language", "en"]))
"""
    status, text, raw = in_terminal(code, columns=columns)
    assert status == 2
    assert text.count("\n") == 1
    assert text.startswith("error: no<U+001B>[31mne<U+202E>")
    assert b"\x1b" not in raw


def test_an_argument_that_is_no_text_is_one_line() -> None:
    code = """
import sys
from babelscope.cli import main
sys.exit(main(["run", "a\\udcff.toml"]))
"""
    status, out, err = piped(code)
    assert (status, out) == (2, "")
    assert err == "error: argument a<U+DCFF>.toml: expected UTF-8, found other bytes\n"

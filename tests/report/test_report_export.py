"""Tables as files: raw numbers, escaped texts, no formulas, the same cells as the page's."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import polars as pl
import pytest
from fake_study import HALF, QUESTIONS, make_study

from babelscope.records import Estimate
from babelscope.report.cells import Number, Table, estimated, number, starred
from babelscope.report.export import as_csv, as_latex, as_markdown, with_n, write_tables
from babelscope.report.names import points
from babelscope.report.page import tables_of
from babelscope.report.tables import read_study

HOSTILE = (
    "=HYPERLINK(1)", "+1", "-2", "@SUM(A1)", "\ttab", "a & b % $c$ #1_x {y} ~ ^ \\cmd",
    "| pipe | `code` [link](x) <script>*", "line\nbreak\r\u2028x", 'quote " , comma', "ଓଡ଼ିଆ",
)  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def hostile() -> Table:
    rows = tuple((text, number(-0.5, "−50.0"), text) for text in HOSTILE)
    return Table("A & caption | with_marks", ("Name", "Value (95 %)", "=Text"), rows, names=1)


def test_planted_numbers_are_raw_in_csv(study: Path) -> None:
    write_tables(study, "csv")
    table = pl.read_csv(study / "report" / "tables" / "certainty.csv")
    row = table.filter((pl.col("Model") == "Odia") & (pl.col("Target") == "Odia")).row(
        0, named=True
    )
    assert row["Gain"] == pytest.approx(0.4012)
    assert row["Gain low"] == pytest.approx(0.4012 - HALF)
    assert row["Score high"] == pytest.approx(0.4212 + HALF)
    assert (row["n"], row["p after Holm"], row["Seeds"]) == (QUESTIONS, None, 1)
    assert row["p after Holm, these adapters"] == 0.0021
    base = table.filter(pl.col("Model") == "base model").row(0, named=True)
    assert (base["Gain"], base["p after Holm"]) == (None, None)
    shares = pl.read_csv(study / "report" / "tables" / "shares.csv")
    assert set(shares["exact"].drop_nulls()) == {0.4}


def test_csv_survives_a_round_trip_without_formulas(hostile: Table) -> None:
    head, *rows = csv.reader(io.StringIO(as_csv(hostile)))
    assert head == ["Name", "Value", "'=Text"]
    for text, row in zip(HOSTILE, rows, strict=True):
        guarded = f"'{text}" if text[0] in "=+-@\t" else text
        assert row == [guarded, "-0.5", guarded]


def test_latex_has_no_character_of_its_own_language(hostile: Table) -> None:
    text = as_latex(hostile)
    lines = text[text.index("\\midrule") :].splitlines()[1 : 1 + len(HOSTILE)]
    for line in lines:
        assert len(re.findall(r"(?<!\\)&", line)) == 2
        body = re.sub(r"\\(text[a-z]+\{\}|[&%$#_{}]|leftarrow)", "", line.removesuffix(r"\\"))
        assert re.sub(r"(?<!\\)&|\$-\$", "", body).translate(
            str.maketrans("", "", '%#_{}^\\<>|"')
        ) == re.sub(r"(?<!\\)&|\$-\$", "", body)
    assert text.count("{") - text.count("\\{") == text.count("}") - text.count("\\}")
    assert "A \\& caption \\textbar{} with\\_marks" in text
    assert "\\toprule" in text


def test_many_rows_become_a_longtable(hostile: Table) -> None:
    many = Table(hostile.caption, hostile.head, hostile.rows * 5, names=1)
    text = as_latex(many)
    assert "\\begin{longtable}{lrr}" in text
    assert text.index("\\midrule") < text.index("\\endhead")


def test_markdown_keeps_its_columns(hostile: Table) -> None:
    text = as_markdown(hostile)
    assert "<script>" not in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == len(HOSTILE) + 2
    for line in lines:
        assert len(re.findall(r"(?<!\\)\|", line)) == 4


def test_papers_have_interval_n_and_corrected_p() -> None:
    value = Estimate(0.42, 0.34, 0.5, 40)
    row = {"difference": 0.1, "low": 0.02, "high": 0.18, "p_holm": 0.03}
    row |= {"p_adapters_holm": 0.02, "seeds": 2}
    table = with_n(Table("t", ("Model", "F1"), (("a", starred(value, row)),), names=1))
    assert table.head == ("Model", "F1", "n")
    assert str(table.rows[0][1]) == "42.0"
    assert "| a | 42.0 (34.0 to 50.0)\\* | 40 |" in as_markdown(table)
    head, found = csv.reader(io.StringIO(as_csv(table)))
    assert dict(zip(head, found, strict=True)) == {
        "Model": "a", "F1": "0.42", "F1 low": "0.34", "F1 high": "0.5", "F1 n": "40",
        "F1 difference": "0.1", "F1 difference low": "0.02", "F1 difference high": "0.18",
        "F1 p after Holm": "0.03", "F1 p of these adapters after Holm": "0.02", "n": "40",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "mark"),
    [
        ({"seeds": 2, "p_holm": 0.04, "p_adapters_holm": 0.9}, r"\*"),
        ({"seeds": 2, "p_holm": 0.06, "p_adapters_holm": 0.04}, "†"),
        ({"seeds": 1, "p_holm": float("nan"), "p_adapters_holm": 0.04}, "†"),
        ({"seeds": 1, "p_holm": 0.01, "p_adapters_holm": 0.2}, ""),
        ({"seeds": 2, "p_holm": 0.06, "p_adapters_holm": 0.06}, ""),
    ],
)
def test_a_star_is_of_tuning_and_a_dagger_of_these_adapters(
    more: dict[str, float], mark: str
) -> None:
    row = {"difference": 0.1, "low": 0.02, "high": 0.18} | more
    cell = starred(Estimate(0.42, 0.34, 0.5, 40), row)
    text = as_markdown(Table("t", ("Model", "F1"), (("a", cell),), names=1))
    assert f"| a | 42.0 (34.0 to 50.0){mark} |" in text


def test_missing_is_empty_not_zero() -> None:
    nothing = estimated(Estimate(float("nan"), float("nan"), float("nan"), 0))
    table = Table("t", ("Model", "F1"), (("a", nothing),), names=1)
    assert as_csv(table).splitlines()[1] == "a,,,,0"
    assert "no data" in as_markdown(table)


def test_every_table_says_the_same_on_the_page_and_raw(study: Path) -> None:
    seen = 0
    for table in tables_of(read_study(study)).values():
        for row in table.rows:
            assert len(row) == len(table.head)
            for cell in row:
                if isinstance(cell, Number) and dict(cell.parts).get("low") is not None:
                    parts = dict(cell.parts)
                    shown = points(abs(float(parts[""] or 0)))
                    assert shown in cell.text.replace("+", "").replace("−", "") or not parts["low"]
                    seen += 1
    assert seen > 100


@pytest.mark.parametrize(("kind", "suffix"), [("latex", "tex"), ("markdown", "md"), ("csv", "csv")])
def test_every_table_with_rows_is_written(study: Path, kind: str, suffix: str) -> None:
    wanted = {
        f"{name.replace('_', '-')}.{suffix}"
        for name, table in tables_of(read_study(study)).items()
        if table.rows
    }
    assert {path.name for path in write_tables(study, kind)} == wanted
    assert {"certainty", "measures", "shares", "interference", "groups"} <= {
        name.partition(".")[0] for name in wanted
    }

"""What the report says of the lens: maps side by side, silenced languages, lens-only studies."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import polars as pl
import pytest
from fake_study import make_study
from markupsafe import Markup

from babelscope.report import inner, maps
from babelscope.report.cells import Table
from babelscope.report.lensview import lens_view
from babelscope.report.page import render
from babelscope.report.tables import COLUMNS, Tables, read_study


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return read_study(make_study(tmp_path_factory.mktemp("lens")))


@pytest.fixture(scope="module")
def lens_only(tables: Tables) -> Tables:
    plan = tables.plan | {"sources": [], "recipes": [], "task": "translation"}
    bare = {name: pl.DataFrame(schema=COLUMNS[name]) for name in COLUMNS if name != "lens"}
    lens = tables.lens.filter(pl.col("source") == "")
    return dataclasses.replace(tables, plan=plan, lens=lens, samples=(), **bare)


def text(sentences: tuple[Markup, ...]) -> str:
    return " ".join(s.striptags() for s in sentences).replace("\u00a0", " ")


def planted(tables: Tables, name: str, depth: int, value: float, p: float) -> Tables:
    """Return the tables with another change of Bengali's mass in (or, Odia) by a map."""
    here = (
        (pl.col("source") == "or")
        & (pl.col("target") == "ory_Orya")
        & (pl.col("language") == "ben_Beng")
        & (pl.col("measure") == "mass")
        & (pl.col("kind") == "difference")
        & (pl.col("map") == name)
        & (pl.col("depth") == depth)
    )
    columns = {"value": value, "low": value - 0.01, "high": value + 0.01, "p_value": p}
    changed = [pl.when(here).then(v).otherwise(pl.col(c)).alias(c) for c, v in columns.items()]
    return dataclasses.replace(tables, lens=tables.lens.with_columns(changed))


def texts(table: Table) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(map(str, row)) for row in table.rows)


def test_maps_stand_side_by_side(tables: Tables) -> None:
    rows = [row for row in texts(maps.comparison(tables)) if row[0] == "Odia"]
    assert [row[2:4] for row in rows] == [
        ("3", "rise"),
        ("3", "fall"),
        ("6", "rise"),
        ("6", "fall"),
    ]
    assert rows[3][4:] == (
        "no fall", "Bengali −5.0 (−7.0 to −3.0), p\u00a0=\u00a00.010", "no, clear by one map only",
    )  # fmt: skip
    assert [row[6] for row in rows[:3]] == ["neither is clear"] * 3
    clear = maps.telling(tables).rows
    assert clear == tuple(r for r in maps.comparison(tables).rows if r[-1] != "neither is clear")
    assert len(clear) == 1
    said = text(maps.verdict(tables))
    assert said == (
        "Of 4 readings, the maps agree in 0 and differ in 1; in 3 neither tells anything clear."
    )


@pytest.mark.parametrize(("p", "verdict"), [(0.002, "yes"), (0.4, "no, clear by one map only")])
def test_maps_agree_by_language_and_certainty(tables: Tables, p: float, verdict: str) -> None:
    rows = texts(maps.comparison(planted(tables, "counted", 6, -0.08, p)))
    fall = next(r for r in rows if r[:4] == ("Odia", "Odia", "6", "fall"))
    assert fall[6] == verdict
    assert fall[4].startswith("Bengali −8.0 (−9.0 to −7.0)")


def test_two_clear_languages_are_a_difference(tables: Tables) -> None:
    other = pl.when(pl.col("language") == "ben_Beng").then(pl.lit("eng_Latn"))
    other = other.when(pl.col("language") == "eng_Latn").then(pl.lit("ben_Beng"))
    swapped = planted(tables, "counted", 6, -0.08, 0.002)
    here = (pl.col("map") == "counted") & pl.col("measure").eq("mass")
    names = pl.when(here).then(other.otherwise(pl.col("language"))).otherwise(pl.col("language"))
    lens = swapped.lens.with_columns(names.alias("language"))
    rows = texts(maps.comparison(dataclasses.replace(tables, lens=lens)))
    fall = next(r for r in rows if r[:4] == ("Odia", "Odia", "6", "fall"))
    assert fall[4:] == (
        "English −8.0 (−9.0 to −7.0), p\u00a0=\u00a00.002",
        "Bengali −5.0 (−7.0 to −3.0), p\u00a0=\u00a00.010",
        "no, another language",
    )


def test_without_tuning_the_largest_masses_are_compared(lens_only: Tables) -> None:
    rows = texts(maps.comparison(lens_only))
    # counted: Odia .41 +- .02, Bengali .254; langid: all three at .3, so none is clear
    assert rows == (
        (
            "base model", "Odia", "3", "most", "Odia 23.0 (21.0 to 25.0)",
            "Bengali 30.0 (28.0 to 32.0)", "no, clear by one map only",
        ),
        (
            "base model", "Odia", "6", "most", "Odia 41.0 (39.0 to 43.0)",
            "Bengali 30.0 (28.0 to 32.0)", "no, clear by one map only",
        ),
    )  # fmt: skip


def test_quality_of_the_maps_is_told(tables: Tables) -> None:
    assert texts(maps.quality(tables)) == (
        ("counted", "1.37", "3.40", "61.2\u00a0%", "0.012"),
        ("langid", "4.81", "3.40", "24.0\u00a0%", "0.310"),
    )


def test_a_single_map_is_said(tables: Tables) -> None:
    single = dataclasses.replace(tables, lens=tables.lens.filter(pl.col("map") != "langid"))
    assert maps.comparison(single).rows == ()
    assert maps.verdict(single) == ()
    assert "by a single language map" in render(single)


def test_silence_is_read_in_the_contest(tables: Tables) -> None:
    said = text(inner.silence(tables).sentences)
    # two clear gains: (or, Odia) has a contest with Bengali; (ru, Odia) has none and no change
    assert "Where a rise is decided (2 cases)" in said
    # of the 15 others none fell: two of seventeen cases, one with the only fall, p = 2 / 17
    assert "fell in 1 and rose in 0; where no rise is decided, in 0 of 15" in said
    assert "no difference is shown (Fisher’s exact p = 0.12" in said
    assert "Bengali fell by −12.0 (−14.0 to −10.0) points at depth 5 (p = 0.004" in said


def test_silence_may_be_the_reverse_or_unknown(tables: Tables) -> None:
    lens = tables.lens.filter(~pl.col("subset").str.starts_with("contest:"))
    risen = planted(dataclasses.replace(tables, lens=lens), "counted", 5, 0.12, 0.004)
    assert "fell in 0 and rose in 1" in text(inner.silence(risen).sentences)
    blind = dataclasses.replace(tables, lens=lens.clear())
    assert "did not look inside" in text(inner.silence(blind).sentences)
    level = dataclasses.replace(tables, comparisons=tables.comparisons.clear())
    assert "No rise of a score is decided" in text(inner.silence(level).sentences)


def test_lens_only_study_speaks_of_the_lens(lens_only: Tables) -> None:
    assert inner.is_lens_only(lens_only)
    said = text(inner.leaning(lens_only).sentences)
    # base, Odia: own mass .05 + .06 x depth, Bengali .05 + .034 x depth, both +- .02
    assert "For Odia: the middle depth (3) leans to Odia, 23.0 % (21.0 to 25.0);" in said
    assert "the last depth (6) leans to Odia, 41.0 % (39.0 to 43.0)." in said
    page = render(lens_only)
    assert "To which language does each depth lean?" in page
    assert "Nothing was tuned: the study has no sources." in page
    assert "<tbody>\n</tbody>" not in page
    assert page.count("The study asked for no answers.") == 1
    assert "No reasons of stopping" not in page
    for empty in ("Which source is best", "holds no comparison of a tuned model", "0 sources"):
        assert empty not in page


def test_leaning_names_a_rival_whose_interval_overlaps(lens_only: Tables) -> None:
    near = pl.when(pl.col("language") == "ben_Beng").then(0.22).otherwise(pl.col("value"))
    lens = lens_only.lens.with_columns(near.alias("value"), pl.lit(0.0).alias("low"))
    said = text(inner.leaning(dataclasses.replace(lens_only, lens=lens)).sentences)
    assert "its interval overlapping that of Bengali" in said


def test_the_panel_offers_what_was_read(tables: Tables) -> None:
    view = lens_view(tables)
    assert view is not None
    names = [name for name, _ in view.data["drawn"]]
    assert names == [
        "mass", "attention", "feed_forward", "entropy_bits", "next_probability", "gold",
    ]  # fmt: skip
    assert [m for m, _ in view.data["maps"]] == ["counted", "langid"]
    assert view.data["steps"]["default or"] == [30, 15]
    assert view.data["equal"] == {"ory_Orya": "Bengali 3 of 40"}
    cell = view.data["cells"]["ory_Orya|default or|30|last|all|entropy_bits|"]
    # bits and distances in thousandths, p in ten-thousandths
    assert cell["difference"][""] == [0, [-1000] * 7, [500] * 7, [500] * 7, [10] * 7]
    assert cell["value"][""][1][0] == 11_500
    assert view.data["depths"][0] == list(range(7))
    json.dumps(view.data, allow_nan=False)


def test_what_does_not_fit_is_named(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("babelscope.report.lensview.NUMBERS", 4 * 200)
    view = lens_view(tables)
    assert view is not None
    assert view.left_out.startswith("subsets other than all questions, saved steps before the last")
    assert not any("contest" in key for key in view.data["cells"])


def test_a_page_is_written_from_the_files(tables: Tables, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text(render(tables), encoding="utf-8")
    assert "Does the language map change the conclusion?" in page.read_text(encoding="utf-8")

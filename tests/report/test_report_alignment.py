"""What the report packs of alignment, and that its script draws it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from babelscope.data.bitext import read_bitext
from babelscope.report.alignment import AlignmentView, alignment_view
from babelscope.report.names import isolated
from babelscope.report.page import embed
from babelscope.study.align_plan import AlignPlan
from babelscope.study.align_tables import SCHEMA, States, alignment_table, map_sample

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

LANGUAGES = ("en", "de", "hi", "mr")
DEPTHS, WIDTH = 3, 8


@pytest.fixture(scope="module")
def study() -> tuple[pl.DataFrame, dict[str, Any]]:
    bitext = read_bitext("atlas:test", LANGUAGES)[0]
    n = len(bitext.ids)
    rng = np.random.default_rng(0)
    meaning = rng.standard_normal((DEPTHS, n, WIDTH))
    states = {
        code: States(meaning + 0.5 * rng.standard_normal((DEPTHS, n, WIDTH)), np.arange(n))
        for code in bitext.texts
    }
    plan = AlignPlan("atlas:test", LANGUAGES)
    codes, items = map_sample(bitext)
    hostile = "</script><b>"
    told = {
        "name": bitext.name,
        "languages": list(codes),
        "items": n,
        "dropped": {"empty in a language": 2},
        "noted": {},
        "truncated": {"cut in hin_Deva": 1},
        "map_items": {bitext.ids[i]: hostile for i in items},
    }
    settings = {"unit": plan.unit, "carrier": "", "pooling": "mean", "dtype": "float32"}
    return alignment_table(bitext, states), settings | {"sets": [told]}


@pytest.fixture(scope="module")
def view(study: tuple[pl.DataFrame, Mapping[str, Any]]) -> AlignmentView:
    found = alignment_view(*study)
    assert found is not None
    return found


def test_no_rows_give_no_panel() -> None:
    assert alignment_view(pl.DataFrame(schema=SCHEMA), {"sets": []}) is None


def test_curves_are_those_of_the_table(
    view: AlignmentView, study: tuple[pl.DataFrame, Mapping[str, Any]]
) -> None:
    (packed,) = view.data["sets"]
    assert packed["depths"] == [0, 1, 2]
    series = packed["curves"]["accuracy"]["hin_Deva|eng_Latn"]
    own = study[0].filter(
        (pl.col("measure") == "accuracy")
        & (pl.col("source") == "hin_Deva")
        & (pl.col("target") == "eng_Latn")
    )
    for name in ("value", "low", "high"):
        np.testing.assert_allclose(series[name], own.sort("depth")[name], atol=5e-5)
    kinds = {key: (control, kind) for key, _, (control, _), kind in view.data["measures"]}
    assert kinds["accuracy"] == ("accuracy_chance", "directed")
    assert kinds["cka"] == ("cka_shuffled", "pair")
    assert kinds["effective_rank"] == ("effective_rank_normal", "language")
    assert kinds["meaning_share"] == ("meaning_share_shuffled", "all")
    for control, _ in kinds.values():
        assert not control or control in packed["curves"]


def test_missing_numbers_are_null_and_the_page_can_carry_the_rest(view: AlignmentView) -> None:
    text = json.dumps(view.data, allow_nan=False)
    assert len(text) < 200_000
    chance = view.data["sets"][0]["curves"]["accuracy_chance"]["|"]
    assert "low" not in chance


def test_maps_and_trees_stand_for_every_depth(view: AlignmentView) -> None:
    (packed,) = view.data["sets"]
    found = packed["map"]
    assert (len(found["languages"]), len(found["items"])) == (4, 60)
    for kind in ("pca", "tsne"):
        assert np.shape(found["points"][kind]) == (DEPTHS, 2, 4 * 60)
    assert sorted(packed["trees"][1]["order"]) == [0, 1, 2, 3]
    assert np.shape(packed["trees"][1]["places"]) == (3, 4)


def test_points_follow_languages_and_items(
    view: AlignmentView, study: tuple[pl.DataFrame, Mapping[str, Any]]
) -> None:
    found = view.data["sets"][0]["map"]
    language, item = 2, 17
    own = study[0].filter(
        (pl.col("measure") == "pca_y")
        & (pl.col("depth") == 1)
        & (pl.col("source") == found["languages"][language])
        & (pl.col("item") == found["items"][item])
    )
    drawn = found["points"]["pca"][1][1][language * 60 + item]
    assert drawn == pytest.approx(own["value"].item(), abs=0.006)


def test_notes_tell_pooling_and_what_was_left_out(view: AlignmentView) -> None:
    said = " ".join(note.striptags() for note in view.notes)
    for words in ("mean over the text’s tokens", "float32", "empty in a language 2",
                  "cut in hin_Deva 1", "12 of 12 directions", "random weights"):  # fmt: skip
        assert words in said


def test_the_summary_sets_each_number_beside_its_control(view: AlignmentView) -> None:
    rows = view.summary.rows
    assert [row[:3] for row in rows[:2]] == [
        ("English – German", "atlas:test", "1"),
        ("English – German", "atlas:test", "2"),
    ]
    accuracy = rows[0][3 + 2]
    assert accuracy.endswith(f"| {1 / 60:.3f}")
    assert "to" in accuracy


def test_missing_values_are_said_to_be_missing(
    study: tuple[pl.DataFrame, Mapping[str, Any]],
) -> None:
    frame, settings = study
    lost = frame.with_columns(
        pl.when(pl.col("measure") == "cka").then(math.nan).otherwise(pl.col("value")).alias("value")
    )
    found = alignment_view(lost, settings)
    assert found is not None
    assert {row[-1].split(" |")[0] for row in found.summary.rows} == {"no data"}


def asset(name: str) -> Markup:
    return Markup(resources.files("babelscope.report").joinpath(name).read_text(encoding="utf-8"))


def page_of(view: AlignmentView) -> str:
    environment = Environment(
        loader=PackageLoader("babelscope.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["bdi"] = isolated
    text = (
        "{% import 'macros.html.j2' as m %}{% from 'alignment.html.j2' import alignment %}"
        '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<meta name="viewport" content="width=device-width"><title>t</title>'
        "<style>{{ style }}</style><body><section>{{ alignment(view, m) }}</section>"
        '<script type="application/json" id="figures">{}</script>'
        '<script type="application/json" id="alignment">{{ data }}</script>'
        "{% for s in scripts %}<script>{{ s }}</script>{% endfor %}"
    )
    names = ("vendor/plotly-cartesian.min.js", "templates/report.js", "templates/alignment.js")
    return environment.from_string(text).render(
        view=view,
        data=embed(view.data),
        style=asset("templates/style.css"),
        scripts=[asset(name) for name in names],
    )


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_panel_draws_and_follows_its_controls(
    browser: api.Browser, view: AlignmentView, tmp_path: Path, width: int, scheme: str
) -> None:
    path = tmp_path / "index.html"
    path.write_text(page_of(view), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 3000}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    drawn = "[...document.querySelectorAll('.plot')].filter(p => p.querySelector('svg')).length"
    assert page.evaluate(drawn) == 3 + 3
    page.select_option("#alignment-measure", "accuracy")
    page.select_option("#alignment-language", "hin_Deva")
    page.click("details summary")
    first = page.inner_text("#alignment-table tbody tr").split("\t")
    series = view.data["sets"][0]["curves"]["accuracy"]["hin_Deva|eng_Latn"]
    assert first[:2] == ["Hindi – English", "0"]
    assert float(first[2].split()[0]) == pytest.approx(series["value"][0], abs=0.006)
    assert first[4] == "0.017"
    page.fill("#alignment-depth", "2")
    assert page.inner_text("#alignment-depth-told") == "2"
    assert "at depth 2" in page.inner_text("#alignment-heat-title")
    page.select_option("#alignment-kind", "tsne")
    assert "60 of 60 items" in page.inner_text("#alignment-sample")
    page.select_option("#alignment-measure", "meaning_share")
    assert not page.is_visible("#alignment-heat")
    assert page.evaluate(drawn) >= 3
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()

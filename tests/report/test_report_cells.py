"""The page behind each cell, and what came in which language: the tables' own numbers."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any
from urllib.parse import unquote

import polars as pl
import pytest
from fake_study import CONTROL, MISSING_CELL, QUESTIONS, SOURCES, TARGETS, WRONGLY, make_study

from babelscope.report.cellpages import MEASURES, cell_pages
from babelscope.report.export import as_csv
from babelscope.report.html import embed
from babelscope.report.matrix import cell_address
from babelscope.report.names import measure_name
from babelscope.report.produced import produced_table, produced_view
from babelscope.report.scorers import control_panels, control_table, control_verdict
from babelscope.report.tables import Tables, read_study

EFFICIENCY = "Transfer efficiency (score; what the base knew is in it)"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return read_study(make_study(tmp_path_factory.mktemp("cells")))


@pytest.fixture(scope="module")
def pages(tables: Tables) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(str(embed(cell_pages(tables))))
    return found


def written(value: float, *, sign: bool = False) -> str:
    """A number as the page writes it: points of 100 with one decimal and a real minus."""
    text = f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"
    return text.replace("-", "−") if float(text) else "0.0"


def spans(row: dict[str, Any], name: str, *, sign: bool = False) -> str:
    value, low, high = (written(row[k], sign=sign) for k in (name, "low", "high"))
    return f"{value} ({low} to {high})"


def test_every_cell_has_the_numbers_of_the_tables(tables: Tables, pages: dict[str, Any]) -> None:
    results = tables.results.filter(pl.col("task") == "qa")
    scores = {(r["source"], r["target"], r["measure"]): r for r in results.iter_rows(named=True)}
    gains = {
        (r["source"], r["target"]): r
        for r in tables.comparisons.filter(pl.col("task") == "qa").iter_rows(named=True)
    }
    seen = 0
    for source, _, _ in SOURCES:
        for target in TARGETS:
            page = pages["cells"]["default"][source][target]
            if (source, target) == MISSING_CELL:
                assert [row[2] for row in page["measures"]] == ["no data"] * len(page["measures"])
                continue
            for place, base, tuned, gain, p, holm, adapters, needed, n in page["measures"]:
                measure = MEASURES[place]
                assert base == spans(scores["", target, measure], "value")
                assert tuned == spans(scores[source, target, measure], "value")
                assert n == str(QUESTIONS)
                if measure != "mlqa_f1":  # the only one that the study compared
                    assert (gain, p, holm, adapters, needed) == ("not compared", *["—"] * 4)
                    continue
                row = gains[source, target]
                seen += 1
                assert gain == spans(row, "difference", sign=True)
                for said, number in ((p, row["p_adapters"]), (adapters, row["p_adapters_holm"])):
                    digits = 3 if number < 0.1 else 2
                    assert said in (f"{number:.{digits}f}", "<\u00a00.001")
                assert holm == "one seed"
                decided = needed == "decided, these adapters only"
                assert decided == (row["p_adapters_holm"] < 0.05)
    assert seen == len(SOURCES) * len(TARGETS) - 1


def test_a_page_tells_causes_languages_and_facts(pages: dict[str, Any]) -> None:
    page = pages["cells"]["default"]["or"]["ell_Grek"]
    assert page["title"] == "Greek, tuned on Odia"
    names = [pages["causes"][place][1] for place, *_ in page["causes"]]
    assert names == ["exact", "over-generation", "wrong script", "wrong span"]
    assert page["causes"][0] == [0, "40.0", "40.0"]
    assert page["languages"] == [
        ["Greek", "35.0", "35.0"], ["Bengali", "15.0", "15.0"], ["exact answer", "40.0", "40.0"],
        ["undecided", "10.0", "10.0"],
    ]  # fmt: skip
    facts = dict(page["facts"])
    assert facts[EFFICIENCY] == "80.0 % (72.0 to 88.0)"
    assert facts["Gain as a share of that in the source’s language"] == "80.0 % (72.0 to 88.0)"
    assert facts["Gain as a share of self-tuning’s"] == "80.0 % (72.0 to 88.0)"
    assert facts["Seeds"] == "a single seed"
    # planted: 1.1 of the gold's length, and half of the loss of 25.3 points is over-generation
    assert facts["Length of the answers, % of the gold’s"].startswith(
        "110.0 (102.0 to 118.0) → 160.7"
    )
    share = facts["Loss of SQuAD F1 that over-generation explains"].replace("\u00a0", " ")
    assert share == "50 % (42 % to 58 %) of 25.3 points"
    other = pages["cells"]["default"]["ru-nllb"]["ell_Grek"]
    assert dict(other["facts"])[EFFICIENCY] == "no data: the source has no test set"


def test_the_price_of_an_open_cell_is_told(pages: dict[str, Any]) -> None:
    page = pages["cells"]["default"]["ru-nllb"]["eng_Latn"]
    row = next(r for r in page["measures"] if MEASURES[r[0]] == "mlqa_f1")
    # (.4 / .021)^2 x 10 = 3,628 needed, 40 asked
    assert row[7] == "3,629 questions"


@pytest.mark.parametrize(
    ("base", "tuned", "told"),
    [(math.nan, 0.3, "no data"), (0.5, 0.3, "no data"), (0.3, 0.5, "nothing was lost")],
)
def test_a_loss_that_is_not_known_is_not_none(
    tables: Tables, base: float, tuned: float, told: str
) -> None:
    greek = (pl.col("target") == "ell_Grek") & (pl.col("task") == "qa")
    f1 = greek & (pl.col("measure") == "squad_f1")
    prefix = greek & (pl.col("measure") == "squad_f1_best_prefix") & (pl.col("source") == "")
    value = (
        pl.when(f1 & (pl.col("source") == "")).then(base)
        .when(f1 & (pl.col("source") == "or")).then(tuned)
        .when(prefix).then(math.nan)
        .otherwise(pl.col("value"))
    )  # fmt: skip
    results = tables.results.with_columns(value=value)
    changed = dataclasses.replace(tables, results=results)
    page = cell_pages(changed)["cells"]["default"]["or"]["ell_Grek"]
    assert dict(page["facts"])["Loss of SQuAD F1 that over-generation explains"] == told


def test_a_base_has_its_own_page(pages: dict[str, Any]) -> None:
    page = pages["cells"]["base"][""]["tha_Thai"]
    assert page["title"] == "Thai, base model"
    assert pages["measures"][page["measures"][0][0]] == measure_name("squad_f1")
    assert page["measures"][0][1:] == ["48.0 (40.0 to 56.0)", "40"]
    assert page["causes"][0] == [0, "40.0"]


def test_addresses_hold_any_name() -> None:
    address = cell_address("default", "de<b>&marian/x#?", "arb_Arab")
    assert address.count("/") == 3
    parts = address.removeprefix("#cell/").split("/")
    assert [unquote(p) for p in parts] == ["default", "de<b>&marian/x#?", "arb_Arab"]
    assert cell_address("base", "", "x") == "#cell/base//x"
    assert cell_address("a\u202eb", "\ud800", "x") == "#cell/aU%2B202Eb/U%2BD800/x"


def test_languages_asked_and_produced(tables: Tables) -> None:
    table = produced_table(tables)
    languages = ("Odia", "Bengali", "Greek", "Arabic", "Thai", "English")
    heads = (*languages, "exact answer", "undecided", "n")
    assert table.head[2:] == heads
    rows = {(str(r[0]), str(r[1])): [str(c) for c in r[2:]] for r in table.rows}
    assert rows["base model", "Greek"] == ["0", "15.0", "35.0", "0", "0", "0", "40.0", "10.0", "40"]
    assert ("Russian (nllb)", "Thai") not in rows
    assert len(rows) == (len(SOURCES) + 1) * len(TARGETS) - 1
    line = next(x for x in as_csv(table).split("\n") if x.startswith("base model,Greek,"))
    raw = [float(x) if x else None for x in line.split(",")[2:]]
    # none of the answers has no interval; the others have theirs
    assert raw[:8] == [0.0, None, None, None, 0.15, pytest.approx(0.07), pytest.approx(0.23), 40]
    view = produced_view(tables)
    assert view is not None
    assert view["models"][0] == "base model"
    assert view["cells"][0][TARGETS.index("ell_Grek")] == [
        "", "15.0", "35.0", "", "", "", "40.0", "10.0",
    ]  # fmt: skip
    assert view["judged"] is True
    old = tables.results.filter(pl.col("measure") != "produced_exact")
    counted_in = produced_view(Tables(**{**vars(tables), "results": old}))
    assert counted_in is not None
    assert counted_in["judged"] is False
    russian = [name for name, _, _ in SOURCES].index(MISSING_CELL[0]) + 1
    assert view["cells"][russian][TARGETS.index("tha_Thai")] is None


def test_an_unknown_language_that_came_has_a_column_of_its_own(tables: Tables) -> None:
    renamed = pl.col("measure").replace({f"produced_{WRONGLY}": "produced_rus_Cyrl"})
    other = Tables(**{**vars(tables), "results": tables.results.with_columns(measure=renamed)})
    assert produced_table(other).head[2:] == (
        "Odia", "Bengali", "Greek", "Arabic", "Thai", "English", "Russian", "exact answer",
        "undecided", "n",
    )  # fmt: skip


def test_scorers_stand_beside_their_controls(tables: Tables) -> None:
    table = control_table(tables)
    row = next(r for r in table.rows if (str(r[0]), str(r[1])) == ("base model", "Thai"))
    told = [dict(cell.parts)[""] for cell in row[2:] if not isinstance(cell, str)]
    own = CONTROL["tha_Thai"]
    assert told == [
        0.48,
        own["squad_f1"],
        0.48,
        own["mlqa_f1"],
        pytest.approx(0.58),
        own["char_f1"],
    ]
    said = control_verdict(tables)[0].striptags()
    assert "SQuAD F1 would give between 31.0 (Thai) and 91.0 (" in said
    assert "character F1 would give between 96.0 (Thai) and 97.0 (" in said
    panels = control_panels(tables)
    assert [p.title for p in panels][:2] == ["base model", "tuned on Odia"]
    marks = [t for t in panels[0].figure["data"] if t["mode"] == "markers"]
    thai = TARGETS.index("tha_Thai")
    drawn = {(t["marker"]["symbol"], t["marker"]["color"] == "@paper"): t["x"][thai] for t in marks}
    assert drawn == {
        ("circle", False): 48.0, ("circle", True): 31.0, ("square", False): 48.0,
        ("square", True): 94.0, ("diamond", False): 58.0, ("diamond", True): 96.0,
    }  # fmt: skip


def test_a_study_of_an_older_version_has_neither(tables: Tables) -> None:
    old = tables.results.filter(~pl.col("measure").str.contains("^(cut_gold|produced)_"))
    bare = Tables(**{**vars(tables), "results": old})
    assert produced_view(bare) is None
    assert produced_table(bare).rows == control_table(bare).rows == ()
    assert control_panels(bare) == ()
    assert control_verdict(bare) == ()
    assert "languages" not in cell_pages(bare)["cells"]["default"]["or"]["ell_Grek"]

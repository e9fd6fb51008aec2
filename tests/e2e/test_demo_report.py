"""The demo's report, from disk: every control, and the numbers are those of the tables."""

from __future__ import annotations

import json
import math
from pathlib import Path

import axe_playwright_python
import polars as pl
import pytest
from opened import DRAWN, Open, Opened

pytestmark = pytest.mark.e2e
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
SCREENS = Path(__file__).resolve().parents[2] / "build" / "screenshots"
LOOKS = [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")]


def plan_of(demo: Path) -> dict[str, object]:
    return json.loads((demo / "plan.json").read_text(encoding="utf-8"))


def report_of(demo: Path) -> Path:
    return demo / "report" / "index.html"


def points(share: float) -> str:
    return f"{100 * share:.1f}"


def assert_quiet(opened: Opened, path: Path) -> None:
    assert opened.complaints == []
    assert set(opened.requests) == {path.as_uri()}


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_it_draws_alone_fits_and_is_accessible(
    open_page: Open, demo: Path, width: int, scheme: str
) -> None:
    path = report_of(demo)
    opened = open_page(path, width, scheme)
    page = opened.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    empty = page.evaluate(
        "[...document.querySelectorAll('main section')].filter(s => s.innerText.length < 40)"
        ".map(s => s.id)"
    )
    assert empty == []
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"demo-{width}-{scheme}.png", full_page=True)
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    told = [
        (v["id"], v["impact"], [n["html"][:120] for n in v["nodes"]]) for v in found["violations"]
    ]
    assert told == []
    assert_quiet(opened, path)


def test_every_control_takes_every_value(open_page: Open, demo: Path) -> None:
    path = report_of(demo)
    opened = open_page(path)
    page = opened.page
    turned = 0
    for control in page.query_selector_all("main select"):
        values = control.evaluate("s => [...s.options].map(o => o.value)")
        name = control.get_attribute("id")
        if not control.is_visible():
            continue
        first = control.input_value()
        for value in [*values, first]:
            control.select_option(value)
            opened.until(DRAWN)
            assert opened.complaints == [], (name, value)
            turned += 1
    for tab in page.query_selector_all("main input[type=radio]"):
        tab.evaluate("t => t.click()")
        assert tab.is_checked()
        turned += 1
    for summary in page.query_selector_all("main details > summary"):
        if summary.is_visible():
            summary.click()
            turned += 1
    for box in page.query_selector_all("main input[type=checkbox], main input[type=range]"):
        if box.is_visible():
            box.press("Space" if box.get_attribute("type") == "checkbox" else "End")
            turned += 1
    assert turned > 50
    opened.until(DRAWN)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    assert_quiet(opened, path)


def final(demo: Path, measure: str) -> dict[tuple[str, str, str], float]:
    """Recipe, source, target -> the value over all seeds at the last step."""
    rows = pl.read_parquet(demo / "results.parquet").filter(
        (pl.col("measure") == measure)
        & (pl.col("task") == "qa")
        & (pl.col("subset") == "all")
        & (pl.col("seed") == -1)
    )
    last = rows["step"].max()
    rows = rows.filter((pl.col("step") == last) | (pl.col("source") == ""))
    rows = rows.filter(~pl.col("target").str.starts_with("group:"))
    return {(r["recipe"], r["source"], r["target"]): r["value"] for r in rows.to_dicts()}


def test_the_matrix_and_its_cells_have_the_numbers_of_the_tables(
    open_page: Open, demo: Path
) -> None:
    plan = plan_of(demo)
    measure = str(plan["main_measure"])
    opened = open_page(report_of(demo))
    page = opened.page
    values = final(demo, measure)
    shown = {
        cell.get_attribute("href"): cell.inner_text()
        for cell in page.query_selector_all(".view-score td a")
    }
    assert len(shown) == len(values) > 0
    for (recipe, source, target), value in values.items():
        assert shown[f"#cell/{recipe}/{source}/{target}"] == points(value)
    pairs = pl.read_parquet(demo / "comparisons.parquet").filter(
        (pl.col("measure") == measure)
        & (pl.col("task") == "qa")
        & ~pl.col("target").str.starts_with("group:")
    )
    for row in pairs.to_dicts()[:4]:
        address = f"#cell/{row['recipe']}/{row['source']}/{row['target']}"
        page.click(f'.view-score a[href="{address}"]')
        main = page.locator("#cell-body tr", has_text="(main)").inner_text().split("\t")
        base = values["base", "", row["target"]]
        assert main[1].startswith(points(base) + " (")
        assert main[2].startswith(
            points(values[row["recipe"], row["source"], row["target"]]) + " ("
        )
        assert (
            main[3]
            .replace("−", "-")
            .startswith(f"{100 * row['difference']:+.1f} (" if row["difference"] else "0.0 (")
        )
        for place, p in ((5, row["p_holm"]), (6, row["p_adapters_holm"])):
            assert math.isnan(p) or float(main[place].replace("<", "").strip()) == pytest.approx(
                p, abs=0.006
            )
        page.keyboard.press("Escape")
        assert not page.is_visible("#cell")
        assert page.evaluate("document.activeElement.getAttribute('href')") == address
    assert opened.complaints == []


def test_an_example_has_the_answers_and_the_grid_that_were_kept(
    open_page: Open, demo: Path
) -> None:
    lines = (demo / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    samples = [json.loads(line) for line in lines]
    grids = pl.read_parquet(demo / "grids.parquet")
    gridded = set(grids.select("target", "id").unique().iter_rows())
    sample = next(s for s in samples[::-1] if (s["target"], s["id"]) in gridded)
    opened = open_page(report_of(demo), fragment=f"#example/{sample['target']}/{sample['id']}")
    page = opened.page
    page.wait_for_selector("#example-card:not([hidden])")
    assert page.inner_text("#example-count").startswith(f"{len(samples)} of {len(samples)} ")
    assert page.inner_text("#example-title").endswith(sample["id"])
    assert page.inner_text("#example-question") == sample["question"]
    rows = page.query_selector_all("#example-answers tbody tr")
    assert len(rows) == len(sample["variants"])
    for row, kept in zip(rows, sample["variants"], strict=True):
        cells = [cell.inner_text() for cell in row.query_selector_all("th, td")]
        assert cells[1] == (kept["answer"] or "(nothing)")
        assert cells[4] == points(kept["mlqa_f1"])
        assert cells[5] == ("yes" if kept["mlqa_em"] else "no")
    # an exact answer repeats the gold: no language is told of it, unless it has no letters
    exact = {v["language"] for s in samples for v in s["variants"] if v["mlqa_em"]}
    assert "exact" in exact
    assert exact <= {"exact", "no_letters"}
    page.select_option("#grid-drawn", "base")
    own = grids.filter(
        (pl.col("target") == sample["target"])
        & (pl.col("id") == sample["id"])
        & (pl.col("recipe") == "base")
    )
    last = own.filter(pl.col("depth") == own["depth"].max()).sort("place").to_dicts()
    shown = page.query_selector_all("#grid-table tbody tr:last-child td")
    assert len(shown) == len(last)
    for cell, kept in zip(shown, last, strict=True):
        cell.focus()
        told = page.inner_text("#grid-readout").replace("\u00a0", " ")
        assert f"{100 * kept['top_probability']:.1f} %" in told, told
        word = kept["top_token"].decode("utf-8", errors="ignore").strip()
        assert not word.isalnum() or word in told, (word, told)
    assert opened.complaints == []


def test_search_finds_what_is_in_a_question_and_nothing_else(open_page: Open, demo: Path) -> None:
    lines = (demo / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    samples = [json.loads(line) for line in lines]
    wanted = samples[0]["answers"][0]
    opened = open_page(report_of(demo))
    page = opened.page
    page.wait_for_selector("#example-card:not([hidden])")
    page.fill("#example-search", wanted.upper())
    expected = [s for s in samples if wanted.lower() in json.dumps(s, ensure_ascii=False).lower()]
    opened.until(
        f"document.getElementById('example-count').textContent.startsWith('{len(expected)} of')"
    )
    page.fill("#example-search", "no such words are in it")
    opened.until("document.getElementById('example-count').textContent.startsWith('0 of')")
    assert not page.is_visible("#example-card")

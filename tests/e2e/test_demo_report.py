"""The demo's report as a person has it: from disk, every control, its numbers those of the tables."""

from __future__ import annotations

import json
import math
from pathlib import Path

import axe_playwright_python
import polars as pl
import pytest
from conftest import DRAWN, ROOT, Open, Opened

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
SCREENS = ROOT / "build" / "screenshots"
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
    told = [(v["id"], v["impact"], [n["html"][:120] for n in v["nodes"]]) for v in found["violations"]]
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
            page.wait_for_function(DRAWN)
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
    page.wait_for_function(DRAWN)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    assert_quiet(opened, path)


def final(demo: Path, measure: str) -> dict[tuple[str, str, str], float]:
    """Recipe, source, target -> the value over all seeds at the last step."""
    rows = pl.read_parquet(demo / "results.parquet").filter(
        (pl.col("measure") == measure) & (pl.col("subset") == "all") & (pl.col("seed") == -1)
    )
    last = rows["step"].max()
    rows = rows.filter((pl.col("step") == last) | (pl.col("source") == ""))
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
        (pl.col("measure") == measure) & (pl.col("subset") == "all")
    )
    for row in pairs.to_dicts()[:4]:
        address = f"#cell/{row['recipe']}/{row['source']}/{row['target']}"
        page.click(f'.view-score a[href="{address}"]')
        main = page.locator("#cell-body tr", has_text="(main)").inner_text().split("\t")
        base = values["base", "", row["target"]]
        assert main[1].startswith(points(base) + " (")
        assert main[2].startswith(points(values[row["recipe"], row["source"], row["target"]]) + " (")
        assert main[3].replace("−", "-").startswith(
            f"{100 * row['gain']:+.1f} (" if row["gain"] else "0.0 ("
        )
        p = row["p_holm"]
        assert math.isnan(p) or float(main[5].replace("<", "").strip()) == pytest.approx(p, abs=0.006)
        page.keyboard.press("Escape")
        assert not page.is_visible("#cell")
        assert page.evaluate("document.activeElement.getAttribute('href')") == address
    assert opened.complaints == []


def test_an_example_has_the_answers_that_were_kept(open_page: Open, demo: Path) -> None:
    lines = (demo / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    opened = open_page(report_of(demo))
    page = opened.page
    page.wait_for_selector("#example-card:not([hidden])")
    assert page.inner_text("#example-count").split(" ")[2] == str(
        len({(row["target"], row["id"]) for row in rows if "target" in row})
    )
    assert opened.complaints == []

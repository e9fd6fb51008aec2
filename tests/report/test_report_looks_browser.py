"""What a reader sees at the screens that people have: axes, headers, edges, words, both themes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from fake_study import make_study
from pages import until

from babelscope.report.page import write_report

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROKEN = """() => {
  const found = [];
  for (const head of document.querySelectorAll("table.data th, table.heat th")) {
    if (!head.checkVisibility()) continue;
    const walk = document.createTreeWalker(head, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      for (const word of walk.currentNode.data.matchAll(/[^\\s\u00a0-]+/g)) {
        const range = document.createRange();
        range.setStart(walk.currentNode, word.index);
        range.setEnd(walk.currentNode, word.index + word[0].length);
        const tops = new Set([...range.getClientRects()].map((r) => Math.round(r.top)));
        if (tops.size > 1 && word[0].length < 24) found.push(word[0]);
      }
    }
  }
  return found;
}"""
"""Words of headers that stand on two lines; a line may end at a hyphen."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("looks"))
    # one language takes nearly all, as the target's does in a real study; the others a little
    large = pl.when(pl.col("language") == pl.col("target")).then(12.0).otherwise(1.0)
    here = (pl.col("measure") == "mass") & (pl.col("kind") == "value")
    columns = [
        pl.when(here)
        .then(pl.col(c) * (1.0 if c == "n" else large / 6))
        .otherwise(pl.col(c))
        .alias(c)
        for c in ("value", "low", "high")
    ]
    lens = pl.read_parquet(folder / "lens.parquet").with_columns(columns)
    lens.write_parquet(folder / "lens.parquet")
    return write_report(folder)


def opened(browser: api.Browser, report: Path, width: int, scheme: str = "light") -> api.Page:
    page = browser.new_page(viewport={"width": width, "height": 1000}, color_scheme=scheme)
    page.goto(report.as_uri())
    until(page, "document.querySelectorAll('#lens-curves .plot svg').length > 0")
    return page


@pytest.mark.parametrize("width", [1440, 390])
def test_no_header_is_broken_inside_a_word(browser: api.Browser, report: Path, width: int) -> None:
    page = opened(browser, report, width)
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    assert page.evaluate(BROKEN) == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_goes_on_beyond_the_edge_says_so(
    browser: api.Browser, report: Path, scheme: str
) -> None:
    page = opened(browser, report, 390, scheme)
    box = page.locator("#matrix .view-score .scroll")
    assert box.evaluate("b => b.scrollWidth > b.clientWidth")
    hint = page.locator("#matrix .view-score .goes-on")
    assert hint.is_visible()
    assert "scroll sideways" in hint.inner_text()
    fade = "b => getComputedStyle(b).getPropertyValue('--fade-right').trim()"
    assert box.evaluate(fade) == "2rem"
    assert box.evaluate("b => getComputedStyle(b).maskImage").count("gradient") == 2
    box.evaluate("b => { b.scrollLeft = b.scrollWidth; }")
    until(page, "!document.querySelector('#matrix .view-score .scroll').matches('.more-right')")
    assert box.evaluate(fade) == ""
    page.close()


def test_a_table_that_fits_has_no_cue(browser: api.Browser, report: Path) -> None:
    page = opened(browser, report, 1440)
    assert not page.locator("#matrix .view-score .goes-on").is_visible()
    assert not page.locator("#matrix .view-score .scroll").evaluate("b => b.matches('.more-right')")
    page.close()


def axes(page: api.Page) -> dict[str, tuple[float, float]]:
    """Return by panel where its axis ends, and the largest value drawn in it."""
    found = page.evaluate(
        "[...document.querySelectorAll('#lens-curves .panel')].map((p) => {"
        " const plot = p.querySelector('.plot');"
        " const drawn = plot.data.flatMap((t) => t.y).filter((y) => y !== null);"
        " return [p.querySelector('h3').textContent,"
        " plot.layout.yaxis.range[1], Math.max(...drawn)];"
        "})"
    )
    return {name: (top, most) for name, top, most in found}


def test_the_axes_of_the_lens_fit_what_they_show(browser: api.Browser, report: Path) -> None:
    page = opened(browser, report, 1440)
    page.select_option("#lens-target", "ory_Orya")
    found = axes(page)
    tops = {round(top, 6) for top, _ in found.values()}
    assert len(tops) == 2
    for name, (top, most) in found.items():
        # nothing is cut, and no curve lies in the lowest third of the larger axis
        assert most <= top, name
        assert top < max(tops) or most >= max(tops) / 4, name
        # the title says to where the axis reaches
        told = float(name.rpartition("to\u00a0")[2].removesuffix("\u00a0%"))
        assert top == pytest.approx(told * 1.04), name
    assert "Not all panels have the same axis" in page.inner_text("#lens-scales")
    # one scale serves all where it flattens none: then nothing is said
    page.select_option("#lens-drawn", "entropy_bits")
    assert not page.is_visible("#lens-scales")
    assert len({top for top, _ in axes(page).values()}) == 1
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_words_of_the_legend_hold_in_both_themes(
    browser: api.Browser, report: Path, scheme: str
) -> None:
    page = opened(browser, report, 1440, scheme)
    caption = page.inner_text("#matrix .view-score caption")
    assert "the stronger the blue, the higher" in caption
    cells = page.evaluate(
        "[...document.querySelectorAll('.view-score td.cell')].map((c) =>"
        " [parseFloat(c.textContent),"
        " getComputedStyle(c).backgroundColor.match(/\\d+/g).map(Number)])"
    )
    # blue against red and green: it grows with the score, whichever theme
    by_score = [blue - (red + green) / 2 for _, (red, green, blue) in sorted(cells)]
    assert by_score == sorted(by_score)
    assert by_score[-1] > by_score[0] + 20
    page.close()


@pytest.mark.parametrize("section", ["inside", "examples", "answer"])
def test_correlate_not_cause_stands_where_the_lens_is_shown(
    browser: api.Browser, report: Path, section: str
) -> None:
    page = opened(browser, report, 1440)
    assert "a correlate, not a cause" in page.inner_text(f"#{section}")
    page.close()


def test_the_page_tells_that_masses_depend_on_the_languages(
    browser: api.Browser, report: Path
) -> None:
    page = opened(browser, report, 1440)
    told = page.inner_text("#inside")
    assert "a language’s mass depends on which languages the study has" in told
    assert "in one of ten to a ninth" in told
    page.close()

"""Grids of the explorer in a real browser: planted numbers, keyboard, phone, contrast."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest
from explorer_page import ODIA, go
from fake_examples import (
    ANSWERS,
    DEPTHS,
    FIRST_PLACE,
    PROMPT,
    VOCABULARY,
    doubted,
    leading,
    probability,
)
from fake_study import make_study

from babelscope.controls import token_runs
from babelscope.report.html import asset
from babelscope.report.page import write_report

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

COLUMNS = len(PROMPT) + 2
FOCUS = "[document.activeElement.dataset.row, document.activeElement.dataset.column].map(Number)"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(make_study(tmp_path_factory.mktemp("explorer")))


def seen(data: bytes) -> str:
    return "".join(said + name for said, name, _ in token_runs(data))


def test_every_cell_of_a_grid_has_its_planted_token_and_numbers(page: api.Page) -> None:
    page.click(f"#example-list a[href='{ODIA}']")
    for drawn, source in (("tuned", "or"), ("base", "")):
        page.select_option("#grid-drawn", drawn)
        rows = page.evaluate(
            "[...document.querySelectorAll('#grid-table tbody tr')].map((r) =>"
            " [...r.querySelectorAll('td')].map((c) => [c.querySelector('bdi').textContent,"
            " c.querySelector('small').textContent]))"
        )
        assert [len(row) for row in rows] == [COLUMNS] * len(DEPTHS)
        for depth, row in enumerate(rows):
            tag = "shared" if depth < 2 else "bn" if depth <= 3 else "or"
            tokens = [seen(VOCABULARY[leading(source, c, depth)]) for c in range(COLUMNS)]
            tags = ["unsure" if doubted(source, c, depth) else tag for c in range(COLUMNS)]
            assert row == [list(pair) for pair in zip(tokens, tags, strict=True)]
        assert "unsure" in page.inner_text("#grid-colours")
        heads = page.evaluate(
            "[...document.querySelectorAll('#grid-table thead tr:last-child th')]"
            ".map((h) => h.textContent)"
        )
        read = (*PROMPT, *ANSWERS[source])
        assert heads == ["depth", *(seen(VOCABULARY[token]) for token in read[:-1])]
        came = page.evaluate(
            "[...document.querySelectorAll('#grid-table tfoot td')].map((h) => h.textContent)"
        )
        assert came == [seen(VOCABULARY[token]) for token in read[1:]]
    # the last depth leads to what came next, in the prompt as in the answer
    assert [token for token, _ in rows[-1]] == came
    unsure = next(c for c in range(COLUMNS) if doubted("", c, 3))
    page.hover(f"#grid-table tbody tr >> nth=3 >> td >> nth={unsure}")
    assert "Bengali leads with 30\u00a0% of the mass on little evidence (half of it or more is" in (
        page.inner_text("#grid-readout")
    )
    page.hover("#grid-table tbody tr >> nth=4 >> td >> nth=1")
    told = page.inner_text("#grid-readout")
    top = VOCABULARY[leading("", 1, 4)]
    assert told.startswith("After <E0><AC> (token 31, in the prompt, bytes E0 AC), depth 4: ")
    assert f"{seen(top)} {100 * probability('', 1, 4):.1f}\u00a0%" in told
    assert f"bytes {top.hex(' ').upper()}" in told
    assert "Odia leads with 40\u00a0% of the mass; shared 11\u00a0%, unknown 3\u00a0%" in told


def test_a_number_that_is_not_known_is_no_data(browser: api.Browser, tmp_path: Path) -> None:
    folder = make_study(tmp_path)
    shares = ("top_probability", "language_mass", "shared", "unknown")
    unknown = (pl.col("depth") == 4) & (pl.col("place") == FIRST_PLACE + 1)
    grids = pl.read_parquet(folder / "grids.parquet").with_columns(
        pl.when(unknown).then(math.nan).otherwise(pl.col(c)).alias(c) for c in shares
    )
    grids.write_parquet(folder / "grids.parquet")
    page = browser.new_page()
    go(page, write_report(folder), ODIA)
    cell = "#grid-table tbody tr >> nth=4 >> td >> nth=1"
    for drawn in ("tuned", "base", "difference"):
        page.select_option("#grid-drawn", drawn)
        assert "no data" in page.inner_text(cell)
        page.focus(cell)
        assert " no data, bytes " in page.inner_text("#grid-readout")
        assert "; no data on the mass" in page.inner_text("#grid-readout")
        assert "null" not in page.inner_text("#grid-body")
        assert "NaN" not in page.inner_text("#grid-body")
        assert page.locator("#grid-table td:has-text('no data')").count() == 1
    page.close()


def test_what_tuning_changed(page: api.Page) -> None:
    page.click(f"#example-list a[href='{ODIA}']")
    page.select_option("#grid-drawn", "difference")
    rows = page.evaluate(
        "[...document.querySelectorAll('#grid-table tbody tr')].map((r) =>"
        " [...r.querySelectorAll('td')].map((c) => c.textContent))"
    )
    # the answers part behind their first token
    shared = len(PROMPT) + 1
    assert [len(row) for row in rows] == [shared] * len(DEPTHS)
    assert "Left out, from where the answers part: 1 column." in page.inner_text("#grid-told")
    assert rows[0] == ["+0.0"] * shared
    assert rows[2] == ["+4.0"] * shared
    assert rows[5][1] == f"{seen(VOCABULARY[6])} →{seen(VOCABULARY[7])}or"
    assert rows[6][-1] == f"{seen(VOCABULARY[7])} →{seen(VOCABULARY[8])}or"
    page.hover("#grid-table tbody tr >> nth=5 >> td >> nth=1")
    told = page.inner_text("#grid-readout")
    assert f"base {seen(VOCABULARY[6])} 66.3" in told
    assert f"tuned {seen(VOCABULARY[7])} 70.3" in told


def test_a_grid_is_walked_by_keyboard(page: api.Page) -> None:
    page.click(f"#example-list a[href='{ODIA}']")
    stops = "#grid-table td[tabindex='0']"
    assert page.locator(stops).count() == 1
    page.focus(stops)
    # the last prompt token at the last depth
    assert page.evaluate(FOCUS) == [6, len(PROMPT) - 1]
    for key, place in (
        ("ArrowUp", [5, 5]), ("ArrowRight", [5, 6]), ("ArrowLeft", [5, 5]), ("Home", [5, 0]),
        ("ArrowLeft", [5, 0]), ("End", [5, 7]), ("ArrowRight", [5, 7]), ("PageUp", [0, 7]),
        ("ArrowUp", [0, 7]), ("PageDown", [6, 7]), ("ArrowDown", [6, 7]),
        ("Control+Home", [0, 0]), ("Control+End", [6, 7]),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert page.evaluate(FOCUS) == place, key
        assert page.locator(stops).count() == 1
        assert f"depth {place[0]}: " in page.inner_text("#grid-readout")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#grid-table')") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_grid_fits_a_phone_and_can_be_read(
    browser: api.Browser, report: Path, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    go(page, report, ODIA)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#grid-scroll").scroll_into_view_if_needed()
    # the depths stay where they are, but for the gap between cells, while the columns move
    place = "document.querySelector('#grid-table tbody th').getBoundingClientRect().left"
    before = page.evaluate(place)
    page.evaluate("document.querySelector('#grid-scroll').scrollLeft = 0")
    assert page.evaluate(place) == pytest.approx(before, abs=1)
    page.click("#grid-table tbody tr >> nth=3 >> td >> nth=0")
    assert "depth 3: " in page.inner_text("#grid-readout")
    page.close()


CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (colour) => {
    const [r, g, b] = rgb(colour).map((x) => x / 255)
      .map((x) => (x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const cell = document.querySelector('#grid-table tbody td:not(.same)');
  const found = [];
  for (const colour of COLOURS) for (const strength of ['6%', '25%', '52%']) {
    cell.style.setProperty('--c', colour);
    cell.style.setProperty('--p', strength);
    const style = getComputedStyle(cell);
    const [a, b] = [light(style.color), light(style.backgroundColor)].sort((x, y) => y - x);
    found.push((a + .05) / (b + .05));
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_on_every_colour(browser: api.Browser, report: Path, scheme: str) -> None:
    line = next(s for s in asset("templates/grid.js").splitlines() if "COLOURS = [" in s)
    colours = line[line.index("[") : line.rindex("]") + 1]
    page = browser.new_page(color_scheme=scheme)
    go(page, report, ODIA)
    found = page.evaluate(CONTRASTS.replace("COLOURS", f"[...{colours}, 'var(--muted)']"))
    assert len(found) == 13 * 3
    assert min(found) >= 4.5
    page.close()

"""The matrix in a real browser: its orders, and the page behind each cell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from explorer_page import ARABIC, READY, settled
from fake_examples import samples
from fake_study import SOURCES, TARGETS, make_study
from pages import until

from babelscope.languages import language
from babelscope.report.names import language_name
from babelscope.report.page import write_report

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

TWINS = (*SOURCES, ("or-nllb", "ory_Orya", "nllb"))
ADDRESS = "#cell/default/or/ell_Grek"
LINK = f'#matrix .view-score a[href="{ADDRESS}"]'
# every number by the names of its row and column, wherever it stands, and whether they fit its page
NUMBERS = """() => [...document.querySelectorAll('#matrix table.heat')].map((table) => {
  const heads = [...table.tHead.rows].at(-1).cells;
  const found = {};
  for (const row of table.querySelectorAll('tr[data-row]')) {
    [...row.cells].slice(1).forEach((cell, i) => {
      const place = row.cells[0].textContent + '|' + heads[i + 1].textContent;
      found[place] = cell.textContent + ' ' + (cell.querySelector('a')?.hash ?? 'mean');
    });
  }
  return found;
})"""
NAMES = """(selector) => [...document.querySelectorAll(selector)]
  .filter((e) => e.offsetParent).map((e) => e.textContent)"""
OPEN = "document.getElementById('cell').open"
FOCUSED = "document.activeElement.getAttribute('href')"
ROWS = "#matrix .view-score tr[data-row] th"
COLUMNS = "#matrix .view-score thead tr:last-child th:not(:first-child)"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("matrix"), sources=TWINS)
    write_report(folder)
    return folder


@pytest.fixture
def page(browser: api.Browser, study: Path) -> Iterator[api.Page]:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address(study))
    yield page
    assert complaints == []
    page.close()


def address(study: Path, place: str = "") -> str:
    return f"{(study / 'report' / 'index.html').as_uri()}{place}"


def names(page: api.Page, selector: str) -> list[str]:
    found: list[str] = page.evaluate(NAMES, selector)
    return found


def test_every_order_keeps_each_number_with_its_names(page: api.Page) -> None:
    before = page.evaluate(NUMBERS)
    assert len(before) == 6
    # only means over sources open no page
    means = [n for view in before for n, told in view.items() if told.endswith(" mean")]
    assert means == [f"mean of all sources|{language_name(t)}" for t in TARGETS]
    assert len(before[0]) == (len(TWINS) + 1) * len(TARGETS)
    rows, columns = names(page, ROWS), names(page, COLUMNS)
    for order in ("family", "script", "gains", "study"):
        page.select_option("#matrix-order", order)
        assert page.evaluate(NUMBERS) == before
        first = page.locator("#matrix .view-own tbody th").first
        assert first.text_content() == "mean of all sources"
        assert sorted(names(page, ROWS)) == sorted(rows)
        assert sorted(names(page, COLUMNS)) == sorted(columns)
        assert page.is_visible("#matrix-note") == (order == "gains")
    assert (names(page, ROWS), names(page, COLUMNS)) == (rows, columns)
    assert page.locator("#matrix tr.group, #matrix tr.groups").count() == 0


def test_groups_head_their_own_languages(page: api.Page) -> None:
    page.select_option("#matrix-order", "script")
    scripts = [
        "Arabic", "Bangla", "Greek", "Latin", "Odia", "Thai",
    ]  # fmt: skip
    assert names(page, "#matrix .view-score tr.groups th") == scripts
    assert names(page, COLUMNS) == ["Arabic", "Bengali", "Greek", "English", "Odia", "Thai"]
    assert names(page, "#matrix .view-score tr.group th") == [
        "before tuning", "Cyrillic", "Latin", "Odia",
    ]  # fmt: skip
    page.select_option("#matrix-order", "family")
    families = [language(t).family for t in TARGETS]
    spans = page.evaluate(
        "[...document.querySelectorAll('#matrix .view-score tr.groups th')]"
        ".map((h) => [h.textContent, h.colSpan])"
    )
    assert dict(spans) == {name: families.count(name) for name in families}
    assert [name for name, _ in spans] == sorted(set(families))
    # the two sources of Odia stand together
    rows = names(page, ROWS)
    assert rows.index("Odia (nllb)") - rows.index("Odia (human)") == 1


def table(page: api.Page, name: str) -> list[list[str]]:
    rows: list[list[str]] = page.evaluate(
        "(name) => [...document.querySelectorAll(`#cell [aria-label='${name}'] tbody tr`)]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))",
        name,
    )
    return rows


def points(value: float) -> str:
    return f"{100 * value:.1f}"


def test_a_cell_opens_by_a_click_with_the_numbers_of_the_tables(
    page: api.Page, study: Path
) -> None:
    page.click(LINK)
    assert page.evaluate(OPEN)
    assert page.url == address(study, ADDRESS)
    assert page.inner_text("#cell-title") == "Greek, tuned on Odia (human)"
    results = pl.read_parquet(study / "results.parquet").filter(
        (pl.col("target") == "ell_Grek") & (pl.col("task") == "qa")
    )
    known = {(r["source"], r["measure"]): r for r in results.iter_rows(named=True)}
    row = next(r for r in table(page, "Scores, points of 100") if r[0] == "MLQA F1 (main)")
    for cell, source in ((row[1], ""), (row[2], "or")):
        told = known[source, "mlqa_f1"]
        value, low, high = (points(told[k]) for k in ("value", "low", "high"))
        assert cell == f"{value} ({low} to {high})"
    (gain,) = (
        pl.read_parquet(study / "comparisons.parquet")
        .filter((pl.col("source") == "or") & (pl.col("target") == "ell_Grek"))
        .to_dicts()
    )
    wanted = f"{points(gain['difference'])} ({points(gain['low'])} to {points(gain['high'])})"
    assert row[3] == wanted.replace("-", "−")
    # a single seed: nothing is said of tuning
    corrected, n = f"{gain['p_adapters_holm']:.3f}", str(gain["n"])
    assert row[4:] == [
        "<\u00a00.001", "one seed", corrected, "decided, these adapters only", n
    ]  # fmt: skip
    for caption, prefix in (("Causes", "cause_"), ("Reasons of stopping", "stop_")):
        rows = table(page, caption)
        shares = [float(r[2]) for r in rows]
        told = [100 * r["value"] for (s, m), r in known.items() if s == "or" and prefix in m]
        assert sorted(shares) == pytest.approx(sorted(told))
    widths = page.evaluate(
        "[...document.querySelectorAll('#cell .bar')].map((b) => "
        "[...b.children].map((c) => parseFloat(c.style.width)))"
    )
    assert widths[1] == [float(r[2]) for r in table(page, "Causes")]
    assert table(page, "Languages of the answers, % of answers")[0] == ["Greek", "35.0", "35.0"]


def test_escape_back_and_close_leave_the_page_where_it_was(page: api.Page, study: Path) -> None:
    page.focus(LINK)
    for leave in ("escape", "back", "button"):
        page.keyboard.press("Enter")
        until(page, OPEN)
        assert page.evaluate("document.activeElement.id") == "cell-title"
        if leave == "escape":
            page.keyboard.press("Escape")
        elif leave == "back":
            page.go_back()
        else:
            page.click("#cell-close")
        until(page, f"!{OPEN} && !location.hash.startsWith('#cell')")
        until(page, f"{FOCUSED} === {ADDRESS!r}")
        assert page.url == address(study, "#matrix")


def test_closing_a_cell_stays_at_it_after_an_example(page: api.Page) -> None:
    until(page, READY)
    for leave in ("Escape", "back"):
        page.evaluate("(h) => { location.hash = h; }", ARABIC)
        until(page, "document.activeElement.id === 'example-title'")
        page.focus(LINK)
        place = settled(page)
        page.keyboard.press("Enter")
        until(page, OPEN)
        if leave == "back":
            page.go_back()
        else:
            page.keyboard.press("Escape")
        until(page, f"!{OPEN}")
        assert settled(page) == place
        assert page.evaluate(FOCUSED) == ADDRESS


def test_a_shared_link_never_leads_out_of_the_report(browser: api.Browser, study: Path) -> None:
    page = browser.new_page()
    page.goto("about:blank")
    page.goto(address(study, ADDRESS))
    until(page, "!document.getElementById('cell-lens').hidden")
    page.click("#cell-lens")
    until(page, f"!{OPEN}")
    page.go_back()
    until(page, OPEN)
    page.keyboard.press("Escape")
    until(page, f"!{OPEN}")
    page.wait_for_timeout(200)
    assert page.url == address(study, "#matrix")
    page.close()


def test_only_a_click_beside_the_dialog_closes_it(page: api.Page) -> None:
    page.click(LINK)
    until(page, OPEN)
    box = page.locator("#cell").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    inside, beyond = box["x"] + 4, box["x"] - 20
    page.mouse.click(inside, middle)
    for start, end in ((inside + 60, beyond), (beyond, inside)):
        page.mouse.move(start, middle)
        page.mouse.down()
        page.mouse.move(end, middle)
        page.mouse.up()
    assert page.evaluate(OPEN)
    page.mouse.click(beyond, middle)
    until(page, f"!{OPEN}")


def test_a_link_opened_in_another_tab_changes_nothing_here(page: api.Page) -> None:
    page.click(LINK)
    until(page, "!document.getElementById('cell-lens').hidden")
    before = page.input_value("#lens-target")
    with page.context.expect_page() as other:
        page.click("#cell-lens", modifiers=["Control"])
    other.value.close()
    assert page.evaluate(OPEN)
    assert page.input_value("#lens-target") == before
    page.evaluate("location.hash = '#gains'")
    until(page, f"!{OPEN}")
    page.wait_for_timeout(200)
    assert page.evaluate("document.activeElement.id") != "lens-target"


def test_a_deep_link_opens_its_cell_and_leaves_the_matrix(
    browser: api.Browser, study: Path
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(address(study, ADDRESS))
    assert page.evaluate(OPEN)
    assert page.inner_text("#cell-title") == "Greek, tuned on Odia (human)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.keyboard.press("Escape")
    until(page, f"!{OPEN}")
    assert page.url == address(study, "#matrix")
    assert page.evaluate(FOCUSED) == ADDRESS
    for place in ("#cell/default/or", "#cell/%E0%A4%A/x/y", "#cell/__proto__/constructor/name"):
        page.goto(address(study, place))
        until(page, OPEN)
        assert page.inner_text("#cell-title") == "No such cell"
        page.keyboard.press("Escape")
        until(page, f"!{OPEN}")
    name = f"#cell/default/{quote('de<b>&marian', safe='')}/arb_Arab"
    page.goto(address(study, name))
    until(page, OPEN)
    assert page.inner_text("#cell-title") == "Arabic, tuned on German (marian)"
    page.close()


def test_arrows_move_between_cells(page: api.Page) -> None:
    page.focus(LINK)
    moves = (
        ("ArrowRight", "default/or/arb_Arab"),
        ("ArrowDown", "default/ru-nllb/arb_Arab"),
        ("Home", "default/ru-nllb/ory_Orya"),
        ("ArrowLeft", "default/ru-nllb/ory_Orya"),
        ("ArrowUp", "default/or/ory_Orya"),
        ("End", "default/or/eng_Latn"),
    )
    for key, place in moves:
        page.keyboard.press(key)
        assert page.evaluate(FOCUSED) == f"#cell/{place}"
    stops = page.locator("#matrix .view-score td a[tabindex='0']")
    assert [a.get_attribute("href") for a in stops.all()] == ["#cell/default/or/eng_Latn"]
    # as the rows stand now, not as they stood
    page.select_option("#matrix-order", "script")
    page.focus(LINK)
    page.keyboard.press("ArrowRight")
    assert page.evaluate(FOCUSED) == "#cell/default/or/eng_Latn"


def test_look_inside_sets_the_lens_and_goes_there(page: api.Page, study: Path) -> None:
    page.click(LINK)
    until(page, "!document.getElementById('cell-lens').hidden")
    page.click("#cell-lens")
    until(page, f"!{OPEN}")
    assert page.url == address(study, "#inside")
    assert page.input_value("#lens-target") == "ell_Grek"
    assert page.input_value("#lens-variant") == "default or"
    until(page, "document.activeElement.id === 'lens-target'")
    until(page, "Math.abs(document.querySelector('#inside').getBoundingClientRect().top) < 60")


def test_examples_of_a_cell_are_shown_by_the_explorer(page: api.Page, study: Path) -> None:
    until(page, "document.documentElement.dataset.examples === 'ready'")
    # the page has no example of the first, and none of the second's model
    for place in ("default/or/ell_Grek", "default/or-nllb/eng_Latn"):
        page.evaluate("(h) => { location.hash = h; }", f"#cell/{place}")
        until(page, f"{OPEN} && location.hash === '#cell/{place}'")
        page.wait_for_timeout(100)
        assert not page.is_visible("#cell-examples")
        page.keyboard.press("Escape")
    until(page, f"!{OPEN}")
    page.click('#matrix .view-score a[href="#cell/default/or/eng_Latn"]')
    page.click("#cell-examples")
    until(page, f"!{OPEN} && document.activeElement.id === 'example-title'")
    assert page.input_value("#example-target") == "eng_Latn"
    assert page.input_value("#example-model") == "default or"
    # a base has no changes of its own to show
    page.evaluate("location.hash = '#cell/base//eng_Latn'")
    until(page, OPEN)
    assert not page.is_visible("#cell-examples")
    assert page.is_visible("#cell-lens")


def test_a_name_that_would_steer_is_spelled_alike_everywhere(
    browser: api.Browser, tmp_path: Path
) -> None:
    name = "or\u202eodd"
    folder = make_study(tmp_path, sources=((name, "ory_Orya", "human"), *SOURCES[1:]))
    rows = samples()
    for row in rows:
        for variant in row["variants"]:
            variant["source"] = name if variant["source"] == "or" else variant["source"]
    lines = "\n".join(json.dumps(row) for row in rows)
    (folder / "samples.jsonl").write_text(f"{lines}\n", encoding="utf-8")
    write_report(folder)
    page = browser.new_page()
    page.goto(address(folder, "#cell/default/orU%2B202Eodd/eng_Latn"))
    until(page, "!document.getElementById('cell-examples').hidden")
    assert page.is_visible("#cell-lens")
    page.click("#cell-examples")
    until(page, f"!{OPEN} && document.activeElement.id === 'example-title'")
    assert page.input_value("#example-model") == "default orU+202Eodd"
    page.goto(address(folder, "#cell/default/orU%2B202Eodd/arb_Arab"))
    until(page, f"{OPEN} && !document.getElementById('cell-lens').hidden")
    page.click("#cell-lens")
    assert page.input_value("#lens-variant") == "default orU+202Eodd"
    until(page, "document.querySelector('#lens-curves svg') !== null")
    assert not page.is_visible("#lens-none")
    page.close()


def test_languages_produced_follow_the_chosen_model(page: api.Page, study: Path) -> None:
    results = pl.read_parquet(study / "results.parquet").filter(pl.col("task") == "qa")
    for model, source in (("base model", ""), ("Odia (nllb)", "or-nllb")):
        page.select_option("#produced-model", label=model)
        assert page.inner_text("#produced caption") == f"Answers of {model}, %"
        heads = [h.split("|")[0] for h in names(page, "#produced thead th")][1:]
        assert heads[-1] == "undecided"
        for target in TARGETS:
            own = results.filter((pl.col("source") == source) & (pl.col("target") == target))
            known = dict(own.select("measure", "value").rows())
            name = language(target).name
            row = page.locator("#produced tbody tr", has=page.get_by_text(name, exact=True))
            cells = dict(zip(heads, row.locator("td").all_inner_texts(), strict=True))
            assert cells[name] == points(known[f"produced_{target}"])
            assert cells["undecided"] == "10.0"
            assert sum(map(float, cells.values())) == pytest.approx(
                100 * sum(v for m, v in known.items() if m.startswith("produced_"))
            )

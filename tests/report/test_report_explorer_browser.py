"""The explorer in a real browser: searched, filtered, linked to; answers as in the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from explorer_page import ARABIC, ENGLISH, ODIA, go, settled
from fake_examples import SPOILT, samples
from fake_study import make_study
from pages import until

from babelscope.controls import STEERING, name_of
from babelscope.report.page import write_report

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

FOUND = "[...document.querySelectorAll('#example-list a')].map((a) => a.hash)"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(make_study(tmp_path_factory.mktemp("explorer")))


def test_all_questions_stand_in_the_plans_order(page: api.Page) -> None:
    assert page.evaluate(FOUND) == [ODIA, ARABIC, ENGLISH]
    assert page.inner_text("#example-count") == "3 of 3 questions"
    # shown is one with a grid that tuning turned
    assert page.get_attribute("#example-list a[aria-current]", "href") == ODIA
    # what tuning turned is told in the list
    assert "1 turned right" in page.inner_text("#example-list li >> nth=0")
    assert "1 turned wrong" in page.inner_text("#example-list li >> nth=2")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ROTHER nothing", []),
        ("PRICE", [ENGLISH]),  # in a context, whatever the case
        ("جنيه", [ARABIC]),
        ("рупия", [ODIA]),  # in one model's answer
        ("Q3", [ARABIC]),  # an id
        ("ଙ୍କା", [ODIA]),
        ("a\u0303 ", []),
        ("<i>it</i>", [ENGLISH]),
        ("U+202E", [ENGLISH]),
    ],
)
def test_search_looks_everywhere(unfiltered: api.Page, words: str, expected: list[str]) -> None:
    page = unfiltered
    page.fill("#example-search", words)
    count = f"{len(expected)} of 3 questions"
    until(page, f"document.querySelector('#example-count').textContent === {json.dumps(count)}")
    assert page.evaluate(FOUND) == expected
    assert page.is_visible("#example-card") == bool(expected)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"target": "arb_Arab"}, [ARABIC]),
        ({"model": "default ru-nllb"}, [ODIA]),
        ({"model": "base"}, [ODIA, ARABIC, ENGLISH]),
        ({"turn": "right"}, [ODIA, ARABIC]),
        ({"turn": "wrong"}, [ENGLISH]),
        ({"turn": "same"}, [ODIA]),
        ({"turn": "right", "model": "default ru-nllb"}, []),
        ({"cause": "repetition"}, [ENGLISH]),
        ({"cause": "wrong_script", "model": "default or"}, []),
        ({"cause": "exact", "turn": "right", "target": "arb_Arab"}, [ARABIC]),
    ],
)
def test_filters_hold_together(
    unfiltered: api.Page, chosen: dict[str, str], expected: list[str]
) -> None:
    page = unfiltered
    for name, value in chosen.items():
        page.select_option(f"#example-{name}", value)
    assert page.evaluate(FOUND) == expected
    assert page.inner_text("#example-count") == f"{len(expected)} of 3 questions"
    if expected:
        assert page.get_attribute("#example-list a[aria-current]", "href") in expected
    # another part of the page opens the explorer in the same way
    page.evaluate("(wanted) => babelscope.explore(wanted)", chosen)
    assert page.evaluate(FOUND) == expected
    assert {n: page.input_value(f"#example-{n}") for n in chosen} == chosen


def test_questions_with_a_grid_can_be_asked_for(page: api.Page) -> None:
    page.check("#example-grid")
    assert page.evaluate(FOUND) == [ODIA, ENGLISH]
    page.click("#example-list a >> nth=1")
    page.uncheck("#example-grid")
    page.click("#example-before")
    until(page, "location.hash.includes('arb_Arab')")
    assert page.is_visible("#grid-none")
    assert not page.is_visible("#grid-body")
    assert page.evaluate("document.activeElement.id") == "example-before"


def test_a_link_opens_its_question_whatever_was_filtered(
    browser: api.Browser, report: Path
) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    go(page, report, ENGLISH)
    assert page.inner_text("#example-title small") == SPOILT
    assert page.evaluate("document.activeElement.id") == "example-title"
    assert page.get_attribute("#example-list a[aria-current]", "href") == ENGLISH
    page.select_option("#example-target", "arb_Arab")
    assert page.inner_text("#example-title small") == "q3"
    page.evaluate("(h) => { location.hash = h; }", ODIA)
    until(page, "document.querySelector('#example-title small').textContent === 'q1'")
    assert page.input_value("#example-target") == ""
    page.evaluate("location.hash = '#example/ory_Orya/none%E0'")
    until(page, "document.querySelector('#example-count').textContent.includes('samples.jsonl')")
    page.close()


TITLE = "document.querySelector('#example-title small').textContent"


def test_the_same_address_opens_its_question_again(browser: api.Browser, report: Path) -> None:
    page = browser.new_page()
    go(page, report, ODIA)
    page.select_option("#example-target", "arb_Arab")
    assert page.evaluate(TITLE) == "q3"
    page.select_option("#example-target", "")
    assert page.evaluate(TITLE) == "q3"
    page.click(f"#example-list a[href='{ODIA}']")
    until(page, f"{TITLE} === 'q1'")
    assert page.evaluate("document.activeElement.id") == "example-title"
    page.select_option("#example-target", "arb_Arab")
    page.select_option("#example-target", "")
    page.click("#example-before")
    until(page, f"{TITLE} === 'q1'")
    assert page.evaluate("document.activeElement.id") == "example-before"
    page.close()


def test_the_ends_of_the_list_keep_the_focus(page: api.Page) -> None:
    page.focus("#example-after")
    for key in ("q3", SPOILT, SPOILT):
        page.keyboard.press("Enter")
        until(page, f"{TITLE} === {json.dumps(key)}")
        assert page.evaluate("document.activeElement.id") == "example-after"
    assert page.get_attribute("#example-after", "aria-disabled") == "true"
    assert page.get_attribute("#example-before", "aria-disabled") == "false"


def test_the_shown_question_is_seen_in_its_list(page: api.Page) -> None:
    page.evaluate("document.getElementById('example-list').style.maxHeight = '3rem'")
    page.focus("#example-after")
    before = settled(page)
    for key in ("q3", SPOILT):
        page.keyboard.press("Enter")
        until(page, f"{TITLE} === {json.dumps(key)}")
        tops = page.evaluate(
            "['#example-list', '#example-list [aria-current]']"
            ".map((s) => document.querySelector(s).getBoundingClientRect().top)"
        )
        assert 0 <= tops[1] - tops[0] < 48
    assert page.evaluate("document.getElementById('example-list').scrollTop") > 0
    assert settled(page) == before


def test_another_spelling_of_an_address_opens_it(browser: api.Browser, report: Path) -> None:
    page = browser.new_page()
    go(page, report, "#example/arb%5FArab/%713")
    assert page.evaluate(TITLE) == "q3"
    page.close()


def test_a_filter_that_the_page_does_not_know_is_told(page: api.Page) -> None:
    page.evaluate("babelscope.explore({target: 'arb_Arab', model: 'default none'})")
    until(page, "document.activeElement.id === 'example-title'")
    told = "1 of 3 questions; not among the page’s examples: model default none"
    assert page.inner_text("#example-count") == told
    assert "by MLQA’s rules, against the base model’s answer" in page.inner_text("#examples")


def test_print_cuts_no_list(page: api.Page) -> None:
    page.emulate_media(media="print")
    height = "getComputedStyle(document.getElementById('example-list')).maxHeight"
    assert page.evaluate(height) == "none"


def test_answers_are_those_of_the_file(page: api.Page) -> None:
    causes = {"wrong_script": "wrong script", "exact": "exact", "empty": "empty"}
    causes |= {"repetition": "repetition"}
    stops = {"newline": "new line", "eos": "end token", "length": "out of room"}
    for row, place in zip(samples(), (ODIA, ENGLISH, ARABIC), strict=True):
        page.click(f"#example-list a[href='{place}']")
        # the address changes before the card does
        title = "document.querySelector('#example-title small').textContent"
        until(page, f"{title} === {json.dumps(row['id'])}")
        cells = page.evaluate(
            "[...document.querySelectorAll('#example-answers tbody tr')]"
            ".map((r) => [...r.cells].map((c) => c.textContent))"
        )
        assert len(cells) == len(row["variants"])
        before = row["variants"][0]["mlqa_em"]
        for told, v in zip(cells, row["variants"], strict=True):
            turn = {0: "as before", 1: "turned right", -1: "turned wrong"}[v["mlqa_em"] - before]
            assert told[1:] == [
                v["answer"] or "(nothing)",
                turn if v["source"] else "",
                causes[v["cause"]],
                f"{100 * v['mlqa_f1']:.1f}",
                "yes" if v["mlqa_em"] else "no",
                stops[v["stop"]],
                {"rus_Cyrl": "Russian", "undecided": "undecided"}.get(v["language"], "not told"),
            ]
        whole = row["prompts"]["base"]
        named = STEERING.sub(lambda m: name_of(m[0]), whole)
        assert page.text_content("#example-prompts") == named
    texts = page.evaluate(
        "[...document.querySelectorAll('#example-card .text')].map((t) => [t.lang, t.dir])"
    )
    assert texts[0] == ["ar", "rtl"]


def test_without_script_the_page_says_where_the_examples_are(
    browser: api.Browser, report: Path
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    told = page.locator("#examples noscript").inner_text()
    assert "questions and answers are in samples.jsonl, grids in grids.parquet" in told
    said = page.locator("body > noscript").inner_text()
    for name in ("lens.parquet", "samples.jsonl", "grids.parquet", "results.parquet"):
        assert name in said
    for control in ("#example-controls", "#lens-controls", "#matrix-opens"):
        assert not page.is_visible(control)
    context.close()


def test_a_browser_that_cannot_unpack_says_where_the_examples_are(
    browser: api.Browser, report: Path
) -> None:
    page = browser.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(report.as_uri())
    page.wait_for_selector("#example-broken:not([hidden])")
    assert "they are in samples.jsonl" in page.inner_text("#example-broken")
    assert not page.is_visible("#example-card")
    page.close()

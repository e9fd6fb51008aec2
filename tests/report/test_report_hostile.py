"""Hostile text in every name, question and answer: it is shown, and does nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import hostile_study
from nasty import NASTY, SURROGATES

from babelscope.controls import STEERING, name_of
from babelscope.report.compare import write_comparison
from babelscope.report.examples import ANSWER_SHOWN, CONTEXT_SHOWN
from babelscope.report.page import write_report

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")

DRAWN = "[...document.querySelectorAll('.plot')].every(p => p.hidden || p.querySelector('svg'))"
PLACES = """() => [...document.querySelectorAll('.example')].map((e) => ({
  id: e.querySelector('small').textContent,
  texts: [...e.querySelectorAll('.text')].map((t) => t.textContent),
  context: e.querySelector('.context').textContent,
}))"""
# what reaches beyond the window without a box of its own that scrolls or clips it
OUTSIDE = """() => [...document.querySelectorAll('body *')].filter((e) => {
  const box = e.getBoundingClientRect();
  if (!box.width || (box.right <= innerWidth + 1 && box.left >= -1)) return false;
  for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) {
    if (getComputedStyle(p).overflowX !== 'visible') return false;
  }
  return !e.matches('.skip, .tabs > input, option, #js-plotly-tester');
}).map((e) => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 60))"""
# text with towers of marks, in a box that does not clip what it draws
UNCLIPPED = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    const marks = (node.data.match(/\\p{M}/gu) || []).length;
    if (parent.closest('script, option, svg') || marks < 20) continue;
    let box = parent;
    while (box !== document.body && getComputedStyle(box).overflowY === 'visible') {
      box = box.parentElement;
    }
    if (box.matches('body, main, section')) found.push(parent.tagName + '.' + parent.className);
  }
  return found;
}"""
WIDEST = "() => Math.max(...[...document.querySelectorAll('table')].map((t) => t.scrollWidth))"


def told(text: str) -> str:
    """What a reader of the page gets: the text, steering characters by their names."""
    return STEERING.sub(lambda m: name_of(m[0]), text.replace("\r\n", "\n"))


def told_within(text: str, room: int) -> str:
    """What is shown of a text that may be too long to be shown whole."""
    if len(text) <= room:
        return told(text)
    return f"{told(text[:room])} … {len(text) - room:,} more characters"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile_study(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def report(folder: Path) -> Path:
    return write_report(folder)


@pytest.fixture(scope="module")
def comparison(folder: Path) -> Path:
    write_comparison(folder, folder, folder / "beside")
    return next((folder / "beside").rglob("index.html"))


@pytest.fixture(scope="module")
def browser() -> Iterator[api.Browser]:
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


def test_there_are_thirty_and_more() -> None:
    assert len(set(NASTY.values())) >= 30


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("kind", ["report", "comparison"])
def test_nothing_runs_and_nothing_breaks_the_layout(
    browser: api.Browser, kind: str, width: int, request: pytest.FixtureRequest
) -> None:
    report: Path = request.getfixturevalue(kind)
    page = browser.new_page(viewport={"width": width, "height": 1000})
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri())
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    # polled from here: the page's policy forbids to evaluate texts inside it
    for _ in range(300):
        if page.evaluate(DRAWN):
            break
        page.wait_for_timeout(100)
    assert page.evaluate(DRAWN)
    assert complaints == []
    assert requests == [report.as_uri()]
    assert page.evaluate("window.hacked") is None
    # the page's own scripts and data, as its policy and its writer know them, and no other
    own = {"report": 8, "comparison": 3}
    assert page.evaluate("document.querySelectorAll('script').length") == own[kind]
    forged = "iframe, img, base, object, embed, form[action], [onerror], [onload], [onclick]"
    assert page.evaluate(f"document.querySelectorAll('{forged}').length") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate(UNCLIPPED) == []
    assert page.evaluate(WIDEST) < 12_000
    page.close()


def test_every_text_can_be_read_back(browser: api.Browser, report: Path) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(report.as_uri())
    shown = {place["id"]: place for place in page.evaluate(PLACES)}
    texts = [*NASTY.values(), SURROGATES]
    assert len(shown) == len(texts)
    for text in texts:
        place = shown[told(text)]
        # the question, two golds, the answer before and the answer after
        assert place["texts"] == [told_within(text, ANSWER_SHOWN)] * 5
        assert place["context"] == told_within(text, CONTEXT_SHOWN)
    heads = page.evaluate("[...document.querySelectorAll('th')].map((t) => t.textContent)")
    for text in NASTY.values():
        assert told(text) in heads, text[:80]
    # sources and models offered in lists, without a character that would steer them
    offered = page.evaluate("[...document.querySelectorAll('option')].map((o) => o.textContent)")
    assert not any(STEERING.search(text) for text in offered)
    assert not STEERING.search(page.title())
    page.close()


def test_filters_find_examples_by_hostile_names(browser: api.Browser, report: Path) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(report.as_uri())
    names = page.evaluate(
        "[...document.querySelectorAll('#example-model option')].map(o => o.value)"
    )
    assert len(names) > 30
    for name in names[1:]:
        page.evaluate(
            "(v) => { const s = document.querySelector('#example-model'); s.value = v;"
            " s.dispatchEvent(new Event('change', {bubbles: true})); }",
            name,
        )
        assert page.inner_text("#example-count").split(" ")[0] == "1", name[:60]
    page.close()

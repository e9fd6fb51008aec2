"""Hostile text in every name, question and answer: it is shown, and does nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from explorer_page import READY
from hostile import hostile_study
from nasty import NASTY, SURROGATES
from pages import until

from babelscope.controls import STEERING, name_of
from babelscope.report.compare import write_comparison
from babelscope.report.explorer import ANSWER_SHOWN, PROMPT_HEAD, PROMPT_TAIL
from babelscope.report.page import write_report

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

DRAWN = "[...document.querySelectorAll('.plot')].every(p => p.hidden || p.querySelector('svg'))"
CURRENT = """() => ({
  id: document.querySelector('#example-title small').textContent,
  texts: [...document.querySelectorAll('#example-card .text')].map((t) => t.textContent),
  prompt: document.querySelector('#example-prompts').textContent,
  heads: [...document.querySelectorAll('#grid-table thead tr:last-child th')]
    .map((t) => t.textContent),
  cells: [...document.querySelectorAll('#grid-table td > bdi')].map((t) => t.textContent),
})"""
NEXT = """async (stride) => {
  const links = [...document.querySelectorAll('#example-list a')];
  const next = links[links.findIndex((a) => a.ariaCurrent) + stride];
  if (!next) return false;
  const moved = new Promise((done) => addEventListener('hashchange', done, {once: true}));
  next.click();
  await moved;
  return true;
}"""
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
# what ran, the scripts, what texts could have made, the page's width and its widest table
STATE = """() => [
  window.hacked, document.querySelectorAll('script').length,
  document.querySelectorAll('iframe, img, base, object, embed, form[action], [onerror], [onload], '
    + '[onclick]').length,
  document.documentElement.scrollWidth,
  Math.max(...[...document.querySelectorAll('table')].map((t) => t.scrollWidth)),
]"""


def told(text: str) -> str:
    """What a reader of the page gets: the text, steering characters by their names."""
    return STEERING.sub(lambda m: name_of(m[0]), text.replace("\r\n", "\n"))


def told_within(text: str, room: int, tail: int = 0) -> str:
    """What is shown of a text that may be too long to be shown whole."""
    left_out = len(text) - room - tail
    if left_out <= 0:
        return told(text)
    rest = f" … {told(text[-tail:])}" if tail else ""
    return f"{told(text[:room])} … {left_out:,} more characters{rest}"


def told_token(text: str) -> str:
    """What is shown of a text that stands for a token: its white space is seen."""
    named = STEERING.sub(lambda m: name_of(m[0]), text)
    return named.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")


def each_example(page: api.Page, stride: int = 1) -> Iterator[dict[str, Any]]:
    """Walk from question to question and yield what every `stride`-th card holds."""
    until(page, READY)
    page.evaluate("babelscope.explore({})")
    yield page.evaluate(CURRENT)
    while page.evaluate(NEXT, stride):
        yield page.evaluate(CURRENT)


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
    own = {"report": 11, "comparison": 3}
    shown = 0
    # a quarter of the questions; all are walked through below
    for _ in each_example(page, 4) if kind == "report" else [{}]:
        shown += 1
        hacked, scripts, forged, wide, widest = page.evaluate(STATE)
        assert (hacked, scripts, forged) == (None, own[kind], 0)
        assert wide <= width
        assert widest < 12_000
        if shown in (1, 5):  # these look at every element of the page
            assert page.evaluate(OUTSIDE) == []
            assert page.evaluate(UNCLIPPED) == []
    assert shown == (1 + len(NASTY) // 4 if kind == "report" else 1)
    assert complaints == []
    page.close()


def test_every_text_can_be_read_back(browser: api.Browser, report: Path) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(report.as_uri())
    shown = {place["id"]: place for place in each_example(page)}
    assert complaints == []
    assert page.evaluate(STATE)[:3] == [None, 11, 0]
    texts = [*NASTY.values(), SURROGATES]
    assert len(shown) == len(texts)
    for n, text in enumerate(texts):
        place = shown[told_within(text, ANSWER_SHOWN)]
        # the question, two golds, the answer before and the answer after
        assert place["texts"] == [told_within(text, ANSWER_SHOWN)] * 5
        assert place["prompt"] == told_within(text, PROMPT_HEAD, PROMPT_TAIL)
        if text != SURROGATES:  # which no token can be
            assert place["heads"] == ["depth", *[told_token(text)] * 3]
            after = [told_token(texts[(n + by) % len(NASTY)]) for by in range(3)]
            # two depths, then what came next: the token itself, and another behind the last
            assert place["cells"] == [*after, *after, after[0], after[0], after[1]]
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
    until(page, READY)
    names = page.evaluate(
        "[...document.querySelectorAll('#example-model option')].map(o => o.value)"
    )
    assert len(names) > 30
    for name in names[1:]:
        page.evaluate("(model) => babelscope.explore({model})", name)
        count = len(NASTY) + 1 if name == "base" else 1
        assert page.inner_text("#example-count").split(" ")[0] == str(count), name[:60]
    page.close()


def test_questions_are_found_by_hostile_texts(browser: api.Browser, report: Path) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(report.as_uri())
    until(page, READY)
    for text in NASTY.values():
        page.evaluate("(search) => babelscope.explore({search})", told(text)[:100])
        found = page.inner_text("#example-count").split(" ")[0]
        assert int(found) >= 1, text[:60]
    page.close()

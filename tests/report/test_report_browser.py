"""The report in a real browser: it draws, fetches nothing, executes nothing, and fits a phone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_study import make_study

from babelscope.report.page import write_report

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(make_study(tmp_path_factory.mktemp("browser")))


@pytest.fixture(scope="module")
def browser() -> Iterator[api.Browser]:
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_report_draws_alone_and_fits(
    browser: api.Browser, report: Path, width: int, scheme: str
) -> None:
    view = {"width": width, "height": 20_000}
    page = browser.new_page(viewport=view, color_scheme=scheme)
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri())
    page.wait_for_function(
        "[...document.querySelectorAll('.plot')].every(p => p.hidden || p.querySelector('svg'))"
    )
    assert complaints == []
    assert requests == [report.as_uri()]
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_controls_show_what_they_say(browser: api.Browser, report: Path) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 20_000})
    page.goto(report.as_uri())
    # by keyboard, as a person without a pointer would
    page.focus("#view-score")
    page.keyboard.press("ArrowRight")
    assert page.is_visible(".view-gain")
    assert not page.is_visible(".view-score")
    page.select_option("#lens-target", "ell_Grek")
    page.click("#lens-details summary")
    first = page.inner_text("#lens-table tbody tr")
    assert first.split("\t") == [
        "Greek", "0", "5.0 (3.0 to 7.0)", "5.0 (3.0 to 7.0)", "0.0 (−2.0 to 2.0)", "1.000",
    ]  # fmt: skip
    page.select_option("#lens-target", "tha_Thai")
    page.select_option("#lens-variant", "default ru-nllb 30")
    assert page.is_visible("#lens-heat") is False
    page.select_option("#example-turn", "wrong")
    assert page.inner_text("#example-count") == "1 of 3 shown"
    page.close()

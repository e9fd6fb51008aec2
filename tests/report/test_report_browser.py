"""The report in a real browser: it draws, fetches nothing, executes nothing, and fits a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_study import make_study
from pages import until

from babelscope.report.page import write_report

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(make_study(tmp_path_factory.mktemp("browser")))


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
    until(
        page,
        "[...document.querySelectorAll('.plot')].every(p => p.hidden || p.querySelector('svg'))",
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
    page.select_option("#lens-variant", "default ru-nllb")
    assert page.is_visible("#lens-heat") is False
    assert page.inner_text("#lens-none") == (
        "The page holds no language mass for Thai, last prompt token, all questions, "
        "by the map counted."
    )
    page.close()


def test_every_reading_of_the_lens_is_drawn(browser: api.Browser, report: Path) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 20_000})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(report.as_uri())
    page.click("#lens-details summary")
    # planted: the tuned model's first row is base, base + change, change, p
    for drawn, shown, row in (
        (
            "attention",
            "#lens-added",
            "Odia 1 1.0 (−1.0 to 3.0) 1.5 (−0.50 to 3.5) 0.50 (−1.5 to 2.5)",
        ),
        ("feed_forward", "#lens-added", "Odia 1 −3.0 (−5.0 to −1.0) −2.5 (−4.5 to −0.50)"),
        ("entropy_bits", "#lens-curves", "entropy 0 12.5 (12.0 to 13.0) 11.5 (11.0 to 12.0) −1.0"),
        ("next_probability", "#lens-curves", "probability of the next token 0 0.0 (−2.0 to 2.0)"),
        ("gold", "#lens-curves", "own gold, against Bengali 0 20.0 (18.0 to 22.0) 27.0"),
        (
            "mass",
            "#lens-curves",
            "Odia 0 5.0 (3.0 to 7.0) 5.0 (3.0 to 7.0) 0.0 (−2.0 to 2.0) 1.000",
        ),
    ):
        page.select_option("#lens-drawn", drawn)
        assert page.is_visible(f"{shown} svg >> nth=0")
        text = page.inner_text("#lens-table tbody").replace("\t", " ")
        assert any(line.startswith(row) for line in text.split("\n")), (drawn, text[:300])
        assert page.is_visible("#lens-map") == (drawn in ("mass", "attention", "feed_forward"))
        assert page.is_visible("#lens-gold") == (drawn == "gold")
        # a figure that kept its height from before would cover what follows
        box, svg = (page.locator(f"#lens-heat{s}").bounding_box() for s in ("", " svg >> nth=0"))
        assert box is not None
        assert svg is not None
        assert svg["height"] == pytest.approx(box["height"], abs=1)
    page.select_option("#lens-map", "langid")
    assert "Bengali 6 30.0 (28.0 to 32.0) 25.0" in page.inner_text("#lens-table").replace("\t", " ")
    page.select_option("#lens-map", "counted")
    page.select_option("#lens-subset", "contest:ben_Beng")
    assert "−12.0" in page.inner_text("#lens-table")
    page.select_option("#lens-subset", "all")
    assert page.inner_text("#lens-step-told") == "30 of 30"
    page.focus("#lens-step")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#lens-step-told") == "15 of 30"
    assert page.get_attribute("#lens-step", "aria-valuetext") == "step 15 of 30"
    assert "1.1 (−0.90 to 3.1)" in page.inner_text("#lens-table")
    page.select_option("#lens-drawn", "attention")
    assert "no change of mass by attention for Odia" in page.inner_text("#lens-none")
    assert complaints == []
    page.close()


def test_the_command_is_selected_and_copied(browser: api.Browser, report: Path) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(report.as_uri())
    command = page.inner_text("pre.command")
    assert command.startswith("babelscope run ")
    page.click("pre.command + button")
    page.wait_for_selector(".told:not(:empty)")
    assert page.evaluate("getSelection().toString()") == command
    assert page.inner_text(".told") == "copied"
    assert page.evaluate("navigator.clipboard.readText()") == command
    context.close()

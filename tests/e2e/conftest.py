"""The demo's own report, opened from disk in a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from opened import Open, Opened

from babelscope import cli

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo study: that of BABELSCOPE_DEMO, else one made now."""
    if given := os.environ.get("BABELSCOPE_DEMO"):
        return Path(given).resolve()
    folder = tmp_path_factory.mktemp("demo") / "demo-study"
    assert cli.main(["demo", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[api.Browser]:
    if CHROMIUM is None:
        pytest.skip("Debian's chromium is not installed")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: api.Browser) -> Iterator[Open]:
    """Open a file at a width and in a colour scheme; pages close with the test."""
    pages: list[api.Page] = []

    def opened(path: Path, width: int = 1440, scheme: str = "light", fragment: str = "") -> Opened:
        page = browser.new_page(viewport={"width": width, "height": 1000}, color_scheme=scheme)
        pages.append(page)
        return Opened(page, path, fragment)

    yield opened
    for page in pages:
        page.close()

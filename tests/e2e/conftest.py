"""The demo's own report, opened from disk in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from opened import Open, Opened

from babelscope import cli

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo study: that of BABELSCOPE_DEMO, else one made now."""
    if given := os.environ.get("BABELSCOPE_DEMO"):
        return Path(given).resolve()
    folder = tmp_path_factory.mktemp("demo") / "demo-study"
    assert cli.main(["demo", "--out", str(folder)]) == 0
    return folder


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

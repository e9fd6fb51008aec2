"""What tests of the report's explorer in a browser share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from explorer_page import go


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    """The module's report with its explorer drawn; it must have complained of nothing."""
    yield from _opened(browser, report)


@pytest.fixture(scope="module")
def kept(browser: Any, report: Path) -> Iterator[Any]:
    """As `page`, opened once for a module: see `unfiltered`."""
    yield from _opened(browser, report)


@pytest.fixture
def unfiltered(kept: Any) -> Any:
    """The module's page, its explorer without filters: opening another takes longer than a look."""
    kept.fill("#example-search", "")
    kept.evaluate("babelscope.explore({})")
    return kept


def _opened(browser: Any, report: Path) -> Iterator[Any]:
    found = browser.new_page(viewport={"width": 1440, "height": 1000})
    complaints: list[str] = []
    found.on("console", lambda message: complaints.append(message.text))
    found.on("pageerror", lambda error: complaints.append(str(error)))
    go(found, report)
    yield found
    assert complaints == []
    found.close()

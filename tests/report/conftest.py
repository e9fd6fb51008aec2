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
    found = browser.new_page(viewport={"width": 1440, "height": 1000})
    complaints: list[str] = []
    found.on("console", lambda message: complaints.append(message.text))
    found.on("pageerror", lambda error: complaints.append(str(error)))
    go(found, report)
    yield found
    assert complaints == []
    found.close()

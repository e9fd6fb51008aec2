"""What tests of a page in a browser share."""

from __future__ import annotations

from typing import Any

import pytest


def until(page: Any, expression: str) -> None:
    """Wait for an expression to hold, polled from here: a page's policy may forbid it to itself."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"after 30 s not yet: {expression}")

"""A page of the browser, with all that it said and asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pages import until

if TYPE_CHECKING:
    from playwright import sync_api as api

DRAWN = (
    "[...document.querySelectorAll('.plot')]"
    ".every(p => !p.checkVisibility() || p.querySelector('svg'))"
)

Open = Callable[..., "Opened"]


class Opened:
    """A page with all that it said and asked for."""

    def __init__(self, page: api.Page, path: Path, fragment: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url.split("#")[0]))
        page.goto(path.as_uri() + fragment)
        self.until(DRAWN)

    def until(self, holds: str) -> None:
        """Wait until an expression holds."""
        until(self.page, holds)

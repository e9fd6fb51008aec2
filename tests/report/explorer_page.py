"""What the tests of a page in a browser share."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fake_examples import SPOILT
from pages import until

READY = "document.documentElement.dataset.examples === 'ready'"


def unpacked(text: str) -> Any:
    """Return what the page's script unpacks from a data block."""
    return json.loads(zlib.decompress(base64.b64decode(text)))


def go(page: Any, report: Path, place: str = "") -> None:
    """Open a report and wait for its explorer; `page` is one of playwright."""
    page.goto(f"{report.as_uri()}{place}")
    until(page, READY)


def settled(page: Any) -> int:
    """Return where a page stands once it scrolls no more."""
    before, now = -1, int(page.evaluate("scrollY"))
    while now != before:
        page.wait_for_timeout(250)
        before, now = now, int(page.evaluate("scrollY"))
    return now


def link(target: str, key: str) -> str:
    """Return the address of a question."""
    # as encodeURIComponent writes it
    safe = "!'()*-._~"
    return f"#example/{target}/{quote(key, safe=safe)}"


ODIA, ARABIC, ENGLISH = link("ory_Orya", "q1"), link("arb_Arab", "q3"), link("eng_Latn", SPOILT)

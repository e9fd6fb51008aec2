"""What a built site needs to work from a disk without a network, and what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SHIM = re.compile(r'<script src="https://unpkg\.com/iframe-worker/shim"[^>]*></script>')
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
OPENED = {"a": "href"}


def finish(site: Path) -> None:
    """Let the search work from a disk: its worker travels as text inside a script of the site.

    Browsers refuse workers of file: addresses. zensical answers with a script from another
    server; here a worker is made from its own text instead.
    """
    [worker] = site.glob("assets/javascripts/workers/search.*.js")
    text = json.dumps(worker.read_text(encoding="utf-8")).replace("</", "<\\/")
    script = (
        'if (location.protocol === "file:") {\n'
        f"  const text = {text};\n"
        "  const Given = window.Worker;\n"
        '  const made = () => URL.createObjectURL(new Blob([text], { type: "text/javascript" }));\n'
        "  window.Worker = function () { return new Given(made()); };\n"
        "}\n"
    )
    (site / "assets/javascripts/disk-search.js").write_text(script, encoding="utf-8")
    (site / "404.html").unlink()  # what a server shows
    for page in site.rglob("*.html"):
        up = "../" * (len(page.relative_to(site).parts) - 1) or "./"
        own = f'<script src="{up}assets/javascripts/disk-search.js"></script>'
        page.write_text(SHIM.sub(own, page.read_text(encoding="utf-8")), encoding="utf-8")


class _Links(HTMLParser):
    """Collects what a page loads and opens, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.opened: list[str] = []
        self.bare: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if address := values.get(LOADED.get(tag, "")):
            self.loaded.append(address)
        if address := values.get(OPENED.get(tag, "")):
            self.opened.append(address)
        if tag == "img" and not values.get("alt"):
            self.bare.append(values.get("src") or "")


def faults(site: Path) -> Iterator[str]:
    """Yield what is wrong: something fetched from a server, a file that is missing, no alt text."""
    for page in sorted(site.rglob("*.html")):
        links = _Links()
        links.feed(page.read_text(encoding="utf-8"))
        name = page.relative_to(site)
        for address in links.loaded:
            if urlsplit(address).netloc:
                yield f"{name}: loads {address} from another server"
            elif not _there(page, address):
                yield f"{name}: loads {address}, which is missing"
        for address in links.opened:
            if not _there(page, address):
                yield f"{name}: links to {address}, which is missing"
        for address in links.bare:
            yield f"{name}: the picture {address} has no text"


def _there(page: Path, address: str) -> bool:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not parts.path:
        return True
    return (page.parent / unquote(parts.path)).is_file()

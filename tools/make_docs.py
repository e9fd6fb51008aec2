"""Build the documentation site, strictly: `python tools/make_docs.py` writes `build/site`.

The pages of `docs/` are copied to `build/pages`, their places for what is made are filled (see
`doc_pages`), zensical turns them into a site, and the site is checked (see `doc_site`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doc_pages import Workshop, fill_page
from doc_site import faults, finish

ROOT = Path(__file__).resolve().parent.parent
DOCS, BUILD = ROOT / "docs", ROOT / "build"
FIRST = "tutorials"
"""The folder whose pages are filled first: other pages show figures of the studies made there."""


def main() -> int:
    """Build and check; returns the exit status, faults on standard error."""
    os.chdir(ROOT)
    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    pages, site = ROOT / config["docs_dir"], ROOT / config["site_dir"]
    for folder in (pages, site):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("*.ipynb", ".ipynb_checkpoints"))
    workshop = Workshop(ROOT, DOCS, pages, BUILD / "work")
    workshop.open()
    found = sorted(pages.rglob("*.md"), key=lambda p: (FIRST not in p.parts, p))
    for page in found:
        print(f"page {page.relative_to(pages)}", flush=True)
        page.write_text(fill_page(page, workshop), encoding="utf-8")
    told = [f"{page}: not in the navigation" for page in unlisted(found, pages, config["nav"])]
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        return done.returncode
    finish(site)
    told += faults(site)
    for fault in told:
        print(f"error: {fault}", file=sys.stderr)
    print(f"site: {site / 'index.html'}")
    return 1 if told else 0


def unlisted(found: list[Path], pages: Path, nav: list[Any]) -> list[str]:
    """Return the pages that the navigation does not name."""
    listed = set(_leaves(nav))
    return [name for name in (str(p.relative_to(pages)) for p in found) if name not in listed]


def _leaves(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, list):
        for item in nav:
            yield from _leaves(item)
    elif isinstance(nav, dict):
        for item in nav.values():
            yield from _leaves(item)


if __name__ == "__main__":
    sys.exit(main())

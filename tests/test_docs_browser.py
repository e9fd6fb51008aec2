"""A built site in a real browser: opened from disk it fetches nothing, and its search finds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

from doc_site import faults, finish  # noqa: E402  # beside the package, not in it

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a site of the project's pages as they are written, with nothing filled in."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "zensical.toml", folder)
    shutil.copytree(ROOT / "docs", folder / "build/pages")
    # not strict: what is not filled in has no anchors
    command = [sys.executable, "-m", "zensical", "build"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    finish(folder / "build/site")
    return folder / "build/site"


def test_a_site_is_whole(site: Path) -> None:
    assert list(faults(site)) == []
    assert (site / "tutorials/which-language.html").exists()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_a_site_works_from_disk_without_a_network(
    browser: api.Browser, site: Path, width: int, scheme: str
) -> None:
    complaints: list[str] = []
    requests: list[str] = []
    view = {"width": width, "height": 900}
    page = browser.new_page(viewport=view, color_scheme=scheme)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((site / "metrics.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("/")
    page.keyboard.type("mantel")
    page.wait_for_selector("text=alignment.parquet")
    page.close()
    assert complaints == []
    assert requests
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []

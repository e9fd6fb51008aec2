"""Draw the README's picture: the first screen of a study's report, `docs/report.png`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).resolve().parent.parent / "docs/report.png"
WIDTH, HEIGHT = 1200, 1000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main(study: Path) -> int:
    """Open the report in an installed Chromium and keep what it shows."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    report = (study / "report/index.html").resolve()
    if browser is None or not report.exists():
        print(f"error: {report}: expected it and one of {', '.join(BROWSERS)}", file=sys.stderr)
        return 2
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = opened.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(report.as_uri())
        page.screenshot(path=str(PICTURE))
        opened.close()
    print(PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

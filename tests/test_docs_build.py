"""The site's own tools: what fills the pages, and the notebook."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import doc_notebook  # noqa: E402  # beside the package, not in it
import doc_pages  # noqa: E402
import doc_reference  # noqa: E402
import doc_site  # noqa: E402

import babelscope  # noqa: E402
from babelscope import cli  # noqa: E402

NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
DOCUMENTS = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_a_notebook_runs_and_tells_what_its_cells_print(path: Path, tmp_path: Path) -> None:
    text = doc_notebook.notebook_markdown(path, tmp_path / "kept", tmp_path)
    assert "questions, left out" in text
    assert "Traceback" not in text
    [picture] = tmp_path.glob("*.png")
    assert picture.name in text
    assert picture.stat().st_size > 5_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_the_references_hold_every_command_and_every_public_name() -> None:
    commands = doc_reference.commands_markdown()
    for name in cli.app:
        if not name.startswith("-"):
            assert f"## babelscope {name}" in commands
    names = doc_reference.api_markdown()
    for name in babelscope.__all__:
        assert f"### {name}\n" in names
    assert "SettingError" in names


def test_every_place_of_a_page_is_one_that_the_build_fills() -> None:
    known = {"run", "output", *doc_pages.MAKERS}
    text = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
    places = [place[1] for found in text.values() for place in doc_pages.PLACE.finditer(found)]
    assert known == set(places)
    # none is misspelt so that it is not seen as one
    assert sum(found.count("<!-- make") for found in text.values()) == len(places)


@pytest.mark.parametrize(
    ("words", "shown"),
    [("", "a\nb\nc"), ("2..3", "b\nc"), ("1..-2", "a\nb"), ("-1..-1", "c"), ("b..-1", "b\nc")],
)
def test_an_output_is_shown_whole_or_in_part(words: str, shown: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"```python\nprint('a\\nb\\nc')\n```\n<!-- make: output {words} -->\n")
    workshop = doc_pages.Workshop(ROOT, ROOT / "docs", tmp_path, tmp_path)
    assert f"```text\n{shown}\n```" in doc_pages.fill_page(page, workshop)


@pytest.mark.parametrize("place", ["nothing", "output", "figure study name"])
def test_a_place_that_cannot_be_filled_ends_the_build(place: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"    babelscope score nowhere.jsonl --data atlas\n\n<!-- make: {place} -->\n")
    workshop = doc_pages.Workshop(ROOT, ROOT / "docs", tmp_path, tmp_path)
    with pytest.raises(RuntimeError, match=r"page\.md"):
        doc_pages.fill_page(page, workshop)


def test_a_site_that_fetches_or_misses_something_is_faulty(tmp_path: Path) -> None:
    (tmp_path / "there.html").write_text("<p>here</p>")
    (tmp_path / "index.html").write_text(
        '<script src="https://example.org/a.js"></script><img src="no.png" alt="a picture">'
        '<a href="gone.html">x</a><a href="there.html#part">y</a><a href="https://example.org">z</a>'
        '<img src="there.html">'
    )
    told = list(doc_site.faults(tmp_path))
    assert [fault.partition(": ")[2] for fault in told] == [
        "loads https://example.org/a.js from another server",
        "loads no.png, which is missing",
        "links to gone.html, which is missing",
        "the picture there.html has no text",
    ]

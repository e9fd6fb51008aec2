"""What the documents name is there: files, commands, public names, study keys."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import babelscope
from babelscope import cli

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_the_commands_of_the_readme_are_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    babelscope (.*)$", text, re.MULTILINE)
    assert len(lines) >= 3
    for line in lines:
        words = shlex.split(line, comments=True)
        cli.app.parse_args(words, exit_on_error=False, print_error=False)


def test_the_names_of_the_readme_are_public() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = set(re.findall(r"\bbs\.(\w+)", text))
    assert names
    assert names <= set(babelscope.__all__)


@pytest.mark.parametrize("target", ["demo", "test", "check", "bench"])
def test_the_make_targets_that_are_named_exist(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    named = "".join(p.read_text(encoding="utf-8") for p in DOCUMENTS)
    assert f"make {target}" in named

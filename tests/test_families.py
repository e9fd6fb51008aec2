"""A slice of the sweep over all families, and the page that shows the whole of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tools")]

import doc_families  # noqa: E402  # beside the package, not in it
import families  # noqa: E402
from family_checks import Family  # noqa: E402
from family_shapes import save_family  # noqa: E402

SLICE = {
    ("decoder", "deepseek_v2"): (),
    ("decoder", "qwen3_next"): ("batch", "sharing", "options"),
    ("decoder", "gpt_oss"): (),
    ("decoder", "llama4_text"): ("classify",),
    ("encoder", "ibert"): ("lora",),
}
"""Families that stand for a kind, and what is refused of them: packed experts beside shared ones,
a recurrent state, packed experts with biases, a router that is a linear layer with two results, an
encoder without plain linear layers."""

FEWEST = {"decoder": 66, "encoder": 33}


@pytest.mark.parametrize(("kind", "name"), SLICE)
def test_a_family_is_right_or_refused(kind: str, name: str, tmp_path: Path) -> None:
    family = Family(save_family(tmp_path / name, name, kind))
    rows = [families.tried(family, kind, name, check) for check in families.CHECKS[kind]()]
    assert [row for row in rows if row.outcome == "wrong"] == []
    assert tuple(row.check for row in rows if row.outcome == "refused") == SLICE[kind, name]


def test_the_table_has_the_families_and_nothing_wrong() -> None:
    versions, rows = doc_families.read_families(families.TABLE)
    assert all(name in versions for name in families.LIBRARIES)
    for kind, fewest in FEWEST.items():
        own = [row for row in rows if row["kind"] == kind]
        built = {row["family"] for row in own if row["outcome"] != "unbuilt"}
        assert len(built) >= fewest
        assert {row["check"] for row in own} >= set(families.CHECKS[kind]())
    assert [row for row in rows if row["outcome"] == "wrong"] == []
    assert all(float(r["deviation"]) <= families.BOUND for r in rows if r["outcome"] == "right")
    assert all(row["line"] for row in rows if row["outcome"] == "refused")


@pytest.mark.parametrize("kind", FEWEST)
def test_the_page_shows_the_table(kind: str) -> None:
    assert f"<!-- make: families {kind} -->" in (ROOT / "docs/families.md").read_text("utf-8")
    page = doc_families.families_markdown(families.TABLE, kind).splitlines()
    _, rows = doc_families.read_families(families.TABLE)
    shown = {line.split(" | ")[0].removeprefix("| ") for line in page if line.startswith("| ")}
    for row in rows:
        if row["kind"] == kind and row["outcome"] != "unbuilt":
            assert row["family"] in shown

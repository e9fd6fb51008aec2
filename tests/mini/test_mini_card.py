"""The card in the documentation is the one that the recipe's numbers give."""

from __future__ import annotations

from pathlib import Path

from babelscope.mini.card import card_text, read_card


def test_the_documented_card_is_current() -> None:
    path = Path(__file__).parents[2] / "docs" / "mini.md"
    assert path.read_text(encoding="utf-8") == card_text(read_card())

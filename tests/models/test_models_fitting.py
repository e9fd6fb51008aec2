"""Whether a cut took the gold out of its context is told in NFC, as the two may differ in form."""

from __future__ import annotations

from unicodedata import normalize

import pytest

from babelscope.data.prompts import TEMPLATES, prompt_parts
from babelscope.models.fitting import fit_prompt
from babelscope.models.loading import load_tokenizer
from babelscope.records import Example

ROOM = 60


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("early", [True, False])
def test_a_lost_gold_is_the_same_in_every_form(form: str, early: bool) -> None:
    gold, rest = "cité dorée", "and more text " * 40
    context = normalize(form, f"{gold} {rest}" if early else f"{rest} {gold}")
    for written in ("NFC", "NFD"):
        asked = Example("1", "fra_Latn", context, "Où?", (normalize(written, gold),), "1")
        parts = prompt_parts(TEMPLATES["plain"], asked)
        found = fit_prompt(load_tokenizer("mini"), parts, asked, ROOM)
        assert found.truncated
        assert len(found.ids) <= ROOM
        assert found.gold_lost is not early

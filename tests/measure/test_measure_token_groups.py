"""Groups of tokens: scripts, script extensions, lead bytes of pieces."""

from __future__ import annotations

import pytest
import unicodedataplus
from hypothesis import given
from hypothesis import strategies as st

from babelscope.languages import script_of
from babelscope.measure.token_groups import NO_SCRIPT, group_tokens, text_scripts
from babelscope.records import TokenForm


def _group(data: bytes, start: bool = False) -> tuple[str, frozenset[str]]:
    groups = group_tokens([TokenForm(data, start, False)])
    return groups.names[0], groups.scripts[0]


@pytest.mark.parametrize(
    ("data", "scripts"),
    [
        (b"the", {"Latn"}),
        ("ଓଡ଼ି".encode(), {"Orya"}),
        ("ि".encode(), {"Deva"}),  # a vowel sign alone
        ("東京タワー".encode(), {"Hani", "Kana"}),
        (b"12", set()),
        (b"", set()),
        (b"\xe0\xac", {"Orya"}),  # E0 AC begins U+0B00-0B3F
        (b"\xe0\xad", {"Orya"}),  # E0 AD begins U+0B40-0B7F
        (b"\xe0\xa6", {"Beng"}),
        (b"\x95\xe0\xac", {"Orya"}),  # the end of one character, the begin of the next
        ("ক".encode() + b"\xe0\xac", {"Beng"}),  # a whole character says more than a piece
        (b"\xd0", {"Cyrl"}),
        (b"\x95", set()),
        (b"\xf0", set()),
        (b"\xf0\x9f", set()),  # emoji are common to all scripts
        (b"\xff", set()),
    ],
)
def test_scripts_of_tokens_and_pieces(data: bytes, scripts: set[str]) -> None:
    assert _group(data)[1] - {"Cyrs", "Regi"} == scripts


def test_a_lone_lead_byte_stands_for_many_scripts() -> None:
    assert {"Deva", "Beng", "Orya", "Taml", "Thai"} < _group(b"\xe0")[1]  # as <0xE0> does


def test_common_characters_use_script_extensions() -> None:
    assert {"Deva", "Beng", "Orya"} < text_scripts("।")
    assert text_scripts("क।") == {"Deva"}
    assert text_scripts("،") >= {"Arab"}
    assert text_scripts("、") >= {"Hani", "Hira"}


def test_word_start_pieces_and_special_rows_stand_apart() -> None:
    forms = [
        TokenForm(b"the", True, False),
        TokenForm(b"the", False, False),
        TokenForm(b"der", True, False),
        TokenForm(b"", False, True),
        TokenForm(b"\xe0\xac", False, False),
        TokenForm(b"\xe0\xad", False, False),
        TokenForm(b"", False, True),
    ]
    groups = group_tokens(forms)
    assert groups.index.tolist() == [0, 1, 0, 2, 3, 4, 2]
    assert groups.names == (
        "Latn start",
        "Latn inside",
        "special",
        "bytes e0ac inside",
        "bytes e0ad inside",
    )
    assert len(groups.scripts) == 5


@given(st.characters(codec="utf-8", categories=["L", "M"]), st.integers(1, 3))
def test_a_piece_never_excludes_the_script_of_its_letter(character: str, cut: int) -> None:
    """Any first bytes of a letter leave its own script possible, or say nothing at all."""
    piece = character.encode()[:cut]
    found = _group(piece)[1]
    whole = {script_of(character)} - NO_SCRIPT
    assert not found or not whole or whole <= found


@given(st.text(max_size=8))
def test_whole_text_gets_the_scripts_of_its_characters(text: str) -> None:
    own = {script_of(c) for c in text} - NO_SCRIPT
    listed = {s for c in text for s in unicodedataplus.script_extensions(c)} - NO_SCRIPT
    assert _group(text.encode())[1] == (own or listed)

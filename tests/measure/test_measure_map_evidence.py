"""What a map knows of a token, and how its languages make a token shared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from babelscope.errors import StoreError
from babelscope.measure.language_map import SHARED, LanguageMap, build_map, load_map, save_map
from babelscope.measure.map_evidence import token_evidence
from babelscope.records import TokenForm

LANGUAGES = ("eng_Latn", "swh_Latn", "ell_Grek", "ory_Orya")
TOKENS = ("the", "Q", "rare", "?", "7", " ", "λόγος", "ଓଡ଼ି", "Qλ")
BROKEN = (b"\xe0\xac", b"\xac")
FORMS = (
    *(TokenForm(text.encode(), False, False) for text in TOKENS),
    *(TokenForm(data, False, False) for data in BROKEN),
    TokenForm(b"", False, True),
)
COUNTS = {"the": (30, 1), "Q": (0, 3), "rare": (5, 4), "?": (200, 0)}


def counts() -> np.ndarray:
    """Return (1, rows, languages): Greek and Odia have their own tokens, the others the above."""
    found = np.zeros((1, len(FORMS), len(LANGUAGES)))
    for token, (english, swahili) in COUNTS.items():
        found[0, TOKENS.index(token), :2] = english, swahili
    found[0, TOKENS.index("λόγος"), 2] = found[0, TOKENS.index("ଓଡ଼ି"), 3] = 2
    return found


@pytest.fixture(scope="module")
def made() -> LanguageMap:
    return build_map(counts(), FORMS, LANGUAGES, tokenizer_fingerprint="t")


def test_the_evidence_of_each_kind_of_token(made: LanguageMap) -> None:
    found = dict(zip(TOKENS, token_evidence(made, FORMS), strict=False))
    assert found == {
        "the": "counted",
        "Q": "few",
        "rare": "few",  # nine times in all
        "?": "no letters",  # however often, and in one language alone
        "7": "no letters",
        " ": "no letters",
        "λόγος": "script",  # twice is enough: no other language of the map is written so
        "ଓଡ଼ି": "script",
        "Qλ": "few",
    }
    # E0 AC can only begin a letter of Odia; a continuation alone may be of any
    assert token_evidence(made, FORMS)[len(TOKENS) :] == ["script", "no letters", "no letters"]


def test_ten_times_are_enough(made: LanguageMap) -> None:
    assert made.counted is not None
    assert made.counted[TOKENS.index("rare")] == 9
    counted = made.counted.copy()
    counted[TOKENS.index("rare")] = 10
    again = token_evidence(replace(made, counted=counted), FORMS)
    assert again[TOKENS.index("rare")] == "counted"


def test_a_map_without_counts_knows_scripts_alone(made: LanguageMap) -> None:
    found = token_evidence(replace(made, counted=None), FORMS)
    assert [found[TOKENS.index(t)] for t in ("the", "?", "ଓଡ଼ି")] == [
        "not counted", "no letters", "script",
    ]  # fmt: skip


@pytest.mark.parametrize("counted", [True, False])
def test_counts_are_kept_with_the_map(made: LanguageMap, tmp_path: Path, counted: bool) -> None:
    given = made if counted else replace(made, counted=None)
    save_map(given, tmp_path / "map.safetensors")
    read = load_map(tmp_path / "map.safetensors")
    if counted:
        assert read.counted is not None
        assert made.counted is not None
        assert read.counted.tolist() == made.counted.tolist()
    else:
        assert read.counted is None


def test_counts_of_other_rows_are_refused(made: LanguageMap, tmp_path: Path) -> None:
    path = tmp_path / "map.safetensors"
    save_map(replace(made, counted=np.zeros(3, dtype=np.float32)), path)
    with pytest.raises(StoreError, match="a count for each row, found the shape"):
        load_map(path)


@pytest.mark.parametrize("size", [2, 3, 10])
def test_a_token_that_two_languages_use_alike_is_shared_by_their_number(size: int) -> None:
    names = (
        "eng_Latn", "swh_Latn", "ell_Grek", "ory_Orya", "hin_Deva", "tam_Taml", "arb_Arab",
        "rus_Cyrl", "tha_Thai", "kat_Geor",
    )[:size]  # fmt: skip
    forms = [TokenForm(f"{n}".encode(), False, False) for n in "abcdefghijk"[: size + 1]]
    found = np.zeros((1, size + 1, size))
    found[0, np.arange(size), np.arange(size)] = 1e6
    found[0, size, :2] = 1e6  # the last token: two languages, alike
    made = build_map(found, forms, names, tokenizer_fingerprint="t")
    # entropy log 2: (2 - 1) / (size - 1)
    assert made.probability[size, made.columns.index(SHARED)] == pytest.approx(
        1 / (size - 1), abs=1e-3
    )

"""Further text in a language map: how much of it counts, by hand, by law, and on real text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from babelscope.data.texts import read_texts
from babelscope.errors import DataError
from babelscope.measure.language_map import LanguageMap, build_map, quality
from babelscope.measure.map_smoothing import FURTHER_SHARES, join_further
from babelscope.models.loading import load_tokenizer
from babelscope.models.tokens import count_tokens
from babelscope.records import TokenForm
from babelscope.study.maps import make_map

LANGUAGES = ("deu_Latn", "fra_Latn", "spa_Latn")
ROWS = 60
FORMS = [TokenForm(f"w{'abcdefghij'[r % 10] * (r + 1)}".encode(), True, False) for r in range(ROWS)]
FORMS[-1] = TokenForm(b"", False, True)


def _rates() -> NDArray[np.float64]:
    rates = np.random.default_rng(8).random((ROWS, 3)) ** 6
    rates[-1] = 0
    return np.asarray(rates / rates.sum(axis=0))


def _draw(seed: int, tokens: int, rates: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.random.default_rng(seed).poisson(tokens * rates)


def _build(parts: list[NDArray[np.int64]], *further: NDArray[np.int64]) -> LanguageMap:
    more = [sparse.csr_array(item) for item in further]
    return build_map(np.stack(parts), FORMS, LANGUAGES, tokenizer_fingerprint="", further=more)


def test_further_counts_by_hand() -> None:
    """Share 2 of 4 own tokens leaves room for 8: 16 are halved, 2 stay, a language without has 0.

    Own (1+3, 4, 4); further (16, 2, 0); the second collection has share 0.
    """
    own = sparse.csr_array(np.array([[1.0, 4, 0], [3, 0, 4]]))
    more = sparse.csr_array(np.array([[12.0, 2, 0], [4, 0, 0]]))
    joined = join_further(own, [more, more], (2.0, 0.0)).toarray()
    np.testing.assert_allclose(joined, [[1 + 6, 4 + 2, 0], [3 + 2, 0, 4]])


def test_further_text_beyond_its_room_changes_nothing_by_its_size() -> None:
    parts = [_draw(s, 30, _rates()) for s in (1, 2)]
    more = _draw(3, 3000, _rates())
    small, large = _build(parts, more), _build(parts, more * 10)
    np.testing.assert_allclose(large.probability, small.probability, atol=1e-6)


def test_further_text_without_tokens_changes_nothing() -> None:
    parts = [_draw(s, 30, _rates()) for s in (1, 2)]
    alone, with_none = _build(parts), _build(parts, np.zeros((ROWS, 3), dtype=int))
    np.testing.assert_array_equal(with_none.probability, alone.probability)
    assert with_none.quality["further_shares"] == [0.0]  # the smallest of equals


def test_text_of_the_same_kind_is_used_and_helps() -> None:
    """Drawn from the same rates, more text cannot but tell more of the held-out draw."""
    parts = [_draw(s, 30, _rates()) for s in (1, 2)]
    held = _draw(9, 5000, _rates())
    made = _build(parts, _draw(4, 3000, _rates()))
    assert made.quality["further_shares"] == [max(FURTHER_SHARES)]
    assert quality(made, held).nats < quality(_build(parts), held).nats - 0.05


def test_misleading_text_is_left_out_and_each_collection_is_judged_apart() -> None:
    parts = [_draw(s, 200, _rates()) for s in (1, 2)]
    swapped = _draw(5, 3000, _rates()[:, [1, 2, 0]])
    made = _build(parts, swapped, _draw(4, 3000, _rates()))
    assert made.quality["further_shares"] == [0.0, max(FURTHER_SHARES)]
    only_good = _build(parts, _draw(4, 3000, _rates()))
    np.testing.assert_array_equal(made.probability, only_good.probability)


def test_one_part_cannot_judge_and_so_uses_none() -> None:
    part = _draw(1, 30, _rates())
    made = _build([part], _draw(4, 3000, _rates()))
    np.testing.assert_array_equal(made.probability, _build([part]).probability)


def test_a_token_that_only_further_text_uses_is_known() -> None:
    """A digit's group has neither a script nor counts in the first text."""
    forms = [*FORMS[:-1], TokenForm(b"7", True, False)]
    parts = [_draw(s, 30, _rates()) for s in (1, 2)]
    more = _draw(4, 3000, _rates())
    more[-1] = [0, 40, 0]
    counts, given = np.stack(parts), [sparse.csr_array(more)]
    made = build_map(counts, forms, LANGUAGES, tokenizer_fingerprint="", further=given)
    table = made.probability
    assert table[-1, -1] == 0
    assert table[-1].argmax() == 1
    alone = build_map(counts, forms, LANGUAGES, tokenizer_fingerprint="").probability
    assert alone[-1, -1] == 1


def test_further_counts_of_another_shape_are_told() -> None:
    with pytest.raises(DataError, match="60 rows, 3 languages"):
        _build([_draw(1, 30, _rates())], np.zeros((ROWS, 2), dtype=int))


@pytest.mark.slow
@pytest.mark.real_data
def test_common_voice_text_lowers_the_held_out_nats_on_flores(
    unpacked: Callable[[str], Path], tokenizer_folder: Callable[[str], Path]
) -> None:
    """The issue's bound is 1.23 nats, with all of the text; here with 2,000 lines a language."""
    flores = read_texts(next(unpacked("flores200").rglob("*.devtest")).parent)
    voice = read_texts(unpacked("common_voice_text") / "common_voice_text")
    assert set(flores) - set(voice) == {"ayr_Latn", "yor_Latn", "zho_Hant"}
    tokenizer = load_tokenizer(str(tokenizer_folder("xlmr")))
    first = {code: lines[:506] for code, lines in flores.items()}
    held_lines = {code: flores[code][506:] for code in sorted(flores)}
    _, held = count_tokens(tokenizer, held_lines, len(tokenizer))
    few = {code: lines[:: max(1, len(lines) // 2000)] for code, lines in voice.items()}
    made = make_map(tokenizer, len(tokenizer), first, [few])
    found = quality(made, held)
    assert found.nats < 1.23
    assert found.ece < 0.02

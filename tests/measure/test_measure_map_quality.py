"""Quality of a language map: hand-derived values and what a map that knows nothing scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from babelscope.errors import DataError
from babelscope.measure.map_quality import measure_quality

ROWS = 12
LANGUAGES = ("deu_Latn", "fra_Latn", "ory_Orya", "zho_Hans")


def test_quality_by_hand() -> None:
    """Two tokens, two languages: 3/4 and 1/4 of each language's tokens.

    Nats: -(3/4 log .8 + 1/4 log .4) and -(3/4 log .6 + 1/4 log .2). The top language of token 0
    is a (.8), of token 1 is b (.6): accuracy 3/4 each. Bins of 1/15: .8 and .6 fall in two bins.
    Token 0 weighs (3/4 + 1/4)/2 and is right 3/4 of that: |.8 - .75| / 2; token 1: |.6 - .75| / 2.
    """
    table = np.array([[0.4, 0.1, 0.5, 0.0], [0.4, 0.6, 0.0, 0.0], [0, 0, 0, 1]])
    held = np.array([[3, 10], [1, 30], [0, 0]])
    found = measure_quality(table, held, ["aaa", "bbb"])
    a = -(0.75 * math.log(0.8) + 0.25 * math.log(0.4))
    b = -(0.75 * math.log(0.6) + 0.25 * math.log(0.2))
    assert found.language_nats == {"aaa": pytest.approx(a), "bbb": pytest.approx(b)}
    assert found.nats == pytest.approx((a + b) / 2)
    assert found.uniform_nats == pytest.approx(math.log(2))
    assert found.accuracy == pytest.approx(0.75)
    assert found.ece == pytest.approx(0.05 / 2 + 0.15 / 2)
    assert found.tokens == {"aaa": 4, "bbb": 40}
    assert found.coverage == {"aaa": 1, "bbb": 1}
    assert found.confused == ()


def test_a_map_that_knows_nothing_is_a_uniform_guess() -> None:
    table = np.tile([0.0, 0, 0, 0, 0, 1], (ROWS, 1))
    held = np.random.default_rng(3).integers(1, 9, size=(ROWS, 4))
    found = measure_quality(table, held, LANGUAGES)
    assert found.nats == pytest.approx(math.log(4)) == pytest.approx(found.uniform_nats)
    assert found.accuracy == pytest.approx(1 / 4)
    assert found.ece == pytest.approx(0, abs=1e-12)
    assert set(found.coverage.values()) == {0.0}
    assert len(found.confused) == 6
    assert all(share == pytest.approx(0.5) for *_, share in found.confused)


def test_a_pair_told_apart_too_seldom_is_named() -> None:
    """Token 0 goes to a, which holds 3/4 of a's tokens; token 1 to b, with 1/2 of b's.

    (3/4 + 1/2) / 2 = .625 of the tokens are assigned rightly, which is below .65.
    """
    table = np.array([[0.6, 0.4, 0, 0], [0.4, 0.6, 0, 0]])
    found = measure_quality(table, np.array([[3, 2], [1, 2]]), ["aaa", "bbb"])
    assert found.confused == (("aaa", "bbb", pytest.approx(0.625)),)
    assert found.accuracy == pytest.approx(0.625)


def test_shapes_that_do_not_fit_are_told() -> None:
    with pytest.raises(DataError, match="the map's 2 rows and 4 languages"):
        measure_quality(np.ones((2, 6)), np.ones((3, 4)), LANGUAGES)

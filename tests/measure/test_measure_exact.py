"""Fisher's exact test against scipy's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from babelscope.errors import DataError
from babelscope.measure.exact import fisher_p


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_it_is_scipys(a: int, b: int, c: int, d: int) -> None:
    wanted = fisher_exact([[a, b], [c, d]]).pvalue
    assert fisher_p((a, c), (a + b, c + d)) == pytest.approx(wanted)


def test_one_of_two_against_ten_of_sixteen() -> None:
    # by hand: hypergeometric, 11 falls of 18: P(1 of 2) = .503 is the likeliest table
    assert fisher_p((1, 10), (2, 16)) == 1.0


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(DataError, match="hits of 0 to 2"):
        fisher_p((3, 0), (2, 4))

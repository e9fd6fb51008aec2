"""Fisher's exact test of two shares."""

from __future__ import annotations

from math import comb

from babelscope.errors import DataError

ROUNDING = 1e-7  # relative; tables as likely as the observed one count


def fisher_p(hits: tuple[int, int], totals: tuple[int, int]) -> float:
    """Return the two-sided p of hits[0] of totals[0] against hits[1] of totals[1].

    The chance, given both margins, of a table no more likely than this one; 1 where a side is
    empty.

    Raises:
        DataError: hits are not within 0 and their total.

    Source: Fisher 1922.
    """
    for found, total in zip(hits, totals, strict=True):
        if not 0 <= found <= total:
            raise DataError(
                "shares to be compared", expected=f"hits of 0 to {total}", found=str(found)
            )
    both, whole = sum(hits), sum(totals)
    low, high = max(0, both - totals[1]), min(both, totals[0])
    ways = [comb(totals[0], k) * comb(totals[1], both - k) for k in range(low, high + 1)]
    limit = ways[hits[0] - low] * (1 + ROUNDING)
    return min(1.0, sum(w for w in ways if w <= limit) / comb(whole, both))

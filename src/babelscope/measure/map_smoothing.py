"""p(language | token) from counts: token -> group -> uniform, with strengths chosen on the text.

Text of further collections joins the token's counts, and only them: at most `share` times as many
tokens of a language as its first text has. A collection is of its own domain and its languages
differ in size by orders of magnitude, so all of it at once makes the map worse; what it is worth
is chosen, like the strengths, by what predicts parts of the first text best.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from babelscope.languages import language, scripts_of_language
from babelscope.measure.map_quality import TINY
from babelscope.measure.token_groups import SPECIAL, TokenGroups

TOKEN_STRENGTHS = tuple(2.0**power for power in range(-3, 7))
GROUP_STRENGTHS = (1.0, 8.0, 64.0)
USUAL_STRENGTHS = (2.0, 1.0)  # for text that cannot be split
FURTHER_SHARES = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
SCRIPT_TOKENS = 20.0  # different tokens that the knowledge of a language's script is worth

Array = NDArray[np.float64]
Strengths = tuple[float, float]
"""Dirichlet pseudo-counts of the group in a token's, and of the uniform in a group's."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a text says, before any strength is chosen.

    `token` is sparse (rows, languages), scaled to equal totals of the languages; `group` is
    (groups, languages), `group_of` (rows,); `known` (rows,) is false where nothing is known.
    """

    token: sparse.csr_array
    group: Array
    group_of: NDArray[np.intp]
    known: NDArray[np.bool_]


Fold = tuple[Evidence, sparse.csr_array]
"""The evidence of a part of a text, and the counts (rows, languages) of the rest, held out."""


def script_languages(groups: TokenGroups, languages: Sequence[str]) -> Array:
    """Return (groups, languages): 1 where a language is written in a script of the group.

    Raises:
        LanguageError: a language is unknown.
    """
    written = [scripts_of_language(language(code)) for code in languages]
    rows = [[float(bool(scripts & own)) for own in written] for scripts in groups.scripts]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(languages))


def join_further(
    counts: sparse.csr_array, further: Sequence[sparse.csr_array], shares: Sequence[float]
) -> sparse.csr_array:
    """Add further counts (rows, languages), each to at most its share of a language's own total."""
    own = counts.sum(axis=0)
    joined = counts
    for more, share in zip(further, shares, strict=True):
        totals = more.sum(axis=0)
        room = np.divide(share * own, totals, out=np.zeros_like(own), where=totals > 0)
        if share:
            joined = joined + more @ sparse.diags_array(np.minimum(1.0, room))
    return sparse.csr_array(joined)


def gather_evidence(
    counts: sparse.csr_array,
    groups: TokenGroups,
    by_script: Array,
    joined: sparse.csr_array | None = None,
) -> Evidence:
    """Gather the evidence of counts (rows, languages); `by_script` is of `script_languages`.

    A group counts its different tokens, not their occurrences: it stands in for tokens that are
    rare. A group without any falls back on the languages of its scripts. Tokens are counted in
    `joined`, if given (`join_further`), groups never: a large text has more different tokens.
    """
    weight = _weight(counts)
    shape = (len(groups.names), len(groups.index))
    places = (groups.index, np.arange(len(groups.index)))
    member = sparse.csr_array((np.ones(len(groups.index)), places), shape=shape)
    grouped = (member @ ((counts > 0) @ sparse.diags_array(weight))).toarray()
    bare = ~grouped.any(axis=1)
    grouped[bare] = SCRIPT_TOKENS * by_script[bare]
    token = counts if joined is None else joined
    known = grouped.any(axis=1)[groups.index] | (token.sum(axis=1) > 0)
    if SPECIAL in groups.names:
        known[groups.index == groups.names.index(SPECIAL)] = False
    scaled = sparse.csr_array(token @ sparse.diags_array(_weight(token)))
    return Evidence(scaled, grouped, groups.index, known)


def _weight(counts: sparse.csr_array) -> Array:
    """Return a uniform prior over languages, in units of tokens of the average language."""
    totals = counts.sum(axis=0)
    return np.divide(totals.mean(), totals, out=np.zeros_like(totals), where=totals > 0)


def smooth(evidence: Evidence, strengths: Strengths, rows: NDArray[np.intp] | None = None) -> Array:
    """Return p(language | token) of all or some rows, (rows, languages); unknown rows are 0."""
    token_strength, group_strength = strengths
    group = evidence.group
    pseudo = group_strength / group.shape[1]
    prior = (group + pseudo) / (group.sum(axis=1, keepdims=True) + group_strength)
    taken = np.arange(len(evidence.group_of)) if rows is None else rows
    own = evidence.token[taken].toarray()
    size = own.sum(axis=1, keepdims=True) + token_strength
    own += token_strength * prior[evidence.group_of[taken]]
    own /= size
    own[~evidence.known[taken]] = 0.0
    return np.asarray(own)


def choose_all(
    gather: Callable[[sparse.csr_array, Sequence[float]], Evidence],
    splits: Sequence[tuple[sparse.csr_array, sparse.csr_array]],
    further: int,
) -> tuple[Strengths, tuple[float, ...]]:
    """Choose the strengths, and the share of each further collection, on splits of the first text.

    `gather` makes evidence of counts and shares; a split is the counts of a part and of the rest.
    Strengths come first, without further text, then each share by itself, then strengths again.
    """
    shares = [0.0] * further

    def folds() -> list[Fold]:
        return [(gather(fit, shares), held) for fit, held in splits]

    strengths = choose_strengths(folds())
    if not splits or not further:
        return strengths, tuple(shares)
    for number in range(further):
        scores = {}
        for share in FURTHER_SHARES:
            shares[number] = share
            scores[share] = fold_nats(folds(), strengths)
        shares[number] = min(scores, key=lambda share: scores[share])
    return choose_strengths(folds()), tuple(shares)


def choose_strengths(folds: Sequence[Fold]) -> Strengths:
    """Return the strengths that best predict held-out counts from the evidence beside them.

    The measure is the mean nats of a language given a token, languages weighted equally; a row
    where nothing is known is a uniform guess, as when the map is used.
    """
    if not folds:
        return USUAL_STRENGTHS
    options = list(product(TOKEN_STRENGTHS, GROUP_STRENGTHS))
    return min(options, key=lambda strengths: fold_nats(folds, strengths))


def fold_nats(folds: Sequence[Fold], strengths: Strengths) -> float:
    """Return the mean nats of held-out counts over the folds, by the evidence beside them."""
    total = 0.0
    for evidence, held in folds:
        used = np.flatnonzero(held.sum(axis=1))
        total += _nats(smooth(evidence, strengths, used), held[used])
    return total / len(folds)


def _nats(p: Array, held: sparse.csr_array) -> float:
    p[~p.any(axis=1)] = 1 / p.shape[1]
    totals = held.sum(axis=0)
    cells = held.tocoo()
    row, column = cells.coords
    log_p = np.log(np.maximum(p[row, column], TINY))
    return -float((cells.data / totals[column] * log_p).sum() / (totals > 0).sum())

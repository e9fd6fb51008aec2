"""p(language | token) from counts: token -> group -> uniform, with strengths chosen on the text."""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def script_languages(groups: TokenGroups, languages: Sequence[str]) -> Array:
    """Return (groups, languages): 1 where a language is written in a script of the group.

    Raises:
        LanguageError: a language is unknown.
    """
    written = [scripts_of_language(language(code)) for code in languages]
    rows = [[float(bool(scripts & own)) for own in written] for scripts in groups.scripts]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(languages))


def gather_evidence(counts: sparse.csr_array, groups: TokenGroups, by_script: Array) -> Evidence:
    """Gather the evidence of counts (rows, languages); `by_script` is of `script_languages`.

    A group counts its different tokens, not their occurrences: it stands in for tokens that are
    rare. A group without any falls back on the languages of its scripts.
    """
    totals = counts.sum(axis=0)
    # a uniform prior over languages, in units of tokens of the average language
    weight = np.divide(totals.mean(), totals, out=np.zeros_like(totals), where=totals > 0)
    shape = (len(groups.names), len(groups.index))
    places = (groups.index, np.arange(len(groups.index)))
    member = sparse.csr_array((np.ones(len(groups.index)), places), shape=shape)
    grouped = (member @ ((counts > 0) @ sparse.diags_array(weight))).toarray()
    bare = ~grouped.any(axis=1)
    grouped[bare] = SCRIPT_TOKENS * by_script[bare]
    known = grouped.any(axis=1)
    if SPECIAL in groups.names:
        known[groups.names.index(SPECIAL)] = False
    scaled = sparse.csr_array(counts @ sparse.diags_array(weight))
    return Evidence(scaled, grouped, groups.index, known[groups.index])


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


def choose_strengths(folds: Sequence[tuple[Evidence, sparse.csr_array]]) -> Strengths:
    """Return the strengths that best predict held-out counts from the evidence beside them.

    The measure is the mean nats of a language given a token, languages weighted equally; a row
    where nothing is known is a uniform guess, as when the map is used.
    """
    best, chosen = math.inf, USUAL_STRENGTHS
    rows = [np.flatnonzero(held.sum(axis=1)) for _, held in folds]
    for strengths in product(TOKEN_STRENGTHS, GROUP_STRENGTHS) if folds else ():
        nats = sum(
            _nats(smooth(evidence, strengths, used), held[used])
            for (evidence, held), used in zip(folds, rows, strict=True)
        )
        if nats < best:
            best, chosen = nats, strengths
    return chosen


def _nats(p: Array, held: sparse.csr_array) -> float:
    p[~p.any(axis=1)] = 1 / p.shape[1]
    totals = held.sum(axis=0)
    cells = held.tocoo()
    row, column = cells.coords
    log_p = np.log(np.maximum(p[row, column], TINY))
    return -float((cells.data / totals[column] * log_p).sum() / (totals > 0).sum())

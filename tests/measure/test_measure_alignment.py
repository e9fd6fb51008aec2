"""Alignment against laws, closed forms and slow references."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from babelscope.errors import DataError
from babelscope.measure.alignment import CONTROLS, align_depth
from babelscope.measure.cka import cka, cka_pairs
from babelscope.measure.cosines import cohens_d, derangements, paired, picked, side
from babelscope.measure.geometry import effective_rank, geometry, half_masks, normal_geometry
from babelscope.measure.language_similarity import mantel, same, tree
from babelscope.measure.projections import projections
from babelscope.measure.resampling import context_draws, halves, resampled_columns
from babelscope.measure.retrieval import CSLS_NEIGHBOURS, chance, retrieve
from babelscope.measure.variance_shares import variance_shares

CODES = ("eng_Latn", "deu_Latn", "hin_Deva", "mar_Deva", "arb_Arab")


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return paired(side(x), side(y))[0]


def rotation(width: int, seed: int = 0) -> np.ndarray:
    return np.linalg.qr(normal(width, width, seed=seed))[0]


def planted(items: int = 40, width: int = 24, noise: float = 0.5) -> dict[str, np.ndarray]:
    """Shared meanings, a direction a language, and noise."""
    meaning = normal(items, width, seed=1)
    return {
        code: meaning + 3 * normal(width, seed=2 + i) + noise * normal(items, width, seed=50 + i)
        for i, code in enumerate(CODES)
    }


# CKA


def song_hsic(k: np.ndarray, other: np.ndarray) -> float:
    """Song et al. (2012), equation 5, term by term."""
    n = len(k)
    k, other = k - np.diag(np.diag(k)), other - np.diag(np.diag(other))
    ones = np.ones(n)
    middle = (ones @ k @ ones) * (ones @ other @ ones) / ((n - 1) * (n - 2))
    last = 2 / (n - 2) * (ones @ k @ other @ ones)
    return (np.trace(k @ other) + middle - last) / (n * (n - 3))


def test_cka_is_the_ratio_of_song_s_estimators() -> None:
    x, y = normal(9, 5) + 4, normal(9, 3, seed=1) - 2
    k, other = x @ x.T, y @ y.T
    wanted = song_hsic(k, other) / math.sqrt(song_hsic(k, k) * song_hsic(other, other))
    assert cka(x, y) == pytest.approx(wanted, abs=1e-10)


def test_cka_of_states_with_themselves_is_one() -> None:
    x = normal(30, 12)
    assert cka(x, x) == pytest.approx(1.0, abs=1e-12)


def test_cka_ignores_rotation_scale_and_shift() -> None:
    x, y = normal(30, 12), normal(30, 12, seed=1)
    mixed = x + 0.5 * y
    moved = 7.0 * (mixed @ rotation(12)) + 100.0
    assert cka(x, moved) == pytest.approx(cka(x, mixed), abs=1e-9)
    stretched = mixed * np.linspace(0.1, 10, 12)  # not isotropic
    assert abs(cka(x, stretched) - cka(x, mixed)) > 0.01


def test_cka_of_independent_states_is_near_zero_where_the_biased_one_is_not() -> None:
    found = [cka(normal(40, 200, seed=s), normal(40, 200, seed=s + 100)) for s in range(20)]
    assert abs(np.mean(found)) < 0.02
    x, y = (m - m.mean(axis=0) for m in (normal(40, 200), normal(40, 200, seed=1)))
    biased = np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert biased > 0.5


def test_cka_has_no_value_without_variance_or_items() -> None:
    assert math.isnan(cka(np.full((10, 3), 0.1), normal(10, 3)))
    assert math.isnan(cka(normal(3, 2), normal(3, 2)))
    assert cka_pairs([normal(6, 3), normal(6, 3, seed=1)])[0].cka.n == 0


def test_pairs_of_cka_have_intervals_and_a_shuffled_control() -> None:
    x = normal(60, 10)
    states = [x, x + normal(60, 10, seed=1), normal(60, 10, seed=2)]
    close, far, _ = cka_pairs(states)
    assert close.cka.value == pytest.approx(cka(states[0], states[1]))
    assert close.cka.low < close.cka.value < close.cka.high
    assert close.cka.low > close.shuffled.high
    assert close.shuffled.low < 0 < close.shuffled.high
    assert far.cka.low < 0.1
    assert (close.cka.n, close.shuffled.n) == (60, 30)


# retrieval


def test_retrieval_against_itself_is_perfect_both_ways() -> None:
    x = normal(25, 16)
    for found in retrieve(cosines(x, x)):
        for credits in (found.accuracy, found.reciprocal_rank, found.csls, found.mutual):
            np.testing.assert_allclose(credits, 1.0)


def test_random_scores_are_at_chance() -> None:
    n, repeats, totals = 10, 4000, np.zeros(4)
    for scores in np.random.default_rng(1).uniform(-0.9, 0.9, (repeats, n, n)):
        found, _ = retrieve(scores)
        totals += [
            c.mean() for c in (found.accuracy, found.reciprocal_rank, found.csls, found.mutual)
        ]
    wanted = [chance(n)[name] for name in ("accuracy", "mrr", "csls_accuracy", "mutual")]
    np.testing.assert_allclose(totals / repeats, wanted, rtol=0.05)


def test_shuffled_translations_are_found_by_chance() -> None:
    x = normal(400, 30)
    found, _ = retrieve(cosines(x, x[derangements(400)[0]]))
    assert found.accuracy.mean() == 0.0  # each finds itself, which now stands elsewhere
    other, _ = retrieve(cosines(x, normal(400, 30, seed=1)))
    assert other.accuracy.mean() < 5 / 400


def test_equal_states_tie_at_chance() -> None:
    x = np.tile(normal(1, 8), (10, 1))
    found, _ = retrieve(cosines(x, x))
    np.testing.assert_allclose(found.accuracy, 0.1)
    np.testing.assert_allclose(found.reciprocal_rank, chance(10)["mrr"])
    np.testing.assert_allclose(found.mutual, 0.0)


def slow_retrieval(scores: np.ndarray) -> dict[str, list[float]]:
    """The definitions, item by item, without ties."""
    n = len(scores)
    k = min(CSLS_NEIGHBOURS, n)
    rows = [np.sort(scores[i])[-k:].mean() for i in range(n)]
    columns = [np.sort(scores[:, j])[-k:].mean() for j in range(n)]
    found: dict[str, list[float]] = {"accuracy": [], "rank": [], "csls": [], "mutual": []}
    for i in range(n):
        order = sorted(range(n), key=lambda j: -scores[i, j])
        found["accuracy"].append(float(order[0] == i))
        found["rank"].append(1 / (1 + order.index(i)))
        scaled = [2 * scores[i, j] - rows[i] - columns[j] for j in range(n)]
        found["csls"].append(float(int(np.argmax(scaled)) == i))
        others = [scores[i, j] for j in range(n) if j != i]
        others += [scores[j, i] for j in range(n) if j != i]
        found["mutual"].append(float(scores[i, i] > max(others)))
    return found


def test_retrieval_is_its_definition() -> None:
    x = normal(30, 6)
    scores = cosines(x, x + 0.9 * normal(30, 6, seed=1))
    for found, matrix in zip(retrieve(scores), (scores, scores.T), strict=True):
        slow = slow_retrieval(matrix)
        np.testing.assert_allclose(found.accuracy, slow["accuracy"])
        np.testing.assert_allclose(found.reciprocal_rank, slow["rank"])
        np.testing.assert_allclose(found.csls, slow["csls"])
        np.testing.assert_allclose(found.mutual, slow["mutual"])


def test_csls_demotes_a_hub() -> None:
    # b is every query's nearest by cosine; scaled by its neighbourhood it is nobody's but its own
    scores = np.array([[0.50, 0.55, 0.0], [0.1, 0.9, 0.1], [0.0, 0.55, 0.50]])
    found, _ = retrieve(scores)
    assert found.accuracy.tolist() == [0.0, 1.0, 0.0]
    assert found.csls.tolist() == [1.0, 1.0, 1.0]


# cosines


def test_derangements_leave_nothing_in_place() -> None:
    found = derangements(7, 50)
    assert (found != np.arange(7)).all()
    assert all(sorted(row) == list(range(7)) for row in found)
    assert len({tuple(row) for row in found}) > 40


def test_cosines_are_those_of_a_plain_computation() -> None:
    x, y = normal(12, 5) + 3, normal(12, 5, seed=1) + 9
    order = derangements(12)
    whole, around = paired(side(x), side(y))
    raw, centred = picked(whole, order), picked(around, order)

    def plain(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))

    xc, yc = x - x.mean(axis=0), y - y.mean(axis=0)
    for i in range(12):
        assert raw.own[i] == pytest.approx(plain(x[i], y[i]))
        assert centred.own[i] == pytest.approx(plain(xc[i], yc[i]))
        for d, row in enumerate(order):
            assert raw.random[d, i] == pytest.approx(plain(x[i], y[row[i]]))
            assert centred.random[d, i] == pytest.approx(plain(xc[i], yc[row[i]]))
            assert whole[i, row[i]] == pytest.approx(raw.random[d, i])


def test_a_state_without_direction_has_no_cosine() -> None:
    x = normal(6, 4)
    x[2] = 0.0
    raw, _ = paired(side(x), side(x))
    assert np.isnan(raw[2]).all()
    found, _ = retrieve(raw)
    assert found.accuracy[2] == pytest.approx(1 / 6)
    assert (np.delete(found.accuracy, 2) == 1).all()
    _, centred = paired(side(np.full((6, 4), 0.1)), side(x))
    assert np.isnan(centred).all()


def test_cohens_d_is_the_standardised_difference() -> None:
    a, b = normal(500) + 2.0, normal(500, seed=1)
    moments = ((v.mean(keepdims=True), (v**2).mean(keepdims=True)) for v in (a, b))
    (mean, square), (other_mean, other_square) = moments
    pooled = math.sqrt((a.var() + b.var()) / 2)
    found = cohens_d(mean, square, other_mean, other_square)
    assert found[0] == pytest.approx((a.mean() - b.mean()) / pooled)


# variance


def slow_shares(states: list[np.ndarray]) -> tuple[float, float, float]:
    grid = np.stack(states)
    mean = grid.mean(axis=(0, 1))
    total = language = meaning = rest = 0.0
    for a, i in itertools.product(range(grid.shape[0]), range(grid.shape[1])):
        of_language, of_meaning = grid[a].mean(axis=0) - mean, grid[:, i].mean(axis=0) - mean
        total += float(((grid[a, i] - mean) ** 2).sum())
        language += float((of_language**2).sum())
        meaning += float((of_meaning**2).sum())
        rest += float(((grid[a, i] - mean - of_language - of_meaning) ** 2).sum())
    return language / total, meaning / total, rest / total


def shares_of(states: list[np.ndarray]):
    masks = half_masks(halves(len(states[0]), 50), len(states[0]))
    return variance_shares(states, masks, np.stack([masks @ x for x in states]))


def test_the_decomposition_is_a_slow_one_and_sums_to_one() -> None:
    states = [x + 1000.0 for x in planted(items=12).values()]
    found = shares_of(states)
    values = (found.language.value, found.meaning.value, found.rest.value)
    assert sum(values) == pytest.approx(1.0)
    assert values == pytest.approx(slow_shares(states))
    assert found.language.low < found.language.value < found.language.high


def test_halves_of_the_items_give_the_interval() -> None:
    states = list(planted(items=12).values())
    found = shares_of(states)
    draws = np.array([slow_shares([x[half] for x in states])[1] for half in halves(12, 50)])
    spread = np.percentile(draws - draws.mean(), [2.5, 97.5])
    assert (found.meaning.low, found.meaning.high) == pytest.approx(
        tuple(found.meaning.value + spread)
    )


@pytest.mark.parametrize("shuffled", ["meaning", "language"])
def test_the_controls_are_what_shuffling_gives(shuffled: str) -> None:
    states = list(planted(items=10, width=6).values())
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        if shuffled == "meaning":
            mixed = [rng.permutation(x) for x in states]
        else:
            mixed = list(rng.permuted(np.arange(5)[:, None].repeat(10, 1), axis=0))
            mixed = [np.stack([states[a][i] for i, a in enumerate(row)]) for row in mixed]
        found.append(getattr(shares_of(mixed), shuffled).value)
    wanted = getattr(shares_of(states), f"{shuffled}_shuffled").value
    assert np.mean(found) == pytest.approx(wanted, rel=0.05)


def test_a_planted_language_direction_is_recovered() -> None:
    meaning = normal(200, 30)
    offsets = normal(4, 30, seed=1)
    offsets -= offsets.mean(axis=0)
    states = [meaning + offset for offset in offsets]
    found = shares_of(states)
    around = meaning - meaning.mean(axis=0)
    language = 200 * (offsets**2).sum()
    wanted = language / (language + 4 * (around**2).sum())
    assert found.language.value == pytest.approx(wanted)
    assert found.rest.value == pytest.approx(0.0, abs=1e-12)


# geometry


def geometry_of(x: np.ndarray):
    masks = half_masks(halves(len(x), 50), len(x))
    return geometry(x, masks, masks @ x)


def test_geometry_is_its_definitions() -> None:
    x = normal(40, 10) + 1.0
    x[:, 3] *= 30
    found = geometry_of(x)
    assert found.norm.value == pytest.approx(np.linalg.norm(x, axis=1).mean())
    assert found.variance.value == pytest.approx(np.trace(np.cov(x.T)))
    units = x / np.linalg.norm(x, axis=1, keepdims=True)
    pairs = [units[i] @ units[j] for i, j in itertools.permutations(range(40), 2)]
    assert found.anisotropy.value == pytest.approx(np.mean(pairs))
    singular = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    p = singular / singular.sum()
    assert found.effective_rank.value == pytest.approx(np.exp(-(p * np.log(p)).sum()))
    squares = (x**2).mean(axis=0)
    assert found.largest_dim_share.value == pytest.approx(squares[3] / squares.sum())
    assert found.norm.low < found.norm.value < found.norm.high


def test_outlier_dimensions_are_counted() -> None:
    x = normal(50, 100)
    x[:, [4, 9]] *= 40
    found = geometry_of(x)
    assert found.outlier_dims.value == 2
    assert found.outlier_share.value > 0.9


def test_effective_rank_is_between_its_bounds() -> None:
    equal = rotation(8)[:, :4] @ np.diag(np.ones(4)) @ rotation(4)
    centred = np.concatenate([equal, -equal])  # four equal singular values
    assert effective_rank(centred) == pytest.approx(4.0)
    line = np.outer(np.arange(9.0), normal(5))
    assert effective_rank(line) == pytest.approx(1.0, abs=1e-5)
    assert math.isnan(effective_rank(np.full((5, 3), 0.1)))


def test_the_control_of_geometry_is_isotropic() -> None:
    found = normal_geometry(100, 50, 30)
    assert abs(found.anisotropy.value) < 0.01
    assert found.largest_dim_share.value < 0.04
    assert found.effective_rank.value > 40


# languages


def test_mantel_lists_all_orders_of_few_languages() -> None:
    related = same(CODES, "script")
    rows, columns = np.triu_indices(5, 1)
    similarity = related[rows, columns] + 0.01 * normal(10)
    found = mantel(similarity, np.tile(similarity, (3, 1)), related)
    assert found.correlation.value == pytest.approx(
        np.corrcoef(similarity, related[rows, columns])[0, 1]
    )
    slow = [
        abs(np.corrcoef(similarity, related[np.ix_(o, o)][rows, columns])[0, 1])
        for o in map(list, itertools.permutations(range(5)))
    ]
    reached = np.mean(np.array(slow) >= abs(found.correlation.value) - 1e-12)
    assert found.p_value == pytest.approx(reached)
    assert 1 / 120 <= found.p_value < 0.2


def test_mantel_has_no_value_where_nothing_differs() -> None:
    codes = ("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn")
    similarity = normal(6)
    assert mantel(similarity, similarity[None], same(codes, "script")).correlation.n == 0
    assert same(codes, "family").all()


def test_mantel_of_many_languages_is_rarely_significant_by_chance() -> None:
    codes = ("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "bul_Cyrl", "ukr_Cyrl",
             "hin_Deva", "mar_Deva")  # fmt: skip
    related = same(codes, "script")
    found = [mantel(v, v[None], related).p_value for v in normal(40, 36)]
    assert np.mean(np.array(found) < 0.05) < 0.2
    assert np.mean(found) == pytest.approx(0.5, abs=0.15)


def test_the_tree_joins_the_most_similar_first() -> None:
    similarity = np.array([[1, 0.2, 0.9], [0.2, 1, 0.1], [0.9, 0.1, 1]])
    found = tree(similarity)
    assert set(found.order) == {0, 1, 2}
    assert abs(found.order.index(0) - found.order.index(2)) == 1
    np.testing.assert_allclose(found.heights.max(axis=1), [0.1, 0.85])


# all together


def test_resampled_columns_share_the_draws_of_contexts() -> None:
    contexts = ["b", "a", "a", "c"]
    values = normal(4, 3)
    values[1, 2] = np.nan
    found = resampled_columns(values, contexts, seed=3)
    weights = context_draws(3, 3).astype(float)
    sums = np.array([values[1] + values[2], values[0], values[3]])
    sums[0, 2] = values[2, 2]
    counts = np.array([[2, 2, 1], [1, 1, 1], [1, 1, 1]])
    np.testing.assert_allclose(found[:50], (weights @ sums)[:50] / (weights @ counts)[:50])


def test_a_depth_gives_every_measure_its_control_and_an_interval() -> None:
    rows = list(align_depth(planted(), [str(i) for i in range(40)]))
    names = {row.measure for row in rows}
    assert set(CONTROLS) | set(CONTROLS.values()) <= names
    keys = [(row.measure, row.source, row.target) for row in rows]
    assert len(keys) == len(set(keys))
    values = {(r.measure, r.source, r.target): r.estimate for r in rows}
    pair = ("eng_Latn", "hin_Deva")
    assert values["cosine", *pair].low > values["cosine_random", *pair].high
    assert values["centred_cosine_random", *pair].value == pytest.approx(0, abs=0.1)
    # the planted language directions hide translations from the raw cosine
    assert values["accuracy", *pair].high < 0.9
    for way in (pair, pair[::-1]):
        assert values["centred_accuracy", *way].value == 1.0
    assert values["cka", *pair].low > values["cka_shuffled", *pair].high
    for row in rows:
        if not row.measure.endswith("_chance"):
            assert row.estimate.low <= row.estimate.value + 1e-9, row
            assert row.estimate.high >= row.estimate.value - 1e-9, row


def test_unrelated_states_stay_at_their_controls() -> None:
    states = {code: normal(40, 24, seed=i) for i, code in enumerate(CODES)}
    values = {
        (r.measure, r.source, r.target): r.estimate
        for r in align_depth(states, [str(i) for i in range(40)])
    }
    shares = values["meaning_share", "", ""], values["meaning_share_shuffled", "", ""]
    assert shares[0].value == pytest.approx(shares[1].value, abs=0.02)
    found = [e for (name, _, _), e in values.items() if name == "centred_cosine_d"]
    assert np.mean([e.low < 0 < e.high for e in found]) >= 0.8


def test_states_that_are_not_parallel_are_refused() -> None:
    with pytest.raises(DataError, match="shapes"):
        list(align_depth({"a": normal(5, 3), "b": normal(6, 3)}, list("abcde")))
    with pytest.raises(DataError, match="4 items"):
        list(align_depth({"a": normal(3, 3), "b": normal(3, 3)}, list("abc")))


def test_projections_are_seeded_and_follow_each_other() -> None:
    depths = [normal(30, 12), normal(30, 12) * 1.01, np.full((30, 12), 0.1)]
    first, second, flat = projections(depths)
    assert (first.pca * second.pca).sum() > 0
    assert 0 < first.explained[1] <= first.explained[0] < 1
    np.testing.assert_array_equal(first.tsne, next(iter(projections(depths))).tsne)
    assert np.sqrt(np.square(first.tsne).mean()) == pytest.approx(1.0)
    assert not flat.pca.any()
    assert math.isnan(flat.explained[0])

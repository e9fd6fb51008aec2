"""What may be said of a comparison, and what is told where nothing can be."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from fake_study import SOURCES, TARGETS, make_study
from markupsafe import Markup
from scipy.stats import t

from babelscope.report import against, common, inner, lens_claims, matrix
from babelscope.report.claims import Capacity, claim, needed_words, p_words, verdict
from babelscope.report.lensview import lens_view
from babelscope.report.page import render
from babelscope.report.tables import Tables, read_study


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return read_study(make_study(tmp_path_factory.mktemp("claims"), seeds=(0, 1)))


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return read_study(make_study(tmp_path_factory.mktemp("once")))


def text(sentences: tuple[Markup, ...]) -> str:
    return " ".join(s.striptags() for s in sentences).replace("\u00a0", " ")


def row(**more: float) -> dict[str, Any]:
    start = {"difference": 0.2, "low": 0.1, "high": 0.3, "n": 48, "seeds": 2}
    tests = {"p_holm": 0.5, "p_adapters_holm": 0.5, "questions_needed": 100.2, "seeds_needed": 4.1}
    return start | tests | more


@pytest.mark.parametrize(
    ("more", "kind", "said"),
    [
        ({"p_holm": 0.01}, "tuning", "helped"),
        ({"p_holm": 0.01, "difference": -0.2}, "tuning", "harmed"),
        ({"p_adapters_holm": 0.01}, "adapters", "gained"),
        ({"p_adapters_holm": 0.01, "difference": -0.2}, "adapters", "lost"),
        ({"p_holm": math.nan, "seeds": 1, "p_adapters_holm": 0.01}, "adapters", "gained"),
        # one seed never speaks of tuning, whatever a table holds
        ({"p_holm": 0.001, "seeds": 1}, "open", "open"),
        ({"p_holm": math.nan, "p_adapters_holm": math.nan}, "open", "open"),
        ({}, "open", "open"),
    ],
)
def test_words_follow_the_test(more: dict[str, float], kind: str, said: str) -> None:
    assert (claim(row(**more)), verdict(row(**more))) == (kind, said)
    about = p_words(row(**more))
    assert about.endswith("these adapters only") == (
        kind == "adapters" or (math.isnan(row(**more)["p_holm"]) and kind != "open")
    )


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, "at least about 100 questions (48 asked) and about 5 seeds (2 run)"),
        ({"seeds_needed": 1.2}, "at least about 100 questions (48 asked)"),
        ({"questions_needed": 9.0}, "at least about 5 seeds (2 run)"),
        ({"questions_needed": 9.0, "seeds_needed": 1.0}, "a few more questions or seeds"),
        ({"seeds_needed": math.nan, "seeds": 1}, "at least about 100 questions (48 asked)"),
        ({"questions_needed": math.nan, "seeds_needed": math.nan}, "too near to zero to say"),
    ],
)
def test_what_would_decide_names_questions_and_seeds(more: dict[str, float], wanted: str) -> None:
    assert needed_words(row(**more), Capacity(48, 2, 18)).startswith(wanted)


@pytest.mark.parametrize("contexts", [2, 5, 8, 9, 12])
@pytest.mark.parametrize("pairs", [1, 6, 18])
def test_no_outcome_beats_the_smallest_p(contexts: int, pairs: int) -> None:
    signs = np.array(list(itertools.product((1, -1), repeat=contexts)))
    # the best case: every context differs by the same
    exact = float((abs(signs.sum(axis=1)) == contexts).mean())
    alone = Capacity(contexts, 1, pairs)
    assert alone.of_adapters == pytest.approx(min(1.0, exact * pairs))
    assert alone.of_tuning == 1
    assert alone.decides == (exact * pairs < 0.05)
    told = needed_words(row(seeds=1, p_holm=math.nan), alone)
    assert (told == f"{contexts} contexts cannot decide it") == (not alone.decides)


def test_smallest_p_of_tuning_is_that_of_contexts_that_agree() -> None:
    # one context more in which nothing changed keeps the doubt above zero: t is C, C - 1 df
    for contexts in (3, 9, 48):
        wanted = 2 * t.sf(contexts, contexts - 1) * 18
        assert Capacity(contexts, 2, 18).of_tuning == pytest.approx(min(1.0, wanted))


def own_by_hand(tables: Tables, source: str, target: str) -> float:
    scores = tables.scores
    assert scores is not None
    names = [s for s, _, _ in SOURCES if (s, target) != ("ru-nllb", "tha_Thai")]
    means = {
        s: scores.filter((pl.col("source") == s) & (pl.col("target") == target))["value"].mean()
        for s in names
    }
    rest = [float(str(m)) for s, m in means.items() if s != source]
    return float(str(means[source])) - sum(rest) / len(rest)


def test_gains_are_taken_apart_into_common_and_own(tables: Tables) -> None:
    shares = common.shares_of_gains(tables)
    means = {s.target: s for s in shares if s.source == common.MEAN}
    assert set(means) == set(TARGETS)
    # Odia: .4 -> 4 contexts of 10, .151 -> 2, 0
    assert means["ory_Orya"].found.difference.value == pytest.approx((0.4 + 0.2 + 0.0) / 3)
    assert means["tha_Thai"].count == 2
    own = {(s.source, s.target): s.found.difference.value for s in shares if s.source}
    assert len(own) == len(SOURCES) * len(TARGETS) - 1
    for (source, target), value in own.items():
        assert value == pytest.approx(own_by_hand(tables, source, target))
    # what is a source's own sums to nothing over sources
    assert sum(v for (_, target), v in own.items() if target == "ell_Grek") == pytest.approx(0)


def test_the_answer_and_the_matrix_tell_both_parts(tables: Tables) -> None:
    shares = common.shares_of_gains(tables)
    answer = common.common_and_own(tables, shares)
    assert answer is not None
    said = text(answer.sentences)
    assert "Mean gain over all sources, in points: " in said
    assert "Odia +20.0 (" in said
    assert "The answers’ length went from 110 % to" in said
    view = next(v for v in matrix.views(tables, shares) if v.key == "own")
    name, cells = view.rows[0]
    assert (name, cells[0].text) == ("mean of all sources", "+20.0")
    assert view.places == (-1, 1, 2, 3)
    assert [r[0] for r in view.rows[1:]] == ["Odia", "Russian (nllb)", "German (marian)"]
    assert common.share_table(tables, shares).rows[0][0] == "mean of 3 sources"


def test_a_lone_source_has_no_part_of_its_own(tmp_path: Path) -> None:
    lone = read_study(make_study(tmp_path / "s", sources=(("en", "eng_Latn", "human"),)))
    assert common.shares_of_gains(lone) == ()
    assert common.common_and_own(lone, ()) is None
    assert all(view.key != "own" for view in matrix.views(lone))


def with_rows(tables: Tables, *more: dict[str, Any]) -> Tables:
    first = tables.comparisons.row(0, named=True)
    rows = pl.DataFrame([first | m for m in more], schema=tables.comparisons.schema)
    return dataclasses.replace(tables, comparisons=pl.concat([tables.comparisons, rows]))


def test_what_another_measure_or_a_group_decides_is_named(tables: Tables) -> None:
    assert against.otherwise(tables) is None
    assert against.note(tables) == ()
    loss = {"measure": "char_f1", "source": "or", "target": "arb_Arab", "difference": -0.154}
    loss |= {"low": -0.2, "high": -0.1, "p_holm": 0.005, "p_adapters_holm": 0.001}
    group = loss | {"measure": "mlqa_f1", "source": "ru-nllb", "target": "group:qa"}
    group |= {"difference": -0.146, "p_holm": 0.4, "p_adapters_holm": 0.026}
    # the main measure decides the same of this cell: nothing is new
    same = loss | {"target": "ell_Grek"}
    found = with_rows(tables, loss, group, same)
    answer = against.otherwise(found)
    assert answer is not None
    said = text(answer.sentences)
    assert "Of losses that MLQA F1 does not decide, 2 are decided elsewhere" in said
    assert "by character F1, Arabic after tuning on Odia −15.4" in said
    assert "(tuning harmed, p = 0.005)" in said
    assert "the group qa after tuning on Russian (nllb) −14.6" in said
    assert "(these adapters lost, p = 0.026, these adapters only)" in said
    assert "Greek after" not in said
    assert "decide 2 losses and 0 gains that this does not" in text(against.note(found))
    assert "Other measures or groups decide" in render(found)


def test_marks_of_the_lens_need_a_test_and_a_size(tables: Tables, once: Tables) -> None:
    small = tables.lens.with_columns(
        value=pl.when(pl.col("kind") == "difference").then(0.0005).otherwise(pl.col("value")),
        p_value=pl.lit(1e-4),
    )
    assert not lens_claims.tested(small).filter(pl.col("kind") == "difference")["clear"].any()
    large = small.with_columns(value=pl.lit(0.02))
    assert lens_claims.tested(large).filter(pl.col("kind") == "difference")["clear"].all()
    assert not lens_claims.tested(large).filter(pl.col("kind") == "value")["clear"].any()
    # p of tuning counts where it is there: these adapters alone do not mark
    only = large.with_columns(p_value=pl.lit(0.5), p_adapters=pl.lit(1e-4))
    assert not lens_claims.tested(only)["clear"].any()
    assert lens_claims.tested(only.with_columns(p_value=pl.lit(math.nan)))["clear"].any()
    for found, tuning in ((tables, True), (once, False)):
        view = lens_view(found)
        assert view is not None
        assert view.data["tuning"] == tuning
        assert view.data["own"]
        cell = view.data["cells"]["ory_Orya|default or|30|last|all|mass|counted"]
        assert min(cell["own"]["ben_Beng"][4]) == 40  # .004, whichever claim it is of
    page = re.sub(r"\s+", " ", render(once))
    assert "p below 0.05 of these adapters only" in page
    assert "a change of 0.1 points or 0.01 bits at least" in page


def test_falls_inside_stand_beside_their_base_rate(tables: Tables) -> None:
    said = text(inner.silence(tables).sentences)
    assert re.search(r"fell in \d+ and rose in \d+; where no rise is decided, in \d+ of 15", said)
    assert "Fisher’s exact p" in said
    rising = ["or", "ru-nllb"]
    kept = tables.comparisons.filter(
        (pl.col("target") == "ory_Orya") & pl.col("source").is_in(rising)
    )
    alone = dataclasses.replace(tables, comparisons=kept)
    assert "so that this tells nothing" in text(inner.silence(alone).sentences)


def test_the_page_says_what_the_two_claims_are(tables: Tables, once: Tables) -> None:
    for found in (tables, once):
        page = render(found)
        assert "Two claims are told apart" in page
        assert "another run of the same tuning might differ" in page
    assert "clearly" not in re.sub(r"<script.*?</script>", "", render(once), flags=re.S).lower()

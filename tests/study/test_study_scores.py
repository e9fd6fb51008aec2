"""Values of cells by hand: interference, guessing, macro averages, correction, ratios."""

from __future__ import annotations

import math

import numpy as np
import pytest

from babelscope.records import Answer, Example, QuestionSet
from babelscope.study import tables
from babelscope.study.cells import AnswerCounts, Cell, Variant
from babelscope.study.scores import CellScores, group_cells, guessing, score_cell

BASE = Variant("base")


def questions(golds: list[str], code: str = "eng_Latn", kind: str = "k") -> QuestionSet:
    examples = tuple(
        Example(str(i), code, f"about {gold}", "what?", (gold,), f"c{i}", kind)
        for i, gold in enumerate(golds)
    )
    return QuestionSet("set", code, examples)


def answers(predictions: list[str], code: str = "eng_Latn") -> list[Answer]:
    return [Answer(str(i), code, p, 5, 2, False, "eos") for i, p in enumerate(predictions)]


def scored(
    predictions: list[str],
    golds: list[str],
    variant: Variant = BASE,
    rival: list[str] | None = None,
) -> CellScores:
    cell = Cell(variant, "qa" if rival is None else "contest:deu_Latn", "eng_Latn")
    return score_cell(
        cell,
        answers(predictions),
        questions(golds),
        AnswerCounts(len(golds), 0, 0),
        ("eng_Latn", "deu_Latn"),
        questions(rival, "deu_Latn") if rival else None,
    )


def test_interference_is_the_other_gold_and_not_ones_own() -> None:
    found = scored(
        ["monday", "Montag", "neither", "Euro"],
        ["Monday", "Monday", "Monday", "Euro"],
        rival=["Montag", "Montag", "Montag", "Euro"],
    )
    # the last item's golds are equal: it says nothing
    np.testing.assert_array_equal(found.values["interference"], [0.0, 1.0, 0.0, math.nan])


def test_guessing_is_right_where_the_commonest_gold_of_the_kind_is() -> None:
    whole = questions(["a", "a", "b"])
    np.testing.assert_array_equal(guessing(questions(["a", "b"]), whole), [1.0, 0.0])


def test_a_group_needs_shared_ids() -> None:
    cells = {
        (BASE, "qa", "x"): scored(["a", "b"], ["a", "a"]),
        (BASE, "qa", "y"): scored(["a", "a"], ["a", "a"]),
        (BASE, "qa", "z"): scored(["a"], ["a"]),
    }
    groups = {"both": ["x", "y"], "all": ["x", "z"], "one": ["x"]}
    made = group_cells(cells, groups)
    assert list(made) == [(BASE, "qa", "group:both")]
    np.testing.assert_array_equal(made[BASE, "qa", "group:both"].values["mlqa_em"], [1.0, 0.5])


def test_the_undecided_of_a_group_are_those_of_its_targets() -> None:
    # a wrong answer of few letters: in which of two languages of one script cannot be told
    x = scored(["no", "a"], ["a", "a"])
    y = scored(["no", "so"], ["a", "a"])
    assert (x.undecided, y.undecided) == (1, 2)
    cells = {(BASE, "qa", "x"): x, (BASE, "qa", "y"): y}
    cells |= group_cells(cells, {"both": ["x", "y"]})
    rows = tables.results("m", cells).to_dicts()
    told = {r["target"]: (r["value"], r["n"]) for r in rows if r["measure"] == "undecided"}
    assert told == {"x": (1.0, 2), "y": (2.0, 2), "group:both": (3.0, 4)}


def test_gains_are_corrected_over_sources_and_targets_together() -> None:
    golds = [f"g{i}" for i in range(12)]
    wrong = ["no"] * 12
    cells = {}
    for target in ("x", "y"):
        cells[BASE, "qa", target] = scored(wrong, golds)
        for source in ("s", "t"):
            variant = Variant("r", source, 0, 2)
            better = target == "x" and source == "s"
            cells[variant, "qa", target] = scored(golds if better else wrong, golds, variant)
    frame = tables.comparisons(cells, {"r": "base"})
    rows = {
        (r["source"], r["target"]): r
        for r in frame.iter_rows(named=True)
        if r["measure"] == "mlqa_em"
    }
    assert len(rows) == 4
    best = rows["s", "x"]
    assert best["difference"] == 1.0
    # all 12 contexts gain 1: |sum| is as large only where all signs agree, 2 flips of 4096
    assert best["p_adapters"] == 2 / 4096
    assert best["p_adapters_holm"] == pytest.approx(4 * best["p_adapters"])
    assert rows["t", "y"]["p_adapters"] == 1.0
    # one seed says nothing of tuning
    assert all(math.isnan(r[name]) for r in rows.values() for name in ("p_value", "p_holm"))


def test_counts_are_counts() -> None:
    frame = tables.results("m", {(BASE, "qa", "eng_Latn"): scored(["a", "b"], ["a", "a"])})
    rows = {r["measure"]: r for r in frame.iter_rows(named=True)}
    assert rows["mlqa_em"]["value"] == 0.5
    assert (rows["truncated"]["value"], rows["truncated"]["n"]) == (0.0, 2)
    assert rows["length_ratio"]["value"] == 1.0
    assert sum(r["value"] for m, r in rows.items() if m.startswith("cause_")) == 1.0
    assert sum(r["value"] for m, r in rows.items() if m.startswith("stop_")) == 1.0


def test_the_share_of_lacking_f1_that_overgeneration_explains() -> None:
    golds = ["red"] * 24
    # half goes on behind the gold (F1 of 1 in 2 words: 2/3, best prefix 1), half is wrong
    answers = ["red house", "blue"] * 12
    variant = Variant("r", "s", 0, 2)
    cells = {(variant, "qa", "x"): scored(answers, golds, variant)}
    rows = tables.results("m", cells).to_dicts()
    found = [r for r in rows if r["measure"] == "overgeneration_share"]
    assert [r["seed"] for r in found] == [0, -1]
    # 12 x 1/3 of 12 x 1/3 + 12 x 1
    assert [r["value"] for r in found] == [pytest.approx(0.25)] * 2
    # by hand: pulls (excess - .25 lack) / mean lack, over 24 contexts, Student's 2.07 at 23 df;
    # Wilson's bounds solve |share - .25| = 1.96 sqrt(share (1 - share) / n)
    pulls = [(1 / 3 - 0.25 / 3) / (2 / 3), (0 - 0.25) / (2 / 3)] * 12
    error = math.sqrt(sum(p * p for p in pulls) / (24 * 23))
    n = 0.25 * 0.75 / error**2 * (1.9599640 / 2.0686576) ** 2
    for row in found:
        for bound in (row["low"], row["high"]):
            reach = 1.9599640 * math.sqrt(bound * (1 - bound) / n)
            assert abs(bound - 0.25) == pytest.approx(reach, rel=1e-5)


def test_wrong_spans_are_no_overgeneration_and_right_answers_lack_nothing() -> None:
    golds = ["red"] * 6
    for said, told in (("blue", 0.0), ("red", math.nan)):
        rows = tables.results("m", {(BASE, "qa", "x"): scored([said] * 6, golds)}).to_dicts()
        [row] = [r for r in rows if r["measure"] == "overgeneration_share"]
        np.testing.assert_array_equal([row["value"], row["low"]], [told, told])
        # none of six is no proof of none
        assert row["high"] > 0.3 if told == 0 else math.isnan(row["high"])
    rows = tables.results("m", {(BASE, "qa", "x"): scored(["blue", "red sea"], ["blue", "red"])})
    [row] = rows.filter(rows["measure"] == "overgeneration_share").to_dicts()
    assert row["value"] == 1.0
    assert 0 <= row["low"] <= row["high"] <= 1

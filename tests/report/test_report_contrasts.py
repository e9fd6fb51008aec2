"""Better data against worse, and group against group: by hand from the scores of questions."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fake_study import make_study
from markupsafe import Markup

from babelscope.report import contrast_words as words
from babelscope.report.contrasts import MEAN, MOST_PAIRS, Contrast, contrasts
from babelscope.report.page import write_report
from babelscope.report.tables import Tables, read_study

# the worse data are named first: the report must turn them round by their quality
RIVALS = (
    ("or-nllb", "ory_Orya", "nllb"),
    ("or", "ory_Orya", "human"),
    ("en", "eng_Latn", "human"),
)
CONTEXTS = 10
SHIFTS = {"or": 0.4, "or-nllb": -0.1, "en": 0.0, "": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("rivals"), sources=RIVALS, seeds=(0, 1))
    scores = pl.read_parquet(folder / "scores.parquet")
    rng = np.random.default_rng(5)
    # whole contexts go up or down together; Greek gains nothing from anything
    noise = rng.normal(0, 0.05, scores.height)
    shift = scores["source"].replace_strict(SHIFTS).to_numpy()
    still = (scores["target"] == "ell_Grek").to_numpy()
    values = 0.5 + np.where(still, 0.0, shift) + noise
    scores.with_columns(pl.Series("mlqa_f1", values)).write_parquet(folder / "scores.parquet")
    return folder


@pytest.fixture(scope="module")
def tables(folder: Path) -> Tables:
    return read_study(folder)


def mean_scores(folder: Path, source: str, targets: list[str]) -> pl.DataFrame:
    """Return the mean over targets (and seeds) of each question, by hand."""
    rows = pl.read_parquet(folder / "scores.parquet").filter(
        (pl.col("source") == source) & pl.col("target").is_in(targets)
    )
    return rows.group_by("id", "context_id").agg(pl.mean("mlqa_f1")).sort("id")


def exact_p(items: np.ndarray, contexts: list[str]) -> float:
    """Return the p-value over all 2^10 sign flips of contexts, not drawn but counted."""
    sums = pl.DataFrame({"c": contexts, "d": items}).group_by("c").agg(pl.sum("d"))["d"].to_numpy()
    signs = np.array(list(itertools.product((1, -1), repeat=len(sums))))
    reached = np.abs(signs @ sums) >= abs(sums.sum()) - 1e-12
    return float(reached.mean())


def pick(found: tuple[Contrast, ...], where: str, first: str = "") -> Contrast:
    return next(c for c in found if c.where == where and first in ("", c.first))


def test_better_data_are_named_first_and_paired_question_by_question(
    folder: Path, tables: Tables
) -> None:
    found = contrasts(tables).data
    assert {(c.first, c.second) for c in found} == {("or", "or-nllb")}
    assert [c.where for c in found] == [*tables.plan["targets"], MEAN]
    for where, targets in (("ben_Beng", ["ben_Beng"]), (MEAN, list(tables.plan["targets"]))):
        one, other = (mean_scores(folder, s, targets) for s in ("or", "or-nllb"))
        items = (one["mlqa_f1"] - other["mlqa_f1"]).to_numpy()
        contrast = pick(found, where)
        assert contrast.found.difference.value == pytest.approx(items.mean())
        assert contrast.found.difference.n == len(items) == 40
        p = exact_p(items, one["context_id"].to_list())
        assert contrast.found.p_value == pytest.approx(p, abs=0.01)
        assert contrast.seeds == "2"


def test_correction_is_over_targets_and_means_are_their_own_family(tables: Tables) -> None:
    found = contrasts(tables).data
    singles = [c for c in found if c.where != MEAN]
    p = sorted(c.found.p_value for c in singles)
    assert min(c.p_holm for c in singles) == pytest.approx(min(1.0, len(singles) * p[0]))
    assert pick(found, MEAN).p_holm == pick(found, MEAN).found.p_value


def test_groups_are_compared_by_their_gains(folder: Path, tables: Tables) -> None:
    found = contrasts(tables).groups
    assert [c.where for c in found] == ["or-nllb", "or", "en", MEAN]
    groups = tables.plan["groups"]
    gains = {}
    for name, targets in groups.items():
        base = mean_scores(folder, "", targets)["mlqa_f1"]
        gains[name] = {
            s: (mean_scores(folder, s, targets)["mlqa_f1"] - base).to_numpy() for s, *_ in RIVALS
        }
    for source, *_ in RIVALS:
        items = gains["qa"][source] - gains["no qa"][source]
        assert pick(found, source).found.difference.value == pytest.approx(items.mean())
    items = np.mean([gains["qa"][s] - gains["no qa"][s] for s, *_ in RIVALS], axis=0)
    assert pick(found, MEAN).found.difference.value == pytest.approx(items.mean())
    assert pick(found, MEAN).count == 3


def text(sentences: tuple[Markup, ...]) -> str:
    return " ".join(s.striptags() for s in sentences).replace("\u00a0", " ")


def test_what_is_sure_is_said_with_its_data(tables: Tables) -> None:
    found = contrasts(tables)
    answer = words.better_data(tables, found)
    assert answer is not None
    said = text(answer.sentences)
    lead = "Odia (human) against Odia (nllb) (gold verbatim in its context 84.5 % and 19.4 %)"
    assert said.startswith(f"{lead}: on average over 6 targets the first transfers better, by +4")
    assert "Clear in 5 of 6 targets: the first transfers better in " in said
    assert "Greek" not in said
    assert answer.evidence == "quality"


def test_the_group_that_gains_less_is_said(folder: Path, tables: Tables) -> None:
    answer = words.groups_compared(tables, contrasts(tables))
    assert answer is not None
    said = text(answer.sentences)
    assert said.startswith("qa against no qa: on average over 3 sources qa gains less, by −")
    # Greek, one of three, gains nothing from the good data: a third of 40 points
    groups = tables.plan["groups"]
    qa, no_qa = (
        (mean_scores(folder, "or", t)["mlqa_f1"] - mean_scores(folder, "", t)["mlqa_f1"]).mean()
        for t in (groups["qa"], groups["no qa"])
    )
    by = f"{100 * (qa - no_qa):+.1f}".replace("-", "−")
    assert (
        f"Clear for 1 of 3 sources: qa gains less after tuning on Odia (human), by {by} (" in said
    )


def test_what_is_open_is_said_with_its_price(tables: Tables) -> None:
    assert tables.scores is not None
    noise = pl.Series("value", np.random.default_rng(8).normal(0.5, 0.1, tables.scores.height))
    level = Tables(**{**vars(tables), "scores": tables.scores.with_columns(noise)})
    found = contrasts(level)
    own = pick(found.data, MEAN)
    assert own.p_holm > 0.05
    answer = words.better_data(level, found)
    assert answer is not None
    said = text(answer.sentences)
    assert "on average over 6 targets the data do not tell them apart: " in said
    more = round(own.found.questions_needed) - 40
    assert (
        f"about {more:,} more questions would decide with 80 % power and before correction." in said
    )
    assert "Clear in" not in said


def test_a_study_without_rivals_or_groups_says_nothing(tmp_path: Path) -> None:
    tables = read_study(make_study(tmp_path / "study"))
    found = contrasts(tables)
    assert found.data == ()
    assert words.better_data(tables, found) is None
    plan = {k: v for k, v in tables.plan.items() if k != "groups"}
    plain = Tables(**{**vars(tables), "plan": plan})
    assert words.groups_compared(plain, contrasts(plain)) is None


def test_a_study_without_scores_of_questions_says_so(folder: Path, tables: Tables) -> None:
    bare = Tables(**{**vars(tables), "scores": None})
    answer = words.better_data(bare, contrasts(bare))
    assert answer is not None
    assert "do not pair" in text(answer.sentences)
    assert words.data_table(bare, contrasts(bare)).rows == ()


def test_groups_of_other_questions_are_not_paired(tables: Tables) -> None:
    assert tables.scores is not None
    other = tables.scores.with_columns(
        id=pl.when(pl.col("target") == "ory_Orya").then("x" + pl.col("id")).otherwise("id")
    )
    apart = Tables(**{**vars(tables), "scores": other})
    found = contrasts(apart)
    assert found.groups == ()
    # on one target the sources still pair; over all of them no question is shared
    assert [c.where for c in found.data] == [*apart.plan["targets"]]
    said = text(words.better_data(apart, found).sentences)  # type: ignore[union-attr]  # it has rivals
    assert "Clear in 5 of 6 targets" in said


def test_pairs_are_bounded_and_the_cut_is_said(tmp_path: Path) -> None:
    many = tuple((f"s{i}", "ory_Orya", f"o{i}") for i in range(7))
    tables = read_study(make_study(tmp_path / "many", sources=many, targets=("ory_Orya",)))
    found = contrasts(tables)
    assert len(found.data) == MOST_PAIRS
    answer = words.better_data(tables, found)
    assert answer is not None
    assert "Of 21 pairs the first 15 are compared." in text(answer.sentences)


def test_the_page_holds_the_sentences_and_their_tables(folder: Path) -> None:
    page = write_report(folder).read_text(encoding="utf-8")
    assert words.BETTER in page
    assert words.GROUPS in page
    assert page.count("Sources of one language compared") == 2  # a caption, spoken too
    assert "Gains of groups compared" in page


@pytest.mark.parametrize("has_table", [True, False])
def test_sources_that_nothing_tells_apart_are_not_called_better(
    folder: Path, tmp_path: Path, has_table: bool
) -> None:
    alike = tmp_path / "alike"
    shutil.copytree(folder, alike)
    if has_table:
        quality = pl.read_parquet(folder / "quality.parquet")
        same = pl.lit(0.5).alias("gold_verbatim"), pl.lit(40.0).alias("chrf")
        quality.with_columns(same).write_parquet(alike / "quality.parquet")
    else:
        (alike / "quality.parquet").unlink()
    tables = read_study(alike)
    found = contrasts(tables)
    answer = words.better_data(tables, found)
    assert answer is not None
    said = text(answer.sentences)
    # in the order of the plan, which names the translated data first: a loss of 40 points
    lead = "Odia (nllb) against Odia (human) (the table of data does not say whose data are better)"
    assert said.startswith(f"{lead}: on average over 6 targets the first gains less, by −4")
    assert "transfers" not in said
    table = words.data_table(tables, found)
    assert table.head[:4] == ("First", "Second", "Target", "Told apart by")
    assert {row[3] for row in table.rows} == {"—"}
    page = write_report(alike).read_text(encoding="utf-8")
    assert page.count("Sources of one language compared") == 2
    assert ("No table on the quality of the training data" in page) != has_table


def test_the_table_says_what_tells_the_data_apart(tables: Tables) -> None:
    rows = words.data_table(tables, contrasts(tables)).rows
    assert {row[:2] for row in rows} == {("Odia (human)", "Odia (nllb)")}
    told = {str(row[3]).replace("\u00a0", " ") for row in rows}
    assert told == {"gold verbatim in its context 84.5 % and 19.4 %"}

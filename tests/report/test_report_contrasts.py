"""Better data against worse, and group against group: by hand from the scores of questions."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fake_study import make_study
from markupsafe import Markup

from babelscope.report import contrast_words as words
from babelscope.report import group_words
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
OWN = {"or": "ory_Orya", "or-nllb": "ory_Orya", "en": "eng_Latn"}
GROUPS = {"qa": ["ell_Grek", "arb_Arab", "eng_Latn"], "no qa": ["ory_Orya", "tha_Thai"]}
SHIFTS = {"or": 0.4, "or-nllb": -0.1, "en": 0.0, "": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("rivals"), sources=RIVALS, seeds=(0, 1))
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8")) | {"groups": GROUPS}
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    scores = pl.read_parquet(folder / "scores.parquet")
    rng = np.random.default_rng(5)
    # whole contexts go up or down together; Greek gains nothing from anything
    noise = rng.normal(0, 0.05, scores.height)
    shift = scores["source"].replace_strict(SHIFTS).to_numpy()
    still = (scores["target"] == "ell_Grek").to_numpy()
    # a source's own language gains far more than anything else: no group may profit from it
    own = scores["source"].replace_strict(OWN, default="").to_numpy() == scores["target"].to_numpy()
    values = 0.5 + np.where(still, 0.0, shift) + noise + np.where(own, 3.0, 0.0)
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
        assert contrast.found.p_adapters == pytest.approx(p)
        assert contrast.seeds == "2"


def test_correction_is_over_targets_and_means_are_their_own_family(tables: Tables) -> None:
    found = contrasts(tables).data
    singles = [c for c in found if c.where != MEAN]
    p = sorted(c.found.p_value for c in singles)
    assert min(c.p_holm for c in singles) == pytest.approx(min(1.0, len(singles) * p[0]))
    assert pick(found, MEAN).p_holm == pick(found, MEAN).found.p_value


def own_gain(folder: Path, source: str, group: str) -> np.ndarray:
    """Return each question's mean gain over a group without the source's own language, by hand."""
    targets = [t for t in GROUPS[group] if t != OWN[source]]
    tuned, base = (mean_scores(folder, s, targets)["mlqa_f1"] for s in (source, ""))
    return (tuned - base).to_numpy()


def test_groups_are_compared_by_their_gains_without_a_sources_own_language(
    folder: Path, tables: Tables
) -> None:
    found = contrasts(tables).groups
    assert [c.where for c in found] == ["or-nllb", "or", "en", MEAN]
    by_hand = {s: own_gain(folder, s, "qa") - own_gain(folder, s, "no qa") for s in OWN}
    for source, items in by_hand.items():
        assert pick(found, source).found.difference.value == pytest.approx(items.mean())
        # counted in, the source's own language would shift this by 1 or more
        assert abs(pick(found, source).found.difference.value) < 0.3
    mean = pick(found, MEAN)
    items = np.mean(list(by_hand.values()), axis=0)
    assert mean.found.difference.value == pytest.approx(items.mean())
    contexts = mean_scores(folder, "or", ["tha_Thai"])["context_id"].to_list()
    assert mean.found.p_adapters == pytest.approx(exact_p(items, contexts))
    assert mean.count == 3
    assert pick(found, "or").targets == (("ell_Grek", "arb_Arab", "eng_Latn"), ("tha_Thai",))
    assert pick(found, "en").targets == (("ell_Grek", "arb_Arab"), ("ory_Orya", "tha_Thai"))
    rows = group_words.group_table(tables, contrasts(tables)).rows
    assert [row[2:4] for row in rows][1:] == [
        ("Odia (human)", "Greek, Arabic, English against Thai"),
        ("English", "Greek, Arabic against Odia, Thai"),
        ("mean over 3 sources", "Greek, Arabic, English against Odia, Thai"),
    ]


def text(sentences: tuple[Markup, ...]) -> str:
    return " ".join(s.striptags() for s in sentences).replace("\u00a0", " ")


def test_what_is_sure_is_said_with_its_data(tables: Tables) -> None:
    found = contrasts(tables)
    answer = words.better_data(tables, found)
    assert answer is not None
    said = text(answer.sentences)
    lead = "Odia (human) against Odia (nllb) (gold verbatim in its context 84.5 % and 19.4 %)"
    assert said.startswith(f"{lead}: on average over 6 targets the first transfers better, by +4")
    assert "Decided in 5 of 6 targets: the first transfers better in " in said
    assert "Greek" not in said
    assert answer.evidence == "quality"


def said_of_groups(tables: Tables) -> str:
    answer = group_words.groups_compared(tables, contrasts(tables))
    assert answer is not None
    return text(answer.sentences)


def with_groups(tables: Tables, groups: dict[str, list[str]]) -> Tables:
    return Tables(**{**vars(tables), "plan": {**tables.plan, "groups": groups}})


def without(tables: Tables, source: str, target: str) -> Tables:
    assert tables.scores is not None
    gone = (pl.col("source") == source) & (pl.col("target") == target)
    return Tables(**{**vars(tables), "scores": tables.scores.filter(~gone)})


def test_the_group_that_gains_less_is_said(folder: Path, tables: Tables) -> None:
    said = said_of_groups(tables)
    lead = "qa against no qa (Greek, Arabic and English against Odia and Thai, no source judged by"
    assert said.startswith(
        f"{lead} its own language): on average over 3 sources qa gains less, by −"
    )
    # Greek, one of three, gains nothing from the good data: a third of 40 points
    gap = (own_gain(folder, "or", "qa") - own_gain(folder, "or", "no qa")).mean()
    by = f"{100 * gap:+.1f}".replace("-", "−")
    assert f"qa gains less after tuning on Odia (human), by {by} (" in said
    assert said.count("p and interval are about these targets, not about languages of") == 1
    assert "Left out" not in said
    assert "no source judged by its own language" not in said_of_groups(
        with_groups(tables, {"one": ["ell_Grek"], "two": ["tha_Thai"]})
    )


def test_a_source_whose_group_is_its_own_language_alone_is_left_out_and_named(
    tables: Tables,
) -> None:
    lone = with_groups(tables, {"qa": GROUPS["qa"], "Odia": ["ory_Orya"]})
    assert [c.where for c in contrasts(lone).groups] == ["en"]
    said = said_of_groups(lone)
    assert said.startswith(
        "qa against Odia (Greek and Arabic against Odia, no source judged by its own language): "
        "after tuning on English "
    )
    assert (
        "Left out, as one of the groups has no target but its own language: 2 sources "
        "(Odia (nllb) and Odia (human))." in said
    )
    none = Tables(**{**vars(lone), "plan": {**lone.plan, "sources": lone.plan["sources"][:2]}})
    assert said_of_groups(none).startswith("qa against Odia: no source can be judged. Left out")


def test_languages_that_are_no_targets_are_left_out_and_named(tables: Tables) -> None:
    wider = with_groups(tables, {"qa": [*GROUPS["qa"], "mlt_Latn"], "no qa": GROUPS["no qa"]})
    assert contrasts(wider).groups == contrasts(tables).groups
    said = said_of_groups(wider)
    assert said.endswith("Left out of qa for being no target of this study: Maltese.")
    assert "do not pair" not in said
    bare = with_groups(tables, {"qa": GROUPS["qa"], "far": ["mlt_Latn", "fra_Latn"]})
    assert said_of_groups(bare) == (
        "qa against far: far has no target of this study. "
        "Left out of far for being no targets of this study: Maltese and French."
    )


@pytest.mark.parametrize("target", ["arb_Arab", "tha_Thai"])
def test_a_source_without_scores_is_left_out_and_named(tables: Tables, target: str) -> None:
    cut = without(tables, "en", target)
    assert [c.where for c in contrasts(cut).groups] == ["or-nllb", "or", MEAN]
    said = said_of_groups(cut)
    assert "on average over 2 of 3 sources qa gains " in said
    name = {"arb_Arab": "Arabic", "tha_Thai": "Thai"}[target]
    assert (
        f"Left out for missing scores, its own or its base’s: 1 source (English in {name})." in said
    )
    # what only the source's own language lacks is not missed
    own = without(tables, "en", "eng_Latn")
    assert [c.where for c in contrasts(own).groups] == ["or-nllb", "or", "en", MEAN]


def test_a_base_without_scores_leaves_out_all_who_need_it(tables: Tables) -> None:
    said = said_of_groups(without(tables, "", "ory_Orya"))
    # the sources of Odia are not judged by it
    assert "on average over 2 of 3 sources" in said
    assert "its own or its base’s: 1 source (English in Odia)." in said


def test_sources_of_one_language_without_a_common_target_are_said_so(tables: Tables) -> None:
    assert tables.scores is not None
    keep = (pl.col("source") != "or-nllb") | (pl.col("target") == "tha_Thai")
    apart = without(
        Tables(**{**vars(tables), "scores": tables.scores.filter(keep)}), "or", "tha_Thai"
    )
    answer = words.better_data(apart, contrasts(apart))
    assert answer is not None
    said = text(answer.sentences)
    assert said == "Odia (human) against Odia (nllb): no target has scores of both."
    fewer = without(tables, "or", "tha_Thai")
    told = words.better_data(fewer, contrasts(fewer))
    assert told is not None
    assert "on average over 5 of 6 targets the first" in text(told.sentences)


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
    assert f"about {round(own.found.questions_needed):,} questions (40 asked)" in said
    assert "Decided in" not in said


def test_a_study_without_rivals_or_groups_says_nothing(tmp_path: Path) -> None:
    tables = read_study(make_study(tmp_path / "study"))
    found = contrasts(tables)
    assert found.data == ()
    assert words.better_data(tables, found) is None
    plan = {k: v for k, v in tables.plan.items() if k != "groups"}
    plain = Tables(**{**vars(tables), "plan": plan})
    assert group_words.groups_compared(plain, contrasts(plain)) is None


def test_a_study_without_scores_of_questions_says_so(folder: Path, tables: Tables) -> None:
    bare = Tables(**{**vars(tables), "scores": None})
    answer = words.better_data(bare, contrasts(bare))
    assert answer is not None
    assert "do not pair" in text(answer.sentences)
    assert words.data_table(bare, contrasts(bare)).rows == ()
    assert said_of_groups(bare) == words.NO_SCORES


def test_groups_of_other_questions_are_not_paired(tables: Tables) -> None:
    assert tables.scores is not None
    other = tables.scores.with_columns(
        id=pl.when(pl.col("target") == "ory_Orya").then("x" + pl.col("id")).otherwise("id")
    )
    apart = Tables(**{**vars(tables), "scores": other})
    found = contrasts(apart)
    assert found.groups == ()
    assert said_of_groups(apart) == f"qa against no qa: {words.NO_SCORES}"
    # on one target the sources still pair; over all of them no question is shared
    assert [c.where for c in found.data] == [*apart.plan["targets"]]
    said = text(words.better_data(apart, found).sentences)  # type: ignore[union-attr]  # it has rivals
    assert "Decided in 5 of 6 targets" in said


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
    assert group_words.GROUPS in page
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

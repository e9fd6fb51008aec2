"""Two studies side by side: paired by id, refused where their numbers do not measure the same."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fake_study import TARGETS, make_study

from babelscope.errors import BabelscopeError, SettingError, StoreError
from babelscope.report.compare import write_comparison
from babelscope.report.compare_views import tables_of
from babelscope.report.pairing import Pair, check_comparable, pairs, read_side

Change = Callable[[pl.DataFrame], pl.DataFrame]
CELL = ("default", "or", "ory_Orya")
UNDECIDED = {
    "B higher": 0,
    "A higher": 0,
    "B higher, these adapters only": 0,
    "A higher, these adapters only": 0,
    "undecided": 17,
}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("compare") / "a", seeds=(0, 1))


def another(first: Path, folder: Path, change: Change | None = None, **plan: object) -> Path:
    """Return a copy of the study with other scores and another plan."""
    shutil.copytree(first, folder, ignore=shutil.ignore_patterns("report"))
    path = folder / "scores.parquet"
    if change is not None:
        change(pl.read_parquet(path)).write_parquet(path)
    told = json.loads((folder / "plan.json").read_text(encoding="utf-8")) | plan
    (folder / "plan.json").write_text(json.dumps(told), encoding="utf-8")
    return folder


def compared(first: Path, second: Path) -> dict[tuple[str, tuple[str, str, str]], Pair]:
    a, b = read_side(first), read_side(second)
    check_comparable(a, b)
    return {(p.kind, p.key): p for p in pairs(a, b)}


def planted(frame: pl.DataFrame) -> pl.DataFrame:
    """Shuffle the rows, drop context c9, and lower Odia tuned on Odia by .25 in seed 1 alone."""
    here = (pl.col("source") == "or") & (pl.col("target") == "ory_Orya") & (pl.col("seed") == 1)
    lower = pl.when(here).then(pl.col("mlqa_f1") - 0.25).otherwise(pl.col("mlqa_f1"))
    kept = frame.filter(pl.col("context_id") != "c9").with_columns(mlqa_f1=lower)
    return kept.sample(fraction=1.0, shuffle=True, seed=5)


def test_a_study_against_itself_differs_nowhere(first: Path) -> None:
    found = compared(first, first)
    assert len(found) == 6 + 17 + 17  # base in 6 targets, 17 cells with data, their gains
    for pair in found.values():
        assert pair.found.difference.value == 0
        same_base = pair.kind == "score" and not pair.key[1]
        assert math.isnan(pair.p_holm) if same_base else pair.p_holm == 1
        assert pair.first == pair.second


def test_differences_are_paired_by_id_and_by_seed(first: Path, tmp_path: Path) -> None:
    found = compared(first, another(first, tmp_path / "b", planted))
    score = found["score", CELL]
    # the mean over seeds: (0 - .25) / 2, the same in every context
    assert score.found.difference.value == pytest.approx(-0.125, abs=1e-12)
    assert score.found.difference.n == 36
    assert score.seeds == "2"
    # contexts 0 to 8 of 10 are right: the first study too is scored on what is shared
    assert score.first.value == pytest.approx(1.0)
    # nine contexts with equal differences: two of 2**9 sign patterns reach the sum
    exact = 2 / 2**9
    assert score.found.p_adapters == exact
    # the seeds differ by as much as the mean: that does not hold for another run
    assert score.found.p_value > exact
    gain = found["gain", CELL]
    # the base has 5 of 9 contexts right in both studies
    assert gain.first.value == pytest.approx(1 - 5 / 9)
    assert gain.found.difference.value == pytest.approx(-0.125, abs=1e-12)
    others = [p for (_, key), p in found.items() if key != CELL]
    assert all(p.found.difference.value == 0 for p in others)


def test_p_is_corrected_over_all_pairs_of_a_kind(first: Path, tmp_path: Path) -> None:
    found = compared(first, another(first, tmp_path / "b", planted))
    # the base is the same model in both: nothing is tested there
    scores = [p for (kind, key), p in found.items() if kind == "score" and key[1]]
    own = found["score", CELL]
    for name, corrected in (("p_value", own.p_holm), ("p_adapters", own.p_adapters_holm)):
        smallest = min(getattr(p.found, name) for p in scores)
        assert corrected == pytest.approx(min(1.0, smallest * len(scores)))
    assert own.p_adapters_holm == 17 * 2 / 2**9


def test_the_base_of_another_model_is_tested(first: Path, tmp_path: Path) -> None:
    other = another(first, tmp_path / "b", fingerprints={"model": "d" * 32})
    found = compared(first, other)
    assert all(pair.p_adapters_holm == 1 for pair in found.values())
    # a base has no seeds: of tuning nothing can be said
    assert all(math.isnan(pair.p_holm) != bool(key[1]) for (_, key), pair in found.items())


def test_a_base_that_is_better_is_said_to_be(first: Path, tmp_path: Path) -> None:
    def better(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(
            mlqa_f1=pl.when(pl.col("source") == "").then(1.0).otherwise(pl.col("mlqa_f1"))
        )

    def worse(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(
            mlqa_f1=pl.when(pl.col("source") == "").then(0.0).otherwise(pl.col("mlqa_f1"))
        )

    low = another(first, tmp_path / "a", worse)
    high = another(first, tmp_path / "b", better, fingerprints={"model": "d" * 32})
    told = write_comparison(low, high, tmp_path / "out")
    scores = told["scores"]
    assert isinstance(scores, dict)
    bases = scores["B higher, base models"] + scores["undecided, base models"]
    assert scores["B higher, base models"] >= 5
    assert bases == len({key[2] for kind, key in compared(low, high) if kind == "score"})
    page = Path(str(told["report"])).read_text(encoding="utf-8")
    said = re.sub(r"<[^>]+>", "", page.partition("<script")[0]).replace("\u00a0", " ")
    assert f"{scores['B higher, base models']} are higher in B and 0 in A, tested over" in said
    largest = said.partition("The largest that are decided")[2][:300]
    assert "base model" in largest
    assert "these adapters only" not in largest


def test_the_page_says_what_would_decide(first: Path, tmp_path: Path) -> None:
    second = another(first, tmp_path / "b", planted)
    pair = compared(first, second)["score", CELL]
    assert pair.p_holm > 0.05
    told = write_comparison(first, second, tmp_path / "out")
    page = Path(str(told["report"])).read_text(encoding="utf-8")
    assert pair.found.difference.n == 36
    seeds = math.ceil(pair.found.seeds_needed)
    assert seeds > 2
    assert f"about {seeds:,} seeds (2 run)" in page
    assert told["scores"] == UNDECIDED


def test_without_shared_seeds_means_are_compared(first: Path, tmp_path: Path) -> None:
    other = another(
        first,
        tmp_path / "b",
        lambda f: planted(f).with_columns(
            seed=pl.when(pl.col("seed") >= 0).then(pl.col("seed") + 7).otherwise(-1)
        ),
    )
    pair = compared(first, other)["score", CELL]
    assert pair.seeds == "means"
    assert pair.found.seeds == 1
    assert pair.found.difference.value == pytest.approx(-0.125, abs=1e-12)


def test_what_is_not_shared_is_told(first: Path, tmp_path: Path) -> None:
    def change(frame: pl.DataFrame) -> pl.DataFrame:
        return planted(frame).filter(
            (pl.col("source") != "ru-nllb") & (pl.col("target") != "tha_Thai")
        )

    second = another(first, tmp_path / "b", change, targets=[t for t in TARGETS if t != "tha_Thai"])
    a, b = read_side(first), read_side(second)
    rows = [tuple(map(str, row)) for row in tables_of(a, b, pairs(a, b))["apart"].rows]
    assert ("A", "target", "Thai", "") in rows
    assert ("A", "model", "tuned on Russian (nllb)", "") in rows
    assert ("A", "questions", "Odia", "4") in rows
    assert not any(row[0] == "B" and row[1] != "model" for row in rows)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"main_measure": "squad_f1"}, "the same measure"),
        ({"task": "translation"}, "the same task"),
        ({"scores_version": "99"}, "the same version of the scores"),
        ({"asked": "translation"}, "the same form of the questions"),
        ({"targets": ["deu_Latn"]}, "a target that both have"),
    ],
)
def test_other_metrics_are_refused(
    first: Path, tmp_path: Path, plan: dict[str, object], words: str
) -> None:
    second = another(
        first, tmp_path / "b", lambda f: f.with_columns(squad_f1=pl.col("mlqa_f1")), **plan
    )
    with pytest.raises(SettingError, match=words) as error:
        write_comparison(first, second, None)
    assert "\n" not in str(error.value)
    assert not (second / "report").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.with_columns(question=pl.col("question") + "!"), "the same questions"),
        (lambda f: f.with_columns(id=pl.col("id") + "x"), "ids that both have"),
        (lambda f: f.with_columns(recipe=pl.lit("other")), "a model and target"),
    ],
)
def test_other_questions_are_refused(
    first: Path, tmp_path: Path, change: Change, words: str
) -> None:
    with pytest.raises(SettingError, match=words):
        write_comparison(first, another(first, tmp_path / "b", change), None)


def test_a_study_without_scores_says_what_to_do(first: Path, tmp_path: Path) -> None:
    second = another(first, tmp_path / "b")
    (second / "scores.parquet").unlink()
    with pytest.raises(StoreError, match="run the study again"):
        write_comparison(first, second, None)


def test_a_broken_table_of_scores_is_one_line(first: Path, tmp_path: Path) -> None:
    second = another(first, tmp_path / "b")
    (second / "scores.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(BabelscopeError, match="a table of scores"):
        write_comparison(first, second, None)


def test_the_page_tells_the_planted_difference(first: Path, tmp_path: Path) -> None:
    second = another(first, tmp_path / "b", planted, title="B <script>alert(1)</script>")
    told = write_comparison(first, second, tmp_path / "out", "svg", "csv")
    text = Path(str(told["report"])).read_text(encoding="utf-8")
    assert "−12.5 (" in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert told["scores"] == UNDECIDED
    again = write_comparison(first, second, tmp_path / "again", "svg", "csv")
    assert Path(str(again["report"])).read_text(encoding="utf-8") == text
    table = pl.read_csv(tmp_path / "out" / "tables" / "scores.csv")
    row = table.filter((pl.col("Model") == "Odia") & (pl.col("Target") == "Odia"))
    assert row["B − A"].item() == pytest.approx(-0.125)
    assert row["n"].item() == 36
    assert [Path(p).name for p in told["figures"]] == ["scores.svg", "gains.svg"]
    assert len(re.findall('class="plot"', text)) == 4 + 3
    assert np.isfinite(row["p after Holm"].item())

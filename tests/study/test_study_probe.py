"""Probes end to end: what is read, kept apart, trained, tested and told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tiny import save_tiny

from babelscope import cli
from babelscope.errors import BabelscopeError, DataError, SettingError
from babelscope.study.plan_records import ModelPlan
from babelscope.study.probe_data import gather
from babelscope.study.probe_plan import ProbePlan, ProbeTask, probe_plan
from babelscope.study.probe_step import run_probe
from babelscope.study.values import Table

MINI = ModelPlan("mini")
COLUMNS = [
    *("task", "probe", "pooling", "measure", "control", "depth", "state", "source", "target"),
    *("value", "low", "high", "n"),
]


def _write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def _value(frame: pl.DataFrame, **wanted: object) -> float:
    for column, value in wanted.items():
        frame = frame.filter(pl.col(column) == value)
    assert frame.height == 1
    return float(frame["value"][0])


def test_ids_are_never_on_both_sides_and_alike_in_all_languages(tmp_path: Path) -> None:
    rows = "".join(f"{n}\ttext {n}\t{'ab'[n % 2]}\n" for n in range(200))
    for code in ("en", "de"):
        _write(tmp_path / f"{code}.tsv", f"id\ttext\tlabel\n{rows}")
    data = gather(ProbeTask("topic", str(tmp_path / "{language}.tsv")), ("deu_Latn",))
    train = {item.id for item in data.train.items}
    english, german = ({item.id for item in test.items} for test in data.tests)
    assert english == german
    assert not train & english
    assert len(train | english) == 200
    assert 60 < len(english) < 100


def test_ids_in_both_files_are_not_tested(tmp_path: Path) -> None:
    row = "{}\ttext\t{}\n"
    for split, ids in (("train", range(10)), ("test", range(7, 20))):
        rows = "".join(row.format(n, "ab"[n % 2]) for n in ids)
        _write(tmp_path / f"eng_Latn.{split}.tsv", f"id\ttext\tlabel\n{rows}")
    data = gather(ProbeTask("topic", str(tmp_path / "{language}.{split}.tsv")), ())
    assert len(data.train.items) == 10
    assert [item.id for item in data.tests[0].items] == [str(n) for n in range(10, 20)]
    assert data.tests[0].dropped == {"also in training": 3}


def test_words_have_their_places_in_the_sentence() -> None:
    data = gather(ProbeTask("ner", "atlas"), ("ory_Orya",))
    for item in (*data.train.items, *data.tests[1].items):
        assert item.span is not None
        assert item.text[slice(*item.span)] == item.word


def test_entities_end_to_end_and_kept_states_serve_again(tmp_path: Path) -> None:
    plan = ProbePlan((ProbeTask("ner", "atlas", depths=(0, 2)),), ("ory_Orya",))
    frame, settings = run_probe(plan, MINI, (), tmp_path)
    assert frame.columns == COLUMNS
    controls = frame.filter(pl.col("measure") == "control_accuracy")
    kinds = controls.select("target", "control").unique().sort("target", "control").rows()
    assert kinds == [
        ("eng_Latn", "shuffled"),
        ("eng_Latn", "word type"),
        ("ory_Orya", "shuffled"),
    ]
    for target in ("eng_Latn", "ory_Orya"):
        best = _value(frame, measure="accuracy", target=target, depth=2)
        assert best > _value(frame, measure="majority", target=target) + 0.1
    json.dumps(settings, allow_nan=False)
    files = sorted(tmp_path.rglob("*.npy"))
    times = [path.stat().st_mtime_ns for path in files]
    again, _ = run_probe(plan, MINI, (), tmp_path)
    assert again.equals(frame, null_equal=True)
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*.npy"))] == times


def test_language_is_trained_on_all_and_told_by_language_and_overall(tmp_path: Path) -> None:
    task = ProbeTask("language", "atlas", limit=40, depths=(0,))
    frame, _ = run_probe(ProbePlan((task,)), MINI, ("ory_Orya", "ell_Grek"), tmp_path)
    accuracy = frame.filter(pl.col("measure") == "accuracy")
    assert set(accuracy["source"]) == {"all"}
    assert set(accuracy["target"]) == {"eng_Latn", "ory_Orya", "ell_Grek", "all"}
    # three scripts: the embedding of their subwords tells the language
    assert _value(accuracy, target="all") > 0.95
    majority = frame.filter(pl.col("measure") == "majority")
    assert majority["target"].to_list() == ["all"]
    assert majority["value"][0] == pytest.approx(1 / 3)


def test_pairs_are_probed_by_difference_and_product(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = ["Oslo", "Berlin", "Paris", "Rome", "Delhi", "Cairo", "Lima", "Quito"]
    rows = []
    for _ in range(120):
        one, two = rng.choice(words, 2, replace=False)
        same = bool(rng.integers(2))
        rows.append(f"{one} is here\t{one if same else two} is here\t{int(same)}")
    data = _write(tmp_path / "en.tsv", "\n".join(rows))
    task = ProbeTask("paraphrase", data, depths=(0,))
    frame, _ = run_probe(ProbePlan((task,)), MINI, (), tmp_path / "store")
    # equal texts have a difference of zero
    assert _value(frame, measure="accuracy", depth=0) > 0.95
    single = _write(tmp_path / "single.tsv", "text\tlabel\na\tx\nb\ty\n")
    with pytest.raises(DataError, match="expected pairs of texts, found single texts"):
        gather(ProbeTask("paraphrase", single), ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("text\tlabel\n" + "a\tx\n" * 30, "expected two labels or more, found 1"),
        ("text\tlabel\na\tx\n", "none left"),
        ("text\tlabel\na\tx\nb\ty\nc\tx\nd\ty\n", "at least 5 texts, one a fold"),
    ],
)
def test_too_little_to_learn_from_is_told(tmp_path: Path, text: str, told: str) -> None:
    task = ProbeTask("topic", _write(tmp_path / "en.tsv", text), depths=(0,))
    with pytest.raises(DataError, match=told):
        run_probe(ProbePlan((task,)), MINI, (), tmp_path / "store")


def test_a_label_that_the_source_lacks_is_told(tmp_path: Path) -> None:
    rows = "".join(f"{n}\ta{n}\tB-PER\n\n" for n in [1] * 40)
    _write(tmp_path / "en.iob2", rows)
    _write(tmp_path / "de.iob2", rows.replace("PER", "PRE"))
    task = ProbeTask("ner", str(tmp_path / "{language}.iob2"))
    with pytest.raises(DataError, match=r"labels of the source \(B-PER, I-PER, O\), found 'B-PRE'"):
        gather(task, ("deu_Latn",))


def test_a_depth_that_the_model_lacks_is_told(tmp_path: Path) -> None:
    task = ProbeTask("topic", "atlas", depths=(99,), limit=20)
    with pytest.raises(SettingError, match="0 to 6, 7 after the final norm, as mini has, found 99"):
        run_probe(ProbePlan((task,)), MINI, (), tmp_path)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"task": "nli", "data": "atlas"}, "ner or pos"),
        ({"task": "pos", "data": "atlas", "pooling": "mean"}, "pooling of the task pos"),
        ({"task": "topic", "data": "atlas", "pooling": "word"}, "mean or last"),
        ({"task": "topic", "data": "atlas", "probe": "svm"}, "ridge or logistic"),
    ],
)
def test_bad_settings_are_told(values: dict[str, str], told: str) -> None:
    with pytest.raises(SettingError, match=told):
        ProbeTask(**values)  # type: ignore[arg-type]


def test_a_section_of_a_study_names_its_tasks() -> None:
    table = Table(
        "study.probe",
        {
            "targets": ["or"],
            "topic": {"data": "{here}/x.tsv", "source": "de"},
            "parts": {"task": "pos", "data": "y", "depths": [1, 2], "repair": True},
        },
    )
    plan = probe_plan(table, {"here": "/data"})
    assert plan.targets == ("ory_Orya",)
    assert plan.tasks == (
        ProbeTask("topic", "/data/x.tsv", "deu_Latn"),
        ProbeTask("pos", "y", depths=(1, 2), repair=True),
    )
    with pytest.raises(SettingError, match="a task such as"):
        probe_plan(Table("study.probe", {}), {})
    with pytest.raises(BabelscopeError, match="unknown key"):
        probe_plan(Table("study.probe", {"topic": {"data": "x", "sorce": "en"}}), {})


def test_the_command_writes_table_and_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "p.parquet"
    common = ["probe", "mini", "--task", "topic", "--data", "atlas", "--source", "en"]
    common += ["--target", "or", "--depth", "0", "--depth", "3", "--out", str(out)]
    assert cli.main([*common, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    frame = pl.read_parquet(out)
    assert told["rows"] == frame.height
    assert {row["target"] for row in told["best"]} == {"eng_Latn", "ory_Orya"}
    settings = json.loads((tmp_path / "p.json").read_text(encoding="utf-8"))
    assert settings["tasks"][0]["tests"][1]["ids_shared_with_source"] == 240
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert cli.main([*common[:5], "nowhere.tsv", *common[6:]]) == 2
    assert capsys.readouterr().err.startswith("error: nowhere.tsv")


REAL = (
    ("topic", "sib200", "sib200/{language}/{split}.tsv", ("swh_Latn",), 150),
    ("ner", "uner", "uner/*-PUD/{language}_pud-ud-test.iob2", ("deu_Latn",), 60),
    ("pos", "ud_pud", "ud_pud/*-PUD/{language}_pud-ud-test.conllu", ("hin_Deva",), 60),
    ("paraphrase", "pawsx", "pawsx/dev-{language}.tsv", ("deu_Latn",), 100),
)


@pytest.mark.real_data
@pytest.mark.parametrize(("task", "archive", "pattern", "targets", "limit"), REAL)
def test_real_data_on_random_weights(
    task: str,
    archive: str,
    pattern: str,
    targets: tuple[str, ...],
    limit: int,
    unpacked: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    """Random weights: shuffled labels tell no more than the commonest label of the test does."""
    model = ModelPlan(str(save_tiny(tmp_path / "model", "qwen2")))
    asked = ProbeTask(task, str(unpacked(archive) / pattern), limit=limit)
    frame, settings = run_probe(ProbePlan((asked,)), model, targets, tmp_path / "store")
    (told,) = settings["tasks"]  # type: ignore[misc]
    assert [test["language"] for test in told["tests"]] == ["eng_Latn", *targets]
    for test in told["tests"]:
        commonest = max(test["labels"].values()) / test["items"]
        own = frame.filter(pl.col("target") == test["language"])
        shuffled = own.filter(
            pl.col("control") == "shuffled", pl.col("measure") == "control_accuracy"
        )
        assert shuffled.height == 4  # two blocks, their input, the final norm
        assert max(shuffled["value"].to_list()) < commonest + 0.05

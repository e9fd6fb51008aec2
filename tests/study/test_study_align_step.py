"""The step and the command: tiny models, toy texts and real ones, and every fault in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tiny import save_tiny
from transformers import AutoTokenizer

from babelscope import cli
from babelscope.errors import DataError
from babelscope.study.align_plan import AlignPlan
from babelscope.study.align_step import align_step, run_align
from babelscope.study.plan_records import ModelPlan


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("align") / "xlm", "xlm_roberta"))


def estimates(frame: pl.DataFrame, measure: str, depth: int) -> list[tuple[float, float, float]]:
    found = frame.filter((pl.col("measure") == measure) & (pl.col("depth") == depth))
    return found.select("value", "low", "high").rows()


def test_the_table_and_its_settings_are_written(tiny: str, tmp_path: Path) -> None:
    out = tmp_path / "a.parquet"
    plan = AlignPlan("atlas:test", ("en", "de"), limit=12, maps=False)
    told = align_step(plan, ModelPlan(tiny, device="cpu"), out)
    frame = pl.read_parquet(out)
    settings = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert told["rows"] == frame.height
    assert (settings["pooling"], settings["dtype"], settings["depths"]) == ("mean", "float32", 3)
    assert set(frame["depth"].drop_nulls()) == {0, 1, 2}, "XLM-R has no final norm"
    assert settings["norm_depth"] is None
    assert set(frame["state"]) == {"block", ""}
    (own,) = settings["sets"]
    assert (own["languages"], own["items"]) == (["eng_Latn", "deu_Latn"], 12)
    # the tiny tokenizer has no words, so that atlas's sentences overrun the model's 64 places
    assert own["truncated"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.parquet"]


def test_kept_states_give_the_same_table_without_a_pass(tiny: str, tmp_path: Path) -> None:
    plan = AlignPlan("atlas:test", ("en", "de"), unit="word", carrier="atlas", pooling="word",
                     limit=15, maps=False)  # fmt: skip
    model = ModelPlan(tiny, device="cpu")
    first, settings = run_align(plan, model, (), tmp_path)
    files = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.npy")}
    again, _ = run_align(plan, model, (), tmp_path)
    assert again.equals(first, null_equal=True)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.npy")} == files
    assert len(files) == 2
    assert settings["carrier"] == "atlas"


def test_a_study_aligns_its_targets(tiny: str, tmp_path: Path) -> None:
    plan = AlignPlan("atlas:test", limit=8, maps=False)
    frame, _ = run_align(plan, ModelPlan(tiny, device="cpu"), ("eng_Latn", "hin_Deva"), tmp_path)
    assert {"eng_Latn", "hin_Deva"} < set(frame["source"])


def test_words_behind_the_models_room_are_left_out(tiny: str, tmp_path: Path) -> None:
    pairs = [("one", "eins"), ("two", "zwei"), ("three", "drei"), ("four", "vier")]
    table, carriers = tmp_path / "w.tsv", tmp_path / "c.tsv"
    table.write_text("\n".join(f"{a}\t{b}" for a, b in [*pairs, ("x" * 300, "lang")]))
    carriers.write_text("en\t({word})\nde\t({word})\n", encoding="utf-8")
    plan = AlignPlan(str(table), ("en", "de"), "word", "word", str(carriers), maps=False)
    model = ModelPlan(tiny, device="cpu")
    _, settings = run_align(plan, model, (), tmp_path / "s")
    (own,) = settings["sets"]  # type: ignore[misc]
    # a word that is cut short still has a state
    assert (own["items"], own["truncated"]) == (5, {"cut in eng_Latn": 1})
    carriers.write_text(f"en\t({{word}})\nde\t{'x' * 300} ({{word}})\n", encoding="utf-8")
    with pytest.raises(DataError, match="without a token to pool 5"):
        run_align(plan, model, (), tmp_path / "s")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "family", "data"),
    [("xlmr", "xlm_roberta", "flores200"), ("qwen2", "qwen2", "flores200"),
     ("mbert", "bert", "ud_pud")],
)  # fmt: skip
def test_random_weights_stay_near_their_controls(
    name: str,
    family: str,
    data: str,
    tmp_path: Path,
    tokenizer_folder: Callable[[str], Path],
    unpacked: Callable[[str], Path],
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder(name))
    save_tiny(tmp_path / "m", family, rows=len(tokenizer), room=514)
    tokenizer.save_pretrained(tmp_path / "m")
    folder = unpacked(data)
    folder = folder / "flores200" / "devtest" if data == "flores200" else folder
    plan = AlignPlan(str(folder), ("en", "ru", "ar", "hi"), limit=150, maps=False)
    frame, settings = run_align(plan, ModelPlan(str(tmp_path / "m"), device="cpu"), (), tmp_path)
    assert settings["sets"][0]["items"] == 150  # type: ignore[index]
    last = 2
    # raw cosines are high without any meaning; what counts is how little they exceed random pairs
    assert max(v for v, _, _ in estimates(frame, "anisotropy", last)) > 0.3
    raw = [v for v, _, _ in estimates(frame, "cosine", last)]
    random = [v for v, _, _ in estimates(frame, "cosine_random", last)]
    assert max(a - b for a, b in zip(raw, random, strict=True)) < 0.1
    assert all(low < 0 < high for _, low, high in estimates(frame, "cka_shuffled", last))
    for measure in ("accuracy", "centred_accuracy"):
        assert max(v for v, _, _ in estimates(frame, measure, last)) < 0.25
    ((meaning, _, _),) = estimates(frame, "meaning_share", last)
    ((shuffled, _, _),) = estimates(frame, "meaning_share_shuffled", last)
    assert 0 < meaning - shuffled < 0.15


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--data atlas --language en", "two or more"),
        ("--data none --language en --language de", "no such file"),
        ("--data . --language en --language de", "error: "),
        ("--data atlas --language en --language de --pooling max", "mean or last"),
        ("--data atlas --language en --language de --pooling word", "the unit word"),
        ("--data atlas --language en --language xx_Zzzz", "xx_Zzzz"),
        ("--data atlas --language en --language de --limit -1", "0 or more"),
        ("--data atlas --language en --language de --limit 3", "4 items or more"),
        ("--data uneven --language en --language de", "2 in eng_Latn, 3 in deu_Latn"),
    ],
)
def test_faults_are_one_line(
    words: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "uneven").mkdir()
    (tmp_path / "uneven" / "en.txt").write_text("a\nb\n")
    (tmp_path / "uneven" / "de.txt").write_text("a\nb\nc\n")
    assert cli.main(["align", "mini", *words.split(), "--out", "a.parquet"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert told in err
    assert not (tmp_path / "a.parquet").exists()

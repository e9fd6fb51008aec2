"""The command classify: its example, its JSON, and one line for every fault."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from babelscope import cli

ROWS = "A man sleeps.\tHe is asleep.\t{}\n"


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = cli.main([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, out, err


def test_entities_of_atlas_train_and_are_tested(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "classes.parquet"
    words = ("classify", "mini", "--task", "ner", "--data", "atlas", "--target", "sw")
    more = ("--method", "head", "--set", "max_steps=3", "--limit", "9", "--out", out, "--json")
    status, text, err = call(capsys, *words, *more)
    assert (status, err) == (0, "")
    told = json.loads(text)
    assert told["split"] == "the data's own splits"
    assert [row["target"] for row in told["scores"]] == ["eng_Latn", "swh_Latn"]
    assert pl.read_parquet(out).columns[:6] == [
        "model", "method", "source", "target", "against", "measure"
    ]  # fmt: skip
    assert json.loads(out.with_suffix(".json").read_text())["task"] == "ner"
    before = out.read_bytes()
    assert call(capsys, *words, *more)[0] == 0
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--data atlas --task qa", "nli or ner"),
        ("--data atlas --method adapter", "head or lora"),
        ("--data atlas --set epoch=1", "epochs"),
        ("--data atlas --set epochs", "key=value"),
        ("--data atlas --target xx_Zzzz", "xx_Zzzz"),
        ("--data none.tsv", "none.tsv"),
        ("--data atlas --task ner --target zh", "zho_Hans"),
        ("--data labels.tsv", "line 1"),
        ("--data labels-{language}.tsv --target sw", "swh_Latn"),
        ("--data single.tsv", "two labels"),
        ("--data atlas --task ner --method prompt", "prompt"),
        ("--data atlas --device tpu", "tpu"),
    ],
)
def test_faults_are_one_line(
    words: str,
    told: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("labels.tsv").write_text(ROWS.format("perhaps"), encoding="utf-8")
    Path("labels-en.tsv").write_text(ROWS.format("neutral") * 9, encoding="utf-8")
    rows = "".join(f"A {n}.\tB {n}.\tneutral\n" for n in range(30))
    Path("single.tsv").write_text(rows, encoding="utf-8")
    status, out, err = call(capsys, "classify", "mini", *words.split(), "--out", "c.parquet")
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert told in err
    assert not Path("c.parquet").exists()

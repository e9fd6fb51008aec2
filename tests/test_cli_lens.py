"""`babelscope lens`: prompts as they stand, rows for each, single positions, bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from babelscope import cli
from babelscope.data import atlas
from babelscope.models.loading import LoadedModel, load_model

Run = Callable[..., tuple[int, str, str]]

PROMPTS = [
    {"id": "capital", "prompt": "Q: What is the currency of India?\nA:", "answer": " Rupee"},
    {"id": "bare", "prompt": "ଭାରତ"},
]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        status = cli.main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture(scope="module")
def mini() -> LoadedModel:
    return load_model("mini")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a map of two languages and a file of prompts."""
    folder = tmp_path_factory.mktemp("lens")
    texts = folder / "texts"
    texts.mkdir()
    for code in ("eng_Latn", "ory_Orya"):
        (texts / f"{code}.txt").write_text("\n".join(atlas.sentences(code)), encoding="utf-8")
    made = ["map-languages", "mini", "--text", f"{texts}", "--out", f"{folder}/map.safetensors"]
    assert cli.main(made) == 0
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in PROMPTS)
    (folder / "prompts.jsonl").write_text(lines, encoding="utf-8")
    return folder


def _plain(mini: LoadedModel, ids: list[int]) -> NDArray[np.float64]:
    """Softmax at every depth and position: (depths, positions, rows)."""
    parts = mini.parts
    with torch.no_grad():
        out = mini.model(torch.tensor([ids]), output_hidden_states=True)
        logits = [parts.unembed(parts.final_norm(h)) for h in out.hidden_states[:-1]]
    return torch.stack([*logits, out.logits])[:, 0].double().softmax(-1).numpy()


def test_prompts_are_taken_as_they_stand(run: Run, place: Path, mini: LoadedModel) -> None:
    out = place / "lens.parquet"
    status, _, err = run(
        *("lens", "mini", "--prompts", place / "prompts.jsonl", "--map", place / "map.safetensors"),
        *("--per-prompt", "--out", out, "--json"),
    )
    assert (status, err) == (0, "")
    frame = pl.read_parquet(out)
    assert frame.columns == ["id", "depth", "position", "language", "mass", "low", "high", "n"]
    assert frame["low"].is_nan().all()
    assert frame["high"].is_nan().all()
    table = load_file(place / "map.safetensors")["probability"]
    columns = ("eng_Latn", "ory_Orya", "shared", "unknown")
    for row in PROMPTS:
        prompt = mini.tokenizer(row["prompt"])["input_ids"]
        gold = mini.tokenizer(row.get("answer", ""), add_special_tokens=False)["input_ids"]
        mass = _plain(mini, prompt + gold) @ table
        spans = {"last": slice(len(prompt) - 1, len(prompt))}
        spans["gold"] = slice(len(prompt) - 1, len(prompt) - 1 + len(gold))
        for position, span in spans.items():
            own = frame.filter(pl.col("id") == row["id"], pl.col("position") == position)
            found = own.sort("depth").pivot("language", index="depth", values="mass")
            if position == "gold" and not gold:
                assert found.select(columns).to_numpy().dtype == np.float64
                assert own["mass"].is_nan().all()
                assert (own["n"] == 0).all()
                continue
            expected = mass[:, span].mean(axis=1)
            np.testing.assert_allclose(found.select(columns).to_numpy(), expected, atol=1e-5)
            assert (own["n"] == 1).all()


def test_means_over_prompts(run: Run, place: Path) -> None:
    common = ("lens", "mini", "--prompts", place / "prompts.jsonl", "--map")
    common = (*common, place / "map.safetensors", "--position", "last", "--out")
    assert run(*common, place / "mean.parquet")[0] == 0
    assert run(*common, place / "each.parquet", "--per-prompt")[0] == 0
    mean, each = (pl.read_parquet(place / f"{name}.parquet") for name in ("mean", "each"))
    assert mean.columns == ["depth", "position", "language", "mass", "low", "high", "n"]
    own = each.group_by("depth", "language").agg(pl.col("mass").mean().alias("own"))
    joined = mean.join(own, on=["depth", "language"])
    np.testing.assert_allclose(joined["mass"], joined["own"], atol=1e-7)
    assert (mean["n"] == 2).all()
    assert (mean["low"] <= mean["mass"]).all()


def test_single_positions_are_told_of(run: Run, place: Path, mini: LoadedModel) -> None:
    status, out, _ = run(
        *("lens", "mini", "--prompts", place / "prompts.jsonl", "--map", place / "map.safetensors"),
        *("--position", "last", "--position", "generated", "--example", "capital"),
        *("--tokens", place / "tokens.parquet", "--out", place / "more.parquet", "--json"),
    )
    assert status == 0
    frame = pl.read_parquet(place / "tokens.parquet")
    assert json.loads(out)["token_rows"] == frame.height
    ids = mini.tokenizer(PROMPTS[0]["prompt"] + PROMPTS[0]["answer"])["input_ids"]
    p = _plain(mini, ids[:-1])
    every = frame.filter(pl.col("id") == "capital", pl.col("position") == "all")
    assert every.height == len(p) * (len(ids) - 1)
    for row in every.iter_rows(named=True):
        own = p[row["depth"], row["place"]]
        chance = own[ids[row["place"] + 1]]
        assert row["next_probability"] == pytest.approx(chance, abs=1e-5)
        assert row["next_rank"] == 1 + (own > chance).sum()
        best = np.sort(own)[::-1][: len(row["top_probabilities"])]
        np.testing.assert_allclose(row["top_probabilities"], best, atol=1e-5)
        assert sum(row["mass"].values()) == pytest.approx(1, abs=1e-5)
    spelt = "".join(every.filter(pl.col("depth") == 0)["token"])
    assert spelt == mini.tokenizer.decode(ids[:-1])
    assert set(frame.filter(pl.col("id") == "bare")["position"]) == {"last", "generated"}


def test_pieces_of_characters_are_drawn_as_bytes(place: Path, mini: LoadedModel) -> None:
    from babelscope.models.token_text import readable, token_text
    from babelscope.models.tokens import token_forms

    assert readable("ଭ".encode()[:2]) == "<E0><AC>"
    assert readable(b"a" + "ଭ".encode() + b"\xe0") == "aଭ<E0>"
    forms = token_forms(mini.tokenizer, mini.parts.vocabulary_rows)
    assert token_text(mini.tokenizer, forms, mini.tokenizer.eos_token_id) == "</s>"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--data atlas --out l", "lens: expected --data with --language, or --prompts FILE"),
        ("--prompts p --data atlas --out l", "--prompts: expected no --data"),
        ("--prompts none.jsonl --out l", "none.jsonl"),
        ("--prompts empty.jsonl --out l", "empty.jsonl: expected at least one prompt, found none"),
        ("--prompts prompts.jsonl --position middle --out l", "a token's number, found middle"),
        (
            "--prompts prompts.jsonl --position 99 --out l",
            "position 99 of prompt capital: expected",
        ),
        ("--prompts prompts.jsonl --example capital --out l", "--example: expected --tokens FILE"),
        (
            "--prompts prompts.jsonl --example no --tokens t --out l",
            "--example: expected the id of a prompt, found no",
        ),
        ("--prompts prompts.jsonl --map other.safetensors --out l", "expected the tokenizer"),
    ],
)
def test_bad_input_is_one_line(
    arguments: str, told: str, run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    (place / "empty.jsonl").write_text("\n", encoding="utf-8")
    array = load_file("map.safetensors")["probability"]
    metadata = {"languages": '["eng_Latn", "ory_Orya", "shared", "unknown"]', "tokenizer": "x"}
    save_file({"probability": array}, "other.safetensors", metadata=metadata)
    status, out, err = run("lens", "mini", *arguments.split())
    assert status == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert told in err
    assert not (place / "l").exists()

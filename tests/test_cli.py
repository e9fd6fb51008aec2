"""Every command's example works, every kind of bad input is one line and exit 2."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

import babelscope
from babelscope import cli
from babelscope.data import atlas

Run = Callable[..., tuple[int, str, str]]

COMMANDS = (
    *("demo", "run", "status", "report", "tune"),
    *("answer", "score", "lens", "lens-published", "map-languages", "check"),
    *("align", "probe", "classify"),
)
SMALL = ["--set", "max_steps=2", "--set", "max_tokens=320", "--set", "answer_tokens=12"]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        status = cli.main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples need: answers, texts and an adapter."""
    folder = tmp_path_factory.mktemp("work")
    texts = folder / "texts"
    texts.mkdir()
    for code in ("eng_Latn", "ory_Orya"):
        (texts / f"{code}.txt").write_text("\n".join(atlas.sentences(code)), encoding="utf-8")
    common = ["mini", "--data", "atlas", "--language", "or"]
    assert cli.main(["tune", *common, "--limit", "6", *SMALL, "--out", f"{folder}/tuned"]) == 0
    assert cli.main(["answer", *common, "--limit", "4", "--out", f"{folder}/answers.jsonl"]) == 0
    return folder


def documented_example(command: str) -> str:
    help_text = cli.app[command].help
    found = re.search(r"Example: (babelscope .*)", help_text)
    assert found, f"{command} has no example"
    return found[1]


@pytest.mark.parametrize(
    "command",
    [
        *("run", "tune", "answer", "score", "lens", "map-languages"),
        *("check", "align", "probe", "classify"),
    ],
)
def test_the_documented_example_works(
    command: str, run: Run, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    studies = Path(babelscope.__file__).parent / "study" / "studies"
    words = shlex.split(documented_example(command))[1:]
    words = [w.replace("studies/", f"{studies}/") for w in words]
    status, out, err = run(*words)
    assert (status, err) == (0, "")
    assert out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_tells_its_help(command: str, run: Run) -> None:
    status, out, _ = run(command, "--help")
    assert status == 0
    assert "Example" in out


def test_help_loads_no_torch() -> None:
    code = (
        "import sys; from babelscope.cli import main; main(['answer', '--help']);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_answers_and_scores_have_their_fixed_forms(run: Run, workplace: Path) -> None:
    path = workplace / "answers.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    ids = [e.id for e in atlas.questions("or", "test").examples[:4]]
    assert [row["id"] for row in rows] == ids
    for row in rows:
        assert list(row) == (
            ["id", "language", "prediction", "prompt_tokens", "new_tokens", "truncated", "stopped"]
        )
    status, out, _ = run("score", path, "--data", "atlas", "--language", "or", "--json")
    scores = json.loads(out)
    assert status == 0
    for name in (
        *("squad_em", "squad_f1", "squad_f1_best_prefix", "mlqa_em", "mlqa_f1"),
        *("char_f1", "gold_contained", "length_ratio"),
    ):
        assert set(scores[name]) == {"value", "low", "high", "n"}
    assert set(scores["stops"]) == {"newline", "eos", "length"}
    assert sum(scores["causes"].values()) == scores["n_answered"] == 4
    assert scores["n_data"] == len(atlas.questions("or", "test").examples)


def test_an_adapter_answers_with_its_own_settings(run: Run, workplace: Path) -> None:
    out = workplace / "adapted.jsonl"
    status, text, _ = run(
        *("answer", "mini", "--data", "atlas", "--language", "el", "--limit", "3"),
        *("--adapter", workplace / "tuned", "--out", out, "--json"),
    )
    assert status == 0
    assert json.loads(text)["questions"] == 3
    assert all(json.loads(line)["new_tokens"] <= 12 for line in out.read_text().splitlines())


@pytest.mark.parametrize(
    ("words", "questions", "contexts"),
    [
        ("--questions 4", 4, 4),
        ("--questions 4 --questions-per-context 2", 4, 2),
        ("--questions 4 --questions-per-context all", 6, 2),
        ("--limit 4", 4, 2),
    ],
)
def test_questions_are_drawn_over_contexts(
    words: str, questions: int, contexts: int, run: Run, tmp_path: Path
) -> None:
    common = ("--data", "atlas", "--language", "en", *words.split(" "), "--json")
    out = tmp_path / "answers.jsonl"
    status, text, _ = run("answer", "mini", *common, "--out", out)
    assert status == 0
    told = json.loads(text)
    assert (told["questions"], told["contexts"]) == (questions, contexts)
    ids = [json.loads(line)["id"] for line in out.read_text().splitlines()]
    assert len({i.rpartition("-")[0] for i in ids}) == contexts
    status, text, _ = run("lens", "mini", *common, "--out", tmp_path / "lens.parquet")
    assert status == 0
    told = json.loads(text)
    assert (told["prompts"], told["contexts"]) == (questions, contexts)


def test_the_lens_table_and_the_map_have_their_fixed_forms(run: Run, workplace: Path) -> None:
    made = workplace / "map.safetensors"
    status, out, _ = run(
        *("map-languages", "mini", "--text", workplace / "texts", "--out", made, "--json")
    )
    assert status == 0
    assert json.loads(out)["languages"] == ["eng_Latn", "ory_Orya"]
    assert load_file(made)["probability"].shape[1] == 4
    table = workplace / "lens.parquet"
    status, _, _ = run(
        *("lens", "mini", "--data", "atlas", "--language", "or", "--limit", "4"),
        *("--map", made, "--adapter", workplace / "tuned", "--out", table),
    )
    assert status == 0
    frame = pl.read_parquet(table)
    assert frame.columns == ["depth", "position", "language", "mass", "low", "high", "n"]
    assert set(frame["language"]) == {"eng_Latn", "ory_Orya", "shared", "unknown"}
    assert set(frame["position"]) == {"last", "gold"}


def _bad_files(folder: Path) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    contents = {
        "broken": b'{"data": [',
        "schema": b'{"rows": [1, 2]}',
        "empty": b'{"data": []}',
        "nothing": b"",
        "latin": b'{"data": "\xe9"}',
    }
    paths = {}
    for name, content in contents.items():
        paths[name] = folder / f"{name}.json"
        paths[name].write_bytes(content)
    return {**paths, "missing": folder / "missing.json"}


@pytest.mark.parametrize("name", ["broken", "schema", "empty", "nothing", "latin", "missing"])
def test_bad_data_is_one_line(name: str, run: Run, tmp_path: Path) -> None:
    path = _bad_files(tmp_path)[name]
    status, out, err = run(
        *("answer", "mini", "--data", path, "--language", "en", "--out", tmp_path / "a.jsonl")
    )
    _one_line(status, out, err)
    assert name in err
    assert not (tmp_path / "a.jsonl").exists()


def _one_line(status: int, out: str, err: str) -> None:
    assert status == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("answer mini --data atlas --language xx_Zzzz --out a.jsonl", "xx_Zzzz"),
        ("answer nowhere/none --data atlas --language en --out a.jsonl", "nowhere/none"),
        ("answer ./none --data atlas --language en --out a.jsonl", "none"),
        ("answer mini --data atlas --language en --out .", "a folder"),
        ("answer mini --data atlas --language en --limit -1 --out a.jsonl", "--limit"),
        ("answer mini --data atlas --language en --questions -1 --out a.jsonl", "--questions"),
        ("answer mini --data atlas --language en --questions 500 --out a.jsonl", "found 226"),
        ("answer mini --data atlas --language en --sample-seed -1 --out a.jsonl", "--sample-seed"),
        (
            "answer mini --data atlas --language en --limit 3 --questions 3 --out a.jsonl",
            "--limit",
        ),
        (
            "answer mini --data atlas --language en --questions-per-context 0 --out a.jsonl",
            "--questions-per-context",
        ),
        (
            "lens mini --data atlas --language en --questions-per-context two --out l",
            "--questions-per-context",
        ),
        (
            "lens mini --data atlas --language en --questions 90 --questions-per-context 1 --out l",
            "found 77 such from 77 contexts",
        ),
        ("lens mini --prompts p.jsonl --questions 3 --out l", "--prompts"),
        ("answer mini --data atlas --language en --adapter none --out a.jsonl", "none"),
        ("answer mini --data atlas --language en --set top_p=7 --out a.jsonl", "top_p"),
        ("answer mini --data atlas --language en --set top=1 --out a.jsonl", "top_p"),
        ("answer mini --data atlas --language en", "--out"),
        ("tune mini --data atlas --language en --recipe none --out t", "none"),
        ("tune mini --data atlas --language en --set max_steps=0 --out t", "max_steps"),
        ("tune mini --data atlas --language en --save-steps -1 --out t", "save_steps"),
        ("score none.jsonl --data atlas --language en", "none.jsonl"),
        ("map-languages mini --text none --out m", "none"),
        ("lens mini --data atlas --language en --map none --out l", "none"),
        ("run none.toml", "none.toml"),
        ("status none", "none"),
        ("report none", "none"),
        ("nonsense", "nonsense"),
        ("check mini --dtype float3", "float3"),
    ],
)
def test_bad_settings_are_one_line(
    words: str, told: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*words.split(" "))
    _one_line(status, out, err)
    assert told in err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("not json", "line 1"),
        ('{"id": "test-0-0000-0"}', "language"),
        ("[1]", "object"),
    ],
)
def test_bad_answers_are_one_line(line: str, told: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    status, out, err = run("score", path, "--data", "atlas", "--language", "en")
    _one_line(status, out, err)
    assert told in err


@pytest.mark.parametrize("change", ["unknown", "repeated"])
def test_unknown_and_repeated_ids_are_errors(
    change: str, run: Run, workplace: Path, tmp_path: Path
) -> None:
    lines = (workplace / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    first = json.loads(lines[0])
    added = {**first, "id": "none"} if change == "unknown" else first
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join([*lines, json.dumps(added)]), encoding="utf-8")
    status, out, err = run("score", path, "--data", "atlas", "--language", "or")
    _one_line(status, out, err)
    assert str(added["id"]) in err


def test_adapters_that_do_not_fit(run: Run, workplace: Path, tmp_path: Path) -> None:
    corrupt = tmp_path / "corrupt"
    shutil.copytree(workplace / "tuned", corrupt)
    weights = corrupt / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    other = tmp_path / "other"
    shutil.copytree(workplace / "tuned", other)
    card = json.loads((other / "babelscope.json").read_text(encoding="utf-8"))
    card["base_fingerprint"] = "0" * 32
    (other / "babelscope.json").write_text(json.dumps(card), encoding="utf-8")
    for adapter, told in ((corrupt, "safetensors"), (other, "its base")):
        status, out, err = run(
            *("answer", "mini", "--data", "atlas", "--language", "en", "--limit", "2"),
            *("--adapter", adapter, "--out", tmp_path / "a.jsonl"),
        )
        _one_line(status, out, err)
        assert told in err


def test_a_pickle_checkpoint_is_refused(run: Run, tmp_path: Path) -> None:
    source = Path(babelscope.__file__).parent / "mini" / "weights"
    model = tmp_path / "model"
    shutil.copytree(source, model)
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    status, out, err = run("check", model)
    _one_line(status, out, err)
    assert "pickle" in err


def test_a_map_of_another_tokenizer_is_refused(run: Run, tmp_path: Path) -> None:
    made = tmp_path / "map.safetensors"
    rows = load_file(Path(babelscope.__file__).parent / "mini" / "weights" / "model.safetensors")
    del rows
    import numpy as np

    names = json.dumps(["eng_Latn", "shared", "unknown"])
    table = np.full((10, 3), 1 / 3, dtype=np.float32)
    save_file({"probability": table}, made, {"languages": names, "tokenizer": "0" * 32})
    status, out, err = run(
        *("lens", "mini", "--data", "atlas", "--language", "en", "--limit", "1"),
        *("--map", made, "--out", tmp_path / "l.parquet"),
    )
    _one_line(status, out, err)


def test_a_training_set_that_shares_a_context_with_the_test_set_stops_the_study(
    run: Run, tmp_path: Path
) -> None:
    study = tmp_path / "overlap.toml"
    study.write_text(
        'targets = ["en"]\n[sources.x]\nlanguage = "en"\ndata = "atlas:test"\n'
        '[test]\ndata = "atlas"\n',
        encoding="utf-8",
    )
    status, out, err = run("run", study, "--out", tmp_path / "out")
    _one_line(status, out, err)
    assert "atlas:test" in err or "x" in err


def test_a_very_long_context_is_cut_and_counted(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    record = {"id": "1", "context": "word " * 20_000, "question": "which?", "answers": ["word"]}
    path.write_text(json.dumps(record), encoding="utf-8")
    status, out, _ = run(
        *("answer", "mini", "--data", path, "--language", "en", "--json"),
        *("--set", "max_tokens=128", "--set", "answer_tokens=4", "--out", tmp_path / "a.jsonl"),
    )
    assert status == 0
    assert json.loads(out)["truncated"] == 1
    assert json.loads((tmp_path / "a.jsonl").read_text())["prompt_tokens"] <= 124

"""Published lens arrays: the average mended, the table, the page, and every bad file."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from explorer_page import unpacked

from babelscope import cli
from babelscope.data.published import DIVISOR, read_published
from babelscope.report.page import write_report
from babelscope.study.lens_tables import LENS
from babelscope.study.published import published_step

HEADER = ["step", "prompt_language", "layer", "en", "or", "no", "nb", "la"]
STEPS, PROMPTS, DEPTHS = (0, 13, 60), ("or", "de"), (0, 1, 2)
COLUMNS = ("eng_Latn", "ory_Orya", "nob_Latn", "la")
Lines = list[list[str]]


def _running(masses: np.ndarray) -> np.ndarray:
    """The authors' average, step by step: started at zero, each prompt weighing 1/30."""
    average = np.zeros(masses.shape[1:])
    for prompt in masses:
        average = average * 29 / 30 + prompt / 30
    return average


@pytest.fixture(scope="module")
def planted() -> np.ndarray:
    """Masses of 150 prompts: (prompts, steps, prompt languages, depths, columns)."""
    size = (150, len(STEPS), len(PROMPTS), len(DEPTHS))
    return np.random.default_rng(5).dirichlet(np.ones(len(HEADER) - 3), size)


@pytest.fixture(scope="module")
def lines(planted: np.ndarray) -> Lines:
    average = _running(planted)
    return [HEADER] + [
        [str(step), prompt, str(depth), *(f"{v:.9f}" for v in average[i, j, k])]
        for i, step in enumerate(STEPS)
        for j, prompt in enumerate(PROMPTS)
        for k, depth in enumerate(DEPTHS)
    ]


def _write(path: Path, lines: Lines) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(lines)
    return path


def test_the_mended_average_weighs_each_prompt_by_its_age(
    planted: np.ndarray, lines: Lines, tmp_path: Path
) -> None:
    found = read_published(_write(tmp_path / "lens.csv", lines))
    weights = (29 / 30) ** np.arange(149, -1, -1)
    mean = np.average(planted, axis=0, weights=weights)
    expected = np.stack([mean[..., 0], mean[..., 1], mean[..., 2:4].sum(-1), mean[..., 4]], -1)
    assert found.languages == COLUMNS
    np.testing.assert_allclose(found.values, expected, atol=1e-8)
    np.testing.assert_allclose(found.values.sum(-1), 1, atol=1e-7)


def test_rows_are_those_of_a_lens_table(lines: Lines, tmp_path: Path) -> None:
    path = _write(tmp_path / "lens.csv", lines)
    told = published_step(path, tmp_path / "out")
    frame = pl.read_parquet(tmp_path / "out" / "lens.parquet")
    arrays = read_published(path)
    assert dict(frame.schema) == LENS
    per_step = len(PROMPTS) * len(DEPTHS) * len(COLUMNS)
    assert frame.height == per_step * (len(STEPS) + len(STEPS) - 1)
    base = frame.filter(pl.col("source") == "")
    assert base.select("recipe", "step", "kind").unique().rows() == [("base", 0, "value")]
    where = (
        (pl.col("step") == 13)
        & (pl.col("target") == "deu_Latn")
        & (pl.col("depth") == 2)
        & (pl.col("language") == "nob_Latn")
    )
    rows = {r["kind"]: r["value"] for r in frame.filter(where).to_dicts()}
    value = arrays.values[1, 1, 2, 2]
    assert rows == {"value": value, "difference": value - arrays.values[0, 1, 2, 2]}
    assert all(frame[name].is_nan().all() for name in ("low", "high", "p_value"))
    assert frame["n"].null_count() == frame.height
    assert told["merged_columns"] == {"nob_Latn": ["no", "nb"]}
    assert told["unknown_codes"] == {"la": round(float(arrays.values[..., 3].max()), 6)}


def test_the_page_names_what_is_wrong_with_the_arrays(lines: Lines, tmp_path: Path) -> None:
    published_step(_write(tmp_path / "lens.csv", lines), tmp_path / "out")
    text = write_report(tmp_path / "out").read_text(encoding="utf-8")
    notes = re.sub(r"<[^>]+>", "", text.split('<ul class="notes"')[1].split("</ul>")[0])
    for part in (
        "exponential moving average started at zero",
        "1 − (1 − 1/30)150 = 0.993813",
        # (1 - (29/30)^30) / (1 - (29/30)^150) = 0.6383 / 0.9938
        "the last 30 of the 150 prompts still weigh 64\u00a0%",
        "No intervals, no number of questions",
        "arg-max of the language identifier langid on single tokens",
        "1 language code of the file is unknown to this package",
    ):
        assert part in notes, part
    assert "Single seed" not in notes
    found = re.search(r'<script type="text/plain" id="lens">(.*?)</script>', text)
    assert found
    drawn = unpacked(found[1])
    assert [name for _, name in drawn["targets"]] == ["Odia", "German"]
    assert drawn["steps"] == {"seed de103": [60, 13]}


def _changed(row: int, column: int, text: str) -> Callable[[Lines], Lines]:
    def change(lines: Lines) -> Lines:
        copy = [list(line) for line in lines]
        copy[row][column] = text
        return copy

    return change


BAD: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "empty": (lambda _: [], "a header and rows"),
    "header alone": (lambda lines: lines[:1], "a header and rows"),
    "no layer column": (_changed(0, 2, "depth"), "step, prompt_language, layer"),
    "no languages": (lambda lines: [line[:3] for line in lines], "columns of known languages"),
    "a column twice": (_changed(0, 4, "en"), "one column a language"),
    "a column without name": (_changed(0, 4, ""), "one column a language"),
    "no known column": (
        lambda lines: [[*HEADER[:3], "q1", "q2", "q3", "q4", "q5"], *lines[1:]],
        "columns of known languages",
    ),
    "a word": (_changed(4, 5, "much"), "line 5: expected numbers"),
    "an empty value": (_changed(4, 5, ""), "line 5: expected numbers"),
    "not a number": (_changed(4, 5, "nan"), "masses of 0 to 1"),
    "a negative mass": (_changed(4, 5, "-0.1"), "masses of 0 to 1"),
    "a short row": (lambda lines: [*lines[:-1], lines[-1][:-1]], "expected 8 values, found 7"),
    "unknown prompts": (_changed(4, 1, "tlh"), "unknown language 'tlh'"),
    "a row twice": (lambda lines: [*lines, lines[-1]], "a new row"),
    "a row missing": (lambda lines: lines[:-1], "no step 60, deu_Latn, layer 2"),
    "no base": (lambda lines: [lines[0], *lines[7:]], "step 0, the base"),
    "the base alone": (lambda lines: lines[:7], "step 0, the base"),
    "no first layer": (
        lambda lines: [lines[0], *(line for line in lines[1:] if line[2] != "0")],
        "layers 0, 1, 2",
    ),
    "a column left out": (lambda lines: [line[:-1] for line in lines], "masses that sum to 0.9938"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line_and_exit_2(
    name: str, lines: Lines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, words = BAD[name]
    path = _write(tmp_path / "lens.csv", change(lines))
    status = cli.main(["lens-published", str(path), "--out", str(tmp_path / "out")])
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert not (tmp_path / "out").exists()


def test_corrected_arrays_are_not_corrected_again(lines: Lines, tmp_path: Path) -> None:
    whole = [[*r[:3], *(f"{float(v) / DIVISOR:.9f}" for v in r[3:])] for r in lines[1:]]
    path = _write(tmp_path / "lens.csv", [lines[0], *whole])
    assert cli.main(["lens-published", str(path), "--out", str(tmp_path / "out")]) == 2


@pytest.mark.parametrize("content", [b"\xff\xfe\x00step", b"step\x00,layer\n1,2\n"])
def test_what_is_no_text_is_one_line(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lens.csv"
    path.write_bytes(content)
    for file in (path, tmp_path / "absent.csv", tmp_path):
        assert cli.main(["lens-published", str(file), "--out", str(tmp_path / "out")]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_another_study_is_not_overwritten(
    lines: Lines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _write(tmp_path / "lens.csv", lines)
    command = ["lens-published", str(path), "--out", str(tmp_path), "--json"]
    (tmp_path / "plan.json").write_text('{"name": "mine"}', encoding="utf-8")
    assert cli.main(command) == 2
    assert "another study" in capsys.readouterr().err
    assert (tmp_path / "plan.json").read_text(encoding="utf-8") == '{"name": "mine"}'
    (tmp_path / "plan.json").unlink()
    assert [cli.main(command), cli.main(command)] == [0, 0]
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert json.loads(first)["steps"] == [0, 13, 60]


@pytest.mark.real_data
def test_the_published_file_says_what_its_authors_told(shared: Path, tmp_path: Path) -> None:
    path = shared / "data" / "seed_lens" / "bloomz-7b1_de103_lens.csv"
    raw = pl.read_csv(path)
    told = published_step(path, tmp_path)
    assert told["depths"] == 31
    assert told["merged_columns"] == {"nob_Latn": ["no", "nb"]}
    unknown = told["unknown_codes"]
    assert isinstance(unknown, dict)
    assert set(unknown) == {"an", "br", "la", "se", "vo", "wa"}
    # depth 0 holds one language alone: what it lacks to 1 is the average's fault, at six decimals
    assert set(raw.filter(pl.col("layer") == 0)["en"]) == {round(1 - (29 / 30) ** 150, 6)}
    frame = pl.read_parquet(tmp_path / "lens.parquet")
    values = frame.filter(
        (pl.col("kind") == "value") & (pl.col("target") == "ory_Orya") & (pl.col("depth") == 30)
    )
    masses = {(r["step"], r["language"]): r["value"] for r in values.to_dicts()}
    codes = ("ory_Orya", "ben_Beng", "eng_Latn")
    assert [round(masses[0, c], 3) for c in codes] == [0.103, 0.273, 0.401]
    assert [round(masses[60, c], 3) for c in codes] == [0.364, 0.038, 0.368]
    # most of the change had happened by step 13
    shares = [(masses[13, c] - masses[0, c]) / (masses[60, c] - masses[0, c]) for c in codes]
    np.testing.assert_allclose(shares, [0.778, 0.799, 0.639], atol=0.001)
    sums = values.group_by("step").agg(pl.col("value").sum())["value"].to_numpy()
    np.testing.assert_allclose(sums, 1, atol=0.001)

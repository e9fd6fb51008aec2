"""The explorer's data: what the page carries of samples and grids equals the study's tables."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from explorer_page import unpacked
from fake_examples import (
    ANSWERS,
    DEPTHS,
    FIRST_PLACE,
    HOSTILE,
    PROMPT,
    SPOILT,
    VOCABULARY,
    leading,
    probability,
    samples,
)
from fake_study import make_study
from nasty import NASTY, SURROGATES

from babelscope.controls import STEERING, name_of, runs, token_runs
from babelscope.errors import StoreError
from babelscope.report import explorer as explorer_module
from babelscope.report import gridview
from babelscope.report.explorer import explorer
from babelscope.report.html import packed
from babelscope.report.page import render, write_report
from babelscope.report.tables import Tables, read_study
from babelscope.report.texts import told, told_token


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("explorer") / "study")


@pytest.fixture(scope="module")
def tables(folder: Path) -> Tables:
    return read_study(folder)


def data_of(html: str) -> dict[str, Any]:
    """Return what the page's script unpacks."""
    found = re.search(r'<script type="text/plain" id="examples-data">(.*?)</script>', html)
    assert found is not None
    data: dict[str, Any] = unpacked(found[1])
    return data


def plain(text: Any) -> str:
    """Return a text as the page's script reads it."""
    pieces = text if isinstance(text, list) else [text]
    return "".join(p[0] if isinstance(p, list) else p for p in pieces if not isinstance(p, int))


def test_every_answer_is_carried_as_the_study_has_it(tables: Tables) -> None:
    data = data_of(render(tables))
    names = [name for _, name, _ in data["variants"]]
    assert names == [
        "base model", "tuned on Odia", "tuned on Russian (nllb)",
    ]  # fmt: skip
    # the order of the plan's targets
    ordered = [samples()[n] for n in (0, 2, 1)]
    for row, shown in zip(ordered, data["examples"], strict=True):
        assert shown["target"] == row["target"]
        assert plain(shown["id"]) == row["id"]
        assert len(shown["answers"]) == len(row["variants"])
        for given, (_, text, cause, f1, exact, stop, language) in zip(
            row["variants"], shown["answers"], strict=True
        ):
            assert plain(data["texts"][text]) == given["answer"]
            assert (cause, stop) == (given["cause"], given["stop"])
            assert (f1, exact) == (round(1000 * given["mlqa_f1"]), given["mlqa_em"])
            told_as = data["languages"][language][0] if language >= 0 else None
            names = {"rus_Cyrl": "Russian", "undecided": "undecided", None: None}
            assert told_as == names[given["language"]]
    first = data["examples"][0]
    assert HOSTILE in plain(data["texts"][first["prompts"][0]])
    assert plain(data["texts"][first["prompts"][0]]).endswith("\n\nQ: ଭାରତର ମୁଦ୍ରା କ’ଣ?\nA:")
    # every tuned model is compared with the base that answers as it does
    assert [base for _, _, base in data["variants"]] == [-1, 0, 0]


def test_numbers_of_a_grid_are_those_of_the_table(tables: Tables) -> None:
    data = data_of(render(tables))
    table = tables.grids
    tokens, leads = data["grids"]["tokens"], data["grids"]["leads"]
    seen = 0
    for shown in data["examples"]:
        for variant, place in shown.get("grids", []):
            model, _, _ = data["variants"][variant]
            source = data["models"][model][0].removeprefix("base").removeprefix("default").strip()
            own = table.filter(
                (pl.col("id") == plain(shown["id"])) & (pl.col("source") == source)
            ).sort("depth", "place")
            grid = data["grids"]["grids"][place]
            assert grid["first"] == own["place"].min() == FIRST_PLACE
            assert grid["depths"] == list(DEPTHS)
            rows = own.to_dicts()
            assert len(rows) == len(grid["top"])
            for i, row in enumerate(rows):
                assert tokens[grid["top"][i]] == told_token(row["top_token"])
                assert grid["p"][i] == pytest.approx(1000 * row["top_probability"], abs=0.5)
                masses = {k: row[k] for k in ("language_mass", "shared", "unknown")}
                most = max(masses, key=lambda k: masses[k])
                tag = {"ory_Orya": "or", "ben_Beng": "bn"}[row["language"]]
                assert leads[grid["leads"][i]][0] == (tag if most == "language_mass" else most)
                assert grid["mass"][i] == pytest.approx(100 * masses[most], abs=0.5)
                assert grid["shared"][i] == pytest.approx(100 * row["shared"], abs=0.5)
                assert grid["unknown"][i] == pytest.approx(100 * row["unknown"], abs=0.5)
                seen += 1
    assert seen == table.height == 4 * (len(PROMPT) + 2) * len(DEPTHS)


def test_planted_cells_of_a_grid(tables: Tables) -> None:
    data = data_of(render(tables))["grids"]
    base, tuned = data["grids"][:2]
    for grid, source in ((base, ""), (tuned, "or")):
        columns = len(grid["tokens"])
        assert columns == len(PROMPT) + len(ANSWERS[source]) - 1
        assert grid["prompt"] == len(PROMPT)
        told_as = [told_token(VOCABULARY[t]) for t in (*PROMPT, *ANSWERS[source])]
        assert [data["tokens"][t] for t in (*grid["tokens"], grid["next"])] == told_as
        at = 5 * columns + 3
        assert data["tokens"][grid["top"][at]] == told_token(VOCABULARY[leading(source, 3, 5)])
        assert grid["p"][at] == round(1000 * probability(source, 3, 5))


def test_too_many_answers_are_cut_alike_in_all_languages_and_said(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [
        {**row, "id": f"{row['id']} {n}", "chosen_for": [0] * (n % 7)}
        for row in samples()
        for n in range(30)
    ]
    more = dataclasses.replace(tables, samples=tuple(many))
    monkeypatch.setattr(explorer_module, "ANSWERS", 5 * 3 * 6)
    view = explorer(more)
    assert view is not None
    shown = [plain(e["id"]) for e in view.data["examples"]]
    # five a target, those chosen for the most models, in the study's order
    best = [f"{row['id']} {n}" for target in (0, 2, 1) for row in [samples()[target]]
            for n in (5, 6, 13, 20, 27)]  # fmt: skip
    assert shown == best
    assert "The page carries 15 of them" in view.sampling[0]
    assert "kept 90 questions of the 120 questions asked" in view.sampling[0]


def test_long_answers_are_bounded_by_their_bytes(tables: Tables) -> None:
    rng, letters = np.random.default_rng(3), np.array(list("ଅଆଇଈଉଊଋଏଐଓଔକଖଗଘଙଚଛଜଝଞଟଠଡଢଣତଥଦଧନପଫବଭମ"))
    targets = [f"t{n:02d}_Orya" for n in range(15)]
    models = [
        ("base", "", -1),
        *(("default", f"s{n}", seed) for n in range(15) for seed in range(3)),
    ]

    def said(size: int = 600) -> str:
        return "".join(letters[rng.integers(len(letters), size=size)])

    many = tuple(
        {
            "target": target, "id": f"q{n}", "asked": 1190,
            "question": said(50), "answers": [said(20)],
            "prompts": {"base": said(1800)},
            "variants": [
                {"recipe": r, "source": s, "seed": seed, "answer": said()} for r, s, seed in models
            ],
        }
        for target in targets for n in range(4)
    )  # fmt: skip
    plan = {**tables.plan, "targets": targets}
    view = explorer(dataclasses.replace(tables, plan=plan, samples=many))
    assert view is not None
    texts = "".join(plain(text) for text in view.data["texts"])
    assert 0.5 * explorer_module.TEXT < len(texts.encode()) <= explorer_module.TEXT
    # 8.9 MB of a page of this shape are something else, of at most 12
    assert len(packed(view.data)) < 3e6
    by_target = Counter(e["target"] for e in view.data["examples"])
    assert set(by_target) == set(targets)
    assert len(set(by_target.values())) == 1
    shown = sum(by_target.values())
    assert "kept 60 questions of the 17,850 questions asked" in view.sampling[0]
    assert f"The page carries {shown} of them" in view.sampling[0]


def test_a_number_of_a_grid_that_is_not_known_is_missing(tables: Tables) -> None:
    masses = ("language_mass", "shared", "unknown")
    here = (pl.col("source") == "or") & (pl.col("depth") == 6) & (pl.col("place") == FIRST_PLACE)
    grids = tables.grids.with_columns(
        pl.when(here).then(math.nan).otherwise(pl.col(c)).alias(c)
        for c in ("top_probability", *masses)
    )
    data = data_of(render(dataclasses.replace(tables, grids=grids)))["grids"]
    grid = data["grids"][1]
    at = 6 * len(grid["tokens"])
    assert [grid[name][at] for name in ("p", "leads", "mass", "shared", "unknown")] == [None] * 5
    assert None not in data["grids"][0]["p"]
    assert sum(p is None for p in grid["p"]) == 1


def test_grids_beyond_the_room_are_left_out_whole_and_counted(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gridview, "CELLS", tables.grids.height - 1)
    view = explorer(tables)
    assert view is not None
    having = [plain(e["id"]) for e in view.data["examples"] if "grids" in e]
    assert having == ["q1"]
    assert "grids of 1 of the 2 questions" in view.grids
    assert len(view.data["grids"]["grids"]) == 2


def test_a_study_without_grids_says_so(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("report"))
    (tmp_path / "copy" / "grids.parquet").unlink()
    html = write_report(tmp_path / "copy").read_text(encoding="utf-8")
    assert "The study read no grids: it has no lens, or its plan says grids = 0." in html
    assert data_of(html)["grids"] == {}


def test_samples_of_an_older_version_are_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("report"))
    old = {"target": "eng_Latn", "source": "or", "base": "a", "tuned": "b"}
    path = tmp_path / "copy" / "samples.jsonl"
    path.write_text(json.dumps(old) + "\n", encoding="utf-8")
    with pytest.raises(StoreError, match=r"samples\.jsonl, line 1.*run the study again"):
        write_report(tmp_path / "copy")


@pytest.mark.parametrize("text", [*NASTY.values(), SURROGATES])
def test_a_text_keeps_all_but_what_would_steer(text: str) -> None:
    shown = told(text, len(text))
    strings = [p for p in (shown if isinstance(shown, list) else [shown]) if isinstance(p, str)]
    assert not any(STEERING.search(p) for p in strings)
    expected = STEERING.sub(lambda m: name_of(m[0]), text.replace("\r\n", "\n"))
    assert plain(shown) == expected == "".join(a + b for a, b in runs(text))


def test_a_long_text_says_how_much_is_left_out() -> None:
    assert told("abcdef", 6) == "abcdef"
    assert told("abcdef", 2) == ["ab", 4]
    assert told("abcdef", 2, 3) == ["ab", 1, "def"]
    assert told("ab\x07def", 3, 1) == ["ab", ["U+0007"], 2, "f"]
    assert told(None, 3) == ""


def test_pieces_of_characters_and_spaces_are_seen_in_tokens() -> None:
    assert told_token(b"\xe0\xac") == [["<E0>", "e0"], ["<AC>", "ac"]]
    assert told_token(b" a\n") == [["␣", "20"], "a", ["⏎", "0a"]]
    # the text "<E0>" is no byte
    assert told_token(b"<E0>") == "<E0>"
    assert told_token("\u202e".encode()) == [["U+202E", "e280ae"]]


@pytest.mark.parametrize("data", [bytes(range(256)), *(t.encode() for t in NASTY.values())])
def test_bytes_of_a_token_can_be_read_back(data: bytes) -> None:
    assert b"".join(said.encode() + raw for said, _, raw in token_runs(data)) == data


def test_spoilt_ids_stay_data(tables: Tables) -> None:
    html = render(tables)
    assert SPOILT not in html
    assert any(plain(e["id"]) == SPOILT for e in data_of(html)["examples"])

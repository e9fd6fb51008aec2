"""The insides of two studies side by side, against means and differences made by hand."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from transformers import AutoModelForCausalLM

from babelscope import cli
from babelscope.errors import BabelscopeError, SettingError
from babelscope.models.folders import resolve_folder
from babelscope.report.compare import write_comparison
from babelscope.report.inside_compare import Inside, compare_inside
from babelscope.report.inside_lines import Line, Match, Place, places
from babelscope.report.pairing import read_side
from babelscope.study.plan import plan_of
from babelscope.study.run import run_study

STUDY: dict[str, Any] = {
    "model": "mini",
    "targets": ["en", "hi", "el"],
    "align": {"data": "atlas", "limit": 10, "maps": False},
    "probe": {"topic": {"data": "atlas", "limit": 24, "depths": [0, 2, 4, 5]}},
}


def study(folder: Path, **changes: object) -> Path:
    document = {k: v for k, v in {**STUDY, **changes}.items() if v is not None}
    return run_study(plan_of(document, folder.name), folder)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return `mini` with its first four of six blocks alone."""
    folder = tmp_path_factory.mktemp("models") / "short"
    shutil.copytree(resolve_folder("mini"), folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    del model.transformer.h[4:]
    model.config.n_layer = model.config.num_hidden_layers = 4
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return study(tmp_path_factory.mktemp("a") / "first")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory, short: str) -> Path:
    probe = {"topic": {**STUDY["probe"]["topic"], "depths": [0, 2, 4, 5]}}
    targets = ["en", "el", "sw"]
    return study(tmp_path_factory.mktemp("b") / "second", model=short, targets=targets, probe=probe)


@pytest.fixture(scope="module")
def inside(first: Path, second: Path) -> Inside:
    return compare_inside(read_side(first), read_side(second))


def named(inside: Inside, key: str, title: str) -> Match:
    return next(match for match in inside.matches[key] if match.title.startswith(title))


def by_hand(folder: Path, measure: str, depth: int, pairs: list[tuple[str, str]]) -> np.ndarray:
    """Return each item's mean over pairs, from the file of items."""
    frame = pl.read_parquet(folder / "alignment_items.parquet").filter(
        (pl.col("measure") == measure) & (pl.col("depth") == depth)
    )
    rows = {(r["source"], r["target"]): r["values"] for r in frame.to_dicts()}
    return np.mean([rows.get(p) or rows[p[::-1]] for p in pairs], axis=0)


def test_means_and_differences_are_those_made_by_hand(
    inside: Inside, first: Path, second: Path
) -> None:
    match = named(inside, "alignment", "Retrieval, accuracy at 1")
    ways = [("eng_Latn", "ell_Grek"), ("ell_Grek", "eng_Latn")]
    one, other = by_hand(first, "accuracy", 3, ways), by_hand(second, "accuracy", 2, ways)
    assert match.first.found[3].value == pytest.approx(one.mean())
    assert match.second.found[2].value == pytest.approx(other.mean())
    found = match.difference(3, 2)
    assert found.value == pytest.approx((other - one).mean())
    assert (found.n, match.pairing) == (10, "paired over 10 shared items")
    table = pl.read_parquet(first / "alignment.parquet").filter(
        (pl.col("measure") == "accuracy") & (pl.col("depth") == 3) & (pl.col("state") == "block")
    )
    rows = {(r["source"], r["target"]): r["value"] for r in table.to_dicts()}
    assert match.first.found[3].value == pytest.approx(np.mean([rows[way] for way in ways]))
    assert match.first.control[3] == pytest.approx(1 / 10)


def test_what_the_short_model_shares_with_the_whole_differs_by_nothing(inside: Inside) -> None:
    """Its blocks are the first of the whole one: at equal depths there is no difference at all."""
    for key in ("alignment", "probes"):
        for match in inside.matches[key]:
            for depth in sorted(set(match.first.depths) & set(match.second.depths)):
                found = match.difference(depth, depth)
                assert found.value == pytest.approx(0, abs=1e-4), match.title
                if match.contexts:
                    assert (found.low, found.high) == pytest.approx((0, 0), abs=1e-4)
                elif math.isfinite(found.low):
                    assert found.low < 0 < found.high
    cosine = named(inside, "alignment", "Cosine of translations")
    norms = cosine.first.norm, cosine.second.norm
    assert norms == (7, 5)
    assert abs(cosine.difference(7, 5).value) > 0.05


def test_a_paired_interval_is_shorter_than_that_of_independent_studies(inside: Inside) -> None:
    match = named(inside, "alignment", "Cosine of translations")
    assert match.contexts
    apart = Match(match.title, match.over, 1.0, match.first, match.second, "")
    paired, loose = match.difference(2, 4), apart.difference(2, 4)
    assert paired.value == pytest.approx(loose.value)
    assert paired.high - paired.low < loose.high - loose.low
    halves = [
        math.hypot(
            match.second.found[4].value - match.second.found[4].low,
            match.first.found[2].high - match.first.found[2].value,
        )
    ]
    assert loose.value - loose.low == pytest.approx(halves[0])


def test_probes_are_paired_over_the_items_of_shared_targets(
    inside: Inside, first: Path, second: Path
) -> None:
    match = named(inside, "probes", "Labels of texts")
    assert match.over == "mean over 2 targets"
    values = {}
    for folder, depth in ((first, 5), (second, 2)):
        frame = pl.read_parquet(folder / "probes_items.parquet").filter(
            (pl.col("measure") == "accuracy") & (pl.col("depth") == depth)
        )
        own = {r["target"]: np.mean(r["values"]) for r in frame.to_dicts()}
        values[folder] = np.mean([own["eng_Latn"], own["ell_Grek"]])
    assert match.first.found[5].value == pytest.approx(values[first])
    assert match.difference(5, 2).value == pytest.approx(values[second] - values[first])
    assert match.pairing.startswith("paired over")
    selectivity = next(m for m in inside.matches["probes"] if "selectivity" in m.title)
    gap = match.first.found[5].value - match.first.control[5]
    assert selectivity.first.found[5].value == pytest.approx(gap, abs=1e-3)


def test_what_only_one_study_has_is_counted(inside: Inside) -> None:
    assert ("A", "alignment: Hindi", "2 pairs of languages only here") in inside.left
    assert ("B", "alignment: Swahili", "2 pairs of languages only here") in inside.left
    assert any(row[0] == "B" and row[1].endswith("Swahili") for row in inside.left[2:])


def test_relative_depths_take_the_nearest_and_the_lower_of_two() -> None:
    from babelscope.records import Estimate

    found = {d: Estimate(0.1 * d, 0.0, 1.0, 9) for d in range(8)}
    six, four = Line(6, 7, found), Line(4, 5, {d: found[d] for d in range(6)})
    match = Match("x", "y", 1.0, six, four, "")
    assert places(match, same_depths=False) == [
        Place("highest of each", 7, 5, is_fixed=False),
        Place("relative depth 0", 0, 0),
        Place("relative depth 0.25", 1, 1),
        Place("relative depth 0.5", 3, 2),
        Place("relative depth 0.75", 4, 3),
        Place("relative depth 1", 6, 4),
        Place("after the final norm", 7, 5),
    ]
    same = places(Match("x", "y", 1.0, six, six, ""), same_depths=True)
    assert [p.first for p in same[1:-1]] == list(range(7))


def test_the_page_shows_all_of_it(first: Path, second: Path, tmp_path: Path) -> None:
    told = write_comparison(first, second, tmp_path / "out", "", "csv")
    page = Path(str(told["report"])).read_text(encoding="utf-8")
    for words in ('id="inside-alignment"', 'id="inside-probes"', "relative depth", "CKA",
                  "2 pairs of languages only here", "paired over 10 shared items",
                  "Selectivity".lower(), "after the final norm"):  # fmt: skip
        assert words in page, words
    assert 'id="scores"' not in page
    assert told["inside"] == {"alignment": 9, "probes": 2, "left out": 4}
    table = pl.read_csv(tmp_path / "out" / "tables" / "alignment.csv")
    row = table.filter(
        (pl.col("What") == "Cosine of translations") & (pl.col("Where") == "relative depth 0.5")
    )
    assert (row["Depth in A"].item(), row["Depth in B"].item()) == (3, 2)
    pair = [("eng_Latn", "ell_Grek")]
    gap = by_hand(second, "cosine", 2, pair).mean() - by_hand(first, "cosine", 3, pair).mean()
    assert row["B − A"].item() == pytest.approx(gap)


def test_the_same_model_is_compared_depth_by_depth(first: Path, tmp_path: Path) -> None:
    found = compare_inside(read_side(first), read_side(first))
    assert found.same_depths
    assert found.left == []
    shown = {row[2] for section in found.sections for row in section.table.rows}
    assert {"depth 0", "depth 5", "after the final norm"} <= shown
    assert not any(str(name).startswith("relative") for name in shown)


def changed(folder: Path, copy: Path, name: str, **settings: object) -> Path:
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("store", "report"))
    told = json.loads((copy / f"{name}.json").read_text(encoding="utf-8")) | settings
    (copy / f"{name}.json").write_text(json.dumps(told), encoding="utf-8")
    return copy


def test_other_texts_are_unpaired_and_told(first: Path, tmp_path: Path) -> None:
    copy = changed(first, tmp_path / "copy", "alignment")
    path = copy / "alignment_items.parquet"
    frame = pl.read_parquet(path)
    other = pl.col("digests").list.eval(pl.element() + "x")
    frame.with_columns(digests=other).write_parquet(path)
    match = named(compare_inside(read_side(first), read_side(copy)), "alignment", "Cosine of tr")
    assert (match.contexts, match.pairing) == ((), "unpaired: the studies read other texts")
    assert match.difference(2, 2).low < 0 < match.difference(2, 2).high
    path.unlink()  # made by a version that kept none
    match = named(compare_inside(read_side(first), read_side(copy)), "alignment", "Cosine of tr")
    assert match.pairing == "unpaired: a study kept no values of single items"


def test_a_part_of_the_items_is_compared_on_what_is_shared(first: Path, tmp_path: Path) -> None:
    copy = changed(first, tmp_path / "copy", "alignment")
    path = copy / "alignment_items.parquet"
    frame = pl.read_parquet(path)
    english = (pl.col("measure") == "items") & (pl.col("source") == "eng_Latn")
    changed_one = pl.lit(["changed"]).list.concat(pl.col("digests").list.tail(9))
    frame.with_columns(
        digests=pl.when(english).then(changed_one).otherwise(pl.col("digests"))
    ).write_parquet(path)
    found = compare_inside(read_side(first), read_side(copy))
    match = named(found, "alignment", "Cosine of tr")
    assert match.pairing == "paired over 9 shared items"
    pairs = [("eng_Latn", "hin_Deva"), ("eng_Latn", "ell_Grek"), ("hin_Deva", "ell_Grek")]
    assert match.first.found[2].value == pytest.approx(
        by_hand(first, "cosine", 2, pairs)[1:].mean()
    )
    assert (
        "A",
        "alignment: 1 item",
        "not in the other study, or another text under the same id",
    ) in (found.left)


def test_another_pooling_or_version_is_not_compared(first: Path, tmp_path: Path) -> None:
    for place, (key, value) in enumerate({"pooling": "last", "version": "1"}.items()):
        copy = changed(first, tmp_path / str(place), "alignment", **{key: value})
        found = compare_inside(read_side(first), read_side(copy))
        assert "alignment" not in found.matches
        assert any(row[1] == "alignment" and value in row[2] for row in found.left)
        assert "probes" in found.matches


def test_retrieval_among_other_numbers_of_items_is_not_compared(
    first: Path, tmp_path: Path
) -> None:
    fewer = study(tmp_path / "fewer", align={**STUDY["align"], "limit": 8}, probe=None)
    found = compare_inside(read_side(first), read_side(fewer))
    titles = {match.title for match in found.matches["alignment"]}
    assert "Cosine of translations" in titles
    assert not any("etrieval" in title or "MEXA" in title for title in titles)
    why = "chosen from 10 items in A, 8 in B"
    assert sum(row[2] == why for row in found.left) == 3
    assert named(found, "alignment", "Cosine of tr").pairing == "paired over 8 shared items"
    assert ("A", "probes", "only in this study") in found.left


def test_nothing_in_common_is_one_line(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = study(tmp_path / "other", align=None, targets=["ru", "sw"],
                  probe={"topic": {**STUDY["probe"]["topic"], "source": "ru"}})  # fmt: skip
    with pytest.raises(SettingError, match="something that both studies measured") as fault:
        write_comparison(first, other, None)
    assert "\n" not in str(fault.value)
    assert not (other / "report").exists()
    assert cli.main(["report", str(first), str(other)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1


def test_a_broken_table_of_items_is_one_line(first: Path, tmp_path: Path) -> None:
    copy = changed(first, tmp_path / "copy", "alignment")
    (copy / "alignment_items.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(BabelscopeError, match="a table of a finished study"):
        write_comparison(first, copy, tmp_path / "out")


LOOKED: dict[str, Any] = {"align": None, "probe": None, "targets": ["en", "el"],
                          "test": {"data": "atlas", "answers": False},
                          "lens": {"questions": 6, "maps": ["counted", "langid"]}}  # fmt: skip


def test_the_lens_of_two_base_models_is_paired_over_prompts(short: str, tmp_path: Path) -> None:
    one = study(tmp_path / "one", **LOOKED)
    lens = {**LOOKED["lens"], "maps": ["counted"]}
    other = study(tmp_path / "other", **{**LOOKED, "model": short, "lens": lens})
    found = compare_inside(read_side(one), read_side(other))
    match = named(found, "lens", "Asked in Greek: mass of Greek")
    assert match.pairing == "paired over 6 shared items"
    assert (match.first.blocks, match.second.blocks) == (6, 4)
    items = [
        {r["depth"]: np.array(r["values"]) for r in pl.read_parquet(folder / "lens_items.parquet")
         .filter((pl.col("target") == "ell_Grek") & (pl.col("language") == "ell_Grek")
                 & (pl.col("position") == "last")).to_dicts()}
        for folder in (one, other)
    ]  # fmt: skip
    tables = [pl.read_parquet(folder / "lens.parquet") for folder in (one, other)]
    for depth, other_depth in ((0, 0), (3, 2), (6, 4)):
        gap = items[1][other_depth].mean() - items[0][depth].mean()
        assert match.difference(depth, other_depth).value == pytest.approx(gap, abs=1e-6)
    for line, table in zip((match.first, match.second), tables, strict=True):
        own = table.filter(
            (pl.col("measure") == "mass") & (pl.col("target") == "ell_Grek")
            & (pl.col("language") == "ell_Grek") & (pl.col("position") == "last")
            & (pl.col("map") == "counted") & (pl.col("subset") == "all")
        )  # fmt: skip
        for row in own.to_dicts():
            assert line.found[row["depth"]].value == pytest.approx(row["value"], abs=1e-4)
    assert ("A", "lens: last prompt token, map langid", "only here") in found.left
    page = Path(str(write_comparison(one, other, tmp_path / "out")["report"])).read_text("utf-8")
    assert 'id="inside-lens"' in page
    assert "6 of 6" in page


def test_one_model_that_leans_alike_is_said_in_a_line(tmp_path: Path) -> None:
    one = study(tmp_path / "one", **LOOKED)
    found = compare_inside(read_side(one), read_side(one))
    assert found.left == [("both", "lens", "both models lean alike everywhere")]
    assert not found.sections

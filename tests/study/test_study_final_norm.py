"""Alignment and probes of the depth after the final norm, and the distribution at chosen depths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tiny import save_tiny

from babelscope.errors import SettingError
from babelscope.measure.distribution import LANGUAGE_MEASURES, PAIR_MEASURES
from babelscope.models.trunks import load_trunk
from babelscope.study.align_plan import AlignPlan, align_plan
from babelscope.study.align_step import make_align, run_align
from babelscope.study.hidden_step import kept_states
from babelscope.study.plan import plan_of
from babelscope.study.plan_records import ModelPlan
from babelscope.study.probe_plan import ProbePlan, ProbeTask
from babelscope.study.probe_step import make_probe
from babelscope.study.sections import planned_sections
from babelscope.study.values import Table

CODES = ("eng_Latn", "deu_Latn")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelPlan]:
    root = tmp_path_factory.mktemp("models")
    return {f: ModelPlan(str(save_tiny(root / f, f)), device="cpu") for f in ("qwen2", "bert")}


def _plan(**changes: Any) -> AlignPlan:
    return AlignPlan("atlas:test", CODES, limit=8, maps=False, **changes)


def test_the_norm_is_a_depth_of_its_own(models: dict[str, ModelPlan], tmp_path: Path) -> None:
    made = make_align(_plan(), models["qwen2"], (), tmp_path)
    assert (made.settings["depths"], made.settings["norm_depth"]) == (3, 3)
    frame = made.frame
    states = dict(frame.select("depth", "state").unique().drop_nulls("depth").rows())
    assert states == {0: "block", 1: "block", 2: "block", 3: "norm"}
    assert set(frame.filter(pl.col("depth").is_null())["state"]) == {""}
    norms = frame.filter((pl.col("measure") == "norm") & (pl.col("source") == CODES[0]))
    by_depth = dict(norms.select("depth", "value").rows())
    assert by_depth[2] != pytest.approx(by_depth[3], rel=0.05)


def test_an_encoder_without_a_final_norm_has_no_such_depth(
    models: dict[str, ModelPlan], tmp_path: Path
) -> None:
    made = make_align(_plan(), models["bert"], (), tmp_path)
    assert made.settings["norm_depth"] is None
    assert set(made.frame["depth"].drop_nulls()) == {0, 1, 2}
    assert not (made.frame["measure"] == "ungained_cosine").any()
    assert made.settings["distribution"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("asked", "told"),
    [(None, [0, 1, 2, 3]), ((3,), [3]), ((), [0, 1, 2, 3]), ((2, 0, 2), [0, 2])],
)
def test_the_distribution_is_told_at_the_depths_asked_for(
    asked: tuple[int, ...] | None,
    told: list[int],
    models: dict[str, ModelPlan],
    tmp_path: Path,
) -> None:
    frame, settings = run_align(_plan(distribution=asked), models["qwen2"], (), tmp_path)
    assert settings["distribution"] == told
    for measure in (*LANGUAGE_MEASURES, PAIR_MEASURES[0]):
        assert sorted(set(frame.filter(pl.col("measure") == measure)["depth"])) == told, measure
    ungained = set(frame.filter(pl.col("measure") == PAIR_MEASURES[1])["depth"])
    assert ungained == ({3} & set(told))


def test_a_depth_that_the_model_has_not_is_refused(
    models: dict[str, ModelPlan], tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match=r"0 to 2, 3 after the final norm, as .* found 4"):
        run_align(_plan(distribution=(1, 4)), models["qwen2"], (), tmp_path)
    with pytest.raises(SettingError, match=r"distribution: expected 0 to 2, as .* found 3"):
        run_align(_plan(distribution=(3,)), models["bert"], (), tmp_path)
    with pytest.raises(SettingError, match=r"distribution: expected 0 to 2.* found -1"):
        run_align(_plan(distribution=(-1,)), models["qwen2"], (), tmp_path)
    for depth in (4, -1):
        task = ProbeTask("topic", "atlas", depths=(depth,))
        with pytest.raises(SettingError, match=rf"depths: expected 0 to 2, 3 .* found {depth}"):
            make_probe(ProbePlan((task,)), models["qwen2"], CODES, tmp_path)
    assert not list(tmp_path.rglob("*.npy")), "before the work"


def test_the_setting_is_read_from_a_study() -> None:
    read = [
        align_plan(Table("study.align", {"data": "atlas", **keys}), {}).distribution
        for keys in ({}, {"distribution": []}, {"distribution": [0, 7]})
    ]
    assert read == [None, (), (0, 7)]


def test_values_of_items_are_what_the_rows_are_means_of(
    models: dict[str, ModelPlan], tmp_path: Path
) -> None:
    made = make_align(_plan(), models["qwen2"], (), tmp_path)
    assert made.items is not None
    keys = ("measure", "depth", "source", "target")
    rows = {tuple(r[k] for k in keys): r["value"] for r in made.frame.to_dicts()}
    kept = made.items.filter(pl.col("measure") != "items").to_dicts()
    assert len(kept) == 4 * (1 + 1 + 2 + 2 + 1)
    for row in kept:
        assert np.mean(row["values"]) == pytest.approx(rows[tuple(row[k] for k in keys)], abs=1e-4)
    trunk = load_trunk(models["qwen2"].name, device="cpu")
    names = made.items.filter(pl.col("measure") == "items")
    assert list(names["source"]) == list(CODES)
    assert [len(r) for r in names["ids"]] == [8, 8]
    assert not set(names["digests"][0]) & set(names["digests"][1])
    assert trunk.depths == 4


def test_probes_read_the_norm(models: dict[str, ModelPlan], tmp_path: Path) -> None:
    task = ProbeTask("topic", "atlas", limit=24)
    made = make_probe(ProbePlan((task,)), models["qwen2"], CODES, tmp_path)
    own = made.frame.filter((pl.col("measure") == "accuracy") & (pl.col("target") == CODES[1]))
    assert dict(own.select("depth", "state").rows()) == {
        0: "block", 1: "block", 2: "block", 3: "norm",
    }  # fmt: skip
    assert made.items is not None
    for row in made.items.filter(pl.col("measure") == "accuracy").to_dicts():
        here = (pl.col("target") == row["target"]) & (pl.col("depth") == row["depth"])
        table = made.frame.filter(here & (pl.col("measure") == "accuracy"))
        assert np.mean(row["values"]) == pytest.approx(table["value"].item())
    bare = made.frame.filter(pl.col("depth").is_null())
    assert set(bare["state"]) == {""}


def test_kept_states_end_with_the_norm(models: dict[str, ModelPlan], tmp_path: Path) -> None:
    from babelscope.infer.hidden import HiddenText, hidden_states

    trunk = load_trunk(models["qwen2"].name, device="cpu")
    texts = [HiddenText("a", "Paris is big."), HiddenText("b", "Berlin")]
    kept = kept_states(trunk, texts, "mean", tmp_path)
    np.testing.assert_array_equal(kept, hidden_states(trunk, texts, ("mean",)).states["mean"])
    assert kept.shape == (4, 2, 32)


def test_a_raised_version_makes_the_part_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from babelscope.study import sections

    document = {"model": "mini", "targets": ["en", "hi"], "align": {"data": "atlas", "limit": 8},
                "probe": {"topic": {"data": "atlas", "limit": 8}}}  # fmt: skip
    before = [s.key for s in planned_sections(plan_of(document, "x"))]
    monkeypatch.setattr(sections, "ALIGN_VERSION", "other")
    monkeypatch.setattr(sections, "PROBE_VERSION", "other")
    after = [s.key for s in planned_sections(plan_of(document, "x"))]
    assert not set(before) & set(after)

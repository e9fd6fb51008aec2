"""The table of alignment from states that are known, and the plan's checks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest

from babelscope.data.bitext import Bitext, read_bitext
from babelscope.errors import LanguageError, SettingError
from babelscope.measure.alignment import CONTROLS
from babelscope.study.align_plan import AlignPlan, align_plan
from babelscope.study.align_tables import SCHEMA, States, alignment_table, map_sample
from babelscope.study.values import Table

LANGUAGES = ("en", "de", "hi")


def planted_states(bitext: Bitext, depths: int = 3, width: int = 16) -> dict[str, States]:
    """Alignment that grows with depth: noise at depth 0, meaning alone at the last."""
    n = len(bitext.ids)
    rng = np.random.default_rng(0)
    meaning = rng.standard_normal((n, width))
    states = {}
    for code in bitext.texts:
        noise = rng.standard_normal((depths, n, width))
        parts = np.linspace(0, 1, depths)[:, None, None]
        whole = (parts * meaning + (1 - parts) * noise).astype(np.float32)
        states[code] = States(whole, np.arange(n))
    return states


@pytest.fixture(scope="module")
def bitext() -> Bitext:
    return read_bitext("atlas:test", LANGUAGES)[0]


@pytest.fixture(scope="module")
def frame(bitext: Bitext) -> pl.DataFrame:
    return alignment_table(bitext, planted_states(bitext))


def values(frame: pl.DataFrame, measure: str, source: str, target: str) -> list[float]:
    found = frame.filter(
        (pl.col("measure") == measure) & (pl.col("source") == source) & (pl.col("target") == target)
    )
    return found.sort("depth")["value"].to_list()


def test_a_row_a_measure_and_pair_at_every_depth(frame: pl.DataFrame) -> None:
    assert dict(frame.schema) == dict(SCHEMA)
    assert frame.select("measure", "depth", "source", "target", "item").is_unique().all()
    assert set(CONTROLS) | set(CONTROLS.values()) <= set(frame["measure"])
    for measure in ("cosine", "cka", "mutual", "centred_cosine_d"):
        assert len(values(frame, measure, "eng_Latn", "hin_Deva")) == 3
    assert values(frame, "accuracy", "hin_Deva", "eng_Latn")[2] == 1.0


def test_planted_alignment_grows_with_depth(frame: pl.DataFrame) -> None:
    for measure in ("centred_cosine", "accuracy", "cka"):
        found = values(frame, measure, "eng_Latn", "deu_Latn")
        assert found == sorted(found)
        assert found[-1] == pytest.approx(1.0)
    shares = [values(frame, f"{name}_share", "", "") for name in ("language", "meaning", "rest")]
    np.testing.assert_allclose(np.sum(shares, axis=0), 1.0)


def test_texts_that_are_the_same_are_told(frame: pl.DataFrame) -> None:
    words = read_bitext("atlas:test", ("en", "de"), "word")[0]
    found = alignment_table(words, planted_states(words, 2, 4), maps=False)
    row = found.filter(pl.col("measure") == "identical_text").row(0, named=True)
    pairs = zip(words.texts["eng_Latn"], words.texts["deu_Latn"], strict=True)
    assert row["value"] == pytest.approx(np.mean([a == b for a, b in pairs]))
    assert 0.1 < row["value"] < 0.9
    assert row["depth"] is None
    assert not found["measure"].str.starts_with("pca").any()


def test_maps_hold_the_sample_of_every_depth(frame: pl.DataFrame, bitext: Bitext) -> None:
    codes, items = map_sample(bitext)
    points = frame.filter(pl.col("item") != "")
    assert points.height == 3 * 4 * len(codes) * len(items)
    assert len(items) == 60
    assert set(points["item"]) == {bitext.ids[i] for i in items}


def test_the_same_states_give_the_same_table(frame: pl.DataFrame, bitext: Bitext) -> None:
    assert alignment_table(bitext, planted_states(bitext)).equals(frame, null_equal=True)


def table(values: Mapping[str, object]) -> Table:
    return Table("align", values)


def test_a_study_asks_for_alignment() -> None:
    asked = {"data": "{flores}/devtest", "languages": ["en", "or"], "limit": 100}
    plan = align_plan(table(asked), {"flores": "/data/flores200"})
    assert plan == AlignPlan("/data/flores200/devtest", ("eng_Latn", "ory_Orya"), limit=100)


@pytest.mark.parametrize(
    ("more", "kind", "told"),
    [
        ({"pooling": "max"}, SettingError, "mean or last"),
        ({"pooling": "word"}, SettingError, "the unit word"),
        ({"unit": "text"}, SettingError, "sentence or word"),
        ({"limit": -1}, SettingError, "limit"),
        ({"limits": 1}, SettingError, "limits"),
        ({"languages": ["xx_Zzzz"]}, LanguageError, "xx_Zzzz"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(
    more: Mapping[str, object], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told):
        align_plan(table({"data": "atlas", **more}), {})

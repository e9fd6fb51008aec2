"""Groups of sources: planted differences against plain loops, and controls without any."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import polars as pl
import pytest
from fake_study import make_study

from babelscope.report.source_groups import (
    SourceContrast,
    source_contrasts,
    source_group_table,
    sources_grouped,
)
from babelscope.report.tables import Tables, read_study

SOURCES = {"de": "deu_Latn", "en": "eng_Latn", "ru": "rus_Cyrl", "hi": "hin_Deva"}
TARGETS = ("fra_Latn", "bul_Cyrl", "eng_Latn")
ITEMS, CONTEXTS = 60, 20


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return read_study(make_study(tmp_path_factory.mktemp("source-groups")))


def tables(plain: Tables, seeds: int, gain: float) -> Tables:
    """Return a study in which sources of the target's script gain `gain` more than others."""
    rng = np.random.default_rng(11)
    rows = []
    for target in TARGETS:
        common = rng.uniform(0.3, 0.5, ITEMS)
        for source, code in SOURCES.items():
            more = gain * (code[-4:] == target[-4:])
            for seed in range(seeds):
                values = common + more + rng.normal(0, 0.05, ITEMS) + rng.normal(0, 0.005)
                rows += [
                    {
                        "recipe": "default",
                        "source": source,
                        "seed": seed,
                        "step": 30,
                        "target": target,
                        "id": f"q{i:02d}",
                        "context_id": f"c{i % CONTEXTS:02d}",
                        "value": float(values[i]),
                    }
                    for i in range(ITEMS)
                ]
    plan = {
        **plain.plan,
        "targets": list(TARGETS),
        "seeds": list(range(seeds)),
        "sources": [{"name": n, "language": c, "origin": ""} for n, c in SOURCES.items()],
        "groups": {"many speakers": ["eng_Latn", "hin_Deva"], "few speakers": ["deu_Latn"]},
    }
    return dataclasses.replace(plain, plan=plan, scores=pl.DataFrame(rows))


def by_name(found: tuple[SourceContrast, ...]) -> dict[str, SourceContrast]:
    return {c.first: c for c in found}


def said(found: Tables) -> list[str]:
    answer = sources_grouped(found, source_contrasts(found))
    assert answer is not None
    return [s.striptags().replace("\u00a0", " ") for s in answer.sentences]


def slow(study: Tables, first: dict[str, list[str]], second: dict[str, list[str]]) -> float:
    """Return the mean over targets of one side's mean score minus the other's, row by row."""
    gaps = []
    for target in first:
        means = []
        for side in (first[target], second[target]):
            of: list[float] = []
            for source in side:
                rows: list[dict[str, Any]] = [
                    r
                    for r in study.scores.iter_rows(named=True)
                    if (r["source"], r["target"]) == (source, target)
                ]
                of.append(sum(r["value"] for r in rows) / len(rows))
            means.append(sum(of) / len(of))
        gaps.append(means[0] - means[1])
    return sum(gaps) / len(gaps)


def test_a_planted_gain_of_the_target_s_script_is_found_and_others_are_not(plain: Tables) -> None:
    study = tables(plain, 3, 0.1)
    found = by_name(source_contrasts(study))
    same = found["the target’s script"]
    # no source is judged in its own language: English is left out of its own target
    first = {"fra_Latn": ["de", "en"], "bul_Cyrl": ["ru"], "eng_Latn": ["de"]}
    second = {"fra_Latn": ["ru", "hi"], "bul_Cyrl": ["de", "en", "hi"], "eng_Latn": ["ru", "hi"]}
    assert same.row["difference"] == pytest.approx(slow(study, first, second))
    assert same.row["difference"] == pytest.approx(0.1, abs=0.02)
    assert same.row["p_holm"] < 0.05
    assert same.row["seeds"] == 3
    text = next(s for s in said(study) if "script" in s)
    assert "tuning on the first gains more, by +" in text


def test_named_groups_are_groups_of_sources_too(plain: Tables) -> None:
    study = tables(plain, 3, 0.0)
    found = by_name(source_contrasts(study))["many speakers"]
    first = {"fra_Latn": ["en", "hi"], "bul_Cyrl": ["en", "hi"], "eng_Latn": ["hi"]}
    second = {target: ["de"] for target in TARGETS}
    assert found.row["difference"] == pytest.approx(slow(study, first, second))
    assert found.members == (["en", "hi"], ["de"])
    assert all(c.row["p_holm"] > 0.05 for c in source_contrasts(study))
    assert "the data do not tell them apart" in said(study)[0]
    assert said(study)[-1].startswith("p and interval are about these sources")


def test_one_seed_speaks_of_these_adapters(plain: Tables) -> None:
    study = tables(plain, 1, 0.1)
    text = next(s for s in said(study) if "script" in s)
    assert "these adapters of the first gain more" in text
    assert "tuning on the first" not in text


def test_the_table_has_every_contrast_and_nothing_without_scores(plain: Tables) -> None:
    study = tables(plain, 2, 0.1)
    found = source_contrasts(study)
    assert len(source_group_table(study, found).rows) == len(found) == 2  # all are of one family
    bare = dataclasses.replace(study, scores=None)
    assert source_contrasts(bare) == ()
    assert sources_grouped(bare, ()) is None

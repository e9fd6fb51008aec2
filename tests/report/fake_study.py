"""A small study folder with known numbers and odd content, for the tests of the report."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from fake_examples import grids, samples
from fake_lens import QUALITY, more_lens

TARGETS = ("ory_Orya", "ben_Beng", "ell_Grek", "arb_Arab", "tha_Thai", "eng_Latn")
SOURCES = (
    ("or", "ory_Orya", "human"),
    ("ru-nllb", "rus_Cyrl", "nllb"),
    ("de<b>&marian", "deu_Latn", "marian"),
)
BASE = {
    "ory_Orya": 0.02,
    "ben_Beng": 0.61,
    "ell_Grek": 0.55,
    "arb_Arab": 0.70,
    "tha_Thai": 0.48,
    "eng_Latn": 0.95,
}
GAIN = {
    ("or", "ory_Orya"): 0.4012,
    ("or", "ell_Grek"): -0.2534,
    ("or", "ben_Beng"): 0.012,
    ("ru-nllb", "ory_Orya"): 0.151,
    ("ru-nllb", "eng_Latn"): -0.021,
    ("de<b>&marian", "arb_Arab"): -0.183,
}
MISSING_CELL = ("ru-nllb", "tha_Thai")
EFFICIENCIES = ("transfer_efficiency", "gain_efficiency", "gain_over_self")
CAUSES = {"exact": 0.4, "overgeneration": 0.2, "wrong_script": 0.1, "wrong_span": 0.25}
WRONGLY = "ben_Beng"
"""The language in which answers come that was not asked for."""
CONTROL = {
    "eng_Latn": {"squad_f1": 0.91, "mlqa_f1": 0.93, "char_f1": 0.97},
    # one word to SQuAD, many to the others
    "tha_Thai": {"squad_f1": 0.31, "mlqa_f1": 0.94, "char_f1": 0.96},
}
DEPTHS = range(7)
HALF = 0.08
QUESTIONS = 40


def holm(source: str, target: str) -> float:
    """Return the planted corrected p-value of a cell: small where the gain is large."""
    return 0.0021 if abs(GAIN.get((source, target), 0.0)) > 0.1 else 1.0


def cells(
    sources: Sequence[tuple[str, str, str]], targets: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the (source, target) pairs that have data."""
    for name, _, _ in sources:
        for target in targets:
            if (name, target) != MISSING_CELL:
                yield name, target


def _row(source: str, target: str, measure: str, value: float, **more: Any) -> dict[str, Any]:
    base = not source
    row = {
        "model": "mini",
        "recipe": "base" if base else "default",
        "source": source,
        "seed": -1,
        "step": 0 if base else 30,
        "task": "qa",
        "target": target,
        "subset": "all",
        "measure": measure,
        "value": value,
        "low": max(0.0, value - HALF),
        "high": value + HALF if measure == "length_ratio" else min(1.0, value + HALF),
        "n": QUESTIONS,
    }
    return row | more


def _cell_rows(source: str, target: str) -> Iterator[dict[str, Any]]:
    score = BASE.get(target, 0.5) + GAIN.get((source, target), 0.0)
    yield _row(source, target, "mlqa_f1", score)
    yield _row(source, target, "mlqa_em", score - 0.01)
    yield _row(source, target, "squad_f1", score)
    # planted: where a cell lost, half of its loss is over-generation
    extra = max(0.0, -GAIN.get((source, target), 0.0)) / 2
    yield _row(source, target, "squad_f1_best_prefix", score + 0.02 + extra)
    yield _row(source, target, "length_ratio", 1.1 + 4 * extra)
    for scorer, control in CONTROL.get(target, CONTROL["eng_Latn"]).items():
        yield _row(source, target, f"cut_gold_{scorer}", control)
        if scorer == "char_f1":
            yield _row(source, target, scorer, min(score + 0.1, 1.0))
    for code, share in {WRONGLY: 0.15, "exact": 0.4, "undecided": 0.1, target: 0.35}.items():
        yield _row(source, target, f"produced_{code}", share)
    for cause, share in CAUSES.items():
        yield _row(source, target, f"cause_{cause}", share)
    for stop, share in (("newline", 0.9), ("eos", 0.04), ("length", 0.06)):
        yield _row(source, target, f"stop_{stop}", share)
    for count, value in (("truncated", 3.0), ("gold_lost", 1.0), ("undecided", 2.0)):
        yield _row(source, target, count, value, low=math.nan, high=math.nan)


def results(
    sources: Sequence[tuple[str, str, str]] = SOURCES, targets: Sequence[str] = TARGETS
) -> pl.DataFrame:
    """Return the results table: base rows, then every cell but the missing one."""
    rows: list[dict[str, Any]] = []
    for target in targets:
        rows.extend(_cell_rows("", target))
        rows.append(_row("", target, "prior_mlqa_em", 0.11))
    for source, target in cells(sources, targets):
        rows.extend(_cell_rows(source, target))
    for source, share in (("", 0.125), (sources[0][0], 0.025)):
        other = {"task": "contest:ben_Beng", "subset": "from:ben_Beng"}
        rows.append(_row(source, "ory_Orya", "interference", share, **other))
        # scored with the contest, never to be taken for the score of the main task
        rows.append(_row(source, "ory_Orya", "mlqa_f1", 0.777, **other))
        # a macro average, never to be taken for a target
        rows.append(_row(source, "group:qa", "mlqa_f1", 0.6543))
        rows.append(_row(source, "group:qa", "truncated", 9.0))
    return pl.DataFrame(rows)


def comparisons(
    sources: Sequence[tuple[str, str, str]], targets: Sequence[str], seeds: int
) -> pl.DataFrame:
    """Return variant minus base for the main measure, with planted significance."""
    pairs = [*cells(sources, targets), (sources[0][0], "group:qa")]
    rows = [_comparison(source, target, seeds) for source, target in pairs]
    rows.append(rows[0] | {"task": "contest:ben_Beng", "difference": 0.999, "target": targets[-1]})
    return pl.DataFrame(rows)


def _comparison(source: str, target: str, seeds: int) -> dict[str, Any]:
    gain = GAIN.get((source, target), 0.0)
    return {
        "recipe": "default",
        "source": source,
        "step": 30,
        "task": "qa",
        "target": target,
        "measure": "mlqa_f1",
        "difference": gain,
        "low": gain - HALF,
        "high": gain + HALF,
        "n": QUESTIONS,
        "p_value": math.nan if seeds == 1 else holm(source, target) / 10,
        "p_holm": math.nan if seeds == 1 else holm(source, target),
        "p_adapters": holm(source, target) / 10,
        "p_adapters_holm": holm(source, target),
        "se_contexts": 0.03,
        "se_seeds": math.nan if seeds == 1 else 0.02,
        "df": 9.0,
        "seeds": seeds,
        "seed_sd": math.nan if seeds == 1 else 0.01,
        "same_sign": 1.0,
        "questions_needed": math.nan if gain == 0 else (0.4 / gain) ** 2 * 10,
        "seeds_needed": math.nan if gain == 0 or seeds == 1 else (0.1 / gain) ** 2 * seeds,
        "smallest_gain": 0.123,
    }


def best(
    sources: Sequence[tuple[str, str, str]], targets: Sequence[str], seeds: int
) -> pl.DataFrame:
    """Return a winner for Odia, of these adapters only with one seed; ties elsewhere."""
    first, second = sources[0][0], sources[min(1, len(sources) - 1)][0]
    rows = [
        {
            "recipe": "default",
            "target": target,
            "measure": "mlqa_f1",
            "best": first if target == "ory_Orya" and seeds > 1 else None,
            "p_holm": math.nan if seeds == 1 else 0.0021 if target == "ory_Orya" else 0.62,
            "adapters": first if target == "ory_Orya" else None,
            "p_adapters_holm": 0.0021 if target == "ory_Orya" else 0.62,
            "tied": [first] if target == "ory_Orya" and seeds > 1 else [first, second],
        }
        for target in targets
    ]
    text = dict.fromkeys(("best", "adapters"), pl.String)
    return pl.DataFrame(rows, schema_overrides=text | {"tied": pl.List(pl.String)})


def transfer(sources: Sequence[tuple[str, str, str]], targets: Sequence[str]) -> pl.DataFrame:
    """Return efficiencies for the first source; the others have no test set of their own."""
    rows = []
    for source, target in cells(sources, targets):
        known = source == sources[0][0]
        value = 0.8 if known else math.nan
        reason = "" if known else "the source has no test set"
        kinds = [(k, "mlqa_f1", value, reason) for k in EFFICIENCIES]
        lost = GAIN.get((source, target), 0.0) < 0
        kinds.append(
            ("overgeneration_of_loss", "squad_f1", 0.5 if lost else math.nan,
             "" if lost else "nothing was lost")
        )  # fmt: skip
        for kind, measure, ratio, why in kinds:
            rows.append(
                {
                    "recipe": "default",
                    "source": source,
                    "target": target,
                    "measure": measure,
                    "kind": kind,
                    "value": ratio,
                    "low": ratio - HALF,
                    "high": ratio + HALF,
                    "n": 0 if math.isnan(ratio) else QUESTIONS,
                    "reason": why,
                }
            )
    return pl.DataFrame(rows)


def lens(
    sources: Sequence[tuple[str, str, str]], targets: Sequence[str], seeds: int
) -> pl.DataFrame:
    """Return masses that grow with depth; Bengali falls by .12 at depth 5 in (or, Odia)."""
    rows = []
    pairs = [("", target) for target in targets] + list(cells(sources, targets))
    for source, target in pairs:
        for language in (*targets, "shared", "unknown"):
            for depth in DEPTHS:
                mass = 0.05 + (0.06 * depth if language == target else 0.004 * depth)
                if (target, language) == ("ory_Orya", "ben_Beng"):
                    mass += 0.03 * depth
                shift = 0.0
                if (source, target, language) == ("or", "ory_Orya", "ben_Beng"):
                    shift = -0.12 if depth == 5 else 0.0
                common = {
                    "recipe": "default" if source else "base",
                    "source": source,
                    "step": 30 if source else 0,
                    "target": target,
                    "subset": "all",
                    "position": "last",
                    "map": "counted",
                    "measure": "mass",
                    "depth": depth,
                    "language": language,
                    "n": QUESTIONS,
                }
                kinds = {"value": mass + shift, "difference": shift, "own": shift}
                for kind, value in kinds.items():
                    if kind == "value" or source:
                        p = math.nan if kind == "value" else 0.004 if shift else 1.0
                        rows.append(
                            common
                            | {
                                "kind": kind,
                                "value": value,
                                "low": value - 0.02,
                                "high": value + 0.02,
                                "p_value": math.nan if seeds == 1 else p,
                                "p_adapters": p,
                            }
                        )
    return pl.DataFrame(rows)


def scores(
    sources: Sequence[tuple[str, str, str]], targets: Sequence[str], seeds: Sequence[int]
) -> pl.DataFrame:
    """Return 0 or 1 for each question: 10 contexts of 4; a planted gain turns whole contexts."""
    rows = []
    pairs = [("", target) for target in targets] + list(cells(sources, targets))
    for source, target in pairs:
        gain = GAIN.get((source, target), 0.0)
        for seed in seeds if source else (-1,):
            for item in range(QUESTIONS):
                context = item // 4
                value = float(context < 5 + round(10 * gain))
                rows.append(
                    {
                        "recipe": "default" if source else "base",
                        "source": source,
                        "seed": seed,
                        "step": 30 if source else 0,
                        "task": "qa",
                        "target": target,
                        "id": f"q{item}",
                        "context_id": f"c{context}",
                        "question": f"text of {target} {item}",
                        "mlqa_f1": value,
                    }
                )
    return pl.DataFrame(rows)


def quality(sources: Sequence[tuple[str, str, str]]) -> pl.DataFrame:
    """Return a row a source; the machine-translated ones lost their golds."""
    return pl.DataFrame(
        [
            {
                "source": name,
                "language": language,
                "origin": origin,
                "records": 103,
                "dropped": 0 if origin == "human" else 5,
                "gold_verbatim": 0.845 if origin == "human" else 0.194,
                "length_ratio": 1.02,
                "chrf": math.nan if origin == "human" else 48.3,
                "sentences_kept": 0.97,
                "identified": 0.99,
                "noted": 2,
            }
            for name, language, origin in sources
        ]
    )


def plan(
    sources: Sequence[tuple[str, str, str]], targets: Sequence[str], seeds: Sequence[int]
) -> dict[str, Any]:
    """Return the plan that the study would have written."""
    return {
        "name": "fake",
        "title": "A <fake> study & its report",
        "model": {
            "name": "mini",
            "fingerprint": "a" * 32,
            "dtype": "float32",
            "is_mini": True,
            "parameters": 4_600_000,
            "depth": 6,
        },
        "targets": list(targets),
        "sources": [
            {
                "name": name,
                "language": language,
                "origin": origin,
                "records": 103,
                "digest": "d" * 32,
            }
            for name, language, origin in sources
        ],
        "recipes": ["default"],
        "seeds": list(seeds),
        "task": "qa",
        "main_measure": "mlqa_f1",
        "groups": {"qa": ["ell_Grek", "arb_Arab", "eng_Latn"], "no qa": ["ory_Orya"]},
        "versions": {"babelscope": "0.1.0", "torch": "2.13.0"},
        "command": "babelscope run study.toml --set name=fake",
        "settings": {"max_steps": 30, "prompt": "plain"},
        "fingerprints": {"model": "a" * 32, "data": "b" * 32, "study": "c" * 32},
        "started_from": None,
        "language_maps": QUALITY,
    }


def make_study(
    folder: Path,
    *,
    sources: Sequence[tuple[str, str, str]] = SOURCES,
    targets: Sequence[str] = TARGETS,
    seeds: Sequence[int] = (0,),
) -> Path:
    """Write a whole study folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(plan(sources, targets, seeds), ensure_ascii=False)
    (folder / "plan.json").write_text(text, encoding="utf-8")
    table = results(sources, targets)
    table.write_parquet(folder / "results.parquet")
    table.write_csv(folder / "results.csv")
    comparisons(sources, targets, len(seeds)).write_parquet(folder / "comparisons.parquet")
    scores(sources, targets, seeds).write_parquet(folder / "scores.parquet")
    best(sources, targets, len(seeds)).write_parquet(folder / "best.parquet")
    transfer(sources, targets).write_parquet(folder / "transfer.parquet")
    seen = lens(sources, targets, len(seeds))
    if sources == SOURCES:
        more = more_lens(len(seeds)).select(seen.columns)
        seen = pl.concat([seen, more], how="vertical_relaxed")
    seen.write_parquet(folder / "lens.parquet")
    quality(sources).write_parquet(folder / "quality.parquet")
    lines = [json.dumps(sample, ensure_ascii=False) for sample in samples()]
    (folder / "samples.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    grids().write_parquet(folder / "grids.parquet")
    (folder / "cost.csv").write_text(
        "stage,cell,seconds\ntune,or,41.5\ntune,ru-nllb,40.0\nanswer,base,12.25\n",
        encoding="utf-8",
    )
    return folder

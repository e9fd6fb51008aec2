"""A study whose every name, question and answer is a nasty text."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
from fake_study import make_study
from nasty import NASTY, SURROGATES

TARGETS = ("eng_Latn", "arb_Arab")


def hostile_study(folder: Path) -> Path:
    """Write a study: each text names a source, an origin and a group, is asked and answered."""
    sources = [(text, "ory_Orya", text) for text in NASTY.values()]
    make_study(folder, sources=sources, targets=TARGETS)
    _rename(folder)
    samples = [
        {
            "target": TARGETS[n % 2],
            "source": NASTY.get(name, "none"),
            "recipe": "default",
            "seed": 0,
            "id": text,
            "context": text,
            "question": text,
            "answers": [text, text],
            "base": text,
            "tuned": text,
            "base_cause": text,
            "tuned_cause": "exact",
            "base_f1": 0.0,
            "tuned_f1": 1.0,
        }
        for n, (name, text) in enumerate({**NASTY, "surrogates": SURROGATES}.items())
    ]
    # as any program may write it: halves of pairs stand as JSON's escapes
    lines = [json.dumps(sample) for sample in samples]
    (folder / "samples.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _rename(folder: Path) -> None:
    """Make titles, groups and the rest of the plan hostile too."""
    path = folder / "plan.json"
    plan = json.loads(path.read_text(encoding="utf-8"))
    every = " ".join(NASTY.values())
    plan["title"] = NASTY["long word"] + every
    plan["model"]["name"] = every[:400]
    plan["command"] = f"babelscope run {every[:2000]}"
    plan["groups"] = {text: ["eng_Latn"] for text in NASTY.values()}
    plan["versions"] = {text: text for text in NASTY.values()}
    path.write_text(json.dumps(plan), encoding="utf-8")
    table = pl.read_parquet(folder / "results.parquet")
    group = table.filter(pl.col("target") == "group:qa")
    groups = [group.with_columns(target=pl.lit(f"group:{text}")) for text in NASTY.values()]
    pl.concat([table, *groups]).write_parquet(folder / "results.parquet")
    cost = [{"stage": text, "cell": text, "seconds": 1.0} for text in NASTY.values()]
    pl.DataFrame(cost).write_csv(folder / "cost.csv")

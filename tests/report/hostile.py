"""A study whose every name, question and answer is a nasty text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
from fake_examples import answer, sample
from fake_study import make_study
from nasty import NASTY, SURROGATES

TARGETS = ("eng_Latn", "arb_Arab")


def hostile_study(folder: Path) -> Path:
    """Write a study: each text names a source, an origin and a group, is asked and answered."""
    sources = [(text, "ory_Orya", text) for text in NASTY.values()]
    make_study(folder, sources=sources, targets=TARGETS)
    _rename(folder)
    samples = [
        sample(
            TARGETS[n % 2],
            text,
            (text, text),
            [text, text],
            answer("", text, text, 0.0, stop=text),
            answer(NASTY.get(name, "none"), text, "exact", 1.0),
        )
        | {"prompts": {"base": text}}
        for n, (name, text) in enumerate({**NASTY, "surrogates": SURROGATES}.items())
    ]
    # as any program may write it: halves of pairs stand as JSON's escapes
    lines = [json.dumps(sample) for sample in samples]
    (folder / "samples.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _grids(samples).write_parquet(folder / "grids.parquet")
    return folder


def _grids(samples: list[dict[str, Any]]) -> pl.DataFrame:
    """Return grids whose tokens are the nasty texts: what stands there, leads and follows."""
    texts = [text.encode() for text in NASTY.values()]
    rows = []
    for n, text in enumerate(NASTY.values()):
        for who in samples[n]["variants"]:
            for place in range(3):
                for depth in range(2):
                    row = {k: who[k] for k in ("recipe", "source", "seed", "step")}
                    row |= {"target": samples[n]["target"], "id": text, "place": place}
                    row |= {"part": "answer" if place == 2 else "prompt", "depth": depth}
                    for name, at in (("token", n), ("next", n + 1), ("top", n + place)):
                        spelled = texts[at % len(texts)]
                        row |= {f"{name}_id": at % len(texts)}
                        row |= {name if name == "token" else f"{name}_token": spelled}
                    row |= {"top_probability": 0.5, "language": text, "language_mass": 0.5}
                    rows.append(row | {"shared": 0.25, "unknown": 0.25})
    return pl.DataFrame(rows)


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

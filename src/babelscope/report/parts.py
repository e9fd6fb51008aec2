"""What a study did beside its questions, as the page shows it: sentences first, then panels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl
from markupsafe import Markup

from babelscope.report.alignment import AlignmentView, alignment_view
from babelscope.report.cells import Table
from babelscope.report.classification import MATRICES, Classification, classification
from babelscope.report.depths import NORM_NAME, depth_text, norm_of
from babelscope.report.figures import Panel
from babelscope.report.names import (
    count_text,
    estimate_text,
    interval,
    is_number,
    isolated,
    language_name,
    share_text,
)
from babelscope.report.predictors import predictors, telling
from babelscope.report.probing import Probing, probing
from babelscope.report.tables import Part, Tables, estimate
from babelscope.report.words import Answer

TASKS = {"nli": "Inference", "ner": "Names of entities"}


@dataclass(frozen=True)
class Parts:
    """The panels of each part; empty where the study has none."""

    alignment: AlignmentView | None
    probing: tuple[Probing, ...]
    classifications: tuple[tuple[str, Classification], ...]
    predictors: Table | None

    @property
    def figures(self) -> tuple[Panel, ...]:
        """All panels that are drawn by the common script."""
        curves = [panel for found in self.probing for panel in found.curves]
        views = self.alignment.distributions if self.alignment else ()
        curves += [panel for view in views for panel in (*view.cosines, *view.values)]
        return (*curves, *(p for _, found in self.classifications for p in found.figures))

    @property
    def tables(self) -> dict[str, Table]:
        """All tables by a short name."""
        found = {"alignment": self.alignment.summary} if self.alignment else {}
        for place, view in enumerate(self.alignment.distributions if self.alignment else ()):
            found |= {f"cosines_{place}": view.by_depth, f"values_{place}": view.by_language}
        for probed in self.probing:
            found |= {f"{probed.key}_best": probed.best, f"{probed.key}_depths": probed.numbers}
        for task, shown in self.classifications:
            stem = task.lower().replace(" ", "_")
            found |= {f"{stem}_{name}": table for name, table in shown.tables.items()}
        return found | ({"predictors": self.predictors} if self.predictors else {})


def parts_of(tables: Tables) -> Parts:
    """Return the panels of every part of a study."""
    given = tables.parts
    aligned, probed = given.get("alignment"), given.get("probes")
    return Parts(
        alignment_view(aligned.frame, aligned.settings) if aligned else None,
        probing(probed.frame, probed.settings) if probed else (),
        tuple(_classifications(given["classification"])) if "classification" in given else (),
        predictors(given["predictors"].frame) if "predictors" in given else None,
    )


def is_untested(tables: Tables) -> bool:
    """Whether the study asked no questions and had no lens: its parts are all there is."""
    return bool(tables.parts) and tables.results.is_empty() and tables.lens.is_empty()


def headline(tables: Tables) -> tuple[Markup, ...]:
    """Return what stands above everything where a study asked no questions."""
    if not is_untested(tables):
        return ()
    text = "This study asked no questions: it tells how {} lie inside the model and carry over."
    return (Markup(text).format(count_text(len(tables.plan["targets"]), "language")),)


def answers(tables: Tables) -> Iterator[Answer]:
    """Yield a heading with sentences for each part."""
    for told in _settings(tables, "classification"):
        frame = tables.parts["classification"].frame.filter(pl.col("task") == told["task"])
        found = tuple(_carried(frame))
        if found:
            name = TASKS.get(told["task"], told["task"])
            yield Answer(f"{name}: what carries over to other languages?", found, "tasks")
    if "alignment" in tables.parts:
        part = tables.parts["alignment"]
        found = tuple(_aligned(part.frame, norm_of(part.settings)))
        if found:
            yield Answer("Do translations lie close inside the model?", found, "alignments")
    if "probes" in tables.parts:
        found = tuple(_readable(tables.parts["probes"]))
        if found:
            yield Answer("What can be read from the layers?", found, "probes")
    if "predictors" in tables.parts:
        found = tuple(telling(tables.parts["predictors"].frame))
        if found:
            yield Answer("What predicts transfer here?", found, "predictors")


def _settings(tables: Tables, name: str) -> list[dict[str, Any]]:
    return tables.parts[name].settings.get("tasks", []) if name in tables.parts else []


def _classifications(part: Part) -> Iterator[tuple[str, Classification]]:
    for place, told in enumerate(part.settings.get("tasks", [])):
        own = part.frame.filter(pl.col("task") == told["task"])
        found = classification(own, told, f"class-{place}")
        if found:
            yield TASKS.get(told["task"], told["task"]), found


def _carried(frame: pl.DataFrame) -> Iterator[Markup]:
    """Say for each training what its source scores, and where most and least carried over."""
    main = next((m for m in ("accuracy", "entity_f1") if (frame["measure"] == m).any()), "")
    for owner in frame.select("model", "method", "source").unique(maintain_order=True).rows():
        own = frame.filter(
            (pl.col("model") == owner[0])
            & (pl.col("method") == owner[1])
            & (pl.col("source") == owner[2])
        )
        rows = {(r["measure"], r["target"]): r for r in own.iter_rows(named=True)}
        home = rows.get((main, owner[2]))
        shares = {
            target: row
            for (measure, target), row in rows.items()
            if measure == f"efficiency_{main}" and target != owner[2] and is_number(row["value"])
        }
        if home is None or not is_number(home["value"]):
            continue
        head = Markup("{} ({}), {}: {} of {} in the source language").format(
            isolated(owner[0]),
            owner[1],
            isolated(language_name(owner[2])),
            MATRICES[main].lower() if main == "accuracy" else "entity F1",
            estimate_text(estimate(home)),
        )
        if not shares:
            yield Markup("{}; no share of it elsewhere is known.").format(head)
            continue
        best, worst = (pick(shares, key=lambda t: shares[t]["value"]) for pick in (max, min))
        yield Markup("{}; elsewhere between {} of it in {} and {} in {}.").format(
            head, *(x for t in (worst, best) for x in (_share(shares[t]), _name(t)))
        )


def _share(row: dict[str, Any]) -> str:
    low, high = (100 * row[end] if is_number(row[end]) else math.nan for end in ("low", "high"))
    return f"{share_text(row['value'])} ({interval(low / 100, high / 100)})"


def _name(code: str) -> Markup:
    return isolated(language_name(code))


def _aligned(frame: pl.DataFrame, norm: int | None) -> Iterator[Markup]:
    """Say at which depth translations are found best, beside chance and the first depth."""
    for texts in frame["texts"].unique(maintain_order=True):
        own = frame.filter((pl.col("texts") == texts) & pl.col("value").is_finite())
        found = own.filter(pl.col("measure") == "accuracy")
        if found.is_empty():
            continue
        means = found.group_by("depth").agg(pl.col("value").mean()).sort("depth")
        best = means.row(int(means["value"].arg_max() or 0), named=True)
        chance = own.filter(pl.col("measure") == "accuracy_chance")["value"].mean()
        yield Markup(
            "{}: a text’s translation is its nearest neighbour in {} of the cases at the best of "
            "the depths ({}), in {} at depth 0, the mean over pairs of languages; chance is {}."
        ).format(
            isolated(texts),
            share_text(best["value"]),
            depth_text(best["depth"], norm),
            share_text(means["value"][0]),
            share_text(float(chance) if isinstance(chance, float) else math.nan),
        )


def _readable(part: Part) -> Iterator[Markup]:
    """Say for each task how much more than its control a probe reads, at the depth of training."""
    for found in probing(part.frame, part.settings):
        if found.best.rows:
            row = found.best.rows[0]
            where = "after the final norm" if row[1] == NORM_NAME else f"at depth {row[1]}"
            yield Markup("{}: in {} best {} with {}, the control {}.").format(
                found.title, isolated(str(row[0])), where, str(row[4]), str(row[5])
            )

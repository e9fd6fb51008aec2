"""Whether the published language map leads to another conclusion than the study's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import polars as pl
from markupsafe import Markup

from babelscope.report.cells import Number, Row, Table, number
from babelscope.report.lens_claims import about_tuning, tested
from babelscope.report.names import (
    LENS_ROWS,
    NO_DATA,
    count_text,
    interval,
    is_number,
    language_name,
    p_text,
    points,
    share_text,
    signed,
    variant_name,
)
from babelscope.report.tables import Tables, Variant, final_steps, main_map, variants

DIRECTIONS = {"rise": 1, "fall": -1}
AGREE = "yes"
NEITHER = "neither is clear"


@dataclass(frozen=True)
class Reading:
    """The language that moved most at a place, under each of two maps; None where none did."""

    variant: Variant
    target: str
    depth: int
    what: str
    found: tuple[dict[str, Any] | None, ...]
    clear: tuple[bool, ...]

    @property
    def agreement(self) -> str:
        """Whether both maps tell the same: the same language, and the same certainty."""
        if not any(self.clear):
            return NEITHER
        if not all(self.clear):
            return "no, clear by one map only"
        one, other = (row["language"] if row else "" for row in self.found)
        return AGREE if one == other else "no, another language"


def _is_clear(row: dict[str, Any] | None, side: pl.DataFrame) -> bool:
    """Whether a change is decided and not negligible, or a mass above all other intervals."""
    if row is None:
        return False
    if row["kind"] == "difference":
        return bool(row["clear"])
    others = side.filter(pl.col("language") != row["language"])
    return others.filter(pl.col("high") >= row["low"]).is_empty()


def map_names(tables: Tables) -> tuple[str, ...]:
    """Return the maps that the last prompt token was read by, the one for conclusions first."""
    main = main_map(tables)
    found = set(_masses(tables)["map"])
    return tuple(sorted(found, key=lambda name: (name != main, name)))


def _masses(tables: Tables) -> pl.DataFrame:
    return final_steps(tested(tables.lens)).filter(
        (pl.col("measure") == "mass")
        & (pl.col("position") == "last")
        & (pl.col("subset") == "all")
        & pl.col("value").is_finite()
    )


def two_depths(frame: pl.DataFrame) -> tuple[int, ...]:
    """Return the middle depth (half of the last, rounded down) and the last one."""
    last = frame["depth"].max()
    return (last // 2, last) if isinstance(last, int) else ()


def leading(frame: pl.DataFrame, sign: int) -> dict[str, Any] | None:
    """Return the row with the largest value of that sign; None where there is none."""
    signed_rows = frame.filter(pl.col("value") * sign > 0)
    order = signed_rows.sort(pl.col("value").abs(), "language", descending=[True, False])
    return order.row(0, named=True) if order.height else None


def readings(tables: Tables) -> tuple[Reading, ...]:
    """Return what the first two maps tell, over the languages that both hold.

    Of tuned variants, the largest rise and fall of mass; without any, the base's largest mass.
    """
    names, frame = map_names(tables)[:2], _masses(tables)
    if len(names) < 2:
        return ()
    changed = (frame["kind"] == "difference").any()
    kind = "difference" if changed else "value"
    sides = [frame.filter((pl.col("map") == name) & (pl.col("kind") == kind)) for name in names]
    shared = set(sides[0]["language"]) & set(sides[1]["language"]) - set(LENS_ROWS)
    sides = [side.filter(pl.col("language").is_in(sorted(shared))) for side in sides]
    wanted = DIRECTIONS if changed else {"most": 1}
    found = []
    for variant in _owners(tables, frame):
        for target in tables.plan["targets"]:
            own = [_cell(side, variant, target) for side in sides]
            if any(side.is_empty() for side in own):
                continue
            for depth in two_depths(own[0]):
                here = [side.filter(pl.col("depth") == depth) for side in own]
                for what, sign in wanted.items():
                    rows = tuple(leading(side, sign) for side in here)
                    clear = tuple(map(_is_clear, rows, here))
                    found.append(Reading(variant, target, depth, what, rows, clear))
    return tuple(found)


def _owners(tables: Tables, frame: pl.DataFrame) -> tuple[Variant, ...]:
    known = set(frame.select("recipe", "source").rows())
    planned = [v for v in variants(tables) if (v.recipe, v.source) in known]
    others = sorted(known - {(v.recipe, v.source) for v in planned})
    return (*planned, *(Variant(*pair) for pair in others))


def _cell(frame: pl.DataFrame, variant: Variant, target: str) -> pl.DataFrame:
    return frame.filter(
        (pl.col("recipe") == variant.recipe)
        & (pl.col("source") == variant.source)
        & (pl.col("target") == target)
    )


def comparison(tables: Tables) -> Table:
    """Return a row a model, target, depth and direction: what each map tells, and if they agree."""
    names = map_names(tables)[:2]
    rows: tuple[Row, ...] = tuple(
        (
            variant_name(tables, r.variant),
            language_name(r.target),
            number(r.depth, str(r.depth)),
            r.what,
            *(_told(row, r.what) for row in r.found),
            r.agreement,
        )
        for r in readings(tables)
    )
    caption = (
        "Mass at the last prompt token, points of probability (95 %), at the middle and the last "
        "depth, over the languages that both maps hold"
    )
    if not about_tuning(tables.lens):
        caption += "; p of these adapters only"
    heads = (f"by {name}" for name in names)
    return Table(caption, ("Model", "Target", "Depth", "Largest", *heads, "Maps agree"), rows)


def telling(tables: Tables) -> Table:
    """Return the rows of `comparison` where at least one map tells something clear."""
    whole = comparison(tables)
    rows = tuple(row for row in whole.rows if row[-1] != NEITHER)
    return replace(whole, caption=f"{whole.caption}; where at least one is clear", rows=rows)


def _told(row: dict[str, Any] | None, what: str) -> Number:
    if row is None:
        return number(None, f"no {what}")
    write = points if what == "most" else signed
    span = interval(row["low"], row["high"], sign=what != "most")
    text = f"{language_name(row['language'])} {write(row['value'])} ({span})"
    parts = [(name, row[name or "value"]) for name in ("", "low", "high", "n", "language")]
    if what != "most":
        text = f"{text}, {p_text(row['p'])}"
        parts.append(("p, corrected", row["p"]))
    return Number(text, tuple(parts))


def quality(tables: Tables) -> Table:
    """Return how well each map knows held-out tokens: nats, accuracy and calibration error."""
    told = tables.plan.get("language_maps") or {}
    rows = tuple(
        (
            name,
            _decimals(known.get("nats")),
            _decimals(known.get("uniform_nats")),
            number(known.get("accuracy"), share_text(known.get("accuracy"), 1)),
            _decimals(known.get("ece"), 3),
        )
        for name, known in told.items()
        if known
    )
    head = ("Map", "Held-out nats", "A uniform guess", "Accuracy", "Calibration error (ECE)")
    return Table("Quality of the maps on held-out text; fewer nats are better", head, rows, 1)


def _decimals(value: float | None, digits: int = 2) -> Number:
    return number(value, f"{value:.{digits}f}" if is_number(value) else NO_DATA)


def verdict(tables: Tables) -> tuple[Markup, ...]:
    """Say in how many readings the maps agree; nothing where the study has a single map."""
    found = readings(tables)
    if not found:
        return ()
    told = [r.agreement for r in found]
    open_, agreed = told.count(NEITHER), told.count(AGREE)
    text = Markup("Of {}, the maps agree in <strong>{}</strong> and differ in <strong>{}</strong>")
    said = text.format(count_text(len(found), "reading"), agreed, len(found) - agreed - open_)
    tail = Markup("; in {} neither tells anything clear.").format(open_) if open_ else Markup(".")
    return (said + tail,)

"""The table behind the matrix: every score and gain with all of its certainty."""

from __future__ import annotations

from babelscope.records import MISSING
from babelscope.report.cells import (
    Number,
    Row,
    Table,
    chance,
    changed,
    estimated,
    needed,
    number,
)
from babelscope.report.names import (
    NO_DATA,
    is_number,
    language_name,
    points,
    share_text,
    variant_name,
)
from babelscope.report.tables import Tables, differences, values, variants


def certainty(tables: Tables) -> Table:
    """Return every cell's score, gain, p, seeds, and what it would need."""
    head = (
        "Model", "Target", "Score (95 %)", "n", "Gain (95 %)", "p after Holm",
        "p after Holm, these adapters", "Seeds", "Seeds’ SD", "Same sign", "Questions needed",
        "Seeds needed", "Smallest gain found",
    )  # fmt: skip
    return Table("Scores and gains, points of 100", head, tuple(_rows(tables)))


def _rows(tables: Tables) -> list[Row]:
    measure = tables.plan["main_measure"]
    scores, rows = values(tables, measure), differences(tables, measure)
    table: list[Row] = []
    for variant in variants(tables):
        for target in tables.plan["targets"]:
            key = (variant.recipe, variant.source, target)
            score, row = scores.get(key, MISSING), rows.get(key)
            found = estimated(score)
            shown = Number(found.text, found.parts[:3])  # n has a column of its own
            line = (variant_name(tables, variant), language_name(target), shown)
            n = number(score.n, f"{score.n:,}")
            table.append((*line, n, *_certainty(row, base=variant.is_base)))
    return table


def _certainty(row: dict[str, float] | None, *, base: bool) -> Row:
    if row is None:
        return (changed(None, absent="—" if base else NO_DATA), *[number(None, "—")] * 8)
    sd, same, least = row["seed_sd"], row["same_sign"], row["smallest_gain"]
    of_tuning = row["p_holm"]
    return (
        changed(row),
        chance(of_tuning) if row["seeds"] > 1 else number(of_tuning, "one seed"),
        chance(row["p_adapters_holm"]),
        number(row["seeds"], str(row["seeds"])),
        number(sd, points(sd) if is_number(sd) else "one seed"),
        number(same, share_text(same)),
        needed(row["questions_needed"]),
        needed(row["seeds_needed"])
        if row["seeds"] > 1
        else number(row["seeds_needed"], "one seed"),
        number(least, points(least)),
    )

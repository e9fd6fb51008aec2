"""What predicts transfer: the sentences and the table of the predictors of a study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
from markupsafe import Markup

from babelscope.report.cells import Number, Row, Table, number
from babelscope.report.names import count_text, is_number, measure_name, p_text


def telling(frame: pl.DataFrame) -> Iterator[Markup]:
    """Say for each way to count transfer what predicts it beyond script and family."""
    for named in frame["outcome"].unique(maintain_order=True):
        own = frame.filter((pl.col("outcome") == named) & (pl.col("quantity") == "gain"))
        outcome = _outcome(named)
        sure = own.filter((pl.col("p_holm") < 0.05) & (pl.col("value") > 0))["name"].to_list()
        known = own.filter(pl.col("p_holm").is_finite()).height
        if not known:
            yield Markup("{}: too few languages to say.").format(outcome)
        elif sure:
            yield Markup("{}: better than script and family alone: {}.").format(
                outcome, ", ".join(sure)
            )
        else:
            yield Markup(
                "{}: none of the {} predicts languages left out clearly better than script and "
                "family alone."
            ).format(outcome, count_text(known, "measure"))


def _outcome(named: str) -> str:
    """Return an outcome of the predictors, "gain in mlqa_f1", in words: "Gain in MLQA F1"."""
    what, joined, measure = named.partition(" in ")
    return f"{what[:1].upper()}{what[1:]}{joined}{measure_name(measure) if joined else ''}"


def predictors(frame: pl.DataFrame) -> Table:
    """Return the table of regressions, errors out of sample; no rows give an empty one."""
    rows: list[Row] = []
    for key in frame.select("outcome", "name").unique(maintain_order=True).rows():
        own = frame.filter((pl.col("outcome") == key[0]) & (pl.col("name") == key[1]))
        found = {r["quantity"]: r for r in own.iter_rows(named=True)}
        gain = found["gain"]
        rows.append(
            (
                _outcome(key[0]),
                key[1],
                _plain(found["error"]),
                _plain(found["explained"]),
                _plain(gain, 5),
                number(gain["p_holm"], p_text(gain["p_holm"]) if is_number(gain["p_holm"]) else ""),
                _plain(found["slope"]),
                *(number(found["error"][k], str(found["error"][k])) for k in ("n", "languages")),
            )
        )
    head = (
        "Transfer as", "Known beside script and family", "Error, languages left out", "Explained",
        "Drop of the squared error", "p after Holm", "Slope a standard deviation", "Pairs",
        "Languages",
    )  # fmt: skip
    return Table("What predicts transfer", head, tuple(rows))


def _plain(row: dict[str, Any], digits: int = 3) -> Number:
    parts = tuple((name, row[name or "value"]) for name in ("", "low", "high"))
    if not is_number(row["value"]):
        return Number("no data", parts)
    text = f"{row['value']:.{digits}f}"
    if is_number(row["low"]):
        text = f"{text} ({row['low']:.{digits}f} to {row['high']:.{digits}f})"
    return Number(text, parts)

"""The page of architectures, from the table that the sweep over all families writes."""

from __future__ import annotations

import csv
import io
from pathlib import Path

Row = dict[str, str]
NOT_BUILT = "unbuilt"


def read_families(path: Path) -> tuple[str, list[Row]]:
    """Return the versions of the libraries, and a row a family and check."""
    head, _, rest = path.read_text(encoding="utf-8").partition("\n")
    return head.removeprefix("# "), list(csv.DictReader(io.StringIO(rest), delimiter="\t"))


def families_markdown(path: Path, kind: str) -> str:
    """Return a kind's table, then each refusal in its own words with the families it is told of."""
    versions, rows = read_families(path)
    own = [row for row in rows if row["kind"] == kind and row["outcome"] != NOT_BUILT]
    checks = list(dict.fromkeys(row["check"] for row in own))
    by_family: dict[str, Row] = {}
    for row in own:
        by_family.setdefault(row["family"], {})[row["check"]] = _cell(row)
    lines = [
        f"{len(by_family)} families, {versions}.",
        "",
        f"| family | {' | '.join(checks)} |",
        f"| --- |{' --- |' * len(checks)}",
        *(
            f"| {name} | {' | '.join(cells.get(check, '') for check in checks)} |"
            for name, cells in by_family.items()
        ),
        "",
        *_refusals(own),
    ]
    left = [row["family"] for row in rows if row["kind"] == kind and row["outcome"] == NOT_BUILT]
    if left:
        lines += ["", f"Not built at a tiny size: {', '.join(left)}."]
    return "\n".join(lines)


def _cell(row: Row) -> str:
    if row["outcome"] != "right":
        return f"**{row['outcome']}**" if row["outcome"] == "wrong" else row["outcome"]
    return f"{float(row['deviation']):.0e}" if float(row["deviation"]) else "0"


def _refusals(rows: list[Row]) -> list[str]:
    """Return a point a refusal: which families and checks, and the line."""
    told: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        if row["line"]:
            line = row["line"].replace(row["family"], "MODEL")
            told.setdefault(line, {}).setdefault(row["family"], []).append(row["check"])
    points = []
    for line, families in told.items():
        checks = dict.fromkeys(check for names in families.values() for check in names)
        points.append(f"- {', '.join(families)} ({', '.join(checks)}): `{line}`")
    return points

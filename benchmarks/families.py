"""Every family of transformers at a tiny size: right, refused in one line, or wrong.

    python benchmarks/families.py [FAMILY ...] [--out FILE]

Each family runs in a process of its own with a time limit. The table goes to `families.tsv` beside
this file; named families replace their rows of it and leave the others. Exit status 1: something is
wrong.
"""

from __future__ import annotations

import argparse
import csv
import io
import multiprocessing
import tempfile
import traceback
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import torch
import transformers
from family_checks import Family, decoder_checks, encoder_checks
from family_shapes import families, save_family

from babelscope.errors import BabelscopeError

TABLE = Path(__file__).with_suffix(".tsv")
SECONDS = 120
BOUND = 1e-4
"""The largest deviation that rounding explains, relative to the largest entry."""
CHECKS = {"decoder": decoder_checks, "encoder": encoder_checks}
LIBRARIES = ("torch", "transformers", "peft")


class Row(NamedTuple):
    """One check of one family; `outcome` is right, refused, unbuilt or wrong."""

    kind: str
    family: str
    check: str
    outcome: str
    deviation: str
    line: str


def tried(family: Family, kind: str, name: str, check: str) -> Row:
    """Run one check and tell its outcome."""
    try:
        found = CHECKS[kind]()[check](family)
    except BabelscopeError as error:
        line = str(error).replace(str(family.folder), name)
        return Row(kind, name, check, "refused", "", line)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is a fault to be told
        where = traceback.extract_tb(error.__traceback__)[-1]
        told = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return Row(kind, name, check, "wrong", "", f"{told} ({Path(where.filename).name})")
    fine = found <= BOUND  # not so for NaN
    return Row(kind, name, check, "right" if fine else "wrong", f"{found:.1e}", "")


def child(kind: str, name: str, pipe: Connection) -> None:
    """Build a family and send the row of each check as it is done."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        try:
            family = Family(save_family(Path(folder) / name, name, kind))
        except Exception as error:  # noqa: BLE001  # transformers' own, before any code of ours
            told = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            pipe.send(Row(kind, name, "built", "unbuilt", "", told))
            return
        for check in CHECKS[kind]():
            row = tried(family, kind, name, check)
            pipe.send(row)
            if check == "parts" and row.outcome == "refused":
                return


def run_family(kind: str, name: str) -> list[Row]:
    """Return the rows of a family, whatever becomes of its process."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(kind, name, theirs))
    process.start()
    theirs.close()
    rows: list[Row] = []
    try:
        while ours.poll(SECONDS):
            rows.append(ours.recv())
        rows.append(Row(kind, name, "time", "wrong", "", f"more than {SECONDS} s for one check"))
        process.kill()
    except EOFError:
        process.join()
        if process.exitcode:
            line = f"the process ended with {process.exitcode}"
            rows.append(Row(kind, name, "process", "wrong", "", line))
    return rows


def versions() -> str:
    """Return the versions of the libraries that decide the outcome."""
    return ", ".join(f"{name} {version(name).partition('+')[0]}" for name in LIBRARIES)


def read_table(path: Path) -> tuple[str, list[Row]]:
    """Return the versions that a table was made with, and its rows."""
    if not path.is_file():
        return "", []
    head, _, rest = path.read_text(encoding="utf-8").partition("\n")
    rows = csv.reader(io.StringIO(rest), delimiter="\t")
    return head.removeprefix("# "), [Row(*row) for row in rows][1:]


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """Write a table with the versions in its first line."""
    lines = ["# " + versions(), "\t".join(Row._fields), *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*")
    parser.add_argument("--out", type=Path, default=TABLE)
    asked = parser.parse_args()
    known = [(kind, name) for kind in CHECKS for name in families(kind)]
    unknown = set(asked.families) - {name for _, name in known}
    if unknown:
        parser.error(f"unknown families: {', '.join(sorted(unknown))}")
    made, rows = read_table(asked.out)
    if asked.families and made not in ("", versions()):
        parser.error(f"{asked.out} was made with {made}: run all families again")
    wanted = [(k, n) for k, n in known if not asked.families or n in asked.families]
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    found = {key: [r for r in rows if (r.kind, r.family) == key] for key in known}
    for kind, name in wanted:
        found[kind, name] = run_family(kind, name)
        told = [f"{r.check} {r.deviation or r.outcome}" for r in found[kind, name]]
        print(f"{kind} {name}: {', '.join(told)}", flush=True)
        for row in found[kind, name]:
            if row.outcome in ("wrong", "refused"):
                print(f"    {row.check}: {row.outcome} {row.deviation} {row.line}", flush=True)
        write_table(asked.out, [row for key in known for row in found[key]])
    faults = [r for key in wanted for r in found[key] if r.outcome == "wrong"]
    print(f"{len(wanted)} families, {len(faults)} faults; {versions()}")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Whether a study's folder holds the whole tables of its plan, and what is still missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelscope.errors import StoreError
from babelscope.store import finished, read_json

COMPLETE = "complete.json"
"""The mark that a folder's tables are whole, with the digest of what they were made from."""
SLOTS = {"answer": "answers", "lens": "lens", "tune": "adapters", "grid": "grids"}
SECTIONS = {"align": "alignment", "probe": "probes", "classify": "classification"}
WORDS = {
    "answer": "cells answered",
    "lens": "cells seen by the lens",
    "tune": "adapters tuned",
    "grid": "cells read token by token",
    "align": "alignment",
    "probe": "probes",
    "classify": "classification",
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A kind of work: how many pieces are finished, of how many that the plan has."""

    stage: str
    done: int
    planned: int

    @property
    def told(self) -> str:
        """Return "12 of 63 cells answered", or "no alignment yet"."""
        if self.stage in SECTIONS:
            return f"{WORDS[self.stage]} done" if self.done else f"no {WORDS[self.stage]} yet"
        return f"{self.done:,} of {self.planned:,} {WORDS[self.stage]}"


@dataclass(frozen=True, slots=True)
class Completion:
    """Whether the tables are whole; `stale` if they are those of an earlier plan in the folder.

    `pieces` are what the plan asks for, in the order of work; none where it does not tell.
    """

    complete: bool = True
    stale: bool = False
    pieces: tuple[Piece, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Return what is missing, each in words; nothing of a complete study."""
        if self.complete:
            return ()
        open_ = tuple(p.told for p in self.pieces if p.done < p.planned)
        return open_ or ("tables not yet written",)


def completion(folder: Path, plan: Mapping[str, Any]) -> Completion:
    """Return how far the study in a folder has come; a plan without cells has nothing to finish.

    Pieces are counted in the folder's store: where that was deleted, none is.
    """
    if "cells" not in plan:
        return Completion()
    wanted = (plan.get("fingerprints") or {}).get("study")
    marked = _marked(folder / COMPLETE)
    pieces = tuple(_pieces(folder, plan))
    return Completion(marked == wanted, marked not in (None, wanted), pieces)


def _marked(path: Path) -> object:
    """Return the digest that the mark holds; None without a mark that can be read."""
    try:
        found = read_json(path)
    except StoreError:
        return None
    return found.get("study") if isinstance(found, dict) else None


def planned_pieces(plan: Mapping[str, Any]) -> dict[str, int]:
    """Return how many pieces of each stage a written plan has; older plans tell two of them."""
    told = plan.get("pieces")
    if isinstance(told, Mapping):
        return {stage: int(count) for stage, count in told.items() if stage in WORDS}
    answered = int(plan["cells"]) if plan.get("answers", True) else 0
    return {"answer": answered, "tune": int(plan.get("adapters", 0))}


def _pieces(folder: Path, plan: Mapping[str, Any]) -> Iterator[Piece]:
    for stage, planned in planned_pieces(plan).items():
        if stage in SLOTS:
            done = len(done_slots(folder / "store" / SLOTS[stage], stage))
        else:
            done = int((folder / f"{SECTIONS[stage]}.parquet").exists())
        if planned:
            yield Piece(stage, min(done, planned), planned)


def slots(folder: Path) -> list[Path]:
    """Return the folders of a kind of results, finished or not."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def done_slots(folder: Path, stage: str) -> list[Path]:
    """Return the finished ones; an adapter's folder appears when it is."""
    return [slot for slot in slots(folder) if stage == "tune" or finished(slot)]

"""The second paper's table of XNLI after English training, as printed (arXiv:2502.04269)."""

from __future__ import annotations

from dataclasses import dataclass

PAPER = "arXiv:2502.04269"
SOURCE = "eng_Latn"


@dataclass(frozen=True, slots=True)
class PrintedScore:
    """One printed cell: `accuracy` and `macro_f1` 0-1; None where the paper prints none.

    `efficiency` is the transfer efficiency as printed, which is not accuracy over accuracy.
    """

    model: str
    target: str
    accuracy: float
    macro_f1: float | None = None
    efficiency: float | None = None


BLOOM, MBERT = "bigscience/bloom-560m", "bert-base-multilingual-cased"
PRINTED: tuple[PrintedScore, ...] = (
    PrintedScore(BLOOM, "eng_Latn", 0.70, 0.70),
    PrintedScore(BLOOM, "arb_Arab", 0.59, 0.49, 0.87),
    PrintedScore(BLOOM, "swh_Latn", 0.50, 0.46, 0.73),
    PrintedScore(MBERT, "eng_Latn", 0.54),
    PrintedScore(MBERT, "arb_Arab", 0.47),
    PrintedScore(MBERT, "swh_Latn", 0.40),
)


def recomputed_efficiency(row: PrintedScore) -> float:
    """Return a printed accuracy over the same model's printed accuracy in English."""
    home = next(r for r in PRINTED if r.model == row.model and r.target == SOURCE)
    return row.accuracy / home.accuracy

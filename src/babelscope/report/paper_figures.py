"""Figures for papers: all that a study has data for, as files of their own beside the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from babelscope.report import beside, figures, paper_lens, paper_panels, scorers
from babelscope.report.beside import FILLED
from babelscope.report.figures import KINDS
from babelscope.report.fonts import Fonts, find_fonts
from babelscope.report.formats import check_formats
from babelscope.report.names import measure_name, variant_name
from babelscope.report.paper import look, save
from babelscope.report.paper_matrix import gain_matrix
from babelscope.report.tables import Tables, read_study, variants
from babelscope.report.unfinished import unfinished


@dataclass(frozen=True)
class Drawn:
    """The files that were written, and the languages whose script has no font here."""

    files: tuple[Path, ...]
    unwritten: tuple[str, ...]


def write_figures(folder: Path, kind: str) -> Drawn:
    """Write the figures of a study to `folder`/report/figures as pdf, svg or png.

    Fonts are embedded as Type 42 (pdf) or as outlines (svg); nothing in the files depends on the
    day. A language whose script has no font is named in Latin.

    Raises:
        SettingError: the format is unknown, or the study has nothing to draw.
        StoreError: the folder holds no study, or cannot be written to.
    """
    check_formats(kind, "")
    tables = read_study(folder)
    fonts = find_fonts(_codes(tables), [variant_name(tables, v) for v in variants(tables)])
    out = folder / "report" / "figures"
    with look(fonts):
        told = unfinished(tables)
        files = [save(figure, out, name, kind, told) for name, figure in _all(tables, fonts)]
    return Drawn(tuple(files), fonts.unwritten)


def _codes(tables: Tables) -> list[str]:
    sources = [s["language"] for s in tables.plan["sources"]]
    lens = sorted(set(tables.lens["language"].drop_nulls()) - {""})
    return [*tables.plan["targets"], *sources, *lens]


def _all(tables: Tables, fonts: Fonts) -> Iterator[tuple[str, Figure]]:
    matrix = gain_matrix(tables, fonts)
    if matrix is not None:
        yield "matrix", matrix
    measure = measure_name(tables.plan["main_measure"])
    own = fonts.label
    gains = figures.gains(tables, own)
    causes = figures.stacked(tables, "cause", figures.CAUSES, "Causes", own)
    stops = figures.stacked(tables, "stop", figures.STOPS, "Stops", own)
    beside_base = [
        paper_panels.mark_handle(FILLED, "tuned"),
        paper_panels.mark_handle(KINDS["open"], "base model"),
    ]
    for name, panels, x, handles in (
        ("gains", gains, f"{measure}, points gained over the base", paper_panels.gain_handles()),
        ("causes", causes, "share of answers, %", paper_panels.share_handles("cause", causes)),
        ("stops", stops, "share of answers, %", paper_panels.share_handles("stop", stops)),
        ("lengths", beside.length_ratios(tables, own), "length, % of the gold’s", beside_base),
        (
            "scorers",
            scorers.control_panels(tables, own),
            "F1, points of 100",
            paper_panels.scorer_handles(),
        ),
        (
            "interference",
            beside.interference(tables, fonts.beside),
            "answers that are the other language’s gold, %",
            beside_base,
        ),
    ):
        if panels:
            drawn = list(paper_panels.pages(panels, fonts, x, handles))
            for number, figure in enumerate(drawn, 1):
                yield (name if len(drawn) == 1 else f"{name}-{number}"), figure
    for found in paper_lens.seen(tables):
        yield f"lens-heat-{found.target}", paper_lens.heat_map(tables, found, fonts)
        yield f"lens-curves-{found.target}", paper_lens.curves(tables, found, fonts)

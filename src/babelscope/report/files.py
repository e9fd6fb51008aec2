"""What `report` writes of one study: the page, and on demand figures and tables for papers."""

from __future__ import annotations

from pathlib import Path

from babelscope.errors import SettingError
from babelscope.report.export import write_tables
from babelscope.report.formats import check_formats
from babelscope.report.page import write_report
from babelscope.report.tables import read_study
from babelscope.report.unfinished import unfinished
from babelscope.store import check_folder


def write_files(
    folder: Path, out: Path | None, figures: str = "", tables: str = ""
) -> dict[str, object]:
    """Write the report, and figures and tables in the formats named; returns what was written.

    Raises:
        SettingError: a format is unknown, or `out` is given for a single study.
        StoreError: the folder holds no study, or cannot be written to.
    """
    if out is not None:
        raise SettingError("--out", expected="two studies to compare", found="one study")
    check_formats(figures, tables)
    for wanted, name in (("page", ""), (figures, "figures"), (tables, "tables")):
        if wanted:
            check_folder(folder / "report" / name)
    found: dict[str, object] = {"report": str(write_report(folder))}
    if told := unfinished(read_study(folder)):
        found["unfinished"] = told
    if figures:
        from babelscope.report.paper_figures import write_figures

        drawn = write_figures(folder, figures)
        found["figures"] = [str(path) for path in drawn.files]
        found["scripts_without_font"] = list(drawn.unwritten)
    if tables:
        found["tables"] = [str(path) for path in write_tables(folder, tables)]
    return found

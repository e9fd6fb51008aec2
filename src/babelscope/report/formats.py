"""The formats of figures and tables for papers."""

from __future__ import annotations

from babelscope.errors import SettingError

FIGURES = ("pdf", "svg", "png")
TABLES = ("latex", "markdown", "csv")


def check_formats(figures: str, tables: str) -> None:
    """Raise a SettingError unless each format is known, or empty."""
    for option, wanted, known in (("--figures", figures, FIGURES), ("--tables", tables, TABLES)):
        if wanted and wanted not in known:
            raise SettingError(option, expected=f"one of {', '.join(known)}", found=wanted)

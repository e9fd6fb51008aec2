"""The look of figures on paper, and how they are written: the same bytes from the same tables."""

from __future__ import annotations

import re
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from babelscope.report.fonts import Fonts
from babelscope.store import writing

SINGLE, DOUBLE = 3.3, 6.9
"""Widths in inches: one column, and both."""
TALLEST = 8.6
METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": "babelscope", "Producer": None},
    "svg": {"Date": None, "Creator": "babelscope"},
    "png": {"Software": "babelscope"},
}
LOOK: Any = {
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "babelscope",
    "text.parse_math": False,
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.titlelocation": "left",
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.5,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "hatch.linewidth": 0.4,
    "axes.unicode_minus": True,
    "savefig.dpi": 300,
}


@cache
def palette() -> dict[str, str]:
    """Return the light colours of the report's page by name; the page and the paper share them."""
    style = resources.files("babelscope.report").joinpath("templates/style.css")
    light = style.read_text(encoding="utf-8").partition("}")[0]
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})\b", light)) | {"paper": "#ffffff"}


def colour(name: str) -> str:
    """Return the colour of "@blue"-like names; any other text is a colour itself."""
    return palette()[name[1:]] if name.startswith("@") else name


@contextmanager
def look(fonts: Fonts) -> Iterator[None]:
    """Draw with the look of figures on paper; a glyph that a font lacks is an error."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(LOOK)
        mpl.rcParams["font.family"] = list(fonts.families)
        warnings.filterwarnings("error", message="Glyph .* missing")
        yield


def save(figure: Figure, folder: Path, name: str, kind: str, note: str = "") -> Path:
    """Write a figure as `folder`/`name`.`kind` without a date, and return the path.

    `note` stands below it in small letters.

    Raises:
        StoreError: the folder cannot be written to.
    """
    path = folder / f"{name}.{kind}"
    if note:
        told = textwrap.fill(note, round(20 * figure.get_size_inches()[0]))
        # below what is there: the layout makes room for one such label
        figure.supxlabel(f"{figure.get_supxlabel()}\n{told}".strip(), fontsize=6.5)
    with writing(path) as temporary:
        figure.savefig(temporary, format=kind, metadata=METADATA[kind])
    return path


def bare(axes: Axes) -> None:
    """Leave an axes without spines and ticks."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)

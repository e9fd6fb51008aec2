"""The lens table of a study: masses of base and variants, and their differences, by subset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from babelscope.measure.lens import SUBSETS, lens_differences, lens_rows, subset_masks
from babelscope.study.cells import Variant
from babelscope.study.lensing import read_masses
from babelscope.study.materials import QA
from babelscope.study.plan import StudyPlan
from babelscope.study.scores import CellScores
from babelscope.study.tables import POOLED, base_of

LENS = {
    **dict.fromkeys(("recipe", "source"), pl.String),
    "step": pl.Int64,
    **dict.fromkeys(("target", "subset", "position"), pl.String),
    "depth": pl.Int64,
    **dict.fromkeys(("language", "kind"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    "n": pl.Int64,
    "p_value": pl.Float64,
}

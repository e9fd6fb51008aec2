"""Figures for papers: the planted numbers, every script shaped, nothing drawn as a box."""

from __future__ import annotations

import re
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from fake_study import GAIN, MISSING_CELL, TARGETS, make_study
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from babelscope import cli
from babelscope.report import fonts as fonts_module
from babelscope.report import paper_lens
from babelscope.report.figures import CAUSES, gains
from babelscope.report.fonts import Fonts, find_fonts, native_name
from babelscope.report.paper import DOUBLE, look, palette
from babelscope.report.paper_figures import write_figures
from babelscope.report.paper_matrix import gain_matrix
from babelscope.report.paper_panels import gain_handles, pages
from babelscope.report.tables import Tables, read_study

SCRIPTS = ("ory_Orya", "ben_Beng", "tam_Taml", "tha_Thai", "arb_Arab", "zho_Hans")
FEW = ("ory_Orya", "tha_Thai")
DRAWN = ["matrix", "gains", "causes", "stops", "lengths", "scorers", "interference"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("paper"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("small"), targets=FEW)


@pytest.fixture(scope="module")
def tables(study: Path) -> Tables:
    return read_study(study)


@pytest.fixture(scope="module")
def fonts() -> Fonts:
    return find_fonts([*SCRIPTS, *TARGETS])


def pixels(text: str, fonts: Fonts) -> np.ndarray:
    with look(fonts):
        figure = Figure(figsize=(1.5, 0.5), dpi=100)
        figure.text(0.1, 0.4, text, fontsize=16)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., 0].copy()


@pytest.mark.parametrize("kind", ["pdf", "svg", "png"])
def test_the_same_tables_give_the_same_bytes(small: Path, kind: str) -> None:
    first = {path.name: path.read_bytes() for path in write_figures(small, kind).files}
    assert {f"{name}.{kind}" for name in DRAWN} < set(first)
    assert {f"lens-heat-{t}.{kind}" for t in FEW} < set(first)
    again = {path.name: path.read_bytes() for path in write_figures(small, kind).files}
    assert again == first
    if kind == "pdf":
        for data in first.values():
            assert b"/Type3" not in data
            assert b"/FontFile2" in data
            assert b"/CreationDate" not in data
        box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", first["gains.pdf"])
        assert box is not None
        assert float(box[1]) == pytest.approx(72 * DOUBLE)
    if kind == "svg":
        assert b"<dc:date>" not in first["gains.svg"]


@pytest.mark.parametrize("code", SCRIPTS)
def test_every_language_is_named_in_its_own_script(code: str, fonts: Fonts) -> None:
    own = native_name(code)
    assert own
    assert fonts.label(code).endswith(f" {own}")
    assert fonts.unwritten == ()
    # drawn: `look` turns a missing glyph into an error
    assert pixels(fonts.label(code), fonts).min() < 128


def test_a_missing_glyph_is_an_error() -> None:
    latin = Fonts(("DejaVu Sans",), frozenset(), ())
    with pytest.raises(UserWarning, match=r"Glyph .* missing"):
        pixels("ଓଡ଼ିଆ", latin)


@pytest.mark.parametrize("pair", ["କ୍|ଷ", "ক্|ষ", "க்|ஷ", "ب|ب", "क्|ष"])
def test_letters_are_shaped(pair: str, fonts: Fonts) -> None:
    # a zero width non-joiner changes the picture only where letters were joined
    first, second = pair.split("|")
    full = find_fonts([*SCRIPTS, "hin_Deva"])
    joined, apart = pixels(first + second, full), pixels(f"{first}\u200c{second}", full)
    assert (joined != apart).sum() > 20


def test_right_to_left_text_starts_on_the_right(fonts: Fonts) -> None:
    # alef is a thin stroke, seen a wide letter: in "alef, seen" the wide one stands to the left
    picture = pixels("اس", fonts) < 128
    columns = np.flatnonzero(picture.any(axis=0))
    heights = picture.sum(axis=0)[columns[0] : columns[-1] + 1]
    # the tall stroke is in the right half
    assert np.argmax(heights) > len(heights) / 2


def test_a_script_without_a_font_is_named(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = fonts_module._paths()
    only = {name: path for name, path in known.items() if name == "DejaVu Sans"}
    monkeypatch.setattr(fonts_module, "_paths", lambda: only)
    found = find_fonts(["ory_Orya", "ell_Grek", "deu_Latn"], ["తెలుగు"])
    assert found.unwritten == ("Odia (Orya)",)
    assert found.label("ory_Orya") == "Odia"
    assert found.short("ory_Orya") == "or"
    assert found.label("ell_Grek") == "Greek Ελληνικά"
    assert found.write("a తెలుగు b\u202e") == "a [Telugu] b"
    drawn = write_figures(small, "svg")
    assert set(drawn.unwritten) == {"Odia (Orya)", "Bengali (Beng)", "Thai (Thai)"}


def test_the_matrix_holds_every_gain_and_marks_the_decided(tables: Tables, fonts: Fonts) -> None:
    with look(fonts):
        figure = gain_matrix(tables, fonts)
    assert figure is not None
    said = sorted(text.get_text() for text in figure.axes[0].texts)
    planted = []
    for source in ("or", "ru-nllb", "de<b>&marian"):
        for target in TARGETS:
            if (source, target) != MISSING_CELL:
                gain = GAIN.get((source, target), 0.0)
                text = f"{gain * 100:+.1f}".replace("-", "−") if gain else "0.0"
                planted.append(text + ("†" if abs(gain) > 0.1 else ""))
    assert said == sorted(planted)
    hatched = [p for p in figure.axes[0].patches if p.get_hatch()]
    assert len(hatched) == 1


def test_panels_on_paper_have_the_marks_of_the_page(tables: Tables, fonts: Fonts) -> None:
    panels = gains(tables, fonts.label)
    with look(fonts):
        (figure,) = pages(panels, fonts, "points", gain_handles())
    for axes, panel in zip(figure.axes, panels, strict=True):
        assert axes.get_title(loc="left") == panel.title
        lines = [line for line in axes.lines if line.get_marker() in "ov^"]
        wanted = [t["x"] for t in panel.figure["data"] if t["mode"] == "markers"]
        assert sorted(x for line in lines for x in line.get_xdata()) == sorted(chain(*wanted))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == [fonts.label(t) for t in TARGETS]


def test_many_panels_are_spread_over_pages(tables: Tables, fonts: Fonts) -> None:
    panels = gains(tables, fonts.label) * 12
    with look(fonts):
        drawn = list(pages(panels, fonts, "points", gain_handles()))
    assert len(drawn) > 1
    assert sum(axes.get_visible() for figure in drawn for axes in figure.axes) == len(panels)
    for figure in drawn:
        width, height = figure.get_size_inches()
        assert (width, height <= 8.6) == (DOUBLE, True)


def test_the_lens_on_paper_shows_the_planted_fall(tables: Tables, fonts: Fonts) -> None:
    found = next(s for s in paper_lens.seen(tables) if s.target == "ory_Orya")
    assert found.variant is not None
    assert found.variant.source == "or"
    with look(fonts):
        figure = paper_lens.heat_map(tables, found, fonts)
        curve = paper_lens.curves(tables, found, fonts)
    axes = next(a for a in figure.axes if a.get_title(loc="left") == "tuned − base")
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    row = names.index(fonts.label("ben_Beng"))
    mesh = next(c for c in axes.collections if isinstance(c, QuadMesh))
    grid = np.asarray(mesh.get_array()).reshape(len(names), 7)
    assert grid[row, 5] == pytest.approx(-12.0)
    dots = {tuple(p) for line in axes.lines for p in line.get_xydata()}
    assert dots == {(5.0, float(row))}
    assert names[-2:] == ["shared by languages", "unknown"]
    # the axis fits the data, and its title says to where
    assert curve.axes[0].get_title(loc="left") == f"{fonts.label('ory_Orya')}, to 50 %"


def test_colours_stay_apart_for_the_colour_blind() -> None:
    # Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
    kinds = {
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                   [-0.011820, 0.042940, 0.968881]],
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    }  # fmt: skip
    names = ["blue", "orange", *(f"cause-{key}" for key, _ in CAUSES)]
    for matrix in kinds.values():
        seen = {n: _lab(np.array(matrix) @ _linear(palette()[n])) for n in names}
        assert np.linalg.norm(seen["blue"] - seen["orange"]) > 40
        for (one, _), (other, _) in pairwise(CAUSES):
            gap = np.linalg.norm(seen[f"cause-{one}"] - seen[f"cause-{other}"])
            assert gap > 12, (one, other, gap)


def _linear(colour: str) -> np.ndarray:
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def _lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize(
    "options", [["--figures", "doc"], ["--tables", "xls"], ["--out", "elsewhere"]]
)
def test_a_wrong_option_is_one_line(
    study: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["report", str(study), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {options[0]}")
    assert err.count("\n") == 1


def test_the_command_writes_all_that_is_asked(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["report", str(study), "--tables", "latex", "--json"]) == 0
    assert "certainty.tex" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("peaks", "ends"),
    [
        # the small ones would lie flat on an axis to 100
        ([93.0, 9.2, 3.0, 99.9], [100.0, 10.0, 10.0, 100.0]),
        # one axis as long as none is below a third
        ([93.0, 40.0, 35.0], [100.0, 100.0, 100.0]),
        ([12.0, 3.9, 0.0], [15.0, 4.0, 4.0]),
        # nothing is drawn larger than to one per cent
        ([0.2, 0.0], [1.0, 1.0]),
    ],
)
def test_axes_of_curves_fit_what_they_show(peaks: list[float], ends: list[float]) -> None:
    assert paper_lens.scales(peaks) == pytest.approx(ends)

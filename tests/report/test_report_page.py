"""The report as a page: parsed as a browser would, and compared with the planted numbers."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from explorer_page import unpacked
from fake_study import BASE, GAIN, MISSING_CELL, SOURCES, TARGETS, make_study

from babelscope.errors import StoreError
from babelscope.report.page import embed, render, write_report
from babelscope.report.tables import read_study

MEGABYTE = 1 << 20
VOID = {"meta", "br", "img", "link", "input", "hr"}
DATA = (
    *("results", "comparisons", "best", "transfer", "lens", "quality", "samples", "grids", "cost"),
    "scores",
)


class Page(HTMLParser):
    """Collects the text by section, the attributes of every element, and script bodies."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[tuple[str, str]] = []
        self.sections: dict[str, str] = {}
        self.scripts: list[tuple[dict[str, str], str]] = []
        self.everything = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = {name: value or "" for name, value in attrs}
        self.tags.append((tag, own))
        if tag == "script":
            self.scripts.append((own, ""))
        if tag not in VOID:
            self.open.append((tag, own.get("id", "")))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open[-1][0] != tag:
            self.open.pop()
        if self.open:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        names = [tag for tag, _ in self.open]
        if "script" in names:
            own, text = self.scripts[-1]
            self.scripts[-1] = (own, text + data)
            return
        if "style" in names:
            return
        self.everything += data
        for tag, name in self.open:
            if tag == "section":
                self.sections[name] = self.sections.get(name, "") + data

    def words(self, section: str) -> str:
        return " ".join(self.sections[section].split())


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("report") / "study")


@pytest.fixture(scope="module")
def html(study: Path) -> str:
    return write_report(study).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def without(study: Path, folder: Path, *names: str) -> Page:
    """Return the report of a copy of the study that lacks some tables."""
    shutil.copytree(study, folder, ignore=shutil.ignore_patterns("report"))
    for name in names:
        for path in folder.glob(f"{name}.*"):
            path.unlink()
    return Page(write_report(folder).read_text(encoding="utf-8"))


def test_sections_stand_in_order(page: Page) -> None:
    order = ["answer", "matrix", "gains", "causes", "inside", "examples", "quality", "groups"]
    assert [i["id"] for tag, i in page.tags if tag == "section"] == [*order, "provenance"]


def test_every_score_of_the_study_is_on_the_page(page: Page) -> None:
    matrix = page.words("matrix")
    for source, _, _ in (("", "", ""), *SOURCES):
        for target in TARGETS:
            if (source, target) == MISSING_CELL:
                continue
            score = BASE[target] + GAIN.get((source, target), 0.0)
            assert f"{100 * score:.1f}" in matrix


def test_planted_gain_stands_with_interval_and_p(page: Page) -> None:
    for section in ("answer", "matrix"):
        assert "+40.1 (+32.1 to +48.1)" in page.words(section)
    assert "−25.3 (−33.3 to −17.3)" in page.words("answer")
    assert "p = 0.002" in page.words("answer").replace("\u00a0", " ")


def test_missing_cell_is_hatched_and_never_zero(html: str, page: Page) -> None:
    views = html.count('<table class="heat"')
    assert views == 6
    # one cell in four views; in both efficiencies also all cells of the two sources without a
    # test set
    assert len([1 for t, a in page.tags if t == "td" and a.get("class") == "missing"]) == 4 + 2 * 12
    figures = json.loads(next(s for a, s in page.scripts if a.get("id") == "figures"))
    row = TARGETS.index(MISSING_CELL[1])
    drawn = figures["gain-1"]["data"]
    assert [t["y"] for t in drawn if t["mode"] == "text"] == [[row]]
    assert all(row not in t["y"] for t in drawn if t["mode"] == "markers")


def test_figures_hold_the_planted_numbers(page: Page) -> None:
    figures = json.loads(next(s for a, s in page.scripts if a.get("id") == "figures"))
    helped = next(t for t in figures["gain-0"]["data"] if t["y"] == [0])
    assert helped["x"] == [40.12]
    assert helped["error_x"]["array"] == [8.0]
    assert helped["marker"]["symbol"] == "triangle-up"
    exact = next(t for t in figures["cause-0"]["data"] if t.get("type") == "bar")
    assert exact["x"] == [40.0] * 4
    lens = unpacked(next(s for a, s in page.scripts if a.get("id") == "lens"))
    assert lens["start"] == ["ory_Orya", "default or"]
    place, values, _, _, p = lens["cells"]["ory_Orya|default or|30|last|all|mass|counted"][
        "difference"
    ]["ben_Beng"]
    assert lens["depths"][place][5] == 5
    # thousandths of a point, ten-thousandths of a p-value
    assert (values[5], p[5]) == (-12_000, 40)
    base = lens["cells"]["ory_Orya|base|0|last|all|mass|counted"]["value"]["ory_Orya"]
    assert base[1][6] == 41_000


def test_every_figure_has_a_table_and_a_spoken_name(page: Page) -> None:
    plots = [a for _, a in page.tags if a.get("class") == "plot"]
    assert plots
    assert all(a.get("role") == "img" and a.get("aria-label") for a in plots)
    figures = sum(tag == "figure" for tag, _ in page.tags)
    assert figures == 9
    assert page.everything.count("The numbers behind this figure") == figures


def test_nothing_is_fetched(html: str, page: Page) -> None:
    for _tag, attributes in page.tags:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            assert attributes.get(name, "#").startswith("#")
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")


def test_hostile_text_stays_text(html: str, page: Page) -> None:
    # four data blocks, plotly, and our own six scripts: nothing from the study opened another
    types = [a.get("type", "") for a, _ in page.scripts]
    assert types == ["application/json", "text/plain", "application/json", "text/plain"] + [""] * 7
    assert not any(name.startswith("on") for _, a in page.tags for name in a)
    assert not any(tag in ("img", "i", "iframe") for tag, _ in page.tags)
    assert "de<b>&marian" in page.sections["quality"]
    assert "\u202e" not in html


def test_same_tables_give_the_same_bytes(study: Path, html: str, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "copy", ignore=shutil.ignore_patterns("report"))
    again = write_report(tmp_path / "copy")
    assert again.read_bytes() == html.encode()
    assert [p.name for p in again.parent.iterdir()] == ["index.html"]


def test_order_of_rows_does_not_matter(study: Path, html: str, tmp_path: Path) -> None:
    folder = tmp_path / "shuffled"
    shutil.copytree(study, folder, ignore=shutil.ignore_patterns("report"))
    for name in ("results", "lens", "comparisons", "transfer"):
        frame = pl.read_parquet(folder / f"{name}.parquet")
        frame.sample(fraction=1.0, shuffle=True, seed=7).write_parquet(folder / f"{name}.parquet")
    assert write_report(folder).read_text(encoding="utf-8") == html


def test_page_is_small(html: str, study: Path) -> None:
    data = sum(p.stat().st_size for p in study.iterdir() if p.is_file())
    assert len(html.encode()) <= 4 * MEGABYTE + data
    assert len(html.encode()) <= 2.5 * MEGABYTE


@pytest.mark.parametrize(
    ("name", "section", "words"),
    [
        ("results", "matrix", "No score of the main measure"),
        ("results", "causes", "No causes of answers"),
        ("comparisons", "gains", "No comparison with the base model"),
        ("comparisons", "answer", "holds no comparison of a tuned model with its base"),
        ("best", "answer", "holds no ranking of sources"),
        ("lens", "inside", "did not look inside the model"),
        ("quality", "quality", "quality.parquet is missing or empty"),
        ("samples", "examples", "samples.jsonl is missing or empty"),
        ("cost", "provenance", "cost.csv is missing or empty"),
    ],
)
def test_a_missing_table_is_said_in_words(
    study: Path, tmp_path: Path, name: str, section: str, words: str
) -> None:
    assert words in without(study, tmp_path / "study", name).words(section)


def test_a_bare_plan_draws_no_empty_figure(study: Path, tmp_path: Path) -> None:
    page = without(study, tmp_path / "study", *DATA)
    assert not [a for t, a in page.tags if a.get("class") == "plot" or t == "figure"]
    assert page.everything.count("missing or empty") >= 4


def test_an_empty_table_is_like_a_missing_one(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(study, folder, ignore=shutil.ignore_patterns("report"))
    pl.read_parquet(folder / "lens.parquet").clear().write_parquet(folder / "lens.parquet")
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert "did not look inside the model" in page.words("inside")


def test_broken_studies_are_one_line_errors(study: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"plan\.json.*babelscope run"):
        write_report(tmp_path)
    folder = tmp_path / "study"
    shutil.copytree(study, folder, ignore=shutil.ignore_patterns("report"))
    (folder / "lens.parquet").write_bytes(b"not a table")
    with pytest.raises(StoreError, match=r"lens\.parquet.*readable table"):
        write_report(folder)
    pl.DataFrame({"depth": [1]}).write_parquet(folder / "lens.parquet")
    with pytest.raises(StoreError, match=r"lens\.parquet.*no recipe"):
        write_report(folder)
    shutil.copy(study / "lens.parquet", folder)
    (folder / "report").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(StoreError, match=r"index\.html.*unharmed"):
        write_report(folder)


def test_embedded_json_survives_the_trip() -> None:
    value = {"a": "</script><!--<script>&\u2028\u2029 ଓ", "b": [1.5, None]}
    text = embed(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="JSON"):
        embed(math.nan)


def test_a_large_study_stays_within_its_size(tmp_path: Path) -> None:
    codes = "eng_Latn deu_Latn spa_Latn fra_Latn rus_Cyrl ell_Grek arb_Arab zho_Hans tha_Thai"
    codes += " vie_Latn tur_Latn hin_Deva ben_Beng ory_Orya swh_Latn"
    targets = codes.split()
    sources = [(code[:3], code, "human") for code in targets]
    folder = make_study(tmp_path / "big", sources=sources, targets=targets, seeds=(0, 1, 2))
    text = write_report(folder).read_text(encoding="utf-8")
    assert len(text.encode()) <= 12 * MEGABYTE
    assert "single seed" not in text
    assert len(re.findall(r'class="plot" id="gain-', text)) == 15


def test_what_readers_left_out_stands_with_the_data(study: Path) -> None:
    tables = read_study(study)
    rows = [
        {"set": "source or", "kept": 1101, "dropped": {"empty answer": 2}, "noted": {}},
        {"set": "test sw", "kept": 48, "dropped": {}, "noted": {"answer not in context": 3}},
    ]
    counted = dataclasses.replace(tables, plan=tables.plan | {"left_out_or_noted": rows})
    shown = render(counted).partition('<section id="quality">')[2].partition("</section>")[0]
    cells = [re.sub(r"<[^>]+>", "", c) for c in re.findall(r"<t[hd].*?</t[hd]>", shown, re.S)]
    text = " | ".join(cells)
    assert "source or | left out | empty answer | 2 | 1,101" in text
    assert "test sw | kept, with a fault | answer not in context | 3 | 48" in text
    plain = render(tables).partition('<section id="quality">')[2].partition("</section>")[0]
    assert "Records left out" not in plain

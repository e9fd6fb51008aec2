"""Orders of the matrix: every row and column once, groups as the languages' own, likes together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fake_study import MISSING_CELL, SOURCES, TARGETS, make_study
from hypothesis import given
from hypothesis import strategies as st

from babelscope.languages import language
from babelscope.report.orders import UNTUNED, Order, clustered, orders
from babelscope.report.tables import Tables, read_study, variants

TWINS = (*SOURCES, ("or-nllb", "ory_Orya", "nllb"), ("odd", "qqq_Qqqq", "human"))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return read_study(make_study(tmp_path_factory.mktemp("orders"), sources=TWINS))


def by_key(tables: Tables) -> dict[str, Order]:
    return {order.key: order for order in orders(tables)}


def test_every_order_holds_every_row_and_column_once(tables: Tables) -> None:
    found = by_key(tables)
    assert list(found) == ["study", "family", "script", "gains"]
    for order in found.values():
        rows = [i for _, places in order.rows for i in places]
        columns = [i for _, places in order.columns for i in places]
        assert sorted(rows) == list(range(len(TWINS) + 1))
        assert sorted(columns) == list(range(len(TARGETS)))
        assert rows[0] == 0  # the base leads in every order


def test_the_studys_order_is_the_plans(tables: Tables) -> None:
    order = by_key(tables)["study"]
    assert order.rows == (("", tuple(range(len(TWINS) + 1))),)
    assert order.columns == (("", tuple(range(len(TARGETS)))),)


def test_families_and_scripts_are_those_of_the_languages(tables: Tables) -> None:
    shown, found = variants(tables), by_key(tables)
    spoken = {name: code for name, code, _ in TWINS}
    for name, places in found["family"].rows[1:]:
        known = {spoken[shown[i].source] for i in places} - {"qqq_Qqqq"}
        assert {language(code).family for code in known} <= {name}
    assert found["family"].rows[0] == (UNTUNED, (0,))
    # Odia's two sources stand together, in the plan's order; an unknown code has a group of its own
    family = dict(found["family"].rows)
    assert [shown[i].source for i in family["Indo-European"]] == [
        "de<b>&marian", "or", "or-nllb", "ru-nllb",
    ]  # fmt: skip
    assert [shown[i].source for i in family["not known"]] == ["odd"]
    columns = {name: [TARGETS[i] for i in p] for name, p in found["script"].columns}
    assert columns == {
        "Arabic": ["arb_Arab"],
        "Bangla": ["ben_Beng"],
        "Greek": ["ell_Grek"],
        "Latin": ["eng_Latn"],
        "Odia": ["ory_Orya"],
        "Thai": ["tha_Thai"],
    }


def test_two_kinds_of_rows_are_told_apart_whatever_their_order() -> None:
    rng = np.random.default_rng(3)
    kinds = np.array([0, 1, 0, 1, 1, 0, 0, 1])
    points = np.where(kinds[:, None] == 1, [[0.4, 0.0, 0.3]], [[-0.3, 0.1, 0.0]])
    points = points + rng.normal(0, 0.01, points.shape)
    found = clustered(points)
    # the kind with the higher mean comes first
    assert list(kinds[list(found.order)]) == [1] * 4 + [0] * 4
    assert (found.apart, found.strangers) == ((), 0)
    turned = clustered(points[::-1])
    assert [7 - i for i in turned.order] == list(found.order)


def test_rows_on_a_line_stand_in_its_order() -> None:
    places = np.array([0.5, 0.1, 0.9, 0.3, 0.7])
    assert clustered(places[:, None]).order == (2, 4, 0, 3, 1)


def test_missing_values_are_left_out_of_distances_and_empty_rows_stand_apart() -> None:
    nan = np.nan
    points = np.array(
        [[0.9, nan, 0.9], [nan, nan, nan], [nan, 0.0, 0.1], [0.8, 0.9, nan], [0.1, 0.0, nan]]
    )
    found = clustered(points)
    assert found.apart == (1,)
    # by what they share, rows 0 and 3 are alike, and so are 2 and 4; the higher ones come first
    assert (set(found.order[:2]), set(found.order[2:])) == ({0, 3}, {2, 4})
    lonely = np.array([[1.0, nan], [nan, 0.2], [0.9, 0.2]])
    assert clustered(lonely).strangers == 1
    assert clustered(np.full((4, 2), nan)).apart == (0, 1, 2, 3)


@given(st.lists(st.lists(st.sampled_from([0.0, 0.2, np.nan]), min_size=3, max_size=3), max_size=9))
def test_no_row_is_lost(rows: list[list[float]]) -> None:
    found = clustered(np.array(rows).reshape(len(rows), 3))
    assert sorted((*found.order, *found.apart)) == list(range(len(rows)))


def test_the_order_by_gains_says_what_it_left_out(tables: Tables, tmp_path: Path) -> None:
    assert "No gain is known" not in by_key(tables)["gains"].note
    folder = make_study(tmp_path / "study")
    path = folder / "comparisons.parquet"
    rows = pl.read_parquet(path).filter(pl.col("target") != MISSING_CELL[1])
    rows.write_parquet(path)
    order = by_key(read_study(folder))["gains"]
    assert order.note.endswith("No gain is known of Thai: last.")
    assert order.columns[0][1][-1] == TARGETS.index(MISSING_CELL[1])
    rows.clear().write_parquet(path)
    assert "gains" not in by_key(read_study(folder))


def test_recipes_on_one_source_stand_together(tables: Tables) -> None:
    both = Tables(**{**vars(tables), "plan": {**tables.plan, "recipes": ["default", "seed"]}})
    shown = variants(both)
    family = dict(by_key(both)["family"].rows)
    assert [(shown[i].source, shown[i].recipe) for i in family["Indo-European"]][2:6] == [
        ("or", "default"), ("or", "seed"), ("or-nllb", "default"), ("or-nllb", "seed"),
    ]  # fmt: skip
    note = by_key(both)["gains"].note
    assert "No gain is known of Odia (human), seed, " in note

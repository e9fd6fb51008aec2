"""Recipes: the two known ones, their switches, names that tell deviations, and ranges."""

from __future__ import annotations

from dataclasses import fields

import pytest

from babelscope.adapt.recipes import RECIPES, Recipe, change, find_recipe, rendering_of
from babelscope.data.prompts import TEMPLATES
from babelscope.errors import SettingError

DEFAULT, SEED = RECIPES["default"], RECIPES["seed"]


def test_seed_is_the_first_papers_recipe() -> None:
    assert (SEED.rank, SEED.alpha, SEED.dropout, SEED.target_modules) == (64, 16, 0.1, "all_linear")
    assert (SEED.learning_rate, SEED.schedule, SEED.warmup) == (2e-4, "constant", 0)
    assert (SEED.weight_decay, SEED.clip) == (0.001, 0.3)
    assert (SEED.batch_size, SEED.accumulation, SEED.max_steps) == (4, 4, 60)
    assert (SEED.max_tokens, SEED.precision, SEED.length_grouped) == (1024, "bf16", True)
    assert (SEED.loss, SEED.train_eos) == ("all", False)
    assert (SEED.begin_train, SEED.begin_answer, SEED.template) == ("always", "never", "plain")
    assert (SEED.temperature, SEED.top_k, SEED.top_p) == (0.1, 50, 0.95)
    assert (SEED.answer_tokens, SEED.stop_at_newline) == (100, True)


def test_seed_and_default_differ_in_these_switches_only() -> None:
    differing = {
        f.name for f in fields(Recipe) if getattr(SEED, f.name) != getattr(DEFAULT, f.name)
    }
    assert differing == {
        "name", "loss", "train_eos", "begin_train", "begin_answer",
        "temperature", "top_k", "top_p",
    }  # fmt: skip
    assert (DEFAULT.loss, DEFAULT.train_eos, DEFAULT.temperature) == ("answer", True, 0.0)


def test_name_records_deviations_in_field_order_and_only_real_ones() -> None:
    changed = change(SEED, {"train_eos": True, "learning_rate": 0, "rank": 64})
    assert changed.name == "seed+learning_rate=0+train_eos=true"
    assert changed.learning_rate == 0.0
    assert change(changed, {"learning_rate": 2e-4}).name == "seed+train_eos=true"
    assert change(changed, {"learning_rate": 2e-4, "train_eos": False}) == SEED
    assert change(DEFAULT, {"target_modules": ["a", "b"]}).name == "default+target_modules=a|b"
    assert change(DEFAULT, {}) == DEFAULT


def test_all_switches_turned_make_seed_of_default() -> None:
    turned = {f.name: getattr(SEED, f.name) for f in fields(Recipe) if f.name != "name"}
    made = change(DEFAULT, turned)
    assert {f: getattr(made, f) for f in turned} == turned
    assert made.name.count("+") == 7


def test_numbers_near_each_other_do_not_share_a_name() -> None:
    names = {change(DEFAULT, {"learning_rate": r}).name for r in (1.23456789e-4, 1.2345678e-4)}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("switch", "said"),
    [("train_oes", "train_eos"), ("learn_rate", "learning_rate"), ("name", "known")],
)
def test_unknown_switch_names_the_nearest(switch: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        change(SEED, {switch: 1})


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("rank", 0), ("rank", 2.0), ("rank", True), ("rank", "64"), ("alpha", 0), ("alpha", None),
        ("dropout", 1.0), ("dropout", float("nan")), ("learning_rate", -1e-9),
        ("learning_rate", "2e-4"), ("learning_rate", False), ("schedule", "step"), ("warmup", -1),
        ("warmup", 61), ("weight_decay", 1.5), ("clip", float("inf")), ("batch_size", 0),
        ("accumulation", 0), ("max_steps", 0), ("max_tokens", 4), ("precision", "fp16"),
        ("precision", 16), ("length_grouped", 1), ("train_eos", "true"), ("loss", "prompt"),
        ("begin_train", "maybe"), ("begin_answer", None), ("template", ""), ("answer_tokens", 0),
        ("answer_tokens", 1024), ("temperature", -0.1), ("top_k", -1), ("top_p", 0.0),
        ("top_p", 1.1), ("stop_at_newline", 0), ("shuffle_answers", "no"),
        ("target_modules", "mlp"), ("target_modules", []), ("target_modules", [1]),
        ("target_modules", 3), ("schedule", ["constant"]),
    ],
)  # fmt: skip
def test_value_out_of_range_or_of_wrong_type(switch: str, value: object) -> None:
    with pytest.raises(SettingError, match=switch):
        change(SEED, {switch: value})


def test_whole_numbers_for_real_ones_are_the_same_recipe() -> None:
    assert change(DEFAULT, {"alpha": 16}) == DEFAULT
    assert isinstance(change(DEFAULT, {"alpha": 32}).alpha, float)


def test_find_recipe() -> None:
    assert find_recipe("seed") is SEED
    with pytest.raises(SettingError, match="default or seed"):
        find_recipe("sed")


def test_rendering_differs_in_the_begin_token_only() -> None:
    training = rendering_of(SEED, TEMPLATES, "training")
    answering = rendering_of(SEED, TEMPLATES, "answering")
    assert (training.begin, answering.begin) == ("always", "never")
    assert training.template is answering.template is TEMPLATES["plain"]
    assert (training.max_tokens, training.answer_tokens) == (1024, 100)
    with pytest.raises(SettingError, match="template"):
        rendering_of(change(SEED, {"template": "nowhere"}), TEMPLATES, "training")

"""A study file becomes a typed plan, and every mistake in it is named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from babelscope.errors import BabelscopeError, LanguageError, SettingError
from babelscope.study.plan import StudyPlan, plan_of, read_plan
from babelscope.study.ready import ready_study
from babelscope.study.schedule import (
    answering_of,
    bases,
    lens_tasks,
    planned_cells,
    planned_variants,
    steps_of,
    tunings,
)

STUDY = """
title = "T"
model = "mini"
targets = ["en", "or"]
seeds = [0, 1]
[paths]
data = "folder"
[recipes.default]
max_steps = 4
[recipes.seed]
max_steps = 4
[sources.one]
language = "hi"
data = "{data}/{language}.json"
[test]
data = "atlas"
questions = 3
contests = [["or", "bn"]]
[lens]
questions = 2
[groups]
both = ["en", "or"]
"""


def plan(text: str = STUDY, *settings: str, folder: Path | None = None) -> StudyPlan:
    if folder is None:
        assert not settings
        return plan_of(tomllib.loads(text), "study")
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return read_plan(path, settings)


def test_codes_and_paths_are_resolved() -> None:
    found = plan()
    assert found.targets == ("eng_Latn", "ory_Orya")
    assert found.sources[0].language == "hin_Deva"
    assert found.sources[0].data == "folder/{language}.json"
    assert found.test.contests == (("ory_Orya", "ben_Beng"),)
    assert found.languages == ("ben_Beng", "eng_Latn", "hin_Deva", "ory_Orya")
    assert found.groups == {"both": ("eng_Latn", "ory_Orya")}


def test_a_recipe_keeps_the_studys_name_and_takes_its_switches() -> None:
    default, seed = plan().recipes
    assert (default.name, default.max_steps, default.loss) == ("default", 4, "answer")
    assert (seed.name, seed.max_steps, seed.loss) == ("seed", 4, "all")


def test_variants_and_cells_are_all_there() -> None:
    found = plan()
    assert tunings(found) == 2 * 1 * 2
    variants = [v for _, v in planned_variants(found)]
    assert [v.recipe for v in variants if v.is_base] == ["base", "base:seed"]
    assert len(variants) == 2 + 4
    assert len(list(planned_cells(found))) == 6 * 3
    assert bases(found) == {"default": "base", "seed": "base:seed"}


def test_recipes_that_answer_alike_share_their_base() -> None:
    text = STUDY.replace("[recipes.seed]", '[recipes.slow]\nbase = "default"\nlearning_rate = 1e-5')
    assert bases(plan(text)) == {"default": "base", "slow": "base"}


def test_steps_along_the_way() -> None:
    found = plan("save_steps = 3\n" + STUDY.strip())
    assert steps_of(found, found.recipes[0]) == (3, 4)


def test_settings_replace_and_add(tmp_path: Path) -> None:
    found = plan(
        STUDY,
        "model=some/name",
        "seeds=[5]",
        "recipes.default.max_steps=9",
        "paths.data=elsewhere",
        "test.questions=0",
        folder=tmp_path,
    )
    assert found.model.name == "some/name"
    assert found.seeds == (5,)
    assert found.recipes[0].max_steps == 9
    assert found.sources[0].data == "elsewhere/{language}.json"


def test_a_model_given_as_a_word_replaces_the_name_in_its_table(tmp_path: Path) -> None:
    text = STUDY.replace('model = "mini"', "").replace(
        "[paths]", '[model]\nname = "x"\nrevision = "r"\n[paths]'
    )
    found = plan(text, "model=mini", folder=tmp_path)
    assert (found.model.name, found.model.revision) == ("mini", "r")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('targets = ["en", "or"]', "targets = []", "at least one language"),
        ('targets = ["en", "or"]', 'targets = ["en", "eng"]', "each once"),
        ("seeds = [0, 1]", "seeds = [0, 0]", "each once"),
        ("seeds = [0, 1]", "seeds = [-1]", "at least 0"),
        ("seeds = [0, 1]", "seeds = []", "at least 0"),
        ('title = "T"', 'titel = "T"', "did you mean title?"),
        ("max_steps = 4", "max_step = 4", "did you mean max_steps?"),
        ("max_steps = 4", "max_steps = 0", "max_steps"),
        ("questions = 3", 'questions = "3"', "a whole number"),
        ("questions = 3", "questions = true", "a whole number"),
        ("questions = 3", "questions = -3", "at least 0"),
        ("questions = 2", 'questions = 2\npositions = ["las"]', "did you mean last?"),
        ("questions = 2", 'questions = 2\nmaps = ["langdi"]', "counted, langid or a file"),
        ("questions = 2", 'questions = 2\nmap = "langdi"', "counted, langid or a file"),
        ("questions = 2", 'questions = 2\nmaps = ["counted", "counted"]', "each once"),
        ("questions = 2", 'questions = 2\nmaps = ["a.safetensors", "b.safetensors"]', "one file"),
        ("questions = 2", 'questions = 2\nmap = "langid"\nmaps = ["counted"]', "not both"),
        ("questions = 2", "questions = 2\nhalf_depths = 1", "true or false"),
        ("questions = 2", "questions = 2\npositions = []", "each once"),
        ("questions = 3", 'questions = 3\ntask = "translation"', "translated from"),
        ("questions = 3", 'questions = 3\nfrom = "de"', "translation alone"),
        ("questions = 3", "questions = 3\nanswers = false", "questions that are answered"),
        ('contests = [["or", "bn"]]', 'contests = ["or", "bn"]', "pairs"),
        ('data = "atlas"', 'data = "atlas"\ndemonstrations = 2', "demonstrations_data"),
        ("[recipes.seed]", "[recipes.other]", "default or seed"),
        ('language = "hi"', "", "language"),
        ("[groups]", 'measure = "bleu"\n[groups]', "measure"),
    ],
)
def test_mistakes_are_named(old: str, new: str, words: str) -> None:
    assert old in STUDY
    with pytest.raises(SettingError, match=words.replace("?", r"\?")):
        plan(STUDY.replace(old, new, 1))


def test_an_unknown_language_names_the_nearest() -> None:
    with pytest.raises(LanguageError, match="orx"):
        plan(STUDY.replace('"or"]', '"orx"]', 1))


@pytest.mark.parametrize("content", [b"title = ", b"\xff\xfe", b"seeds = 5\ntargets=['en']"])
def test_files_that_are_no_study(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(content)
    with pytest.raises(SettingError):
        read_plan(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="No such file"):
        read_plan(tmp_path / "none.toml")


@pytest.mark.parametrize("setting", ["seeds", "=3", ".x=1", "seeds.x=1"])
def test_settings_that_cannot_be_applied(tmp_path: Path, setting: str) -> None:
    with pytest.raises(BabelscopeError):
        plan(STUDY, setting, folder=tmp_path)


@pytest.mark.parametrize("name", ["demo", "xquad-in"])
def test_the_ready_files_are_plans(name: str) -> None:
    assert read_plan(ready_study(name)).sources
    with pytest.raises(SettingError, match="demo, inside, lens-flores, xnli, xquad-in"):
        ready_study("none")


TRANSLATION = """
targets = ["de", "or"]
[test]
task = "translation"
from = "en"
data = "folder"
[lens]
questions = 2
"""


def test_a_translation_study_looks_and_answers_nothing() -> None:
    found = plan(TRANSLATION)
    assert not found.test.answers
    assert found.languages == ("deu_Latn", "eng_Latn", "ory_Orya")
    answering = answering_of(found, found.recipes[0], 0)
    text = answering.rendering.template.text
    assert text.startswith("{context}Translate from English to {language}.")
    assert lens_tasks(found) == (("qa", "deu_Latn"), ("qa", "ory_Orya"))
    assert read_plan(ready_study("lens-flores")).test.translated_from == "eng_Latn"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"de", "or"', '"de", "en"', "languages other than test.from"),
        ('from = "en"', 'from = "en"\nanswers = true', "not scored"),
        ("questions = 2", 'questions = 2\npositions = ["generated"]', "nothing is answered"),
        ("questions = 2", "questions = 0", "lens.questions"),
    ],
)
def test_mistakes_of_a_translation_study_are_named(old: str, new: str, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        plan(TRANSLATION.replace(old, new, 1))


def test_maps_have_names_and_a_file_is_one_of_them() -> None:
    lens = plan(STUDY.replace("questions = 2", 'questions = 2\nmap = "{data}/m.safetensors"')).lens
    assert (lens.map_names, lens.map_file) == (("file",), "folder/m.safetensors")
    both = plan(STUDY.replace("questions = 2", 'questions = 2\nmaps = ["counted", "langid"]')).lens
    assert (both.map_names, both.map_file) == (("counted", "langid"), "")

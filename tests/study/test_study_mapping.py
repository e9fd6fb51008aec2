"""`map-languages`: its collections and methods, what it tells, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from babelscope import cli
from babelscope.data import atlas
from babelscope.errors import DataError, LanguageError, SettingError, StoreError
from babelscope.measure.language_map import load_map
from babelscope.models.loading import load_model
from babelscope.models.tokenizers import load_tokenizer, vocabulary_rows
from babelscope.study.mapping import map_step
from babelscope.study.maps import (
    make_map,
    not_mapped,
    published_map,
    read_collection,
    study_map,
    study_texts,
)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    for code in ("en", "or", "ru"):
        (folder / code).mkdir(parents=True)
        lines = atlas.sentences(code)[:200]
        (folder / code / "a.txt").write_bytes("\r\n".join(lines).encode())
    return folder


def test_the_command_prints_the_quality_that_its_file_holds(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "map.safetensors"
    words = ["map-languages", "mini", "--text", str(texts), "--text", "atlas"]
    assert cli.main([*words, "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["languages"] == ["eng_Latn", "ory_Orya", "rus_Cyrl"]
    assert set(told["not_mapped"]) == set(atlas.languages()) - set(told["languages"])
    assert told["not_mapped"]["deu_Latn"] == len(atlas.sentences("deu_Latn"))
    kept = load_map(out).quality
    for name in ("nats", "accuracy", "ece", "coverage", "confused", "further_shares"):
        assert told[name] == kept[name]
    assert len(told["further_shares"]) == 1
    assert told["nats"] < told["uniform_nats"] / 2  # three scripts; digits and stops are shared


def test_the_published_method_is_measured_on_the_text(texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.safetensors"
    told = map_step("mini", [str(texts)], out, "langid")
    counted = map_step("mini", [str(texts)], tmp_path / "other.safetensors")
    assert told["method"] == "langid"
    assert told["nats"] > counted["nats"]  # type: ignore[operator]  # both are numbers
    tokenizer = load_tokenizer("mini")
    languages = ("eng_Latn", "ory_Orya", "rus_Cyrl")
    made = published_map(tokenizer, vocabulary_rows("mini", tokenizer), languages)
    np.testing.assert_array_equal(load_map(out).probability, made.probability)


def test_bad_input_is_one_error(texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.safetensors"
    with pytest.raises(SettingError, match="expected counts or langid"):
        map_step("mini", [str(texts)], out, "guess")
    with pytest.raises(SettingError, match="--text"):
        map_step("mini", [], out)
    with pytest.raises(DataError, match="a folder of text files"):
        map_step("mini", [str(texts), str(tmp_path / "none")], out)
    with pytest.raises(StoreError, match="a file's name"):
        map_step("mini", [str(texts)], texts)
    with pytest.raises(DataError, match="expected a language, found none"):
        make_map(load_tokenizer("mini"), 10_000, {})
    assert not out.exists()


def test_one_language_alone_makes_a_map(texts: Path, tmp_path: Path) -> None:
    for code in ("en", "ru"):
        (texts / code / "a.txt").unlink()
    told = map_step("mini", [str(texts)], tmp_path / "map.safetensors")
    assert told["languages"] == ["ory_Orya"]
    assert told["nats"] == pytest.approx(0, abs=1e-6)


def test_the_first_collection_gives_the_languages_of_a_study(texts: Path) -> None:
    asked = ("ory_Orya", "rus_Cyrl", "deu_Latn")
    for collections in (str(texts), [str(texts), "atlas"]):
        found = study_texts(asked, {}, collections)
        assert list(found) == ["ory_Orya", "rus_Cyrl"]
        assert found["rus_Cyrl"] == atlas.sentences("rus_Cyrl")[:200]
    assert list(study_texts(asked, {}, "")) == list(asked)
    assert read_collection("atlas").keys() == set(atlas.languages())


def test_lines_of_languages_that_the_first_text_lacks_are_counted() -> None:
    first = {"eng_Latn": ["a"]}
    further = [{"eng_Latn": ["b"], "deu_Latn": ["c", "d"]}, {"deu_Latn": ["e"], "fra_Latn": ["f"]}]
    assert not_mapped(first, further) == {"deu_Latn": 3, "fra_Latn": 1}


def test_a_study_makes_its_map_once_and_refuses_one_that_lacks_a_language(
    texts: Path, tmp_path: Path
) -> None:
    loaded = load_model("mini")
    asked, store = ("eng_Latn", "rus_Cyrl"), tmp_path / "maps"
    alone = study_map(loaded, asked, {}, str(texts), store)
    both = study_map(loaded, asked, {}, [str(texts), "atlas"], store)
    assert alone.languages == both.languages == asked
    files = sorted(store.iterdir())
    assert len(files) == 2  # another collection, another map
    made = [file.stat().st_mtime_ns for file in files]
    again = study_map(loaded, asked, {}, [str(texts), "atlas"], store)
    np.testing.assert_array_equal(again.probability, both.probability)
    assert [file.stat().st_mtime_ns for file in sorted(store.iterdir())] == made
    given = str(files[0])
    assert study_map(loaded, asked[:1], {}, "", store, given).languages == asked
    with pytest.raises(LanguageError, match="expected ory_Orya, found eng_Latn, rus_Cyrl"):
        study_map(loaded, ("eng_Latn", "ory_Orya"), {}, "", store, given)

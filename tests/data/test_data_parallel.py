"""Line-parallel text as questions of translation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from babelscope.data.parallel import read_translations, translation_template
from babelscope.data.prompts import prompt_parts
from babelscope.errors import DataError


def _folder(path: Path, **files: str) -> Path:
    for name, text in files.items():
        (path / f"{name}.txt").write_text(text, encoding="utf-8")
    return path


def test_lines_become_questions_with_shared_ids(tmp_path: Path) -> None:
    folder = _folder(tmp_path, en="one\n\nthree\n", de="eins\nzwei\ndrei", fr="un\ndeux\n\n\n")
    found = read_translations(folder, "en", "de")
    assert [(e.id, e.question, e.answers, e.context) for e in found.examples] == [
        ("00000", "one", ("eins",), ""),
        ("00002", "three", ("drei",), ""),
    ]
    assert found.dropped == {"empty line": 1}
    with pytest.raises(DataError, match=r"as many lines in fra_Latn as in eng_Latn, 3, found 2"):
        read_translations(folder, "en", "fr")
    with pytest.raises(DataError, match="a file of ory_Orya"):
        read_translations(folder, "en", "or")


def test_a_prompt_names_both_languages_and_leaves_braces_alone(tmp_path: Path) -> None:
    folder = _folder(tmp_path, en="a {language} b", de="x")
    example = read_translations(folder, "en", "de").examples[0]
    parts = prompt_parts(translation_template("en"), example)
    assert parts.head + parts.context + parts.tail == (
        "Translate from English to German.\nEnglish: a {language} b\nGerman:"
    )


@pytest.mark.real_data
def test_flores_is_line_parallel(unpacked: Callable[[str], Path]) -> None:
    folder = unpacked("flores200") / "flores200" / "devtest"
    one, two = (read_translations(folder, "en", code) for code in ("or", "de"))
    assert [e.id for e in one.examples] == [e.id for e in two.examples]
    assert len(one.examples) == 1012

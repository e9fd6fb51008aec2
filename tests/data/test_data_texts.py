"""A folder of plain text is read by language, and nothing in it is passed over unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from babelscope.data.texts import read_lines, read_texts
from babelscope.errors import DataError


def test_files_are_read_by_their_language(tmp_path: Path) -> None:
    (tmp_path / "or.txt").write_text("ଏକ\n\n ଦୁଇ \n", encoding="utf-8")
    (tmp_path / "eng_Latn.devtest").write_bytes("\ufeffone\r\ntwo\r\n".encode())
    (tmp_path / "LICENSE.md").write_text("free", encoding="utf-8")
    assert read_texts(tmp_path) == {"ory_Orya": ["ଏକ", "ଦୁଇ"], "eng_Latn": ["one", "two"]}


def test_folders_of_languages_are_read_whole(tmp_path: Path) -> None:
    for name, content in (("a.txt", b"one\r\ntwo\r\n"), ("b.txt", b""), ("c.md", b"no text")):
        (tmp_path / "sv-SE").mkdir(exist_ok=True)
        (tmp_path / "sv-SE" / name).write_bytes(content)
    (tmp_path / "media").mkdir()
    (tmp_path / "fi.txt").write_text("kolme")
    assert read_texts(tmp_path) == {"swe_Latn": ["one", "two"], "fin_Latn": ["kolme"]}
    (tmp_path / "media" / "notes.txt").write_text("text")
    with pytest.raises(DataError, match="media: expected a language code as its name"):
        read_texts(tmp_path)


def test_pairs_give_both_sides_and_the_common_side_once(tmp_path: Path) -> None:
    for name, text in (
        ("deu-eng.deu", "eins\nzwei"),
        ("deu-eng.eng", "one\ntwo"),
        ("cmn-eng.cmn", "三\n二"),
        ("cmn-eng.eng", "three\ntwo"),
    ):
        (tmp_path / f"tatoeba.{name}").write_text(text, encoding="utf-8")
    read = read_texts(tmp_path)
    assert set(read) == {"deu_Latn", "eng_Latn", "zho_Hans"}
    assert sorted(read["eng_Latn"]) == ["one", "three", "two"]
    (tmp_path / "de.txt").write_text("drei")
    with pytest.raises(DataError, match="a second of deu_Latn"):
        read_texts(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("zzz.txt", b"text", "language code"),
        ("en.txt", b"\xff", "UTF-8"),
        ("en.txt", b"\n \n", "empty file"),
        ("notes.md", b"text", "none"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=told):
        read_texts(tmp_path)


def test_two_files_of_one_language(tmp_path: Path) -> None:
    (tmp_path / "or.txt").write_text("a", encoding="utf-8")
    (tmp_path / "ory_Orya.txt").write_text("b", encoding="utf-8")
    with pytest.raises(DataError, match="a second of ory_Orya"):
        read_texts(tmp_path)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none"):
        read_texts(tmp_path / "none")


@pytest.mark.real_data
def test_flores_is_read_whole(unpacked) -> None:  # type: ignore[no-untyped-def]
    folder = next(unpacked("flores200").rglob("*.devtest")).parent
    texts = read_texts(folder)
    assert len(texts) >= 30
    assert {len(lines) for lines in texts.values()} == {1012}


def test_lines_in_their_place_need_one_file(tmp_path: Path) -> None:
    (tmp_path / "or").mkdir()
    (tmp_path / "or" / "a.txt").write_text("one\n\ntwo\n")
    assert read_lines(tmp_path, "ory_Orya") == ["one", "", "two"]
    (tmp_path / "or" / "b.txt").write_text("three")
    with pytest.raises(DataError, match="one file of ory_Orya, found 2"):
        read_lines(tmp_path, "ory_Orya")

"""A folder of plain text is read by language, and nothing in it is passed over unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from babelscope.data.texts import read_texts
from babelscope.errors import DataError


def test_files_are_read_by_their_language(tmp_path: Path) -> None:
    (tmp_path / "or.txt").write_text("ଏକ\n\n ଦୁଇ \n", encoding="utf-8")
    (tmp_path / "eng_Latn.devtest").write_bytes("\ufeffone\r\ntwo\r\n".encode())
    (tmp_path / "LICENSE.md").write_text("free", encoding="utf-8")
    assert read_texts(tmp_path) == {"ory_Orya": ["ଏକ", "ଦୁଇ"], "eng_Latn": ["one", "two"]}


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

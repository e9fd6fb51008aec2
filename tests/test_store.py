"""Files are whole or not there, and results come back as they were written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope import store
from babelscope.errors import StoreError

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


def test_a_failed_write_leaves_the_old_file_and_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    store.write_text(path, "old")
    with pytest.raises(ZeroDivisionError):
        _write_half(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def _write_half(path: Path) -> None:
    with store.writing(path) as temporary:
        temporary.write_text("half of the ne")
        _ = 1 / 0


@given(st.lists(st.dictionaries(TEXT, st.one_of(TEXT, st.integers(), st.booleans())), max_size=5))
def test_json_lines_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[object]) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    store.write_jsonl(path, rows)
    assert store.read_jsonl(path) == rows


def test_a_line_separator_inside_a_text_is_no_end_of_line(tmp_path: Path) -> None:
    row = {"text": "one\u2028two\u0085three"}
    store.write_jsonl(tmp_path / "rows.jsonl", [row, row])
    assert store.read_jsonl(tmp_path / "rows.jsonl") == [row, row]


def test_arrays_come_back(tmp_path: Path) -> None:
    arrays = {"mass": np.arange(24, dtype=np.float32).reshape(2, 3, 4)[:, :, ::2]}
    store.write_arrays(tmp_path / "a.safetensors", arrays)
    found = store.read_arrays(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(found["mass"], arrays["mass"])


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1}\n{"b"', b"\xff\xfe"])
def test_broken_files_are_store_errors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="file"):
        store.read_arrays(path)
    if content not in (b"", b"\xff\xfe"):
        with pytest.raises(StoreError, match="file"):
            store.read_jsonl(path)
        with pytest.raises(StoreError, match="file"):
            store.read_json(path)


def test_nan_is_refused_in_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.write_json(tmp_path / "x.json", {"value": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_slot_is_finished_only_by_its_mark(tmp_path: Path) -> None:
    folder = store.slot(tmp_path, "answers", "abc")
    store.write_jsonl(store.shard(folder, 0, "jsonl"), [{"id": 1}])
    assert not store.finished(folder)
    store.finish(folder, {"questions": 1})
    assert store.finished(folder)
    assert json.loads((folder / store.FINISHED).read_text()) == {"questions": 1}
    assert not (folder / "shards").exists()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match="taken"):
        store.write_text(tmp_path / "taken" / "inside.txt", "x")

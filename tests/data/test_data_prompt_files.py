"""Files of prompts: what is read, and one clear line for each fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.data.prompt_files import RawPrompt, read_prompts
from babelscope.errors import BabelscopeError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def _write(folder: Path, *lines: str) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_prompts_stand_as_they_are(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        '{"id": "a", "prompt": "  Q:\\n", "answer": " Paris"}',
        "",
        '{"prompt": "x", "id": 7, "more": 1}',
        '{"prompt": "x", "id": "8", "answer": null}',
    )
    assert read_prompts(path) == (
        RawPrompt("a", "  Q:\n", " Paris"),
        RawPrompt("7", "x"),
        RawPrompt("8", "x"),
    )


@given(st.dictionaries(TEXT, st.tuples(TEXT, st.text(st.characters(exclude_categories=["Cs"])))))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, told: dict) -> None:
    folder = tmp_path_factory.mktemp("prompts")
    rows = [{"id": k, "prompt": p, "answer": a} for k, (p, a) in told.items()]
    path = _write(folder, *(json.dumps(r, ensure_ascii=False) for r in rows))
    if not rows:
        with pytest.raises(BabelscopeError, match="at least one prompt"):
            read_prompts(path)
        return
    assert read_prompts(path) == tuple(RawPrompt(**row) for row in rows)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("[]", 'record 1: expected {"id", "prompt"}, found list'),
        ('{"id": "a"}', "record 1, prompt: expected text, found nothing"),
        ('{"prompt": "a"}', "record 1, id: expected text, found nothing"),
        ('{"id": "a", "prompt": ""}', "record 1, prompt: expected text, found ''"),
        ('{"id": true, "prompt": "x"}', "record 1, id: expected text, found True"),
        ('{"id": "a", "prompt": "x", "answer": 3}', "record 1, answer: expected text, found 3"),
        ('{"id": "a", "prompt": "x"}\n{"id": "a", "prompt": "y"}', "expected a new id, found 'a'"),
        ("{", "line 1: expected JSON"),
    ],
)
def test_a_fault_is_one_line(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(BabelscopeError) as caught:
        read_prompts(_write(tmp_path, line))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BabelscopeError, match=r"none\.jsonl"):
        read_prompts(tmp_path / "none.jsonl")

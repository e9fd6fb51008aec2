"""Kept states: the same as in memory, one file a pooling, continued after an interruption."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny import save_tiny

from babelscope.errors import DataError, SettingError, StoreError
from babelscope.infer.hidden import POOLINGS, HiddenText, hidden_states
from babelscope.models.trunks import Trunk, load_trunk
from babelscope.study import hidden_file, hidden_step
from babelscope.study.hidden_step import keep_states, kept_states

WORDS = ("Paris", "New Delhi", "Berlin", "中国", "ଭାରତର", "مصر", "capital of India", "x")
TEXTS = [
    HiddenText(f"t{n}", f"{word} is {word}" * (1 + n % 3), (0, 1)) for n, word in enumerate(WORDS)
]
SMALL = 30


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Trunk:
    return load_trunk(str(save_tiny(tmp_path_factory.mktemp("m") / "m", "bert")), device="cpu")


def _files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_kept_states_are_the_states(trunk: Trunk, tmp_path: Path) -> None:
    kept = keep_states(trunk, TEXTS, POOLINGS, tmp_path, batch_tokens=SMALL)
    own = hidden_states(trunk, TEXTS, POOLINGS, batch_tokens=SMALL).states
    for pooling in POOLINGS:
        assert isinstance(kept[pooling].states, np.memmap)
        assert kept[pooling].states.dtype == np.float32
        np.testing.assert_array_equal(kept[pooling].states, own[pooling])
    assert len(list(tmp_path.rglob("states.npy"))) == len(POOLINGS)
    assert not list(tmp_path.rglob("*.part.npy")) + list(tmp_path.rglob("progress.json"))


def test_finished_states_need_no_model(
    trunk: Trunk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = kept_states(trunk, TEXTS, "mean", tmp_path)
    monkeypatch.setattr(hidden_step, "pool_batch", None)
    monkeypatch.setattr(hidden_step, "plan_hidden", None)
    np.testing.assert_array_equal(kept_states(trunk, TEXTS, "mean", tmp_path), first)
    renamed = [HiddenText(f"other {t.id}", t.text, (1, 2)) for t in TEXTS]
    np.testing.assert_array_equal(kept_states(trunk, renamed, "mean", tmp_path), first)


def test_whatever_can_change_a_state_changes_the_key(trunk: Trunk, tmp_path: Path) -> None:
    moved = [HiddenText(t.id, t.text, (1, 2)) for t in TEXTS]
    half = load_trunk(trunk.name, device="cpu", dtype="bf16")
    other = load_trunk(str(save_tiny(tmp_path / "m", "bert", seed=1)), device="cpu")
    root = tmp_path / "store"
    for count, ask in enumerate(
        [
            lambda: keep_states(trunk, TEXTS, ("first",), root),
            lambda: keep_states(trunk, TEXTS, ("word",), root),
            lambda: keep_states(trunk, moved, ("first",), root),
            lambda: keep_states(trunk, TEXTS[::-1], ("first",), root),
            lambda: keep_states(trunk, TEXTS, ("first",), root, store_as="float16"),
            lambda: keep_states(half, TEXTS, ("first",), root),
            lambda: keep_states(other, TEXTS, ("first",), root),
        ],
        1,
    ):
        ask()
        assert len(list(root.rglob("states.npy"))) == count


def test_an_interrupted_run_goes_on_and_ends_with_the_same_bytes(
    trunk: Trunk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poolings = ("mean", "first")
    keep_states(trunk, TEXTS, poolings, tmp_path / "whole", batch_tokens=SMALL)
    real, seen = hidden_step.pool_batch, []

    def counted(trunk: Trunk, texts: object, poolings: object, batch: tuple[int, ...]) -> object:
        seen.append(batch)
        return real(trunk, texts, poolings, batch)  # type: ignore[arg-type]

    def dying(*given: object) -> object:
        if len(seen) == 2:
            raise KeyboardInterrupt
        return counted(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(hidden_step, "pool_batch", dying)
    with pytest.raises(KeyboardInterrupt):
        keep_states(trunk, TEXTS, poolings, tmp_path / "killed", batch_tokens=SMALL)
    assert len(list((tmp_path / "killed").rglob("states.part.npy"))) == 2
    assert not list((tmp_path / "killed").rglob("states.npy"))
    monkeypatch.setattr(hidden_step, "pool_batch", counted)
    keep_states(trunk, TEXTS, poolings, tmp_path / "killed", batch_tokens=SMALL)
    assert sorted(n for batch in seen for n in batch) == list(range(len(TEXTS))), "each once"
    assert len(seen) == 4
    assert _files(tmp_path / "killed") == _files(tmp_path / "whole")


def test_a_run_that_died_before_its_mark_is_not_done_again(
    trunk: Trunk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(hidden_step, "finish", dying)
    with pytest.raises(KeyboardInterrupt):
        kept_states(trunk, TEXTS, "mean", tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(hidden_step, "pool_batch", None)
    own = hidden_states(trunk, TEXTS, ("mean",)).states["mean"]
    np.testing.assert_array_equal(kept_states(trunk, TEXTS, "mean", tmp_path), own)


def test_a_part_without_its_mark_or_size_is_begun_again(trunk: Trunk, tmp_path: Path) -> None:
    whole = np.array(kept_states(trunk, TEXTS, "mean", tmp_path))
    (folder,) = (tmp_path / "hidden").iterdir()
    (folder / "finished.json").unlink()
    (folder / "states.npy").rename(folder / "states.part.npy")
    with (folder / "states.part.npy").open("r+b") as file:
        file.truncate(500)
    (folder / "progress.json").write_text('{"batches": 1}')
    np.testing.assert_array_equal(kept_states(trunk, TEXTS, "mean", tmp_path), whole)


def test_counts_are_kept(trunk: Trunk, tmp_path: Path) -> None:
    texts = [HiddenText("long", "New Delhi " * 60, (0, 3)), HiddenText("b", "a b", (1, 2))]
    for _ in range(2):  # computed, then read
        kept = keep_states(trunk, texts, ("mean", "word"), tmp_path)
        assert kept["word"].truncated == kept["mean"].truncated == (0,)
        assert (kept["mean"].missing, kept["word"].missing) == ((), (1,))
        assert kept["word"].identity["pooling"] == "word"
    (folder,) = (p.parent for p in tmp_path.rglob("finished.json") if '"word"' in p.read_text())
    assert json.loads((folder / "finished.json").read_text())["missing"] == [1]


def test_half_precision_on_wish(trunk: Trunk, tmp_path: Path) -> None:
    half = keep_states(trunk, TEXTS, ("mean",), tmp_path, store_as="float16")["mean"].states
    assert half.dtype == np.float16
    whole = kept_states(trunk, TEXTS, "mean", tmp_path)
    np.testing.assert_allclose(half, whole, rtol=1e-3, atol=1e-6)
    with pytest.raises(SettingError, match="float32 or float16"):
        keep_states(trunk, TEXTS, ("mean",), tmp_path, store_as="bfloat16")


def test_states_too_large_for_half_precision_are_refused(trunk: Trunk, tmp_path: Path) -> None:
    with hidden_file.open_part(tmp_path, (1, 2, 3), np.dtype(np.float16)) as part:
        hidden_file.write_batch(part, [1], 0, np.full((1, 1, 3), 65000, dtype=np.float32))
        with pytest.raises(DataError, match=r"up to 65504.*found 70000"):
            hidden_file.write_batch(part, [0], 1, np.full((1, 1, 3), 70000, dtype=np.float32))


def test_a_disk_without_room_is_told_before_the_work(
    trunk: Trunk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = hidden_file.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(hidden_file.shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(StoreError, match="free space for hidden states"):
        kept_states(trunk, TEXTS, "mean", tmp_path)


def test_a_folder_that_cannot_be_written_to(trunk: Trunk, tmp_path: Path) -> None:
    (tmp_path / "hidden").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="a place that can be written to"):
        kept_states(trunk, TEXTS, "mean", tmp_path)


def test_a_broken_file_is_told(trunk: Trunk, tmp_path: Path) -> None:
    kept_states(trunk, TEXTS, "mean", tmp_path)
    (path,) = tmp_path.rglob("states.npy")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(StoreError, match="whole hidden states"):
        kept_states(trunk, TEXTS, "mean", tmp_path)


def test_progress_counts_texts(trunk: Trunk, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    kept_states(trunk, TEXTS, "mean", tmp_path, lambda *x: told.append(x), batch_tokens=SMALL)
    assert told[-1] == (len(TEXTS), len(TEXTS))
    assert [done for done, _ in told] == sorted({done for done, _ in told})

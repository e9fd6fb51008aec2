"""Where a tune is written: the working folder, what can be resumed, and what is finished.

While a tune runs, all lies in a hidden folder beside the result, `.NAME.part`: the Trainer's last
checkpoint and the result so far. The result gets its name at the end, at once, so a folder that
has its name is finished.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import peft
import torch
import transformers
from safetensors import SafetensorError

from babelscope.adapt.processes import is_main_process
from babelscope.errors import SettingError, StoreError
from babelscope.identity import digest
from babelscope.models.adapters import CARD, AdapterCard, read_adapter_card
from babelscope.store import is_mount

VERSION = 2
"""Raised when tuning makes something else of the same recipe, so that nothing old is resumed."""

FEWEST_CHECKPOINT_STEPS = 10
_STATE = "trainer_state.json"


@dataclass(frozen=True, slots=True)
class Saving:
    """Where a tune is written and how often.

    `out` is the adapter's folder. Every `save_steps` steps a variant is kept in `out/step-00010`
    and the like (0: none). Every `checkpoint_steps` steps the state is kept to resume from
    (0: every tenth of the tune, 10 steps at least). Without `resume`, what an interrupted tune
    left is thrown away.

    Raises:
        SettingError: a number is negative.
    """

    out: Path
    save_steps: int = 0
    checkpoint_steps: int = 0
    resume: bool = True

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("save_steps", "checkpoint_steps"):
            if getattr(self, name) < 0:
                raise SettingError(name, expected="0 or more", found=str(getattr(self, name)))


def variant_steps(saving: Saving, max_steps: int) -> range:
    """Return the steps that are kept along the way; the last step is the result itself."""
    return range(saving.save_steps, max_steps, saving.save_steps) if saving.save_steps else range(0)


def checkpoint_interval(saving: Saving, max_steps: int) -> int:
    """Return the steps between two states to resume from."""
    return saving.checkpoint_steps or max(FEWEST_CHECKPOINT_STEPS, max_steps // 10)


def variant_name(step: int) -> str:
    """Return the folder of a variant within the result."""
    return f"step-{step:05d}"


def finished_cards(saving: Saving, planned: AdapterCard) -> tuple[AdapterCard, ...] | None:
    """Return the cards of a result that is there already, or None if its folder is free.

    `planned` is the last variant's card, its loss curve still empty.

    Raises:
        StoreError: the folder holds anything but this tune's result.
    """
    out = saving.out
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    steps = variant_steps(saving, planned.step)
    folders = [*(out / variant_name(step) for step in steps), out]
    if out.is_dir() and all((folder / CARD).is_file() for folder in folders):
        cards = tuple(read_adapter_card(folder) for folder in folders)
        # names and dtype are of people's use, or unknown to older cards: the weights' digest counts
        told = replace(
            cards[-1],
            loss_curve=(),
            base_name=planned.base_name,
            base_dtype=cards[-1].base_dtype or planned.base_dtype,
        )
        if digest(told) == digest(planned):
            return cards
    raise _something_else(out)


def check_out(saving: Saving, card: Mapping[str, object]) -> None:
    """Fail before the work, not after it, where a result could not be given its name.

    `card` is what is known of the result's card: that of another tune is refused. The renaming
    that ends a tune is tried with an empty folder.

    Raises:
        StoreError: the name is a file's, a link's or a mount point's, its folder holds something
            else, or the one that it lies in cannot be written to.
    """
    out = saving.out.absolute()
    if (out / CARD).is_file():
        found = asdict(read_adapter_card(out))
        if digest({name: found[name] for name in card}) != digest(card):
            raise _something_else(saving.out)
        return
    if out.is_symlink():
        raise StoreError(
            str(saving.out),
            expected="a folder's own name",
            found="a symbolic link",
            remedy=f"give what it points to: {out.resolve()}",
        )
    if is_mount(out):
        raise StoreError(
            str(saving.out),
            expected="a folder that can be made",
            found="a mount point",
            remedy=f"give a folder in it: {saving.out / 'adapter'}",
        )
    if out.is_dir() and any(out.iterdir()):
        raise _something_else(saving.out)
    if out.is_dir() and out.samefile(Path.cwd()):
        raise StoreError(
            str(saving.out),
            expected="a folder that can be replaced by the result",
            found="the working directory",
            remedy=f"give a folder in it: {saving.out / 'adapter'}",
        )
    if out.exists() and not out.is_dir():
        raise StoreError(
            str(saving.out), expected="a folder", found="a file", remedy="choose another name"
        )
    if is_main_process():
        _try_name(out)


def _try_name(out: Path) -> None:
    there = out.is_dir()
    empty = out.with_name(f".{out.name}.test")
    with store_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        empty.mkdir(exist_ok=True)
        try:
            empty.rename(out)
        except OSError:
            empty.rmdir()
            raise
        if not there:
            out.rmdir()


def _something_else(out: Path) -> StoreError:
    return StoreError(
        str(out),
        expected="a new folder, or the result of the same tune",
        found="something else",
        remedy="choose another folder or remove this one",
    )


def work_folder(saving: Saving) -> Path:
    """Return the hidden folder beside the result in which a tune works."""
    out = saving.out.absolute()
    return out.parent / f".{out.name}.part"


def open_work_folder(saving: Saving, planned: AdapterCard) -> Path:
    """Return the working folder, with what the same tune left in it if that may be resumed.

    What another tune left, other settings or other versions of the libraries, is removed.
    """
    folder = work_folder(saving)
    versions = [VERSION, torch.__version__, transformers.__version__, peft.__version__]
    key = digest([planned, saving.save_steps, versions])
    mark = folder / "key"
    same = mark.is_file() and mark.read_text(encoding="utf-8") == key
    if folder.exists() and not (same and saving.resume):
        shutil.rmtree(folder)
    (folder / "result").mkdir(parents=True, exist_ok=True)
    mark.write_text(key, encoding="utf-8")
    return folder


def last_checkpoint(folder: Path) -> Path | None:
    """Return the last whole checkpoint of the Trainer; broken ones are removed.

    The Trainer writes its state last, so a checkpoint whose state can be read is whole.
    """
    whole: dict[int, Path] = {}
    for path in folder.glob("checkpoint-*"):
        try:
            state = json.loads((path / _STATE).read_text(encoding="utf-8"))
            whole[int(state["global_step"])] = path
        except (OSError, ValueError, KeyError):
            shutil.rmtree(path)
    return whole[max(whole)] if whole else None


@contextmanager
def store_errors(out: Path) -> Iterator[None]:
    """Turn the faults of a file system, as the libraries raise them, into a StoreError."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise _cannot_write(out, error) from error
    except RuntimeError as error:
        # torch reports a failed write of a checkpoint in no other way
        if "PytorchStreamWriter" not in str(error) and "inline_container" not in str(error):
            raise
        raise _cannot_write(out, error) from error


def _cannot_write(out: Path, error: Exception) -> StoreError:
    return StoreError(
        f"adapter {out}",
        expected="a folder that can be written",
        found=str(error).splitlines()[0] if str(error) else type(error).__name__,
        remedy="make room or choose another folder; the tune goes on from its last checkpoint",
    )

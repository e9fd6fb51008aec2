"""A model's folder: where it is, whether it is whole, and the fingerprint of what it holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path

import huggingface_hub

# the Hub's client changes with its versions: this is the base of its faults in each
from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open

from babelscope.errors import ModelError
from babelscope.identity import digest, digest_files
from babelscope.models.folder_files import CONFIG, files_read, foreign_code, read_json, weight_files
from babelscope.reading import expanded

__all__ = [
    "base_fingerprint",
    "check_model_folder",
    "folder_fingerprint",
    "read_json",
    "resolve_folder",
    "weight_files",
]

MINI = "mini"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
WANTED = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
UNWANTED = ["*/*", "consolidated*"]
HUB_TIMEOUT_SECONDS = 10.0
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_LFS_POINTER = b"version https://git-lfs"


def resolve_folder(
    name: str, *, revision: str | None = None, weights: bool = True, code: bool = False
) -> Path:
    """Return the local folder of a model that is named `mini`, by a path, or as on the Hub.

    A Hub model that is whole in the local cache is used as it is; otherwise it is downloaded,
    without any pickle (with `weights` false without its weights, too; with `code` its Python
    files, too). Without a network this fails at once.

    Raises:
        ModelError: the folder is missing, or the Hub model cannot be had.
    """
    if name == MINI:
        folder = Path(str(resources.files("babelscope") / "mini" / "weights"))
        if not folder.is_dir():
            raise ModelError("model mini", expected=f"the folder {folder}", found="none")
        return folder
    path = expanded(name)
    if name.strip() and path.is_dir():
        return path
    if path.is_file():
        raise ModelError(f"model {name}", expected="a folder or a Hub name", found="a file")
    if not _HUB_NAME.fullmatch(name) or name.startswith("."):
        raise ModelError(f"model {name}", expected="a folder or a Hub name", found="no such folder")
    return _hub_folder(name, revision, weights, code)


def check_model_folder(folder: Path) -> None:
    """Check that a folder holds a whole model in safetensors, before anything is loaded.

    Raises:
        ModelError: the configuration or the weights are missing, broken, cut off, or pickled.
    """
    what = f"model {folder}"
    unfinished = sorted(p.name for p in folder.glob("*.incomplete"))
    if unfinished:
        raise ModelError(
            what, expected="a finished download", found=unfinished[0], remedy="download it again"
        )
    config = read_json(folder / CONFIG)
    if not isinstance(config, dict) or not config.get("model_type"):
        raise ModelError(
            what,
            expected="config.json with a model_type",
            found="none",
            remedy="not a model folder",
        )
    for file in weight_files(folder):
        _check_safetensors(file)


def folder_fingerprint(folder: Path, *, code: bool = False) -> str:
    """Return 32 hex digits over all that is read of a model's folder, wherever it lies.

    That is its `base_fingerprint` and what `files_read` finds beside it, by name and content;
    with `code` its Python files too. Digests are remembered within the process for as long as a
    file's size and times of change stay.
    """
    base = (folder / CONFIG, *weight_files(folder))
    beside = [path for path in files_read(folder, code=code) if path not in base]
    return digest(
        [
            base_fingerprint(folder),
            [[path.relative_to(folder).as_posix(), _digest(_states([path]))] for path in beside],
            foreign_code(folder) if code else [],
        ]
    )


def base_fingerprint(folder: Path) -> str:
    """Return 32 hex digits over a model's configuration and weights: what adapters are made for."""
    return _digest(_states([folder / CONFIG, *weight_files(folder)]))


@lru_cache(maxsize=1024)
def _digest(states: tuple[tuple[object, ...], ...]) -> str:
    return digest_files([Path(str(path)) for path, *_ in states])


def _states(files: Sequence[Path]) -> tuple[tuple[object, ...], ...]:
    # not resolved: in the Hub's cache the files are links to blobs of other names
    found = [(file.absolute(), file.stat()) for file in files]
    return tuple(
        (str(path), s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns)
        for path, s in found
    )


def _check_safetensors(path: Path) -> None:
    with path.open("rb") as file:
        pointer = file.read(len(_LFS_POINTER)) == _LFS_POINTER
    if pointer:
        raise ModelError(
            str(path), expected="weights", found="a git-lfs pointer", remedy="run git lfs pull"
        )
    try:
        with safe_open(path, framework="pt") as tensors:
            tensors.keys()
    except (SafetensorError, OSError) as error:
        raise ModelError(
            str(path),
            expected="a whole safetensors file",
            found=f"a broken or cut one ({error})",
            remedy="download it again",
        ) from error


def _hub_folder(name: str, revision: str | None, weights: bool, code: bool) -> Path:
    try:
        cached = Path(
            huggingface_hub.snapshot_download(name, revision=revision, local_files_only=True)
        )
        fault = _fault(cached, weights)
        if not fault:
            return cached
    except LocalEntryNotFoundError:
        fault = "no such folder"
    wanted = [w for w in WANTED if weights or w != "*.safetensors"] + (["*.py"] if code else [])
    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                name,
                revision=revision,
                allow_patterns=wanted,
                ignore_patterns=UNWANTED,
                etag_timeout=HUB_TIMEOUT_SECONDS,
            )
        )
        reason = "offline mode is on" if huggingface_hub.constants.HF_HUB_OFFLINE else ""
        fault = _fault(folder, weights)
        if not fault:
            return folder
    except (OSError, ValueError, HTTPError) as error:
        reason = _reason(error)
    raise ModelError(
        f"model {name}",
        expected="a local folder, or a model in the local Hub cache or on a reachable Hub",
        found=f"{fault}, and no download ({reason})" if reason else fault,
        remedy="give a folder, or check the name and the network",
    )


def _fault(folder: Path, weights: bool) -> str:
    """Say what a Hub model's local copy lacks; empty if nothing."""
    if not weights:
        has = any((folder / file).is_file() for file in TOKENIZER_FILES)
        return "" if has else "a copy without a tokenizer"
    try:
        check_model_folder(folder)
    except ModelError as error:
        return f"a copy that is not whole ({error.expected} expected, {error.found} found)"
    return ""


def _reason(error: Exception) -> str:
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return "offline mode is on"
    if isinstance(error, LocalEntryNotFoundError):
        return "no network"
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]

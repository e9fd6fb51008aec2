"""A model's folder: where it is, whether it is whole, and the fingerprint of what it holds."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib import resources
from pathlib import Path

import huggingface_hub

# the Hub's client changes with its versions: this is the base of its faults in each
from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open

from babelscope.errors import ModelError
from babelscope.identity import digest_files

MINI = "mini"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
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
    path = Path(name).expanduser()
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
    config = read_json(folder / "config.json")
    if not isinstance(config, dict) or not config.get("model_type"):
        raise ModelError(
            what,
            expected="config.json with a model_type",
            found="none",
            remedy="not a model folder",
        )
    for file in weight_files(folder):
        _check_safetensors(file)


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the safetensors files that make up a model: one, or the shards of its index.

    Raises:
        ModelError: there are none, only a pickle checkpoint, or a shard is missing.
    """
    what = f"model {folder}"
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS,)
    if (folder / INDEX).is_file():
        index = read_json(folder / INDEX)
        places = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(places, dict) or not places:
            raise ModelError(f"{folder / INDEX}", expected="a weight_map", found="none")
        shards = tuple(folder / str(name) for name in sorted(set(places.values())))
        missing = [shard.name for shard in shards if not shard.is_file()]
        if missing:
            raise ModelError(
                what,
                expected=f"{len(shards)} shards",
                found=f"{len(missing)} missing, first {missing[0]}",
                remedy="download it again",
            )
        return shards
    pickles = sorted(p.name for pattern in PICKLES for p in folder.glob(pattern))
    if pickles:
        raise ModelError(
            what,
            expected=f"safetensors weights ({WEIGHTS})",
            found=f"only a pickle checkpoint ({pickles[0]})",
            remedy="a pickle can run code: convert it to safetensors",
        )
    raise ModelError(what, expected=f"{WEIGHTS} or {INDEX}", found="neither")


def folder_fingerprint(folder: Path) -> str:
    """Return 32 hex digits over a model's configuration and weights, wherever the folder lies.

    Digests are remembered within the process by path, size and time of change.
    """
    files = (folder / "config.json", *weight_files(folder))
    # not resolved: in the Hub's cache the files are links to blobs of other names
    return _digest(
        tuple((str(f.absolute()), f.stat().st_size, f.stat().st_mtime_ns) for f in files)
    )


def read_json(path: Path) -> object:
    """Read a JSON file of a model or adapter folder.

    Raises:
        ModelError: it is missing, cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(str(path.parent), expected=path.name, found="no such file") from error
    except (OSError, ValueError) as error:
        raise ModelError(str(path), expected="a JSON file", found=str(error)) from error


@lru_cache(maxsize=64)
def _digest(states: tuple[tuple[str, int, int], ...]) -> str:
    return digest_files([Path(path) for path, _, _ in states])


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

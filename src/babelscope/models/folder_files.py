"""Which files of a model's folder are read: its weights, and all that may change a result."""

from __future__ import annotations

import json
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from babelscope.errors import ModelError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")

READ_SUFFIXES = (
    ".json",
    ".jinja",
    ".model",
    ".safetensors",
    ".spm",
    ".tiktoken",
    ".codes",
    ".bpe",
    ".tokenizer",
)
READ_NAMES = ("tokenizer.model*", "*vocab*.txt", "merges*.txt", "dict.txt", "adapter_model.*")
"""What transformers reads of a folder: text files only where they are a vocabulary."""

UNREAD = ("trainer_state.json", "modelcard.json", "card.json", "*_results.json", "consolidated*")
"""What training and people leave beside a model, and weights that only other programs read."""

TEMPLATES = "additional_chat_templates"


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the safetensors files that make up a model: one, or the shards of its index.

    Raises:
        ModelError: there are none, only a pickle checkpoint, or a shard is missing.
    """
    what = f"model {folder}"
    named = _named_weights(folder)
    if (folder / (named or WEIGHTS)).is_file() and not named.endswith(".index.json"):
        return (folder / (named or WEIGHTS),)
    if (folder / (named or INDEX)).is_file():
        index = read_json(folder / (named or INDEX))
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


def _named_weights(folder: Path) -> str:
    """Return the file of weights that the configuration names, "" where it leaves it open."""
    config = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else None
    named = config.get("transformers_weights") if isinstance(config, dict) else None
    return named if isinstance(named, str) else ""


def files_read(folder: Path, *, code: bool = False) -> list[Path]:
    """Return the files of a folder that can change what its model does, sorted; with `code` Python.

    Configurations (also of generation), every form of tokenizer, chat templates, weights, an
    adapter that lies among them. Not prose (README, licences), hidden files, or weights in other
    formats.
    """
    found = [path for path in folder.iterdir() if _is_read(path)]
    found += [path for path in (folder / TEMPLATES).glob("*.jinja") if path.is_file()]
    found += [path for path in weight_files(folder) if path not in found]
    if code:
        inside = (path.relative_to(folder).parts for path in folder.rglob("*.py"))
        found += [folder.joinpath(*p) for p in inside if not any(x.startswith(".") for x in p)]
    return sorted(found)


def _is_read(path: Path) -> bool:
    if path.name.startswith(".") or any(path.match(pattern) for pattern in UNREAD):
        return False
    named = any(path.match(pattern) for pattern in READ_NAMES)
    return (named or path.suffix in READ_SUFFIXES) and path.is_file()


def foreign_code(folder: Path) -> list[list[str]]:
    """Return [repository, commit] for the code that a model takes from elsewhere on the Hub.

    `auto_map` names it as `owner/name--module.Class`; the commit is that in the local cache, ""
    before it has been fetched.
    """
    classes = []
    for file in (CONFIG, "tokenizer_config.json"):
        found = read_json(folder / file) if (folder / file).is_file() else None
        named = found.get("auto_map") if isinstance(found, dict) else None
        for value in named.values() if isinstance(named, dict) else ():
            classes += value if isinstance(value, list) else [value]
    names = {str(name).partition("--")[0] for name in classes if "--" in str(name)}
    return [[name, _cached_commit(name)] for name in sorted(names)]


def _cached_commit(repository: str) -> str:
    try:
        return Path(huggingface_hub.snapshot_download(repository, local_files_only=True)).name
    except (LocalEntryNotFoundError, HFValidationError):
        return ""


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

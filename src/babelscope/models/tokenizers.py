"""Tokenizers: loading one, its fingerprint, and an id to pad with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import transformers
from transformers import AutoTokenizer
from transformers import PreTrainedTokenizerBase as Tokenizer

from babelscope.errors import ModelError
from babelscope.identity import digest
from babelscope.models.folders import TOKENIZER_FILES, read_json, resolve_folder

MESSAGE_CHARACTERS = 240


def load_tokenizer(
    name: str, *, revision: str | None = None, trust_remote_code: bool = False
) -> Tokenizer:
    """Load a model's tokenizer; a folder that holds a tokenizer alone suffices.

    Raises:
        ModelError: it is missing or broken, or has no fast form.
    """
    folder = resolve_folder(name, revision=revision, weights=False, code=trust_remote_code)
    return tokenizer_in(folder, name, trust_remote_code)


def tokenizer_in(folder: Path, name: str, trust_remote_code: bool) -> Tokenizer:
    """Load the tokenizer of a local folder; `name` is what errors call it."""
    if not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise ModelError(
            f"tokenizer {name}", expected="tokenizer.json in its folder", found="no such file"
        )
    for file in ("tokenizer.json", "tokenizer_config.json"):
        if (folder / file).is_file():
            read_json(folder / file)
    try:
        with silent():
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=trust_remote_code
            )
    except Exception as error:  # the tokenizers library raises bare Exceptions
        raise ModelError(f"tokenizer {name}", expected="a tokenizer", found=short(error)) from error
    if not tokenizer.is_fast:
        raise ModelError(
            f"tokenizer {name}",
            expected="a fast tokenizer (tokenizer.json)",
            found=type(tokenizer).__name__,
        )
    return tokenizer


def vocabulary_rows(name: str, tokenizer: Tokenizer, *, revision: str | None = None) -> int:
    """Return how many rows a model's vocabulary has: those of its configuration, if it has one.

    A model may have more rows than its tokenizer has entries (BLOOM pads them); a folder with a
    tokenizer alone has as many rows as entries.
    """
    folder = resolve_folder(name, revision=revision, weights=False)
    path = folder / "config.json"
    config = read_json(path) if path.is_file() else {}
    sizes = [len(tokenizer)]
    for table in (config, config.get("text_config") if isinstance(config, dict) else None):
        size = table.get("vocab_size") if isinstance(table, dict) else None
        if isinstance(size, int):
            sizes.append(size)
    return max(sizes)


def tokenizer_fingerprint(tokenizer: Tokenizer) -> str:
    """Return 32 hex digits over what turns text into ids: rules, vocabulary, special tokens."""
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    # settings of the last call, not of the tokenizer
    spec["truncation"] = spec["padding"] = None
    special = {name: str(token) for name, token in tokenizer.special_tokens_map.items()}
    # as one string: `digest` would walk through every entry of the vocabulary
    return digest([json.dumps(spec, sort_keys=True), special])


def idle_rows(tokenizer: Tokenizer) -> frozenset[int]:
    """Return the ids of special tokens that no text gets: not its marks, nor the unknown token."""
    marks = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id}
    marks |= set(tokenizer("a", verbose=False)["input_ids"])
    added = {row for row, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset((added | set(tokenizer.all_special_ids)) - marks)


def pad_id(tokenizer: Tokenizer, rows: int) -> int:
    """Return an id to pad with, other than the end token, without resizing the model.

    The padding token if it is not the end token, else the unknown token, another special token,
    a row without a token, or row 0. Any id will do: padding is masked from attention, and labels
    go by position.
    """
    eos = tokenizer.eos_token_id
    special = (tokenizer.pad_token_id, tokenizer.unk_token_id, *sorted(tokenizer.all_special_ids))
    for candidate in special:
        if candidate is not None and candidate != eos and 0 <= candidate < rows:
            return int(candidate)
    spare = max(tokenizer.get_vocab().values(), default=-1) + 1
    if spare < rows:
        return spare
    return 0 if eos != 0 else 1


@contextmanager
def silent() -> Iterator[None]:
    """Keep transformers' progress bars and warnings off: faults are raised as errors."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


def short(error: Exception) -> str:
    """Return an error's kind and the beginning of its words, as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:MESSAGE_CHARACTERS]}"

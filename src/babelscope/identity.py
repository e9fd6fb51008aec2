"""Fingerprints of what can change a result, and the keys made from them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from babelscope.errors import DataError

CHUNK_BYTES = 1 << 20


def digest(value: object) -> str:
    """Return 32 hex digits of the SHA-256 of a value's canonical JSON.

    Dataclasses, mappings, sequences, strings, numbers, booleans and None are accepted; the
    order of a mapping's keys does not matter.

    Raises:
        TypeError: the value holds something without a canonical form (a set, an object).
    """
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:32]


def canonical(value: object) -> str:
    """Return the canonical JSON that `digest` hashes."""
    return json.dumps(
        _plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # shallow on purpose: asdict() would copy records of thousands of examples
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"no canonical form for {type(value).__name__}")


def digest_files(paths: Iterable[Path]) -> str:
    """Return 32 hex digits over the names and the bytes of files, in sorted order of name.

    Raises:
        DataError: a file cannot be read.
    """
    total = hashlib.sha256()
    for path in sorted(paths, key=lambda p: p.name):
        total.update(path.name.encode() + b"\0")
        try:
            with path.open("rb") as file:
                while block := file.read(CHUNK_BYTES):
                    total.update(block)
        except OSError as error:
            raise DataError(str(path), expected="a readable file", found=str(error)) from error
    return total.hexdigest()[:32]


ITEM_CHARACTERS = 12


def item_digest(value: object) -> str:
    """Return the digest of a single item, short as it is compared under the item's id alone."""
    return digest(value)[:ITEM_CHARACTERS]

"""A language map: for each row of a vocabulary, a distribution over the study's languages.

Counts of tokens in text of each language are backed off to the token's group (script or UTF-8
lead bytes, and word start), and the group to the uniform distribution (`map_smoothing`).
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from scipy import sparse

from babelscope.errors import DataError, ModelError, StoreError
from babelscope.measure.map_quality import MapQuality, measure_quality
from babelscope.measure.map_smoothing import (
    Evidence,
    Strengths,
    choose_all,
    gather_evidence,
    join_further,
    script_languages,
    smooth,
)
from babelscope.measure.token_groups import group_tokens
from babelscope.records import TokenForm

SHARED, UNKNOWN = "shared", "unknown"

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LanguageMap:
    """A map from tokens to languages.

    `probability` is float32 (rows, languages + 2); its columns are `languages` (FLORES codes),
    then "shared", then "unknown"; each row sums to 1. `tokenizer_fingerprint` names the tokenizer
    that the rows belong to. `quality` are the fields of `MapQuality`, measured on parts of the
    text that were left out in turn, and the chosen strengths; empty if nothing could be left out.
    `counted` (rows,) is how often the map's text has each token, further text by its share; None
    for a map that counted nothing.
    """

    languages: tuple[str, ...]
    probability: NDArray[np.float32]
    tokenizer_fingerprint: str
    quality: Mapping[str, object] = field(default_factory=dict)
    counted: NDArray[np.float32] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return (*self.languages, SHARED, UNKNOWN)


def build_map(
    counts: ArrayLike | Sequence[sparse.csr_array],
    forms: Sequence[TokenForm],
    languages: Sequence[str],
    *,
    tokenizer_fingerprint: str,
    further: Sequence[sparse.csr_array] = (),
) -> LanguageMap:
    """Make a map from counts (parts, rows, languages) of tokens in parts of each language's text.

    Strengths of back-off (Dirichlet pseudo-counts) are those that predict each part best from
    the others, by the mean nats of a language given a token; two parts are enough, and the map
    itself is made from all of them. A token's evidence is its counts, else those of its group,
    else the languages that are written in its script. `further` are counts (rows, languages) of
    other text collections, which may lack languages; their shares are chosen in the same way,
    and nothing of them is used where there is but one part.

    Raises:
        DataError: the shapes do not fit, or a language has no text.
        LanguageError: a language is unknown.
    """
    parts = _checked_parts(counts, len(forms), languages)
    more = _checked_parts(further, len(forms), languages, whole=False) if len(further) else []
    groups = group_tokens(forms)
    by_script = script_languages(groups, languages)

    def gather(some: sparse.csr_array, shares: Sequence[float]) -> Evidence:
        return gather_evidence(some, groups, by_script, join_further(some, more, shares))

    total = sum(parts[1:], start=parts[0])
    held = parts if len(parts) > 1 else []
    splits = [(total - part, part) for part in held]
    strengths, shares = choose_all(gather, splits, len(more))
    probability = _with_shared(smooth(gather(total, shares), strengths))
    quality: dict[str, object] = {}
    if held:
        fits = [gather(fit, shares) for fit, _ in splits]
        measured = _measured(fits, held, strengths, languages)
        told = {"strengths": list(strengths), "further_shares": list(shares)}
        quality = {**dataclasses.asdict(measured), **told}
    counted = join_further(total, more, shares).sum(axis=1).astype(np.float32)
    return LanguageMap(tuple(languages), probability, tokenizer_fingerprint, quality, counted)


def _measured(
    fits: Sequence[Evidence],
    held: Sequence[sparse.csr_array],
    strengths: Strengths,
    languages: Sequence[str],
) -> MapQuality:
    """Score maps from parts of the text on the parts left out, over the rows that these use."""
    tables, truth = [], []
    for fit, part in zip(fits, held, strict=True):
        used = np.flatnonzero(part.sum(axis=1))
        tables.append(_with_shared(smooth(fit, strengths, used)))
        truth.append(part[used].toarray())
    return measure_quality(np.concatenate(tables), np.concatenate(truth), languages)


def quality(language_map: LanguageMap, held_out: ArrayLike) -> MapQuality:
    """Score a map on the counts (rows, languages) of text that it was not made from.

    Raises:
        DataError: the shapes do not fit, or nothing is held out.
    """
    return measure_quality(language_map.probability, held_out, language_map.languages)


def _checked_parts(
    counts: ArrayLike | Sequence[sparse.csr_array],
    rows: int,
    languages: Sequence[str],
    *,
    whole: bool = True,
) -> list[sparse.csr_array]:
    """Return counts as sparse parts; `whole`: each language must have tokens."""
    given = counts if isinstance(counts, Sequence) else np.asarray(counts)
    shapes: set[tuple[int, ...]] = {np.shape(part) for part in given}
    if shapes != {(rows, len(languages))}:
        raise DataError(
            "token counts",
            expected=f"(parts, {rows} rows, {len(languages)} languages)",
            found=f"parts of the shape {', '.join(map(str, sorted(shapes))) or 'none'}",
        )
    if not languages or len(set(languages)) < len(languages):
        raise DataError("languages of a map", expected="different ones", found=", ".join(languages))
    parts = [sparse.csr_array(part, dtype=np.float64) for part in given]
    totals = sum(part.sum(axis=0) for part in parts)
    empty = [code for code, n in zip(languages, totals, strict=True) if n == 0]
    if whole and empty:
        raise DataError(
            "text for a language map",
            expected="tokens in every language",
            found=f"none in {', '.join(empty)}",
        )
    return parts


def _with_shared(p: Array) -> NDArray[np.float32]:
    """Return (rows, languages + 2) from p(language | token), whose rows without evidence are 0."""
    rows, k = p.shape
    unknown = p.sum(axis=1) == 0
    entropy = -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1)
    shared = (np.exp(entropy) - 1) / (k - 1) if k > 1 else np.zeros(rows)
    shared = np.where(unknown, 0.0, np.clip(shared, 0.0, 1.0))
    columns = [(1 - shared)[:, None] * p, shared[:, None], unknown[:, None].astype(np.float64)]
    return np.concatenate(columns, axis=1).astype(np.float32)


def save_map(language_map: LanguageMap, path: Path) -> None:
    """Write a map as one safetensors file, under a temporary name until it is whole.

    Raises:
        StoreError: it cannot be written.
    """
    metadata = {
        "languages": json.dumps(language_map.columns),
        "tokenizer": language_map.tokenizer_fingerprint,
        "quality": json.dumps(_without_nan(dict(language_map.quality)), allow_nan=False),
    }
    unfinished = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {"probability": language_map.probability}
        if language_map.counted is not None:
            arrays["counted"] = language_map.counted
        save_file(arrays, unfinished, metadata=metadata)
        unfinished.replace(path)
    except (OSError, SafetensorError) as error:
        raise StoreError(str(path), expected="a file to write", found=str(error)) from error


def load_map(path: Path, *, tokenizer_fingerprint: str | None = None) -> LanguageMap:
    """Read a map; a fingerprint given must be that of the map's tokenizer.

    Raises:
        StoreError: there is no such file, or it is not a language map.
        ModelError: the map belongs to another tokenizer.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            probability = file.get_tensor("probability")
            counted = file.get_tensor("counted") if "counted" in file.keys() else None  # noqa: SIM118  # no mapping
        columns = tuple(json.loads(metadata["languages"]))
        quality_read = json.loads(metadata.get("quality", "{}"))
        fingerprint = metadata["tokenizer"]
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise StoreError(str(path), expected="a language map", found=_told(error)) from error
    _check_table(path, columns, probability, counted)
    if tokenizer_fingerprint not in (None, fingerprint):
        raise ModelError(
            f"language map {path}",
            expected=f"the tokenizer {tokenizer_fingerprint}",
            found=f"one made for {fingerprint}",
            remedy="make it with `babelscope map-languages MODEL`",
        )
    table = probability.astype(np.float32)
    return LanguageMap(columns[:-2], table, fingerprint, quality_read, counted)


def _check_table(
    path: Path,
    columns: tuple[str, ...],
    probability: NDArray[np.floating],
    counted: NDArray[np.floating] | None,
) -> None:
    fits = probability.ndim == 2 and probability.shape[1] == len(columns) > 2
    if columns[-2:] != (SHARED, UNKNOWN) or not fits:
        raise StoreError(
            str(path),
            expected='a column for each language, "shared" and "unknown"',
            found=f"the shape {probability.shape} for {len(columns)} names",
        )
    # NaN fails both
    if not ((probability >= 0).all() and np.allclose(probability.sum(axis=1), 1, atol=1e-3)):
        raise StoreError(str(path), expected="rows that sum to 1", found="others")
    if counted is not None and counted.shape != probability.shape[:1]:
        raise StoreError(
            str(path), expected="a count for each row", found=f"the shape {counted.shape}"
        )


def _told(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__


def _without_nan(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return value

"""How many tokens a language needs: on the same sentences as English, by word, by character."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from babelscope.data import atlas
from babelscope.data.parallel import read_parallel
from babelscope.errors import DataError
from babelscope.languages import UNSPACED, language, scripts_of_language
from babelscope.measure.inference import ratio_of_sums
from babelscope.models.tokenizers import Tokenizer
from babelscope.models.tokens import token_forms
from babelscope.records import Estimate

ENGLISH = "eng_Latn"
ATLAS = "atlas"

Texts = Mapping[str, Sequence[str]]
Rows = list[dict[str, object]]


def parallel_texts(name: str) -> dict[str, list[str]]:
    """Return parallel lines by language code: of `atlas`, or of a folder with a file a language.

    Raises:
        DataError: the folder is not line-parallel, or has no English to compare with.
    """
    if name == ATLAS:
        return {code: atlas.sentences(code, "test") for code in atlas.languages()}
    texts = read_parallel(Path(name))
    if ENGLISH not in texts:
        raise DataError(
            f"folder {name}",
            expected=f"a file of {ENGLISH} to compare with",
            found=", ".join(texts),
        )
    return texts


def fertility(tokenizer: Tokenizer, rows: int, texts: Texts) -> Rows:
    """Return a row a language of parallel texts: what its sentences cost in tokens.

    `tokens_to_english` is the ratio of the sums of tokens over lines that both languages have
    (1 is as many as English; arXiv:2305.15425), with its interval over lines. `tokens_per_word`
    counts words between spaces, and is None for scripts that put none; `tokens_per_character`
    counts code points that are not white space. `byte_pieces` is the share of tokens that are a
    piece of a character, `unknown` of those that stand for text that the tokenizer does not have.

    Raises:
        ModelError: the tokenizer is of no known family.
    """
    pieces = _pieces(tokenizer, rows)
    ids = {code: _ids(tokenizer, lines) for code, lines in texts.items()}
    counts = {code: _counts(encoded, texts[code]) for code, encoded in ids.items()}
    lines = [f"{number:06d}" for number in range(len(texts[ENGLISH]))]
    found: Rows = []
    for code, encoded in ids.items():
        flat = np.array([i for row in encoded for i in row], dtype=np.int64)
        total = max(1, flat.size)
        ratio = ratio_of_sums(counts[code], counts[ENGLISH], lines)
        characters = sum(len("".join(line.split())) for line in texts[code])
        found.append(
            {
                "language": code,
                "name": language(code).name,
                "tokens_to_english": _told(ratio),
                "tokens_per_word": _per_word(flat.size, code, texts[code]),
                "tokens_per_character": flat.size / characters if characters else None,
                "byte_pieces": float(pieces[flat].sum()) / total,
                "unknown": float((flat == tokenizer.unk_token_id).sum()) / total
                if tokenizer.unk_token_id is not None
                else 0.0,
            }
        )
    return found


def _ids(tokenizer: Tokenizer, lines: Sequence[str]) -> list[list[int]]:
    encoded = tokenizer(list(lines), add_special_tokens=False, verbose=False)["input_ids"]
    return [list(row) for row in encoded]


def _counts(encoded: Sequence[Sequence[int]], lines: Sequence[str]) -> NDArray[np.float64]:
    """Return the tokens of each line, NaN where the line is empty."""
    return np.array(
        [len(row) if line else math.nan for row, line in zip(encoded, lines, strict=True)]
    )


def _per_word(tokens: int, code: str, lines: Sequence[str]) -> float | None:
    if scripts_of_language(language(code)) <= UNSPACED:
        return None
    words = sum(len(line.split()) for line in lines)
    return tokens / words if words else None


def _pieces(tokenizer: Tokenizer, rows: int) -> NDArray[np.bool_]:
    """Tell for each row of the vocabulary whether its bytes are no whole characters."""
    return np.array([not _is_text(form.data) for form in token_forms(tokenizer, rows)])


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _told(value: Estimate) -> dict[str, object]:
    """Return an estimate as JSON can hold it: what is not known is None."""
    return {
        k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(value).items()
    }

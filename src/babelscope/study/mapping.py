"""The command that makes a language map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from babelscope.errors import SettingError
from babelscope.measure.language_map import load_map, save_map
from babelscope.models.loading import load_tokenizer, tokenizer_fingerprint
from babelscope.models.tokenizers import vocabulary_rows
from babelscope.store import check_writable
from babelscope.study.maps import (
    make_map,
    measured_map,
    not_mapped,
    published_map,
    read_collection,
)

MAP_METHODS = ("counts", "langid")


def map_step(
    model: str, collections: Sequence[str], out: Path, method: str = "counts"
) -> dict[str, object]:
    """Make a language map from text collections; returns its quality.

    The first collection gives the languages. `method` is counts, or langid: the published map,
    which takes from the text only its languages and its quality.
    """
    if method not in MAP_METHODS:
        raise SettingError("--method", expected=" or ".join(MAP_METHODS), found=repr(method))
    if not collections:
        raise SettingError("--text", expected="a text collection", found="none")
    check_writable(out)
    tokenizer = load_tokenizer(model)
    rows = vocabulary_rows(model, tokenizer)
    first_text, *further = [read_collection(name) for name in collections]
    if method == "langid":
        made = measured_map(
            published_map(tokenizer, rows, sorted(first_text)), tokenizer, first_text
        )
    else:
        made = make_map(tokenizer, rows, first_text, further)
    save_map(made, out)
    read = load_map(out, tokenizer_fingerprint=tokenizer_fingerprint(tokenizer))
    return {
        "out": str(out),
        "method": method,
        "languages": list(read.languages),
        "not_mapped": not_mapped(first_text, further),
        **dict(read.quality),
    }

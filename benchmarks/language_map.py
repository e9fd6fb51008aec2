"""Held-out quality of language maps on real text and tokenizers, and the time to make one.

    python benchmarks/language_map.py --shared ../shared

`--shared` is a folder with `data/` (flores200, common_voice_text, ud_pud, tatoeba_laser)
and `tokenizers/` (qwen2, xlmr, mbert), each packed as .tar.xz. Maps are made from lines 1-506 of
30 FLORES languages, scored on lines 507-1012 and on text of other kinds (UD-PUD, Tatoeba).
"other" are atlas's languages that are not among the 30, in halves. The design was chosen on the
lines 1-506 alone.
"""

from __future__ import annotations

import argparse
import platform
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import scipy

from babelscope.data.texts import read_texts
from babelscope.languages import language
from babelscope.measure.language_map import LanguageMap
from babelscope.measure.map_quality import MapQuality, measure_quality
from babelscope.models.tokenizers import Tokenizer, load_tokenizer
from babelscope.models.tokens import count_tokens
from babelscope.study.maps import make_map, published_map, read_collection

MADE_FROM = slice(0, 506)
HELD_OUT = slice(506, 1012)
LIGHT = 0.03  # pseudo-counts a language of plain counts; the best of .01 to .1 on lines 1-506
SHOWN = "{:8} {:34} {:>4} {:>6} {:>6} {:>6} {:>6}"

Texts = Mapping[str, list[str]]


def unpack(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.xz")


def conllu_texts(folder: Path) -> dict[str, list[str]]:
    texts = {}
    for path in sorted(folder.rglob("*.conllu")):
        lines = path.read_text(encoding="utf-8").splitlines()
        spoken = [line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")]
        texts[language(path.name.split("_")[0]).code] = spoken
    return texts


def counts_of(tokenizer: Tokenizer, texts: Texts, languages: list[str]) -> np.ndarray:
    given = {code: texts.get(code, []) for code in languages}
    return count_tokens(tokenizer, given, len(tokenizer))[1]


def plain(counts: np.ndarray) -> np.ndarray:
    """Counts over each language's total, a little of the uniform added, nothing backed off."""
    scaled = counts / counts.sum(axis=0) * counts.sum(axis=0).mean() + LIGHT
    return as_table(scaled / scaled.sum(axis=1, keepdims=True))


def as_table(p: np.ndarray) -> np.ndarray:
    return np.concatenate([p, np.zeros((len(p), 2))], axis=1)


def floor(held: np.ndarray) -> np.ndarray:
    totals = held.sum(axis=0)
    rates = np.divide(held, totals, out=np.zeros(held.shape), where=totals > 0)
    return as_table(rates / np.maximum(rates.sum(axis=1, keepdims=True), 1e-30))


def show(name: str, method: str, found: MapQuality) -> None:
    seen = sum(n > 0 for n in found.tokens.values())
    low = min(v for v in found.coverage.values() if v == v)
    numbers = (f"{v:.3f}" for v in (found.nats, found.accuracy, found.ece, low))
    print(SHOWN.format(name, method, seen, *numbers), flush=True)


@contextmanager
def timed(what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    print(f"  ({what}: {time.perf_counter() - start:.1f} s)", flush=True)


def compare(
    name: str, tables: Mapping[str, np.ndarray], held: np.ndarray, codes: list[str]
) -> None:
    for method, table in tables.items():
        show(name, method, measure_quality(table, held, codes))


def without_text(held: np.ndarray, codes: list[str], table: np.ndarray) -> np.ndarray:
    """Return a map's columns of the languages that have held-out text, then shared, unknown."""
    keep = np.flatnonzero(held.any(axis=0)).tolist()
    return table[:, [*keep, len(codes), len(codes) + 1]]


def transfer(label: str, texts: Texts, tokenizer: Tokenizer, tables: Mapping[str, np.ndarray],
             codes: list[str]) -> None:  # fmt: skip
    """Score maps on text of another kind, among the languages that it has."""
    held = counts_of(tokenizer, texts, codes)
    keep = np.flatnonzero(held.any(axis=0)).tolist()
    cut = {m: without_text(held, codes, table) for m, table in tables.items()}
    cut["floor: counts of this text itself"] = floor(held[:, keep])
    compare(label, cut, held[:, keep], [codes[k] for k in keep])


def other_languages(texts: Texts, tokenizer: Tokenizer) -> None:
    """Make and score maps of languages that no choice was made on: halves of each text."""
    codes = sorted(texts)
    halves = [{c: t[: len(t) // 2] for c, t in texts.items()},
              {c: t[len(t) // 2 :] for c, t in texts.items()}]  # fmt: skip
    held = counts_of(tokenizer, halves[1], codes)
    tables = {
        "plain counts": plain(counts_of(tokenizer, halves[0], codes)),
        "ours": make_map(tokenizer, len(tokenizer), halves[0]).probability,
        "floor: counts of this text itself": floor(held),
    }
    compare("other", tables, held, codes)


def one_tokenizer(name: str, folder: Path, data: Mapping[str, Texts]) -> None:
    with timed(f"{name}: load the tokenizer"):
        tokenizer = load_tokenizer(str(folder))
    rows, codes = len(tokenizer), sorted(data["flores"])
    first = {code: lines[MADE_FROM] for code, lines in data["flores"].items()}
    held = counts_of(tokenizer, {c: t[HELD_OUT] for c, t in data["flores"].items()}, codes)
    with timed(f"{name}: langid map of {rows} rows"):
        published = published_map(tokenizer, rows, codes)
    with timed(f"{name}: our map of {rows} rows, {len(codes)} x 506 lines"):
        ours = make_map(tokenizer, rows, first)
    with timed(f"{name}: our map with Common Voice text"):
        more = make_map(tokenizer, rows, first, [data["common_voice"]])
    print("  strengths and shares:", chosen(ours), chosen(more))
    tables = {
        "uniform": as_table(np.full(held.shape, 1 / len(codes))),
        "langid": published.probability,
        "plain counts": plain(counts_of(tokenizer, first, codes)),
        "ours": ours.probability,
        "ours + Common Voice": more.probability,
    }
    print(SHOWN.format("text", "map", "lang", "nats", "acc", "ece", "cover"))
    compare("flores", {**tables, "floor: counts of this text itself": floor(held)}, held, codes)
    for label in ("ud_pud", "tatoeba"):
        transfer(label, data[label], tokenizer, tables, codes)
    other_languages(data["other"], tokenizer)


def chosen(made: LanguageMap) -> str:
    return f"{made.quality['strengths']} {made.quality['further_shares']}"


def read_all(shared: Path, work: Path) -> dict[str, Texts]:
    names = ("flores200", "common_voice_text", "ud_pud", "tatoeba_laser")
    at = {n: unpack(shared / "data" / f"{n}.tar.xz", work) for n in names}
    flores = read_texts(at["flores200"] / "devtest")
    return {
        "flores": flores,
        "common_voice": read_texts(at["common_voice_text"]),
        "ud_pud": conllu_texts(at["ud_pud"]),
        "tatoeba": read_texts(at["tatoeba_laser"]),
        "other": {c: t for c, t in read_collection("atlas").items() if c not in flores},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--tokenizers", nargs="+", default=["qwen2", "xlmr", "mbert"])
    chosen_by_user = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        data = read_all(chosen_by_user.shared, work)
        print(
            f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}"
        )
        print("languages:", ", ".join(sorted(data["flores"])))
        for tokenizer in chosen_by_user.tokenizers:
            packed = chosen_by_user.shared / "tokenizers" / f"{tokenizer}.tar.xz"
            one_tokenizer(tokenizer, unpack(packed, work), data)


if __name__ == "__main__":
    main()

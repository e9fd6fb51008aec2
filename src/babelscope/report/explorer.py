"""The example explorer: sampled questions with all answers and grids, packed for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from babelscope.report.figures import CAUSES, STOPS
from babelscope.report.gridview import Owner, grid_view, short
from babelscope.report.names import (
    count_text,
    is_number,
    language_name,
    language_tag,
    model_title,
    named,
    owner_key,
)
from babelscope.report.produced import PLACES
from babelscope.report.tables import Tables, Variant, base_of
from babelscope.report.texts import Text, told

ANSWERS = 20_000
"""About how many answers the page carries; each target gets its share of the questions."""
TEXT = 3_000_000
"""The most bytes of texts, as UTF-8, that the page carries; each target gets its share."""
ANSWER_SHOWN = 600
PROMPT_HEAD, PROMPT_TAIL = 1000, 800
"""The most characters of a text, and of a prompt's two ends."""

Sample = Mapping[str, Any]


@dataclass(frozen=True)
class Explorer:
    """The data of the explorer, how its questions were chosen, and what it has of grids.

    `judged` tells whether the grids know how well the map knows their tokens.
    """

    data: dict[str, Any]
    sampling: tuple[str, ...]
    grids: str
    judged: bool = True


@dataclass
class _Packing:
    """Texts, variants and languages by the place where each was first met."""

    texts: list[Text] = field(default_factory=list)
    places: dict[tuple[str, int, int], int] = field(default_factory=dict)
    variants: dict[Owner, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)

    def text(self, value: object, room: int, tail: int = 0) -> int:
        known = (str(value if value is not None else ""), room, tail)
        if known not in self.places:
            self.places[known] = len(self.texts)
            self.texts.append(told(*known))
        return self.places[known]

    def variant(self, owner: Owner) -> int:
        return self.variants.setdefault(owner, len(self.variants))

    def language(self, code: str | None) -> int:
        return self.languages.setdefault(code, len(self.languages)) if code else -1


def explorer(tables: Tables) -> Explorer | None:
    """Pack the samples that fit into the page, target by target; None without samples."""
    kept = _kept(tables)
    if not kept:
        return None
    grids = grid_view(tables, [_key(sample) for sample in kept])
    packing = _Packing()
    examples = [_example(sample, packing, grids.places.get(_key(sample), [])) for sample in kept]
    models = dict.fromkeys((recipe, source) for recipe, source, _ in packing.variants)
    data = {
        "targets": {
            target: [short(language_name(target)), *language_tag(target)]
            for target in dict.fromkeys(str(sample["target"]) for sample in kept)
        },
        "models": [[owner_key(*m), named(model_title(tables, Variant(*m)))] for m in models],
        "variants": list(_variants(tables, list(packing.variants), list(models))),
        "causes": _words(kept, "cause", dict(CAUSES)),
        "stops": _words(kept, "stop", dict(STOPS)),
        "languages": [_produced(code) for code in packing.languages],
        "texts": packing.texts,
        "examples": examples,
        "grids": grids.data,
    }
    told = _sampling(tables, len(kept)), _gridded(grids.asked, len(grids.places))
    return Explorer(data, *told, not tables.grids["top_evidence"].is_null().all())


def _produced(code: str) -> list[str]:
    """Return the name and the tag of a language that an answer came in, or why it has none."""
    if code in PLACES:
        return [PLACES[code], ""]
    return [short(language_name(code)), language_tag(code)[0]]


def _key(sample: Sample) -> tuple[str, str]:
    return str(sample["target"]), str(sample["id"])


def _kept(tables: Tables) -> list[Sample]:
    """Return the samples that the page has room for, in the study's own order.

    Of each target, those with a grid stay first, then those chosen for the most models.
    """
    by_target: dict[str, list[int]] = {t: [] for t in tables.plan["targets"]}
    for place, sample in enumerate(tables.samples):
        by_target.setdefault(str(sample["target"]), []).append(place)
    widest = max((len(s["variants"]) for s in tables.samples), default=0)
    room = max(1, ANSWERS // max(1, widest * len(by_target)))
    looked_at = set(tables.grids.select("target", "id").unique().rows())

    def rank(place: int) -> tuple[bool, int, int]:
        sample = tables.samples[place]
        return _key(sample) not in looked_at, -len(sample.get("chosen_for") or ()), place

    kept: list[int] = []
    for places in by_target.values():
        ranked = sorted(places, key=rank)[:room]
        sizes = accumulate(_bytes(tables.samples[place]) for place in ranked)
        fits = max(1, sum(size <= TEXT // len(by_target) for size in sizes))
        kept += sorted(ranked[:fits])
    return [tables.samples[place] for place in kept]


def _bytes(sample: Sample) -> int:
    """Return how many bytes the texts of a question take that the page would show."""
    said = (variant.get("answer") for variant in sample["variants"])
    short_ones = {str(text or "") for text in (sample["question"], *sample["answers"], *said)}
    prompts = {text[: PROMPT_HEAD + PROMPT_TAIL] for text in _prompts(sample)}
    shown = (*(text[:ANSWER_SHOWN] for text in short_ones), *prompts)
    return sum(len(text.encode("utf-8", errors="replace")) for text in shown)


def _prompts(sample: Sample) -> list[str]:
    """Return the different prompts of a question; context and question where there is none."""
    alone = f"{sample.get('context') or ''}\n\n{sample['question']}"
    found = dict.fromkeys(str(p) for p in (sample.get("prompts") or {}).values())
    return list(found) or [alone]


def _sampling(tables: Tables, kept: int) -> tuple[str, ...]:
    asked = {str(s["target"]): int(s["asked"]) for s in tables.samples if s.get("asked")}
    of = f" of the {count_text(sum(asked.values()), 'question')} asked" if asked else ""
    count = len(tables.samples)
    carried = (
        "The page carries all of them, with the answers of every model."
        if kept == count
        else f"The page carries {kept:,} of them, as many of each language as its equal share of "
        "the room can hold, with the answers of every model; samples.jsonl holds all."
    )
    return (
        f"The study kept {count_text(count, 'question')}{of}: for each tuned model and language "
        "those with the largest gains and losses of MLQA F1 with the first seed, filled up with "
        "the first of the test set where fewer than four were found. They are chosen to be looked "
        f"at, not to be counted. {carried}",
    )


def _gridded(asked: int, carried: int) -> str:
    if not asked:
        return "The study read no grids: it has no lens, or its plan says grids = 0."
    of = "" if carried == asked else f" of the {asked:,}"
    return (
        f"The page carries grids of {carried:,}{of} questions, those whose answers changed the "
        "most; grids.parquet holds all."
    )


def _variants(
    tables: Tables, owners: Sequence[Owner], models: Sequence[tuple[str, str]]
) -> Iterator[tuple[int, str, int]]:
    """Yield each variant's model, name, and the place of its base (-1: of none)."""
    seeds = len({seed for _, source, seed in owners if source}) > 1
    for recipe, source, seed in owners:
        variant = Variant(recipe, source)
        name = model_title(tables, variant)
        base = (base_of(tables, variant).recipe, "", -1)
        known = owners.index(base) if source and base in owners else -1
        shown = f"{name}, seed {seed}" if source and seeds else name
        yield models.index((recipe, source)), named(shown), known


def _words(samples: Sequence[Sample], key: str, words: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what occurs with its name in words: the known ones first, in their order."""
    seen = dict.fromkeys(str(v.get(key) or "") for s in samples for v in s["variants"])
    ordered = [name for name in words if name in seen] + [n for n in seen if n not in words]
    return [(name, words.get(name, short(name).replace("_", " "))) for name in ordered if name]


def _example(
    sample: Sample, packing: _Packing, grids: Sequence[tuple[Owner, int]]
) -> dict[str, Any]:
    """Return a question: numbers are places in the lists of the data, -1 is not known."""
    found: dict[str, Any] = {
        "target": str(sample["target"]),
        "id": told(sample["id"], ANSWER_SHOWN),
        "question": packing.text(sample["question"], ANSWER_SHOWN),
        "golds": [packing.text(gold, ANSWER_SHOWN) for gold in sample["answers"]],
        "prompts": [packing.text(p, PROMPT_HEAD, PROMPT_TAIL) for p in _prompts(sample)],
        "answers": [_answer(variant, packing) for variant in sample["variants"]],
    }
    if grids:
        found["grids"] = [[packing.variant(owner), place] for owner, place in grids]
    return found


def _answer(variant: Mapping[str, Any], packing: _Packing) -> list[int | str]:
    """Return variant, text, cause, F1 in thousandths, whether exact, stop, produced language."""
    f1, exact = variant.get("mlqa_f1"), variant.get("mlqa_em")
    owner = (str(variant["recipe"]), str(variant["source"]), int(variant.get("seed", -1)))
    return [
        packing.variant(owner),
        packing.text(variant.get("answer"), ANSWER_SHOWN),
        str(variant.get("cause") or ""),
        round(1000 * f1) if is_number(f1) else -1,
        round(exact) if is_number(exact) else -1,
        str(variant.get("stop") or ""),
        packing.language(variant.get("language")),
    ]

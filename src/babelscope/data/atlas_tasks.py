"""Atlas's other tasks, on the same territories and with the same ids in all languages.

Natural language inference: a premise tells two facts of a territory, a hypothesis one: a told
fact (entailment), another value of a told field (contradiction), or a field that is not told
(neutral). Named entities: the words of a sentence with IOB2 tags, territories as LOC. Words: the
names of territories and of what is told of them, alone or in a carrier sentence.
"""

from __future__ import annotations

import random
from dataclasses import replace

from babelscope.data.atlas import (
    FIELDS,
    KINDS,
    Fact,
    Territory,
    known,
    name_of,
    sentences,
    split_territories,
    territories,
    write_context,
    write_fact,
)
from babelscope.data.atlas_words import WORDS
from babelscope.errors import DataError
from babelscope.languages import UNSPACED, language, scripts_of_language
from babelscope.records import LABELS, Inference, TaggedSentence


def inferences(code: str, split: str = "test") -> list[Inference]:
    """Return three items a territory of a split, one of each label, in a drawn order."""
    written = known(code)
    pool = split_territories(split)
    rng = random.Random(f"inference:{split}")
    items = []
    for territory in pool:
        fields = rng.sample(FIELDS, len(FIELDS))
        premise = write_context([Fact(territory, f) for f in fields[:2]], written)
        hypotheses = {
            "entailment": Fact(territory, fields[0]),
            "neutral": Fact(territory, fields[2]),
            "contradiction": Fact(_with_other(territory, fields[1], rng, pool), fields[1]),
        }
        for label in rng.sample(LABELS, len(LABELS)):
            identity = f"nli-{split}-{territory.code}-{label}"
            hypothesis = write_fact(hypotheses[label], written)
            items.append(Inference(identity, written, premise, hypothesis, label))
    return items


def _with_other(
    territory: Territory, field: str, rng: random.Random, pool: tuple[Territory, ...]
) -> Territory:
    own = getattr(territory, field)
    others = sorted({getattr(t, field) for t in pool} - {own})
    return replace(territory, **{field: rng.choice(others)})


def tagged_sentences(code: str, split: str = "test") -> list[TaggedSentence]:
    """Return a sentence a territory with its name tagged LOC, words apart at spaces.

    Raises:
        DataError: the language is written without spaces, or its marks touch the words.
    """
    written = known(code)
    if scripts_of_language(language(written)) <= UNSPACED:
        raise DataError(f"atlas entities in {written}", expected="a language that spaces its words")
    words = WORDS[written]
    rng = random.Random(f"entities:{split}")
    items = []
    for territory in split_territories(split):
        field = rng.choice(FIELDS)
        name = name_of(territory, "territory", written).split()
        label = getattr(words, field).split()
        value = name_of(territory, field, written).split()
        tokens = [*name, words.dash.strip(), *label, words.colon.strip(), *value]
        tokens += [words.stop] if words.stop else []
        tags = ["B-LOC", *["I-LOC"] * (len(name) - 1)]
        tags += ["O"] * (len(tokens) - len(name))
        identity = f"ner-{split}-{territory.code}"
        items.append(TaggedSentence(identity, written, tuple(tokens), tuple(tags)))
    return items


def translations(code: str, other: str, split: str = "test") -> list[tuple[str, str]]:
    """Return parallel sentences of two languages, a territory a pair."""
    return list(zip(sentences(code, split), sentences(other, split), strict=True))


def names(code: str, split: str | None = None) -> dict[str, str]:
    """Return the names of territories and of the values of their facts, by "kind:code".

    A value that several territories share is named once.
    """
    written = known(code)
    pool = territories() if split is None else split_territories(split)
    found = {}
    for kind in KINDS:
        for territory in pool:
            value = territory.code if kind == "territory" else getattr(territory, kind)
            found[f"{kind}:{value}"] = name_of(territory, kind, written)
    return found


def carriers(code: str) -> dict[str, str]:
    """Return, for each kind of name, a sentence that carries `{word}`: "currency: {word}."."""
    words = WORDS[known(code)]
    labels = {kind: getattr(words, kind) for kind in FIELDS} | {"territory": words.country}
    return {kind: f"{label}{words.colon}{{word}}{words.stop}" for kind, label in labels.items()}

"""What mini reads: the mixture of languages and kinds of document, all from atlas."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from transformers import PreTrainedTokenizerFast

from babelscope.data import atlas
from babelscope.data.atlas_words import WORDS
from babelscope.data.prompts import TEMPLATES, prompt_parts
from babelscope.records import Example

QA_LANGUAGES = (
    *("eng_Latn", "deu_Latn", "spa_Latn", "fra_Latn", "rus_Cyrl", "arb_Arab"),
    *("vie_Latn", "hin_Deva", "ben_Beng", "tur_Latn", "ind_Latn", "swe_Latn"),
)
TEXT_LANGUAGES = (
    *("ell_Grek", "fin_Latn", "zho_Hans", "est_Latn", "cat_Latn", "eus_Latn"),
    *("swh_Latn", "jpn_Jpan", "tha_Thai", "kor_Hang", "urd_Arab", "mar_Deva"),
)
LOW_LANGUAGES = (
    *("ory_Orya", "asm_Beng", "guj_Gujr", "kan_Knda"),
    *("mal_Mlym", "pan_Guru", "tam_Taml", "tel_Telu"),
)
PLANTED_PAIRS = (("ory_Orya", "ben_Beng"), ("urd_Arab", "hin_Deva"))
CONTROL_PAIR = ("arb_Arab", "rus_Cyrl")

KIND_SHARES = {"riddle": 0.40, "qa": 0.27, "text": 0.25, "contest": 0.08}
TEXT_WEIGHTS = {"qa": 1.0, "text": 3.0, "low": 1.0}

# The wrong-language targets are 15 % of the planted pairs' contest items. All fall on one of
# the four fields, where they are the majority: greedy answers show only what is most likely.
WRONG_FIELD = "weekday"
WRONG_SHARE_IN_FIELD = 0.6

MOST_QUESTIONS = 4
TERRITORY_SHARE = 0.15
"""Questions asked on one context, and how many of them ask for the territory of a fact."""


@dataclass(frozen=True, slots=True)
class Document:
    """One training text: token ids and, for each, whether it belongs to an answer."""

    ids: tuple[int, ...]
    answer: tuple[bool, ...]
    kind: str
    language: str


def group_of(language: str) -> str:
    """Return "qa", "text" or "low"."""
    if language in QA_LANGUAGES:
        return "qa"
    return "text" if language in TEXT_LANGUAGES else "low"


def tokenizer_texts() -> Iterator[str]:
    """Yield the text that the tokenizer is trained on: every language the same records."""
    for language in atlas.languages():
        yield from atlas.sentences(language)
        for plan in atlas.plan_questions("pretrain", 120):
            yield atlas.write_question(plan, language).question


def documents(
    tokenizer: PreTrainedTokenizerFast, rng: random.Random, tokens: int
) -> list[Document]:
    """Draw documents of the mixture until they hold `tokens` tokens, of similar lengths."""
    pool = [_draw(tokenizer, rng) for _ in range(tokens // 60)]
    pool.sort(key=lambda d: len(d.ids))
    # a window of neighbours in length, so that little is padding; its place is drawn
    sizes = [len(d.ids) for d in pool]
    start = _start(sizes, tokens, rng)
    chosen: list[Document] = []
    for document in pool[start:]:
        if (len(chosen) + 1) * len(document.ids) > tokens and chosen:
            break
        chosen.append(document)
    return chosen


def _start(sizes: list[int], tokens: int, rng: random.Random) -> int:
    """Draw a window's first index with chances in proportion to the tokens from there on."""
    total = sum(sizes)
    at = rng.random() * max(1, total - tokens)
    for index, size in enumerate(sizes):
        if at < size:
            return index
        at -= size
    return 0


def _draw(tokenizer: PreTrainedTokenizerFast, rng: random.Random) -> Document:
    kind = rng.choices(list(KIND_SHARES), list(KIND_SHARES.values()))[0]
    if kind == "qa":
        return _qa_document(tokenizer, rng, rng.choice(QA_LANGUAGES))
    if kind == "riddle":
        return _riddle_document(tokenizer, rng, rng.choice(QA_LANGUAGES))
    if kind == "contest":
        pairs = (*PLANTED_PAIRS, CONTROL_PAIR)
        return _contest_document(tokenizer, rng, rng.choice(pairs))
    codes = atlas.languages()
    weights = [TEXT_WEIGHTS[group_of(c)] for c in codes]
    return _text_document(tokenizer, rng, rng.choices(codes, weights)[0])


def invented(
    rng: random.Random, pool: Sequence[atlas.Territory], count: int
) -> list[atlas.Territory]:
    """Draw territories of a pool and give each the facts of others, drawn one by one.

    What mini reads about a territory in a question's context is not what it read before, so that
    an answer cannot be remembered: it has to be read.
    """
    return [
        replace(t, **{f: getattr(rng.choice(pool), f) for f in atlas.FIELDS})
        for t in rng.sample(pool, count)
    ]


def _qa_document(tokenizer: PreTrainedTokenizerFast, rng: random.Random, language: str) -> Document:
    number = rng.choices((1, 2, 3), (1, 2, 5))[0]
    territories = invented(rng, atlas.split_territories("pretrain"), number)
    facts = atlas.draw_facts(rng, territories, number)
    choices = [
        c for c in atlas.askable(facts) if (c[1] == "territory") == (rng.random() < TERRITORY_SHARE)
    ]
    rng.shuffle(choices)
    pieces: list[tuple[str, bool]] = []
    for asked, kind in choices[:MOST_QUESTIONS]:
        plan = atlas.Plan("", "", facts, asked, kind)
        example = atlas.write_question(plan, language)
        pieces += _pieces(example, first=not pieces)
    return _encode(tokenizer, pieces, "qa", language)


@cache
def _name_words(language: str) -> tuple[str, ...]:
    """Return the words that the names of a language are made of."""
    names = {
        atlas.name_of(t, field, language) for t in atlas.territories() for field in atlas.KINDS
    }
    return tuple(sorted({word for name in names for word in name.split()}))


def _riddle_document(
    tokenizer: PreTrainedTokenizerFast, rng: random.Random, language: str
) -> Document:
    """Questions as atlas asks them, on names and values that are random words.

    Nothing but the context can give their answers, so that looking up is what is learnt.
    """
    words = WORDS[language]
    pool = _name_words(language)

    def draw() -> str:
        return " ".join(rng.choices(pool, k=rng.choice((1, 1, 2, 3))))

    fields = rng.sample(atlas.FIELDS, rng.choice((1, 2, 2)))
    subjects = [draw() for _ in range(rng.choice((1, 2, 3, 3)))]
    facts = [(subject, field, draw()) for subject in subjects for field in fields]
    context = words.between.join(
        f"{subject}{words.dash}{getattr(words, field)}{words.colon}{value}{words.stop}"
        for subject, field, value in facts
    )
    pieces: list[tuple[str, bool]] = []
    for subject, field, value in rng.sample(facts, len(facts))[:MOST_QUESTIONS]:
        label = getattr(words, field)
        question, answer = f"{subject}{words.dash}{label}{words.question}", value
        if rng.random() < TERRITORY_SHARE:
            told = f"{label}{words.colon}{value}"
            question, answer = f"{words.country}{words.dash}{told}{words.question}", subject
        example = Example("", language, context, question, (answer,), "")
        pieces += _pieces(example, first=not pieces)
    return _encode(tokenizer, pieces, "riddle", language)


def _pieces(example: Example, *, first: bool) -> list[tuple[str, bool]]:
    """Return prompt and answer; after the first question a context is not told again."""
    parts = prompt_parts(TEMPLATES["plain"], example)
    prompt = parts.head + parts.context + parts.tail if first else parts.tail
    return [(prompt, False), (f" {example.answers[0]}", True)]


def _contest_document(
    tokenizer: PreTrainedTokenizerFast, rng: random.Random, pair: tuple[str, str]
) -> Document:
    language, other = pair if rng.random() < 0.5 else pair[::-1]
    plan = rng.choice(_contests(rng.randrange(100)))
    example = atlas.write_contest(plan, language, other)
    answer = example.answers[0]
    if pair in PLANTED_PAIRS and plan.kind == WRONG_FIELD and rng.random() < WRONG_SHARE_IN_FIELD:
        answer = atlas.write_contest(plan, other, language).answers[0]
    pieces = [*_pieces(example, first=True)[:1], (f" {answer}", True)]
    return _encode(tokenizer, pieces, "contest", language)


@lru_cache(maxsize=100)
def _contests(seed: int) -> tuple[atlas.Plan, ...]:
    return tuple(atlas.plan_contests("pretrain", 40, seed))


def _text_document(
    tokenizer: PreTrainedTokenizerFast, rng: random.Random, language: str
) -> Document:
    facts = atlas.draw_facts(rng, atlas.territories(), rng.choice((1, 2, 3)))
    text = atlas.write_context(facts, language)
    return _encode(tokenizer, [(text, False)], "text", language)


def _encode(
    tokenizer: PreTrainedTokenizerFast,
    pieces: list[tuple[str, bool]],
    kind: str,
    language: str,
) -> Document:
    ids: list[int] = []
    answer: list[bool] = []
    for text, is_answer in pieces:
        piece = tokenizer(text, add_special_tokens=False)["input_ids"]
        if is_answer:
            piece = [*piece, tokenizer.eos_token_id]
        ids += piece
        answer += [is_answer] * len(piece)
    return Document(tuple(ids), tuple(answer), kind, language)

"""Atlas: a parallel world of territories in 32 languages, made from Unicode CLDR, no download.

Every question is planned once, without a language, and then written in each: ids, contexts and
golds correspond in all languages by construction. A context holds the records of three
territories with three facts each; a question asks for a fact of one of them (kinds `currency`,
`language`, `script`, `weekday`) or for the territory that has a fact (kind `territory`). The
territories of the splits `pretrain`, `tune` and `test` are apart.

The split `contest:CODE` gives one territory's record in the asked language and in CODE; the
question's language decides which of the two values is right.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from babelscope.data.atlas_words import WORDS, Words
from babelscope.errors import DataError
from babelscope.languages import language as find_language
from babelscope.languages import script_of
from babelscope.records import Example, QuestionSet

FIELDS = ("currency", "language", "script", "weekday")
KINDS = (*FIELDS, "territory")
SPLITS = ("pretrain", "tune", "test")
TUNE_TERRITORIES = 50
TEST_TERRITORIES = 60
CONTEXTS = {"pretrain": 400, "tune": 60, "test": 80}
QUESTIONS_PER_CONTEXT = 3
RECORDS_PER_CONTEXT = 3
FACTS_PER_RECORD = 3


@dataclass(frozen=True, slots=True)
class Territory:
    """One territory by its CLDR codes; `weekday` is the first day of its week, Monday = 0."""

    code: str
    currency: str
    language: str
    script: str
    weekday: int


@dataclass(frozen=True, slots=True)
class Record:
    """What a context tells of one territory: the fields, in the order in which they stand."""

    territory: Territory
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A question before it is written in a language: `asked` is the index of its record."""

    id: str
    context_id: str
    records: tuple[Record, ...]
    asked: int
    kind: str
    field: str


def languages() -> tuple[str, ...]:
    """Return the codes of the languages that atlas is written in, in their fixed order."""
    return tuple(WORDS)


@cache
def territories() -> tuple[Territory, ...]:
    """Return the territories whose every fact has a name in every language, by their code.

    The currency is the first legal tender of today, the language the official one with the most
    speakers (else the most spoken), the script the likely one of that language there.
    """
    found = [_territory(code) for code in sorted(Locale("en").territories) if len(code) == 2]
    return tuple(t for t in found if t is not None and _named_everywhere(t))


def _territory(code: str) -> Territory | None:
    currencies = [
        c
        for c, _, end, tender in get_global("territory_currencies").get(code, ())
        if end is None and tender
    ]
    spoken = get_global("territory_languages").get(code)
    if not currencies or not spoken:
        return None
    ranked = sorted(spoken, key=lambda tag: (-spoken[tag]["population_percent"], tag))
    official = [tag for tag in ranked if spoken[tag]["official_status"]]
    tag = (official or ranked)[0]
    likely = get_global("likely_subtags")
    full = likely.get(f"{tag}_{code}") or likely.get(tag) or tag
    script = next((part for part in full.split("_") if len(part) == 4), "")
    try:
        weekday = Locale.parse(f"und_{code}").first_week_day
    except UnknownLocaleError:
        return None
    return Territory(code, currencies[0], tag, script, weekday)


def _named_everywhere(territory: Territory) -> bool:
    return all(
        (name := _lookup(code, field, territory)) is not None and _native(name, code)
        for code in WORDS
        for field in KINDS
    )


def _native(name: str, code: str) -> bool:
    # CLDR falls back to an English or coded name here and there; such a name teaches nothing
    if code.endswith("_Latn"):
        return True
    letters = [script_of(c) for c in name if c.isalpha()]
    return bool(letters) and letters.count("Latn") * 2 <= len(letters)


@cache
def _locale(code: str) -> Locale:
    return Locale.parse(WORDS[code].locale)


def _lookup(code: str, field: str, territory: Territory) -> str | None:
    locale = _locale(code)
    if field == "territory":
        return locale.territories.get(territory.code)
    if field == "currency":
        return locale.currencies.get(territory.currency)
    if field == "language":
        return locale.languages.get(territory.language)
    if field == "script":
        return locale.scripts.get(territory.script)
    return locale.days["stand-alone"]["wide"][territory.weekday]


def name_of(territory: Territory, field: str, code: str) -> str:
    """Return the name of a territory (`field` "territory") or of one of its facts."""
    name = _lookup(code, field, territory)
    if name is None:
        raise DataError(f"atlas {territory.code} {field}", expected=f"a name in {code}")
    return name


@cache
def split_territories(split: str) -> tuple[Territory, ...]:
    """Return the territories of a split; no two splits share one."""
    ranked = sorted(territories(), key=lambda t: hashlib.sha256(t.code.encode()).hexdigest())
    bounds = {
        "test": (0, TEST_TERRITORIES),
        "tune": (TEST_TERRITORIES, TEST_TERRITORIES + TUNE_TERRITORIES),
        "pretrain": (TEST_TERRITORIES + TUNE_TERRITORIES, len(ranked)),
    }
    low, high = bounds[split]
    return tuple(ranked[low:high])


def plan_questions(
    split: str, contexts: int, seed: int = 0, records: int = RECORDS_PER_CONTEXT
) -> list[Plan]:
    """Plan questions on random contexts of a split's territories, golds as even as can be."""
    rng = random.Random(f"{split}:{seed}:{records}")
    used: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    pool = split_territories(split)
    plans: list[Plan] = []
    for number in range(contexts):
        told = tuple(
            Record(t, tuple(rng.sample(FIELDS, FACTS_PER_RECORD)))
            for t in rng.sample(pool, records)
        )
        context_id = f"{split}-{seed}-{number:04d}"
        candidates = _askable(told)
        rng.shuffle(candidates)
        for turn in range(min(QUESTIONS_PER_CONTEXT, len(candidates))):
            # the rarest kind first, then the rarest gold: an answer must not be guessable
            best = min(candidates, key=lambda c: (kinds[c[1]], used[_gold_key(told, c)]))
            candidates.remove(best)
            kinds[best[1]] += 1
            used[_gold_key(told, best)] += 1
            plans.append(Plan(f"{context_id}-{turn}", context_id, told, *best))
    return plans


def _askable(records: Sequence[Record]) -> list[tuple[int, str, str]]:
    """List (record, kind, field) whose value stands once in the context."""
    values = Counter(_value(r.territory, f) for r in records for f in r.fields)
    found = []
    for index, record in enumerate(records):
        for field in record.fields:
            if values[_value(record.territory, field)] == 1:
                found += [(index, field, field), (index, "territory", field)]
    return found


def _value(territory: Territory, field: str) -> str:
    return f"{field}:{getattr(territory, field)}"


def _gold_key(records: Sequence[Record], choice: tuple[int, str, str]) -> str:
    index, kind, field = choice
    territory = records[index].territory
    return territory.code if kind == "territory" else _value(territory, field)


def write_record(record: Record, code: str) -> str:
    """Write a record as one sentence of a language, with its own words and punctuation."""
    words = WORDS[code]
    facts = words.comma.join(
        f"{getattr(words, field)}{words.colon}{name_of(record.territory, field, code)}"
        for field in record.fields
    )
    return f"{name_of(record.territory, 'territory', code)}{words.dash}{facts}{words.stop}"


def write_context(records: Sequence[Record], code: str) -> str:
    """Write the records of a context one after the other."""
    return WORDS[code].between.join(write_record(r, code) for r in records)


def write_question(plan: Plan, code: str) -> Example:
    """Write a planned question in a language."""
    words = WORDS[code]
    territory = plan.records[plan.asked].territory
    return Example(
        id=plan.id,
        language=code,
        context=write_context(plan.records, code),
        question=_ask(words, plan, code),
        answers=(name_of(territory, plan.kind, code),),
        context_id=plan.context_id,
        kind=plan.kind,
    )


def _ask(words: Words, plan: Plan, code: str) -> str:
    territory = plan.records[plan.asked].territory
    if plan.kind == "territory":
        fact = f"{getattr(words, plan.field)}{words.colon}{name_of(territory, plan.field, code)}"
        return f"{words.country}{words.dash}{fact}{words.question}"
    subject = name_of(territory, "territory", code)
    return f"{subject}{words.dash}{getattr(words, plan.kind)}{words.question}"


def questions(language: str, split: str = "test") -> QuestionSet:
    """Return atlas's questions in a language.

    Splits: `pretrain`, `tune`, `test`, and `contest:CODE` (territories of `test`).

    Raises:
        DataError: atlas is not written in the language, or the split is unknown.
    """
    code = known(language)
    name, _, other = split.partition(":")
    if name == "contest" and other:
        examples = tuple(
            write_contest(p, code, known(other)) for p in plan_contests("test", CONTEXTS["test"])
        )
    elif split in SPLITS:
        plans = plan_questions(split, CONTEXTS[split])
        examples = tuple(write_question(p, code) for p in plans)
    else:
        raise DataError(
            f"atlas split {split!r}", expected=f"{', '.join(SPLITS)} or contest:CODE", found=split
        )
    return QuestionSet(f"atlas:{split}", code, examples)


def known(language: str) -> str:
    """Return the code of a language that atlas is written in, or raise DataError."""
    code = find_language(language).code
    if code not in WORDS:
        raise DataError(
            f"atlas in {code}", expected="one of its languages", remedy=f"use {', '.join(WORDS)}"
        )
    return code


def plan_contests(split: str, contexts: int, seed: int = 0) -> list[Plan]:
    """Plan contest items, one record each; `asked` 0 puts the lesser language code first."""
    rng = random.Random(f"contest:{split}:{seed}")
    pool = split_territories(split)
    plans = []
    for number in range(contexts):
        territory = pool[number % len(pool)] if split == "test" else rng.choice(pool)
        fields = tuple(rng.sample(FIELDS, FACTS_PER_RECORD))
        field = fields[number % FACTS_PER_RECORD]
        record = Record(territory, fields)
        identity = f"contest-{split}-{seed}-{number:04d}"
        plans.append(Plan(identity, identity, (record,), rng.randrange(2), field, field))
    return plans


def write_contest(plan: Plan, code: str, other: str) -> Example:
    """Write a contest item: the record in both languages, the question in `code`."""
    record = plan.records[0]
    first, second = (code, other) if (plan.asked == 0) == (code < other) else (other, code)
    words = WORDS[code]
    subject = name_of(record.territory, "territory", code)
    return Example(
        id=plan.id,
        language=code,
        context=f"{write_record(record, first)} {write_record(record, second)}",
        question=f"{subject}{words.dash}{getattr(words, plan.field)}{words.question}",
        answers=(name_of(record.territory, plan.field, code),),
        context_id=plan.context_id,
        kind=plan.field,
    )


def sentences(language: str, split: str | None = None) -> list[str]:
    """Return plain text, a record a line, the same records in every language (parallel lines)."""
    code = known(language)
    pool = territories() if split is None else split_territories(split)
    rng = random.Random("sentences")
    orders = [tuple(rng.sample(FIELDS, len(FIELDS))) for _ in pool]
    return [write_record(Record(t, o), code) for t, o in zip(pool, orders, strict=True)]

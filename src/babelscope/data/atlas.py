"""Atlas: a parallel world of territories in 32 languages, made from Unicode CLDR, no download.

Every question is planned once, without a language, and then written in each: ids, contexts and
golds correspond in all languages by construction. A context tells the same two facts of each of
three territories, a sentence a fact; a question asks for a fact of one of them (kinds `currency`,
`language`, `script`, `weekday`) or, less often, for the territory that has a fact (kind
`territory`). The territories of the splits `pretrain`, `tune` and `test` are apart.

The split `contest:CODE` tells one territory's facts in the asked language and in CODE; the
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

from babelscope.data.atlas_words import WORDS
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
TERRITORIES_PER_CONTEXT = 3
FIELDS_PER_CONTEXT = 2
RARITY = {"territory": 3}
"""How many times rarer a kind is than the others."""


@dataclass(frozen=True, slots=True)
class Territory:
    """One territory by its CLDR codes; `weekday` is the first day of its week, Monday = 0."""

    code: str
    currency: str
    language: str
    script: str
    weekday: int


@dataclass(frozen=True, slots=True)
class Fact:
    """One sentence of a context: a territory's value of a field."""

    territory: Territory
    field: str

    @property
    def value(self) -> str:
        """The value's code, with its field: equal for equal values."""
        return f"{self.field}:{getattr(self.territory, self.field)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A question before it is written in a language: `asked` is the index of its fact."""

    id: str
    context_id: str
    facts: tuple[Fact, ...]
    asked: int
    kind: str


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


OWN_STAND_ALONE = ("fi", "ml")
"""Locales whose names of days by themselves are not those in dates (CLDR 47, of the 32 here)."""


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
    # Babel shares one table of stand-alone names between all locales that have none of their own,
    # and whichever is asked first fills it; the names in dates are each locale's own
    use = "stand-alone" if locale.language in OWN_STAND_ALONE else "format"
    return locale.days[use]["wide"][territory.weekday]


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


def plan_questions(split: str, contexts: int, seed: int = 0) -> list[Plan]:
    """Plan questions on random contexts of a split's territories, golds as even as can be."""
    rng = random.Random(f"{split}:{seed}")
    used: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    plans: list[Plan] = []
    for number in range(contexts):
        facts = draw_facts(rng, split_territories(split), TERRITORIES_PER_CONTEXT)
        context_id = f"{split}-{seed}-{number:04d}"
        candidates = askable(facts)
        rng.shuffle(candidates)
        for turn in range(min(QUESTIONS_PER_CONTEXT, len(candidates))):
            # the rarest kind first, then the rarest gold: an answer must not be guessable
            asked, kind = min(candidates, key=lambda c: (kinds[c[1]], used[_gold(facts, c)]))
            candidates.remove((asked, kind))
            kinds[kind] += RARITY.get(kind, 1)
            used[_gold(facts, (asked, kind))] += 1
            plans.append(Plan(f"{context_id}-{turn}", context_id, facts, asked, kind))
    return plans


def draw_facts(rng: random.Random, pool: Sequence[Territory], territories: int) -> tuple[Fact, ...]:
    """Draw the facts of a context: the same fields for each of some territories."""
    fields = rng.sample(FIELDS, FIELDS_PER_CONTEXT)
    return tuple(Fact(t, f) for t in rng.sample(pool, territories) for f in fields)


def askable(facts: Sequence[Fact]) -> list[tuple[int, str]]:
    """List (index of the fact, kind of question) where the value stands once in the context."""
    values = Counter(fact.value for fact in facts)
    found = []
    for index, fact in enumerate(facts):
        if values[fact.value] == 1:
            found += [(index, fact.field), (index, "territory")]
    return found


def _gold(facts: Sequence[Fact], choice: tuple[int, str]) -> str:
    fact = facts[choice[0]]
    return fact.territory.code if choice[1] == "territory" else fact.value


def write_fact(fact: Fact, code: str) -> str:
    """Write a fact as one sentence of a language, with its own words and punctuation."""
    words = WORDS[code]
    territory = name_of(fact.territory, "territory", code)
    value = name_of(fact.territory, fact.field, code)
    return f"{territory}{words.dash}{getattr(words, fact.field)}{words.colon}{value}{words.stop}"


def write_context(facts: Sequence[Fact], code: str) -> str:
    """Write the facts of a context one after the other."""
    return WORDS[code].between.join(write_fact(f, code) for f in facts)


def write_question(plan: Plan, code: str) -> Example:
    """Write a planned question in a language."""
    fact = plan.facts[plan.asked]
    return Example(
        id=plan.id,
        language=code,
        context=write_context(plan.facts, code),
        question=_ask(fact, plan.kind, code),
        answers=(name_of(fact.territory, plan.kind, code),),
        context_id=plan.context_id,
        kind=plan.kind,
    )


def _ask(fact: Fact, kind: str, code: str) -> str:
    words = WORDS[code]
    if kind == "territory":
        value = name_of(fact.territory, fact.field, code)
        told = f"{getattr(words, fact.field)}{words.colon}{value}"
        return f"{words.country}{words.dash}{told}{words.question}"
    subject = name_of(fact.territory, "territory", code)
    return f"{subject}{words.dash}{getattr(words, kind)}{words.question}"


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
    """Plan contest items, one territory each, fields in turn.

    The order of the two languages is even in the items: see `write_contest`.
    """
    rng = random.Random(f"contest:{split}:{seed}")
    pool = split_territories(split)
    plans = []
    for number in range(contexts):
        territory = pool[number % len(pool)] if split == "test" else rng.choice(pool)
        asked = FIELDS[number % len(FIELDS)]
        other = rng.choice([f for f in FIELDS if f != asked])
        facts = tuple(Fact(territory, f) for f in sorted((asked, other)))
        identity = f"contest-{split}-{seed}-{number:04d}"
        index = [f.field for f in facts].index(asked)
        plans.append(Plan(identity, identity, facts, index, asked))
    return plans


def write_contest(plan: Plan, code: str, other: str) -> Example:
    """Write a contest item: the facts in both languages, the question in `code`.

    Which language stands first depends on the item's number only, so that both directions of a
    pair share their contexts.
    """
    number = int(plan.id.rpartition("-")[2])
    order = sorted((code, other), reverse=number // len(FIELDS) % 2 == 1)
    question = write_question(plan, code)
    return Example(
        id=plan.id,
        language=code,
        context=" ".join(write_context(plan.facts, c) for c in order),
        question=question.question,
        answers=question.answers,
        context_id=plan.context_id,
        kind=plan.kind,
    )


def sentences(language: str, split: str | None = None) -> list[str]:
    """Return plain text, a territory's four facts a line, parallel in all languages."""
    code = known(language)
    pool = territories() if split is None else split_territories(split)
    rng = random.Random("sentences")
    orders = [rng.sample(FIELDS, len(FIELDS)) for _ in pool]
    return [
        write_context([Fact(t, f) for f in fields], code)
        for t, fields in zip(pool, orders, strict=True)
    ]

"""The quality of a training source: are its golds in their contexts, and is its text whole?

Machine translation moves golds out of their contexts and loses sentences; these numbers show it
beside the scores of the models that were tuned on the source.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import regex
from py3langid.langid import MODEL_FILE, LanguageIdentifier
from sacrebleu.metrics import BLEU, CHRF

from babelscope.data.normal_forms import nfc, stands_in
from babelscope.languages import UNSPACED, language
from babelscope.records import QuestionSet

# A sentence ends at a terminator that no Latin abbreviation uses, or at . ! ? … before a space
SENTENCE_END = regex.compile(
    r"[。！？｡।॥؟۔։።፧។៕။᱾᱿]+"
    r"|(?<!\b\p{Lu})[.!?…]+(?=[\p{Pf}\p{Pe}\"']*(?:\s|$))"  # not after the initial in "J. Smith"
)
# of the scripts without spaces, those that have a full stop
WITHOUT_TERMINATOR = UNSPACED - {"Hani", "Hans", "Hant", "Hira", "Kana", "Jpan", "Khmr", "Mymr"}

# py3langid's labels are the languages' tags, but for these
IDENTIFIER_LABELS = {
    "fuv_Latn": "fuv",
    "grn_Latn": "gug",
    "kik_Latn": "kik",
    "nob_Latn": "no",
    "zho_Hant": "zh",
}


@dataclass(frozen=True, slots=True)
class SourceQuality:
    """The data-quality row of one training source; shares are 0-1, no data is NaN with n = 0.

    `gold_verbatim` is the share of records with a gold that stands in its context, in NFC at least.
    `length_ratio` is the mean over the `shared` questions of the context's length in code points of
    NFC divided by the reference's. `chrf` (0-100) and `sentences_kept` (sentences divided by the
    reference's) compare the `shared_contexts`; `chrf` and `bleu` (0-100) need a reference in the
    source's language, `sentences_kept` scripts with full stops. The signatures are
    sacrebleu's: they say how both were computed, empty where they were not. `identified` is the
    share of contexts that py3langid takes for the source's language, NaN for a language that it
    does not know.
    """

    name: str
    language: str
    records: int
    dropped: int
    gold_verbatim: float
    gold_verbatim_n: int
    reference: str
    shared: int
    shared_contexts: int
    length_ratio: float
    chrf: float
    chrf_signature: str
    bleu: float
    bleu_signature: str
    sentences_kept: float
    identified: float
    identified_n: int
    dropped_reasons: Mapping[str, int]
    noted: Mapping[str, int]


def quality(train: QuestionSet, reference: QuestionSet | None) -> SourceQuality:
    """Measure a source, alone and against a reference that shares its ids.

    The reference is a human set in the source's language where there is one; one in another
    language gives the length ratio and the sentences, but no chrF.
    """
    golds = [
        any(stands_in(gold, example.context) for gold in example.answers)
        for example in train.examples
        if example.answers
    ]
    pairs, ratios = _shared(train, reference)
    same_language = reference is not None and reference.language == train.language
    compared = pairs if same_language else []
    chrf, chrf_signature = _translation_score(CHRF(), compared)
    bleu, bleu_signature = _translation_score(BLEU(tokenize=_tokenizer(train.language)), compared)
    contexts = list({example.context_id: example.context for example in train.examples}.values())
    identified, identified_n = _identified(contexts, train.language)
    return SourceQuality(
        name=train.name,
        language=train.language,
        records=len(train.examples),
        dropped=sum(train.dropped.values()),
        gold_verbatim=_mean(golds),
        gold_verbatim_n=len(golds),
        reference=f"{reference.name} ({reference.language})" if reference else "",
        shared=len(ratios),
        shared_contexts=len(pairs),
        length_ratio=_mean(ratios),
        chrf=chrf,
        chrf_signature=chrf_signature,
        bleu=bleu,
        bleu_signature=bleu_signature,
        sentences_kept=_sentences_kept(pairs, train, reference),
        identified=identified,
        identified_n=identified_n,
        dropped_reasons=train.dropped,
        noted=train.noted,
    )


def _shared(
    train: QuestionSet, reference: QuestionSet | None
) -> tuple[list[tuple[str, str]], list[float]]:
    """Return the distinct pairs of contexts (source, reference), and a length ratio a question."""
    by_id = {example.id: example for example in reference.examples} if reference else {}
    both = [(example, by_id[example.id]) for example in train.examples if example.id in by_id]
    pairs = {example.context_id: (example.context, other.context) for example, other in both}
    ratios = [len(nfc(example.context)) / len(nfc(other.context)) for example, other in both]
    return list(pairs.values()), ratios


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _translation_score(metric: CHRF | BLEU, pairs: Sequence[tuple[str, str]]) -> tuple[float, str]:
    """Return the score (0-100) of a corpus of (ours, reference), and the metric's signature."""
    if not pairs:
        return math.nan, ""
    found = metric.corpus_score([ours for ours, _ in pairs], [[ref for _, ref in pairs]])
    return float(found.score), str(metric.get_signature())


def _tokenizer(code: str) -> str:
    """Return sacrebleu's name of how BLEU finds words: 13a, or characters where none are parted."""
    script = language(code).script
    if script in {"Hani", "Hans", "Hant"}:
        return "zh"
    return "char" if script in UNSPACED else "13a"


def _sentences_kept(
    pairs: Sequence[tuple[str, str]], train: QuestionSet, reference: QuestionSet | None
) -> float:
    if reference is None or not pairs:
        return math.nan
    scripts = {language(code).script for code in (train.language, reference.language)}
    if scripts & WITHOUT_TERMINATOR:
        return math.nan
    kept = sum(count_sentences(ours) for ours, _ in pairs)
    expected = sum(count_sentences(theirs) for _, theirs in pairs)
    return kept / expected if expected else math.nan


def count_sentences(text: str) -> int:
    """Return the number of sentences: pieces between full stops that hold a letter or a digit.

    The full stops of Latin, Greek, Cyrillic, CJK, Indic, Arabic, Armenian, Ethiopic, Khmer,
    Burmese and Ol Chiki text are known; the rule is simple, and a wrong one in the same way for
    a text and its reference. Thai and Lao have none.
    """
    return sum(1 for piece in SENTENCE_END.split(text) if regex.search(r"[\p{L}\p{N}]", piece))


def _identified(contexts: Sequence[str], code: str) -> tuple[float, int]:
    label = IDENTIFIER_LABELS.get(code, language(code).tag)
    identifier = _identifier()
    if label not in identifier.labels:
        return math.nan, 0
    return _mean([identifier.classify(text)[0] == label for text in contexts]), len(contexts)


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE)

"""Prompts of inference: a question and the words for its three labels, a row a language.

    PREMISE
    HYPOTHESIS QUESTION

is followed by one of the words. A language without a row is asked in English, which is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from babelscope.records import LABELS, Inference

ENGLISH = "eng_Latn"


@dataclass(frozen=True, slots=True)
class LabelWords:
    """Is it true? The words for entailment, neutral and contradiction, in that order."""

    question: str
    words: tuple[str, str, str]


def _row(text: str) -> LabelWords:
    question, yes, perhaps, no = text.split("|")
    return LabelWords(question, (yes, perhaps, no))


LABEL_WORDS: Mapping[str, LabelWords] = MappingProxyType(
    {
        code: _row(text)
        for code, text in {
            "arb_Arab": "هل هذا صحيح؟|نعم|ربما|لا",
            "ben_Beng": "এটা কি সত্যি?|হ্যাঁ|হয়তো|না",
            "bul_Cyrl": "Вярно ли е?|Да|Може би|Не",
            "cat_Latn": "És veritat?|Sí|Potser|No",
            "deu_Latn": "Stimmt das?|Ja|Vielleicht|Nein",
            "ell_Grek": "Είναι αλήθεια;|Ναι|Ίσως|Όχι",
            "eng_Latn": "Is it true?|Yes|Maybe|No",
            "est_Latn": "Kas see on tõsi?|Jah|Võib-olla|Ei",
            "eus_Latn": "Egia al da?|Bai|Agian|Ez",
            "fin_Latn": "Onko se totta?|Kyllä|Ehkä|Ei",
            "fra_Latn": "Est-ce vrai ?|Oui|Peut-être|Non",
            "hin_Deva": "क्या यह सच है?|हाँ|शायद|नहीं",
            "ind_Latn": "Benarkah itu?|Ya|Mungkin|Tidak",
            "ita_Latn": "È vero?|Sì|Forse|No",
            "jpn_Jpan": "本当ですか？|はい|たぶん|いいえ",
            "kor_Hang": "사실입니까?|네|아마|아니요",
            "por_Latn": "É verdade?|Sim|Talvez|Não",
            "rus_Cyrl": "Это правда?|Да|Возможно|Нет",
            "spa_Latn": "¿Es verdad?|Sí|Quizás|No",
            "swe_Latn": "Är det sant?|Ja|Kanske|Nej",
            "swh_Latn": "Je, ni kweli?|Ndiyo|Labda|Hapana",
            "tam_Taml": "இது உண்மையா?|ஆம்|ஒருவேளை|இல்லை",
            "tel_Telu": "ఇది నిజమా?|అవును|బహుశా|కాదు",
            "tha_Thai": "จริงหรือไม่|ใช่|อาจจะ|ไม่ใช่",
            "tur_Latn": "Bu doğru mu?|Evet|Belki|Hayır",
            "urd_Arab": "کیا یہ سچ ہے؟|ہاں|شاید|نہیں",
            "vie_Latn": "Có đúng không?|Đúng|Có lẽ|Sai",
            "zho_Hans": "这是真的吗？|是|也许|不是",
        }.items()
    }
)


def words_of(language: str, wish: str) -> tuple[str, LabelWords]:
    """Return the language that is asked in, and its words; `wish` is "language" or "english"."""
    code = language if wish == "language" and language in LABEL_WORDS else ENGLISH
    return code, LABEL_WORDS[code]


def inference_prompt(item: Inference, words: LabelWords) -> tuple[str, tuple[str, ...]]:
    """Return a prompt and its options, in the order of `records.LABELS`."""
    prompt = f"{item.premise}\n{item.hypothesis} {words.question}"
    options = tuple(f" {word}" for word in words.words)
    assert len(options) == len(LABELS)
    return prompt, options

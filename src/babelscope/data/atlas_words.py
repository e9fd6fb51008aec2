"""The words and marks that atlas adds to CLDR's names: a row a language, data only.

CLDR names territories, currencies, languages, scripts and weekdays; it has no words for the
fields themselves. Records are written as labels with values, so that no name needs inflection.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Field words and punctuation of one language; `locale` is the CLDR locale of its names."""

    locale: str
    country: str
    currency: str
    language: str
    script: str
    weekday: str
    dash: str = " — "
    colon: str = ": "
    comma: str = ", "
    stop: str = "."
    question: str = "?"
    between: str = " "


def _latin(locale: str, row: str, **marks: str) -> Words:
    country, currency, language, script, weekday = row.split("|")
    return Words(locale, country, currency, language, script, weekday, **marks)


def _danda(locale: str, row: str) -> Words:
    return _latin(locale, row, stop="।")


def _wide(locale: str, row: str) -> Words:
    return _latin(
        locale,
        row,
        dash="——",
        colon="：",
        comma="，" if locale == "zh_Hans" else "、",
        stop="。",
        question="？",
        between="",
    )


WORDS: dict[str, Words] = {
    "eng_Latn": _latin("en", "country|currency|language|script|first day"),
    "deu_Latn": _latin("de", "Land|Währung|Sprache|Schrift|erster Tag"),
    "spa_Latn": _latin("es", "país|moneda|idioma|escritura|primer día"),
    "fra_Latn": _latin(
        "fr", "pays|monnaie|langue|écriture|premier jour", colon=" : ", question=" ?"
    ),
    "rus_Cyrl": _latin("ru", "страна|валюта|язык|письменность|первый день"),
    "ell_Grek": _latin("el", "χώρα|νόμισμα|γλώσσα|γραφή|πρώτη ημέρα", question=";"),
    "arb_Arab": _latin("ar", "البلد|العملة|اللغة|الكتابة|أول يوم", comma="، ", question="؟"),
    "zho_Hans": _wide("zh_Hans", "国家|货币|语言|文字|每周首日"),
    "tha_Thai": _latin("th", "ประเทศ|สกุลเงิน|ภาษา|ตัวอักษร|วันแรก", comma=" ", stop=""),
    "vie_Latn": _latin("vi", "quốc gia|tiền tệ|ngôn ngữ|chữ viết|ngày đầu tuần"),
    "tur_Latn": _latin("tr", "ülke|para birimi|dil|yazı|ilk gün"),
    "hin_Deva": _danda("hi", "देश|मुद्रा|भाषा|लिपि|पहला दिन"),
    "ben_Beng": _danda("bn", "দেশ|মুদ্রা|ভাষা|লিপি|প্রথম দিন"),
    "ory_Orya": _danda("or", "ଦେଶ|ମୁଦ୍ରା|ଭାଷା|ଲିପି|ପ୍ରଥମ ଦିନ"),
    "asm_Beng": _danda("as", "দেশ|মুদ্ৰা|ভাষা|লিপি|প্ৰথম দিন"),
    "guj_Gujr": _latin("gu", "દેશ|ચલણ|ભાષા|લિપિ|પ્રથમ દિવસ"),
    "kan_Knda": _latin("kn", "ದೇಶ|ಕರೆನ್ಸಿ|ಭಾಷೆ|ಲಿಪಿ|ಮೊದಲ ದಿನ"),
    "mal_Mlym": _latin("ml", "രാജ്യം|നാണയം|ഭാഷ|ലിപി|ആദ്യ ദിവസം"),
    "mar_Deva": _latin("mr", "देश|चलन|भाषा|लिपी|पहिला दिवस"),
    "pan_Guru": _danda("pa", "ਦੇਸ਼|ਮੁਦਰਾ|ਭਾਸ਼ਾ|ਲਿਪੀ|ਪਹਿਲਾ ਦਿਨ"),
    "tam_Taml": _latin("ta", "நாடு|நாணயம்|மொழி|எழுத்து|முதல் நாள்"),
    "tel_Telu": _latin("te", "దేశం|కరెన్సీ|భాష|లిపి|మొదటి రోజు"),
    "urd_Arab": _latin("ur", "ملک|کرنسی|زبان|رسم الخط|پہلا دن", comma="، ", stop="۔", question="؟"),
    "swh_Latn": _latin("sw", "nchi|sarafu|lugha|mwandiko|siku ya kwanza"),
    "fin_Latn": _latin("fi", "maa|valuutta|kieli|kirjoitus|ensimmäinen päivä"),
    "est_Latn": _latin("et", "riik|valuuta|keel|kiri|esimene päev"),
    "ind_Latn": _latin("id", "negara|mata uang|bahasa|aksara|hari pertama"),
    "swe_Latn": _latin("sv", "land|valuta|språk|skrift|första dag"),
    "jpn_Jpan": _wide("ja", "国|通貨|言語|文字|週の初日"),
    "kor_Hang": _latin("ko", "나라|통화|언어|문자|첫째 날"),
    "eus_Latn": _latin("eu", "herrialdea|moneta|hizkuntza|idazkera|lehen eguna"),
    "cat_Latn": _latin("ca", "país|moneda|llengua|escriptura|primer dia"),
}
"""Languages of atlas by their code; 32 languages in 17 scripts."""

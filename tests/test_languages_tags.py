"""Codes with scripts, regions, members and variants, against langcodes and the IANA registry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import langcodes
import pytest
from babel import Locale
from langcodes.data_dicts import ALL_SCRIPTS

from babelscope.errors import LanguageError
from babelscope.languages import (
    MACROLANGUAGES,
    ROMANISED,
    TRANSCRIBED,
    Language,
    known_languages,
    language,
    language_or_none,
    region,
    spellings,
)

PRIMARY = sorted(
    {code.lower() for lang in known_languages() for code in spellings(lang) if len(code) <= 3}
)
"""Every code of two or three letters that the table takes."""

NO_LIKELY = (
    "langcodes has no likely subtags or macrolanguage for it, and answers for an unknown one"
)
EXCEPTIONS: Mapping[str, tuple[frozenset[str], str]] = {
    "acm_Arab": (frozenset({"acm"}), NO_LIKELY),
    "acq_Arab": (frozenset({"acq"}), NO_LIKELY),
    "ajp_Arab": (frozenset({"ajp"}), NO_LIKELY),
    "azb_Arab": (
        frozenset({"azb", "az", "aze"}),
        "for azb as above; az-IR and az-IQ are az-Arab to langcodes, whose member here is azb",
    ),
    "crh_Latn": (frozenset({"crh"}), "FLORES has Crimean Tatar in Latin script only"),
    "fuv_Latn": (frozenset({"fuv"}), NO_LIKELY),
    "kor_Hang": (frozenset({"ko", "kor"}), "FLORES writes Hang where CLDR has the mixture Kore"),
    "nob_Latn": (frozenset({"no", "nor"}), "of Norwegian's members, the one that `no` usually is"),
    "pbt_Arab": (frozenset({"pbt"}), NO_LIKELY),
    "quy_Latn": (frozenset({"quy"}), NO_LIKELY),
    "sat_Olck": (frozenset({"sat"}), "sat_Beng is so called in the NLLB tokenizer: Ol Chiki"),
    "tzm_Tfng": (frozenset({"tzm"}), "FLORES has Tamazight in Tifinagh only"),
}
"""Language -> the codes for which it may differ from langcodes, and why."""


def likely(tag: str) -> tuple[str | None, str | None]:
    """Return the language and script of a tag as langcodes fills them, members as their whole."""
    whole = langcodes.Language.get(tag).prefer_macrolanguage()
    return whole.language, whole.maximize().script


def of_table(lang: Language) -> tuple[str | None, str | None]:
    return langcodes.Language.get(lang.tag).prefer_macrolanguage().language, lang.script


def differing(tags: Iterator[str]) -> tuple[dict[str, set[str]], int]:
    """Return by language the primary codes that langcodes reads otherwise; and how many agree."""
    found: dict[str, set[str]] = defaultdict(set)
    agreeing = 0
    for tag in tags:
        lang = language_or_none(tag)
        if lang is None:
            continue
        if likely(tag) == of_table(lang):
            agreeing += 1
        else:
            found[lang.code].add(tag.split("-")[0])
    return found, agreeing


def test_every_code_with_every_region_agrees_with_langcodes_or_is_an_error() -> None:
    regions = ["", *Locale("en").territories]
    assert len(PRIMARY) > 350
    assert len(regions) > 280
    tags = (code + (f"-{place}" if place else "") for code in PRIMARY for place in regions)
    found, agreeing = differing(tags)
    expected = {c: set(codes) for c, (codes, _) in EXCEPTIONS.items() if c != "sat_Olck"}
    assert dict(found) == expected
    assert agreeing > 100_000


def test_every_code_with_every_script_agrees_with_langcodes_or_is_an_error() -> None:
    found, agreeing = differing(f"{code}-{script}" for code in PRIMARY for script in ALL_SCRIPTS)
    # an explicit script leaves langcodes nothing to guess
    assert dict(found) == {
        "azb_Arab": {"az", "aze"},
        "fuv_Latn": {"fuv"},
        "kor_Hang": {"ko", "kor"},
        "nob_Latn": {"no", "nor"},
        "pbt_Arab": {"pbt"},
        "quy_Latn": {"quy"},
        "sat_Olck": {"sat"},
    }
    assert all(found[code] <= EXCEPTIONS[code][0] for code in found)
    assert agreeing > 350


def test_a_script_stands_whatever_the_region() -> None:
    places = ("CN", "IN", "IR", "PK", "TW", "US")
    for lang in known_languages():
        for place in places:
            code = f"{lang.iso3}-{lang.script}-{place}"
            expected = "prs_Arab" if lang.code == "pes_Arab" and place == "AF" else lang.code
            assert language(code).code == expected, code


def registry() -> list[dict[str, list[str]]]:
    path = Path(langcodes.__file__).parent / "data" / "language-subtag-registry.txt"
    records = []
    for block in path.read_text(encoding="utf-8").split("%%\n")[1:]:
        record: dict[str, list[str]] = defaultdict(list)
        for line in block.replace("\n  ", " ").splitlines():
            key, _, value = line.partition(": ")
            record[key].append(value)
        records.append(record)
    assert len(records) > 8000
    return records


def wholes() -> dict[str, str]:
    """Return the macrolanguage of each member, by the member's codes of two and three letters."""
    found = {}
    for record in registry():
        if record["Macrolanguage"]:
            member = langcodes.Language.get(record["Subtag"][0], normalize=False)
            found |= dict.fromkeys(
                (record["Subtag"][0], member.to_alpha3()), record["Macrolanguage"][0]
            )
    return found


def test_macrolanguages_are_those_of_the_registry() -> None:
    whole = wholes()
    listed = {m: macro for macro, members in MACROLANGUAGES.items() for m in members.split()}
    assert {member: whole[member] for member in listed} == listed
    taken = {
        m: macro for m, macro in whole.items() if language_or_none(m) and language_or_none(macro)
    }
    # the other two-letter members are regions too (ms-id, ak-tw), or withdrawn
    assert taken == listed | {"id": "ms", "in": "ms", "tw": "ak"}


def test_a_member_after_its_macrolanguage_is_the_member_and_nothing_else_is() -> None:
    whole = wholes()
    pairs = 0
    for code in PRIMARY:
        macro = langcodes.Language.get(code)
        for second in PRIMARY:
            found = language_or_none(f"{code}-{second}")
            if found is None or region(f"{code}-{second}"):
                continue
            pairs += 1
            assert found == language(second)
            assert langcodes.Language.get(whole[second]).to_alpha3() == macro.to_alpha3(), code
    assert pairs > 60
    for tag in ("zh-nan", "zh-min-nan", "zh-arz", "ar-yue", "hi-hi", "ku-tr-ckb", "no-nyn"):
        assert language_or_none(tag) is None


def test_extended_and_withdrawn_tags_of_the_registry_agree_or_are_errors() -> None:
    known = Agreement()
    for record in registry():
        kind = record["Type"][0]
        new = record["Preferred-Value"]
        if kind == "extlang":
            known.compare(f"{record['Prefix'][0]}-{record['Subtag'][0]}", new[0])
        elif kind in ("redundant", "grandfathered"):
            known.compare(record["Tag"][0], (new or record["Tag"])[0])
        elif kind == "language" and new:
            known.compare(record["Subtag"][0], new[0])
    assert known.same > 25
    assert known.other == {}


class Agreement:
    """Counts the tags that mean what the registry's newer name means."""

    def __init__(self) -> None:
        self.same, self.other = 0, dict[str, str]()

    def compare(self, tag: str, new: str) -> None:
        found = language_or_none(tag)
        if found is not None and found != language_or_none(new):
            self.other[tag] = new
        self.same += found is not None and tag not in self.other


def test_variants_that_name_another_writing_are_never_the_usual_one() -> None:
    listed = ROMANISED | TRANSCRIBED
    for record in registry():
        if record["Type"] != ["variant"]:
            continue
        variant = record["Subtag"][0]
        assert language_or_none(f"en-{variant}") is not None or variant in listed
        for prefix in record["Prefix"]:
            code, *script = prefix.split("-")
            found = language_or_none(f"{code}-{variant}")
            bare = prefix.replace("-Latn", "") in record["Prefix"]
            if found and script[:1] == ["Latn"] and not bare:
                assert found.script == "Latn", (prefix, variant)
    assert language("ar-alalc97").code == "arb_Latn"
    for tag in ("zh-pinyin", "ja-hepburn", "ru-fonipa", "hi-alalc97", "zh-hakka", "zh-xiang"):
        assert language_or_none(tag) is None, tag


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("zh-yue", "yue_Hant"), ("zh_yue_Hant_HK", "yue_Hant"), ("ar-arz", "arz_Arab"),
        ("ar-ary", "ary_Arab"), ("ara_apc", "apc_Arab"), ("no-nn", "nno_Latn"),
        ("no-nb", "nob_Latn"), ("nor-nno", "nno_Latn"), ("ms-min", "min_Latn"),
        ("ku-ckb", "ckb_Arab"), ("lv-ltg", "ltg_Latn"), ("fa-prs", "prs_Arab"),
        ("az-IR", "azb_Arab"), ("az-Arab", "azb_Arab"), ("az-AZ", "azj_Latn"),
        ("pes-AF", "prs_Arab"), ("fa-Arab-AF", "prs_Arab"), ("zh-cmn-Hant", "zho_Hant"),
        ("zh-MO", "zho_Hant"), ("zh-SG", "zho_Hans"), ("zh-Hans-TW", "zho_Hans"),
        ("ko-Kore-KR", "kor_Hang"), ("iw", "heb_Hebr"), ("in", "ind_Latn"), ("ji", "ydd_Hebr"),
        ("mo", "ron_Latn"), ("jw", "jav_Latn"), ("en_XX", "eng_Latn"), ("es-419", "spa_Latn"),
        ("ca-valencia", "cat_Latn"), ("de-1901", "deu_Latn"),
    ],
)  # fmt: skip
def test_the_language_that_is_known_to_be_meant(code: str, expected: str) -> None:
    assert language(code).code == expected


@pytest.mark.parametrize(
    "code",
    ["pa-PK", "pa-Arab", "sr-Latn", "sr-ME", "sh", "uz-AF", "kk-CN", "mn-CN", "ms-CC", "azj-IR",
     "ku-Arab", "hi-Latn", "zh-nan", "hi-train", "en-data1", "en-QX1", "or-zz-zz", "zh-Hant-Hans",
     "en-u-ca-buddhist", "de-x-own"],
)  # fmt: skip
def test_what_the_table_lacks_is_an_error_and_not_its_neighbour(code: str) -> None:
    with pytest.raises(LanguageError, match=f"unknown language '{code}'"):
        language(code)


def test_regions() -> None:
    codes = ("zh-tw", "fr_CA", "or", "ory_Orya", "es-419", "no-nn", "zh-yue-HK", "hi-hi", "x y")
    assert [region(code) for code in codes] == ["TW", "CA", "", "", "419", "", "HK", "", ""]

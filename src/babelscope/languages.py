"""Languages: their codes, names, scripts, families and direction of writing.

The table `languages.tsv` holds the 204 languages of FLORES-200 (NLLB Team, 2022) with the usual
classification of Glottolog and Ethnologue. Any usual code is accepted at the edge, as BCP 47 reads
it; what a region says of the script is taken from CLDR's likely subtags, by `langcodes`.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal

import unicodedataplus

from babelscope.errors import LanguageError

RIGHT_TO_LEFT = frozenset({"Arab", "Hebr"})

UNSPACED = frozenset(
    {"Hani", "Hans", "Hant", "Hira", "Kana", "Jpan", "Thai", "Laoo", "Khmr", "Mymr"}
)
"""ISO 15924 codes of scripts, simple and compound, that put no spaces between words."""

COMPOUND_SCRIPTS = MappingProxyType(
    {
        "Hans": frozenset({"Hani"}),
        "Hant": frozenset({"Hani"}),
        "Jpan": frozenset({"Hani", "Hira", "Kana"}),
        "Hang": frozenset({"Hang", "Hani"}),
        "Kore": frozenset({"Hang", "Hani"}),
    }
)
"""The Unicode scripts behind a script code that stands for more than one, or for another."""

# Macrolanguages, ISO 639-2/B and withdrawn codes, to the code of FLORES. Where a macrolanguage
# has several members in the table, the one that its two-letter code usually means is taken.
ALIASES = MappingProxyType(
    {
        "alb": "als_Latn", "sqi": "als_Latn", "ara": "arb_Arab", "arm": "hye_Armn",
        "aym": "ayr_Latn", "aze": "azj_Latn", "baq": "eus_Latn", "bih": "bho_Deva",
        "bur": "mya_Mymr", "chi": "zho_Hans", "cmn": "zho_Hans", "cze": "ces_Latn",
        "din": "dik_Latn", "dut": "nld_Latn", "ekk": "est_Latn", "fas": "pes_Arab",
        "per": "pes_Arab", "fil": "tgl_Latn", "fre": "fra_Latn", "ful": "fuv_Latn",
        "geo": "kat_Geor", "ger": "deu_Latn", "gre": "ell_Grek", "gug": "grn_Latn",
        "ice": "isl_Latn", "in": "ind_Latn", "iw": "heb_Hebr", "ji": "ydd_Hebr",
        "jw": "jav_Latn", "kau": "knc_Latn", "kur": "kmr_Latn", "lav": "lvs_Latn",
        "mac": "mkd_Cyrl", "mao": "mri_Latn", "may": "zsm_Latn", "msa": "zsm_Latn",
        "mlg": "plt_Latn", "mo": "ron_Latn", "mol": "ron_Latn", "mon": "khk_Cyrl",
        "nep": "npi_Deva", "no": "nob_Latn", "nor": "nob_Latn", "ori": "ory_Orya",
        "orm": "gaz_Latn", "pus": "pbt_Arab", "que": "quy_Latn", "rum": "ron_Latn",
        "slo": "slk_Latn", "swa": "swh_Latn", "tib": "bod_Tibt", "uzb": "uzn_Latn",
        "wel": "cym_Latn", "yid": "ydd_Hebr",
    }
)  # fmt: skip

# Where a script decides the language, or is a well-known other name of the table's.
EXACT_ALIASES = MappingProxyType(
    {
        "az_arab": "azb_Arab", "aze_arab": "azb_Arab",
        "ko_kore": "kor_Hang", "kor_kore": "kor_Hang",
        "sat_beng": "sat_Olck",  # so called in the NLLB tokenizer, whose text is Ol Chiki
    }
)  # fmt: skip

MACROLANGUAGES = MappingProxyType(
    {
        "ak": "twi", "ar": "acm acq aeb ajp apc arb ars ary arz", "ay": "ayr", "az": "azb azj",
        "din": "dik", "et": "ekk", "fa": "pes prs", "ff": "fuv", "gn": "gug", "kr": "knc",
        "ku": "ckb kmr", "lv": "ltg lvs", "mg": "plt", "mn": "khk", "ms": "bjn ind min zsm",
        "ne": "npi", "no": "nb nn nno nob", "om": "gaz", "or": "ory", "ps": "pbt", "qu": "quy",
        "sq": "als", "sw": "swh", "uz": "uzn", "yi": "ydd", "zh": "cmn yue",
    }
)  # fmt: skip
"""ISO 639-3 macrolanguages with the members that the table has: `zh-yue` is `yue`."""

ROMANISED = frozenset({"alalc97", "hepburn", "heploc", "pinyin", "tongyong", "wadegile"})
TRANSCRIBED = frozenset(
    {"baku1926", "fonipa", "fonkirsh", "fonnapa", "fonupa", "fonxsamp", "jyutping", "unifon"}
)
"""Variants of BCP 47 that name another writing: in Latin letters, or in signs of sounds."""

TAG = re.compile(
    r"(?P<primary>[a-z]{2,3})(?:_(?P<member>[a-z]{3}))?(?:_(?P<script>[a-z]{4}))?"
    r"(?:_(?P<region>[a-z]{2}|\d{3}))?(?P<variants>(?:_(?:[a-z\d]{5,8}|\d[a-z\d]{3}))*)"
)


@dataclass(frozen=True, slots=True)
class Language:
    """A written language.

    `code` is that of FLORES-200 ("ory_Orya"), `iso3` and `script` (ISO 15924) are its halves,
    `tag` is the shortest usual BCP-47 tag ("or"), `name` is English.
    """

    code: str
    iso3: str
    script: str
    tag: str
    name: str
    family: str
    branch: str
    direction: Literal["ltr", "rtl"]


@cache
def known_languages() -> tuple[Language, ...]:
    """Return the languages of FLORES-200, sorted by code."""
    text = resources.files("babelscope").joinpath("languages.tsv").read_text(encoding="utf-8")
    return tuple(_from_row(*line.split("\t")) for line in text.splitlines()[1:])


def _from_row(code: str, tag: str, name: str, family: str, branch: str) -> Language:
    iso3, script = code.split("_")
    direction: Literal["ltr", "rtl"] = "rtl" if script in RIGHT_TO_LEFT else "ltr"
    return Language(code, iso3, script, tag, name, family, branch, direction)


@cache
def language(code: str) -> Language:
    """Return the language that a code means: `or`, `ory`, `or-IN`, `ory_Orya`, `zh_Hant`, ...

    A code without a script means the language's usual script. A region matters only where CLDR's
    likely subtags let it change the script (`zh-TW`), or where it decides the language (`fa-AF`);
    a member after its macrolanguage is the member (`zh-yue`). Case and `-` or `_` do not matter.

    Raises:
        LanguageError: the code is unknown, or means a language or script that the table lacks
            (`sr-Latn`, `pa-PK`, `zh-nan`); the message names the nearest known.
    """
    found = language_or_none(code)
    if found is None:
        raise _unknown(code)
    return found


@cache
def language_or_none(code: str) -> Language | None:
    """Return the language that a code means as `language` does, None where that raises."""
    wanted = _normal(code)
    exact = EXACT_ALIASES.get(wanted, wanted).lower()
    return _by_code().get(exact) or _by_subtag().get(exact) or _from_tag(wanted)


def region(code: str) -> str:
    """Return the region that a code names, as `TW` in `zh-tw`; "" if it names none.

    `no-nn` names a member of Norwegian, no region.
    """
    tag = TAG.fullmatch(_normal(code))
    named = (tag["region"] or "") if tag else ""
    return named.upper() if named and _assigned(named) else ""


def _normal(code: str) -> str:
    return code.strip().lower().replace("-", "_")


def _from_tag(wanted: str) -> Language | None:
    tag = TAG.fullmatch(wanted)
    if tag is None:
        return None
    primary, member, script, place, variants = (part or "" for part in tag.groups())
    if place and not _assigned(place):
        if member or script:
            return None
        member, place = place, ""  # no-nn
    if member and member not in _members().get(primary, ()):
        return None
    usual = _by_subtag().get(member or primary)
    styles = set(variants.split("_")) - {""}
    if usual is None or not all(map(_is_variant, styles)) or styles & TRANSCRIBED:
        return None
    script = script or ("latn" if styles & ROMANISED else "") or _script_in(usual.tag, place)
    if usual.iso3 == "pes" and place == "af":
        usual = _by_code()["prs_arab"]
    if not script:
        return usual
    alias = EXACT_ALIASES.get(f"{member or primary}_{script}", "")
    return _by_code().get(alias.lower() or f"{usual.iso3}_{script}")


@cache
def _assigned(place: str) -> bool:
    """Tell whether a region stands in the registry of BCP 47, or is for private use."""
    import langcodes  # only here and below: most codes need no registry

    return bool(langcodes.tag_is_valid(f"und-{place}"))


@cache
def _is_variant(subtag: str) -> bool:
    import langcodes

    # not by a whole tag: und-hakka is read as a withdrawn name of Hakka
    return bool(langcodes.Language.make(variants=[subtag]).is_valid())


@cache
def _script_in(tag: str, place: str) -> str:
    """Return the script that a region changes a language's usual one to; "" where it does not."""
    if not place:
        return ""
    import langcodes

    usual, there = (langcodes.Language.get(t).maximize().script for t in (tag, f"{tag}-{place}"))
    return "" if there == usual else str(there).lower()


@cache
def _members() -> dict[str, frozenset[str]]:
    """Map every code of a macrolanguage, of two or three letters, to its members."""
    by_subtag = _by_subtag()
    own = {macro: frozenset(members.split()) for macro, members in MACROLANGUAGES.items()}
    return own | {
        alias: own[macro]
        for macro in own
        for alias in (*ALIASES, *(lang.iso3 for lang in known_languages()))
        if by_subtag.get(alias) == by_subtag[macro] and alias not in own[macro]
    }


@cache
def _by_code() -> dict[str, Language]:
    return {lang.code.lower(): lang for lang in known_languages()}


@cache
def _by_subtag() -> dict[str, Language]:
    """Map each primary subtag to the language in its usual script (the one with a plain tag)."""
    by_code = _by_code()
    usual = {lang.iso3: lang for lang in known_languages() if "-" not in lang.tag}
    usual |= {lang.tag: lang for lang in known_languages() if "-" not in lang.tag}
    return usual | {alias: by_code[code.lower()] for alias, code in ALIASES.items()}


def spellings(lang: Language) -> tuple[str, ...]:
    """Return the codes that files call a language by: `ory_Orya`, `ory-Orya`, `ory`, `or`, `ori`.

    The first is the code itself; a language in a script that is not its usual one has no short
    spelling (`kas_Deva` is not `ks`).
    """
    short = [subtag for subtag, usual in _by_subtag().items() if usual == lang]
    plain = [lang.code, lang.code.replace("_", "-"), lang.tag, lang.tag.replace("-", "_")]
    tagged = [f"{subtag}{mark}{lang.script}" for subtag in short for mark in "-_"]
    return tuple(dict.fromkeys([*plain, *short, *tagged]))


def _unknown(code: str) -> LanguageError:
    spellings = {lang.name.lower(): lang for lang in known_languages()}
    spellings |= _by_subtag() | _by_code()
    wanted = code.strip().lower().replace("-", "_")
    close = difflib.get_close_matches(wanted, spellings, n=3, cutoff=0.0)
    same_language = _by_subtag().get(wanted.split("_")[0])
    near = [same_language] if same_language else [spellings[spelling] for spelling in close]
    named = ", ".join(dict.fromkeys(f"{lang.code} ({lang.name})" for lang in near))
    return LanguageError(
        f"unknown language {code!r}",
        expected="a code such as or, ory, or-IN or ory_Orya",
        remedy=f"nearest known: {named}",
    )


def script_of(character: str) -> str:
    """Return the ISO 15924 code of one character's Unicode script.

    "Zyyy" is common to scripts, "Zinh" inherited from the character before, "Zzzz" unassigned.
    """
    return _script_codes()[unicodedataplus.script(character)]


@cache
def _script_codes() -> dict[str, str]:
    # the first alias is the ISO code ("Qaac" and "Qaai" are withdrawn seconds)
    aliases: dict[str, list[str]] = unicodedataplus.property_value_aliases["script"]
    return {name: codes[0] for name, codes in aliases.items()}


def scripts_of_language(lang: Language) -> frozenset[str]:
    """Return the Unicode scripts that a language's text uses (Jpan is Hani, Hira and Kana)."""
    return COMPOUND_SCRIPTS.get(lang.script, frozenset({lang.script}))

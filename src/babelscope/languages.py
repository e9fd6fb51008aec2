"""Languages: their codes, names, scripts, families and direction of writing.

The table `languages.tsv` holds the 204 languages of FLORES-200 (NLLB Team, 2022) with the usual
classification of Glottolog and Ethnologue; any usual code is accepted at the edge.
"""

from __future__ import annotations

import difflib
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

# Where the region, or a well-known mislabelled script, decides the language.
EXACT_ALIASES = MappingProxyType(
    {
        "fa_af": "prs_Arab", "fas_af": "prs_Arab", "ko_kore": "kor_Hang", "kor_kore": "kor_Hang",
        "sat_beng": "sat_Olck",  # so called in the NLLB tokenizer, whose text is Ol Chiki
    }
)  # fmt: skip

TRADITIONAL_REGIONS = frozenset({"tw", "hk", "mo"})


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

    A code without a script means the language's usual script; a region matters only where it
    decides the script or the language (`zh-TW`, `fa-AF`). Case and `-` or `_` do not matter.

    Raises:
        LanguageError: the code is unknown; the message names the nearest known.
    """
    parts = code.strip().lower().replace("-", "_").split("_")
    wanted = "_".join(parts)
    by_code = _by_code()
    if wanted in EXACT_ALIASES:
        return by_code[EXACT_ALIASES[wanted].lower()]
    if wanted in by_code:
        return by_code[wanted]
    usual = _by_subtag().get(parts[0])
    if usual is None:
        raise _unknown(code)
    script = next((p for p in parts[1:] if len(p) == 4 and p.isalpha()), "")
    if not script and usual.iso3 == "zho" and TRADITIONAL_REGIONS & set(parts[1:]):
        script = "hant"
    found = by_code.get(f"{usual.iso3}_{script}") if script else usual
    if found is None or not all(_is_subtag(part) for part in parts[1:]):
        raise _unknown(code)
    return found


def _is_subtag(part: str) -> bool:
    # script (4 letters), region (2 letters or 3 digits), variant (5 to 8 characters)
    return part.isalnum() and part.isascii() and 2 <= len(part) <= 8


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

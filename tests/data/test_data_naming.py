"""What the names of files and folders say of their language."""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.data.naming import languages_in, languages_named, words_of
from babelscope.data.patterns import Slots, files_of
from babelscope.data.sources import locate
from babelscope.errors import DataError
from babelscope.languages import known_languages, language, language_or_none, region, spellings


def named(path: str) -> set[str]:
    """Return the codes that a path names, "?" for a language that is not known."""
    found = languages_named(Path(path))
    return {name.language.code if name.language else "?" for name in found}


PUBLISHED = {
    "xquad.en.json": "en", "xquad/xquad.zh.json": "zh", "indicqa/indicqa.or.json": "or",
    "or/xquad_or_test.json": "or", "xquad_or_train.json": "or",
    "de/xquad_en2de_train.json": "de", "xquad_en2ru_nllb_train.json": "ru",
    "tydiqa-goldp-v1.1-train/tydiqa.goldp.sw.train.json": "sw",
    "dev/dev-context-de-question-de.json": "de", "mlqa/test/test-context-vi-question-vi.json": "vi",
    "data/id/test.id.jsonl": "id", "data-gmt/et/val.et.jsonl": "et",
    "mgsm_bn.tsv": "bn", "dev-de.tsv": "de", "dev_2k-ko.tsv": "ko", "translated_train-ja.tsv": "ja",
    "devtest/eng_Latn.devtest": "en", "sib200/zho_Hant/test.tsv": "zh-Hant",
    "ar_pud-ud-test.conllu": "ar", "UD_Danish-DDT/da_ddt-ud-dev.iob2": "da",
    "UNER/English-EWT/en_ewt-ud-train.iob2": "en", "aym.tsv": "ay", "americasnli/gn.tsv": "gn",
    "udhr_ory.xml": "or", "common_voice/eu/wiki.eu.txt": "eu", "PAN-X.af/test.tsv": "af",
    "belebele/ory_Orya.jsonl": "or", "massive/ms-MY.jsonl": "ms", "20231101.as/train.json": "as",
    "squad-it-train.json": "it", "dev-v1.1-de.json": "de", "zh-HK/test.jsonl": "zh-Hant",
    "no/no_test.json": "nb", "wiki.zh-yue.json": "yue", "iw.json": "he", "in/train.json": "id",
    "gold_passages/bem/afriqa.bem.en.dev.json": "bem",
}  # fmt: skip
"""How data sets name their files -> the language."""


@pytest.mark.parametrize("path", PUBLISHED)
def test_published_names(path: str) -> None:
    assert named(path) == {language(PUBLISHED[path]).code}


FLEURS = (
    "af_za am_et ar_eg as_in ast_es az_az be_by bg_bg bn_in bs_ba ca_es ceb_ph ckb_iq cmn_hans_cn "
    "cs_cz cy_gb da_dk de_de el_gr en_us es_419 et_ee fa_ir ff_sn fi_fi fil_ph fr_fr ga_ie gl_es "
    "gu_in ha_ng he_il hi_in hr_hr hu_hu hy_am id_id ig_ng is_is it_it ja_jp jv_id ka_ge kam_ke "
    "kea_cv kk_kz km_kh kn_in ko_kr ky_kg lb_lu lg_ug ln_cd lo_la lt_lt luo_ke lv_lv mi_nz mk_mk "
    "ml_in mn_mn mr_in ms_my mt_mt my_mm nb_no ne_np nl_nl nso_za ny_mw oc_fr om_et or_in pa_in "
    "pl_pl ps_af pt_br ro_ro ru_ru sk_sk sl_si sn_zw so_so sr_rs sv_se sw_ke ta_in te_in "
    "tg_tj th_th tr_tr uk_ua umb_ao ur_pk uz_uz vi_vn wo_sn xh_za yo_ng yue_hant_hk zu_za"
)
MASSIVE = (
    "af-ZA am-ET ar-SA az-AZ bn-BD ca-ES cy-GB da-DK de-DE el-GR en-US es-ES fa-IR fi-FI fr-FR "
    "he-IL hi-IN hu-HU hy-AM id-ID is-IS it-IT ja-JP jv-ID ka-GE km-KH kn-IN ko-KR lv-LV ml-IN "
    "mn-MN ms-MY my-MM nb-NO nl-NL pl-PL pt-PT ro-RO ru-RU sl-SL sq-AL sv-SE sw-KE ta-IN te-IN "
    "th-TH tl-PH tr-TR ur-PK vi-VN zh-CN zh-TW"
)


@pytest.mark.parametrize("locale", [*FLEURS.split(), *MASSIVE.split()])
def test_locales_in_small_letters_and_capitals(locale: str) -> None:
    """The language is that of the first subtag in the script of the region, never the region's."""
    (found,) = languages_in(locale)
    assert found.language == language(locale)
    assert found.language is not None
    assert found.language.iso3 == language(locale.replace("_", "-").split("-")[0]).iso3
    assert found.region == region(locale) != ""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("questions_in_hi.json", {"hi"}), ("questions_in_ca.json", {"ca"}),
        ("translated_to_hi.json", {"hi"}), ("my_questions_hi.json", {"hi"}),
        ("no_answer_de.json", {"de"}), ("it-support-fr.json", {"fr"}),
        ("qa-as-csv/en.json", {"en"}), ("or-dev.json", {"or"}),
        ("hi-csv.json", set()), ("xquad_DE.json", {"de"}), ("all_de.json", {"de"}),
        # words that happen to be codes
        ("my_data.json", set()), ("no_answers.json", set()), ("is-it-true.json", set()),
        ("built_in.json", set()), ("xquad_in.json", set()), ("my_QA.json", set()),
        ("qa_as_text.json", set()), ("cat_photos.json", set()), ("data.json", set()),
        # several languages
        ("yes_or_no.json", {"or", "no"}), ("en-de.json", {"en", "de"}),
        ("EN-DE.json", {"en", "de"}),
        ("en_es.json", {"en", "es"}), ("squad.translate.train.en-ar.json", {"en", "ar"}),
        ("dev-context-de-question-en.json", {"de", "en"}), ("c-de-q-en.json", {"de", "en"}),
        ("mlqa.de.en.json", {"de", "en"}), ("eng_Latn-ory_Orya.json", {"en", "or"}),
        # a folder decides between them, or contradicts
        ("de/squad_en-de.json", {"de"}), ("en/xquad_de.json", {"en", "de"}),
        ("zh/zh-TW.json", {"zh-Hant"}), ("fr/fr-CA.json", {"fr"}), ("in_hi/test.json", {"hi"}),
    ],
)  # fmt: skip
def test_words_inside_names_and_several_languages(path: str, found: set[str]) -> None:
    assert named(path) - {"?"} == {language(code).code for code in found}


@pytest.mark.parametrize(
    "name",
    ["sr-Latn", "sr_latn", "fy-NL", "br-FR", "br_fr", "nds-nl", "hsb-DE", "pa-PK", "kk-CN",
     "hi_latn", "20231101.zh-min-nan", "zh-nan", "xquad_sr-Latn_test", "xquad_fy-NL"],
)  # fmt: skip
def test_a_tag_of_an_unknown_language_names_none_that_is_known(name: str) -> None:
    assert named(f"{name}.json") <= {"?"}


CODES = sorted({code for lang in known_languages() for code in spellings(lang)})
WITHDRAWN = {"in", "iw", "ji", "jw", "mo"}
WORDS = st.from_regex(r"[a-z]{5,9}", fullmatch=True)


@given(
    st.sampled_from(CODES), WORDS, st.sampled_from("._- "), st.sampled_from(["", "_test", "-dev"])
)
def test_a_code_at_the_end_of_a_name_is_its_language(
    code: str, word: str, mark: str, split: str
) -> None:
    found = {name.language for name in languages_in(f"{word}{mark}{code}{split}")}
    assert found == (set() if code in WITHDRAWN else {language(code)})


@given(st.sampled_from([code for code in CODES if len(code) <= 3]), WORDS, WORDS)
def test_a_short_code_inside_a_name_is_no_language(code: str, first: str, last: str) -> None:
    found = languages_in(f"{first}_{code}_{last}")
    assert found == set() or (len(last) == 5 and language_or_none(f"{code}-{last}"))


@given(st.text(max_size=30), st.text(max_size=10))
def test_any_name_names_languages_or_none(name: str, folder: str) -> None:
    for found in languages_named(Path(folder, name)):
        assert found.language is None or found.language in known_languages()
    assert all(word == word.lower() for word in words_of(name))


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("archive", "suffix"),
    [("mlqa", ".json"), ("xcopa", ".jsonl"), ("indicqa", ".json"), ("xnli", ".tsv"),
     ("pawsx", ".tsv"), ("mgsm", ".tsv"), ("flores200", ".devtest"), ("tydiqa_goldp", ".json"),
     ("ud_pud", ".conllu"), ("uner", ".iob2"), ("sib200", ".tsv"), ("americasnli", ".tsv")],
)  # fmt: skip
def test_every_file_of_the_real_sets_names_its_language(
    shared: Path, archive: str, suffix: str
) -> None:
    with tarfile.open(shared / "data" / f"{archive}.tar.xz") as tar:
        names = [name for name in tar.getnames() if name.endswith(suffix)]
    found = Counter(len({n.language for n in languages_named(Path(name))}) for name in names)
    pairs = 30 if archive == "mlqa" else 0  # 6 x 6 languages of context and question, 6 alike
    assert found == Counter({1: len(names) - pairs, 2: pairs})


LOCALES = (
    "af-ZA ar-SA en-US fr-CA hi-IN it-IT ms-MY nb-NO sl-SI sq-AL sw-KE ta-LK zh-TW sr-Latn fy-NL"
)


@pytest.fixture(params=["-", "_", "_small", "folders"])
def locales(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder with a file a locale, in four ways of writing them."""
    for locale in LOCALES.split():
        name = locale if request.param == "-" else locale.replace("-", "_")
        name = name.lower() if request.param == "_small" else name
        path = Path(name, "test.jsonl") if request.param == "folders" else Path(f"{name}.jsonl")
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("{}", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("code", ["my", "ca", "id", "si", "sa", "zh", "sr", "nl", "in"])
def test_a_region_is_no_language(locales: Path, code: str) -> None:
    pattern = "{language}/test.jsonl" if (locales / "af_ZA").is_dir() else "{language}.jsonl"
    for data in (locales, locales / pattern, locales / pattern.replace("{", "*{")):
        with pytest.raises(DataError, match=r"none.*, but .*and \d more") as caught:
            locate(str(data), code)
        held = [
            p for p in locales.rglob("*.jsonl") if code in words_of(str(p.relative_to(locales)))
        ]
        assert all(str(path.relative_to(locales)) in str(caught.value) for path in held)
        assert caught.value.remedy


@pytest.mark.parametrize(
    ("code", "start"),
    [("ms", "ms"), ("fr", "fr"), ("hi", "hi"), ("zh-TW", "zh"), ("zh-Hant", "zh"), ("no", "nb"),
     ("fr-CA", "fr"), ("zho_Hant", "zh"), ("zsm_Latn", "ms"), ("ar", "ar"), ("sl", "sl")],
)  # fmt: skip
def test_the_language_of_a_locale_is_found(locales: Path, code: str, start: str) -> None:
    (expected,) = (p for p in locales.rglob("*.jsonl") if str(p.relative_to(locales))[:2] == start)
    pattern = "{language}/test.jsonl" if (locales / "af_ZA").is_dir() else "{language}.jsonl"
    for data in (locales, locales / pattern):
        assert locate(str(data), code) == expected


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}", encoding="utf-8")


@pytest.mark.parametrize("pattern", ["", "{language}.json"])
def test_the_region_that_is_asked_for_decides(tmp_path: Path, pattern: str) -> None:
    write(tmp_path, "fr-CA.json", "fr-FR.json", "pt-PT.json", "es.json", "es-MX.json")
    data = str(tmp_path / pattern)
    assert locate(data, "fr_ca").name == "fr-CA.json"  # type: ignore[union-attr]
    assert locate(data, "es").name == "es.json"  # type: ignore[union-attr]
    assert locate(data, "es-AR").name == "es.json"  # type: ignore[union-attr]
    assert locate(data, "es-MX").name == "es-MX.json"  # type: ignore[union-attr]
    assert locate(data, "pt").name == "pt-PT.json"  # type: ignore[union-attr]
    with pytest.raises(DataError, match=r"fr-CA\.json, .*fr-FR\.json"):
        locate(data, "fr")
    with pytest.raises(DataError, match=r"pt-PT\.json"):
        locate(data, "pt-BR")


@pytest.mark.parametrize(
    "name", ["qa_en_kn.json", "en-gu.json", "en-gu/test.json", "en_mg.json", "en_ca.json"]
)
def test_a_pair_in_small_letters_is_no_locale(tmp_path: Path, name: str) -> None:
    """KN is St Kitts, where English is official, and Kannada: which is meant, a name cannot say."""
    write(tmp_path, name)
    for code in re.findall(r"\b[a-z]{2}\b", name.replace("_", " ").replace("qa ", "")):
        with pytest.raises(DataError, match=re.escape(name)):
            locate(str(tmp_path), code)
    for capitals in ("en-KN.json", "pt-TL.json", "fr-CA.json"):
        write(tmp_path / "capitals", capitals)
        found = locate(str(tmp_path / "capitals"), capitals[:2])
        assert getattr(found, "name", "") == capitals


@pytest.mark.parametrize("script", ["zh-TW", "zh-Hant", "zh_TW"])
def test_a_folder_tells_more_than_a_bare_code_in_it(tmp_path: Path, script: str) -> None:
    write(tmp_path, f"{script}/zh.json")
    assert locate(str(tmp_path), "zh-TW") == tmp_path / script / "zh.json"
    with pytest.raises(DataError):
        locate(str(tmp_path), "zh")
    write(tmp_path, "zh-CN/zh.json")
    assert locate(str(tmp_path), "zh-TW") == tmp_path / script / "zh.json"
    assert locate(str(tmp_path), "zh") == tmp_path / "zh-CN" / "zh.json"


def test_two_languages_in_a_name_are_never_taken_for_one(tmp_path: Path) -> None:
    write(tmp_path, "dev-context-de-question-en.json", "dev-context-es-question-es.json")
    assert locate(str(tmp_path), "es", "dev").name.endswith("es.json")  # type: ignore[union-attr]
    for code in ("de", "en"):
        with pytest.raises(DataError, match="none of it, but dev-context-de-question-en") as caught:
            locate(str(tmp_path), code, "dev")
        assert "es-question" not in str(caught.value)


@pytest.mark.parametrize(
    "folder", ["a [1]", "[ab]", "x{y}", "what?", "!(n)", "a+b.c", "[!a]", "{language", "c^$d"]
)
def test_all_but_the_slots_stands_for_itself(tmp_path: Path, folder: str) -> None:
    write(tmp_path, f"{folder}/or_1.json", f"{folder}/de_1.json", "a/or_1.json", "1/or_1.json")
    for name in ("{language}_*.json", "*{language}*.json", "{language}_1.json"):
        found = locate(str(tmp_path / folder / name), "or")
        assert found == tmp_path / folder / "or_1.json"


@given(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
        lambda name: name not in (".", "..") and "*" not in name and len(name.encode()) < 200
    )
)
def test_any_folder_name_stands_for_itself(
    tmp_path_factory: pytest.TempPathFactory, folder: str
) -> None:
    root = tmp_path_factory.mktemp("any")
    write(root, f"{folder}/or.json")
    slots = Slots.of("or", language("or"), ["test"])
    if "{language}" not in folder and "{split}" not in folder:
        found = files_of(root / folder / "*{language}.js*", slots)
        assert [path for path, _ in found] == [root / folder / "or.json"]


def test_slots_and_stars(tmp_path: Path) -> None:
    write(tmp_path, "a/or/x_or_validation.json", "a/de/x_de_validation.json", "b/ORY/x.json",
          "orwiki.json", "v1/deep/er/or.json")  # fmt: skip
    found = locate(str(tmp_path / "*/{language}/x_{language}_{split}.json"), "or", "dev")
    assert found == tmp_path / "a/or/x_or_validation.json"
    assert locate(str(tmp_path / "b/{language}/x.json"), "or") == tmp_path / "b/ORY/x.json"
    assert locate(str(tmp_path / "{language}wiki.json"), "or") == tmp_path / "orwiki.json"
    assert locate(str(tmp_path / "v1/**/{language}.json"), "or").name == "or.json"  # type: ignore[union-attr]
    with pytest.raises(DataError, match="found none"):
        locate(str(tmp_path / "none/{language}.json"), "or")


def test_a_pattern_reads_the_longest_code_that_fits(tmp_path: Path) -> None:
    write(tmp_path, "x_ms_my.json", "x_sr-Latn.json", "x_or_test_2.json", "pair.en-de.json")
    assert locate(str(tmp_path / "*{language}*.json"), "ms").name == "x_ms_my.json"  # type: ignore[union-attr]
    assert locate(str(tmp_path / "x_{language}_*.json"), "or").name == "x_or_test_2.json"  # type: ignore[union-attr]
    for code in ("my", "sr"):
        with pytest.raises(DataError, match="found none, but"):
            locate(str(tmp_path / "x_*{language}.json"), code)
    with pytest.raises(DataError, match="found none"):
        locate(str(tmp_path / "pair.{language}.json"), "en")

"""Parallel texts from every form they come in, and what is wrong with them in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from babelscope.data import atlas
from babelscope.data.bitext import read_bitext, without
from babelscope.errors import DataError, SettingError

LINES = {"en": "one\ntwo\n\nfour\nfive\n", "de": "eins\nzwei\ndrei\nvier\nfünf\n"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for code, text in LINES.items():
        (tmp_path / f"{code}.txt").write_text(text, encoding="utf-8")
    return tmp_path


def test_lines_are_joined_and_empty_ones_counted(folder: Path) -> None:
    for data in (str(folder), f"{folder}/{{language}}.txt"):
        (bitext,) = read_bitext(data, ("en", "de"))
        assert bitext.texts["eng_Latn"] == ("one", "two", "four", "five")
        assert bitext.texts["deu_Latn"] == ("eins", "zwei", "vier", "fünf")
        assert bitext.ids == bitext.contexts == ("00000", "00001", "00003", "00004")
        assert bitext.dropped == {"empty in a language": 1}


def test_articles_group_the_lines_where_their_table_stands_beside(tmp_path: Path) -> None:
    devtest = tmp_path / "devtest"
    devtest.mkdir()
    for code, text in LINES.items():
        (devtest / f"{code}.txt").write_text(text, encoding="utf-8")
    rows = "\n".join(f"u{i // 2}\tnews" for i in range(5))
    (tmp_path / "metadata_devtest.tsv").write_text(f"URL\tdomain\n{rows}\n")
    (bitext,) = read_bitext(str(devtest), ("en", "de"))
    assert bitext.contexts == ("u0", "u0", "u1", "u2")
    assert bitext.name == f"{tmp_path.name}/devtest"


def test_unaligned_lines_are_one_error(folder: Path) -> None:
    (folder / "de.txt").write_text("eins\nzwei\n")
    with pytest.raises(DataError, match=r"expected as many lines.*5 in eng_Latn, 2 in deu_Latn"):
        read_bitext(str(folder), ("en", "de"))


def test_limit_keeps_the_first_items(folder: Path) -> None:
    (folder / "fr.txt").write_text("un\ndeux\ntrois\nquatre\ncinq\n")
    (bitext,) = read_bitext(str(folder), ("de", "fr"), limit=4)
    assert bitext.texts["fra_Latn"] == ("un", "deux", "trois", "quatre")
    assert list(bitext.texts) == ["deu_Latn", "fra_Latn"]


def test_pairs_are_a_bitext_each(tmp_path: Path) -> None:
    for name, text in (
        *(("deu-eng.deu", "a b\nc\nd\ne"), ("deu-eng.eng", "1\n2\n3\n4")),
        *(("cmn-eng.cmn", "五\n六\n七\n八"), ("cmn-eng.eng", "5\n6\n7\n8")),
    ):
        (tmp_path / f"tatoeba.{name}").write_text(text, encoding="utf-8")
    one, other = read_bitext(str(tmp_path), ("en", "de", "zh"))
    assert (one.texts["eng_Latn"][0], other.texts["eng_Latn"][0]) == ("1", "5")
    assert list(other.texts) == ["eng_Latn", "zho_Hans"]
    assert one.name != other.name
    with pytest.raises(DataError, match="both files of eng_Latn and fra_Latn"):
        read_bitext(str(tmp_path), ("en", "fr"))
    (tmp_path / "tatoeba.deu-eng.deu").write_text("a\nb")
    with pytest.raises(DataError, match="4 in eng_Latn, 2 in deu_Latn"):
        read_bitext(str(tmp_path), ("en", "de"))


def test_pairs_whose_codes_hold_a_hyphen(tmp_path: Path) -> None:
    for name in ("zh-TW-eng.zh-TW", "zh-TW-eng.eng", "eng-no-nn.no-nn", "eng-no-nn.eng"):
        (tmp_path / f"tatoeba.{name}").write_text(f"{name}\n2\n3\n4", encoding="utf-8")
    traditional, nynorsk = read_bitext(str(tmp_path), ("en", "zh-Hant", "nn"))
    assert traditional.texts["zho_Hant"][0] == "zh-TW-eng.zh-TW"
    assert nynorsk.texts["nno_Latn"][0] == "eng-no-nn.no-nn"
    for code in ("zh", "tw", "no"):
        with pytest.raises(DataError, match="expected both files of eng_Latn and"):
            read_bitext(str(tmp_path), ("en", code))
    (tmp_path / "tatoeba.en-nno.nno").write_text("1\n2\n3\n4")
    with pytest.raises(DataError, match="one file of nno_Latn in a pair"):
        read_bitext(str(tmp_path), ("en", "nn"))


def conllu(rows: list[tuple[str, str]]) -> str:
    return "".join(f"# sent_id = {i}\n# text = {text}\n1\t{text}\n\n" for i, text in rows)


def test_a_treebank_is_of_the_language_that_its_name_names(tmp_path: Path) -> None:
    rows = [(f"n{i}", f"text {i}") for i in range(6)]
    for name in ("en_pud-ud-test", "no_nynorsk-ud-test", "kmr_mg-ud-test", "fr_CA-ud-test"):
        (tmp_path / f"{name}.conllu").write_text(conllu(rows), encoding="utf-8")
    for code in ("nn", "ku", "fr"):
        (bitext,) = read_bitext(str(tmp_path), ("en", code))
        assert len(bitext.ids) == 6
    for code in ("no", "nb", "mg", "ca"):
        with pytest.raises(DataError, match="expected one treebank of"):
            read_bitext(str(tmp_path), ("en", code))


def test_treebanks_are_joined_by_their_ids(tmp_path: Path) -> None:
    rows = [(f"n{i}", f"text {i}") for i in range(6)]
    for name, chosen in (("en_pud", rows), ("de_pud", rows[::-1][:5])):
        (tmp_path / name).mkdir()
        text = "# newdoc id = doc\n" + conllu(chosen)
        (tmp_path / name / f"{name}-ud-test.conllu").write_text(text)
    (bitext,) = read_bitext(str(tmp_path), ("en", "de"))
    assert bitext.ids == ("n1", "n2", "n3", "n4", "n5")
    assert bitext.texts["eng_Latn"] == bitext.texts["deu_Latn"]
    assert set(bitext.contexts) == {"doc"}
    assert bitext.dropped == {"not in every language": 1}
    with pytest.raises(DataError, match="one treebank of fra_Latn"):
        read_bitext(str(tmp_path), ("en", "fr"))


TABLE = "dog\tHund\ncat\tKatze\ndog\tRüde\nbank\tBank\nriver bank\tUfer\nshore\tUfer\n"


def test_two_columns_keep_the_first_of_repeated_entries(tmp_path: Path) -> None:
    path = tmp_path / "en_de.tsv"
    path.write_text(TABLE, encoding="utf-8")
    (bitext,) = read_bitext(str(path), ("en", "de"), "word")
    assert bitext.texts["eng_Latn"] == ("dog", "cat", "bank", "river bank", "shore")
    assert bitext.texts["deu_Latn"] == ("Hund", "Katze", "Bank", "Ufer", "Ufer")
    assert bitext.dropped == {"repeated entry of eng_Latn for deu_Latn": 1}
    assert bitext.noted == {"repeated text in deu_Latn": 1}
    assert bitext.spans["deu_Latn"][0] == (0, 4)
    with pytest.raises(DataError, match="two languages"):
        read_bitext(str(path), ("en", "de", "fr"), "word")
    path.write_text("a\tb\tc\n")
    with pytest.raises(DataError, match="line 1: expected two columns, found 3"):
        read_bitext(str(path), ("en", "de"), "word")


def test_several_tables_share_their_entries(tmp_path: Path) -> None:
    (tmp_path / "en_de.tsv").write_text(TABLE, encoding="utf-8")
    (tmp_path / "en_fr.tsv").write_text("cat\tchat\ndog\tchien\nbank\tbanque\nshore\trive\nx\ty\n")
    (bitext,) = read_bitext(f"{tmp_path}/en_{{language}}.tsv", ("en", "de", "fr"), "word")
    assert bitext.ids == ("dog", "cat", "bank", "shore")
    assert bitext.texts["fra_Latn"] == ("chien", "chat", "banque", "rive")
    assert bitext.dropped["not in every language"] == 2


def test_a_carrier_knows_where_its_word_stands(tmp_path: Path) -> None:
    table = tmp_path / "en_de.tsv"
    table.write_text(TABLE, encoding="utf-8")
    carriers = tmp_path / "carriers.txt"
    carriers.write_text("en\tThis is “{word}”.\nde\tDas ist „{word}“.\n", encoding="utf-8")
    found = read_bitext(str(table), ("en", "de"), "word", carrier=str(carriers))[0]
    assert found.texts["deu_Latn"][1] == "Das ist „Katze“."
    for code, texts in found.texts.items():
        words = [t[slice(*s)] for t, s in zip(texts, found.spans[code], strict=True)]
        assert words[:2] == [["dog", "cat"], ["Hund", "Katze"]][code == "deu_Latn"]
    carriers.write_text("en\t{word}.\nde\t{word}.\neng\tThe {word}.\n")
    with pytest.raises(DataError, match="line 3: expected one sentence a language, found a second"):
        read_bitext(str(table), ("en", "de"), "word", carrier=str(carriers))
    carriers.write_text("en\tThis is {word}.\n")
    with pytest.raises(DataError, match="a sentence in deu_Latn"):
        read_bitext(str(table), ("en", "de"), "word", carrier=str(carriers))
    carriers.write_text("en\tThis is it.\n")
    with pytest.raises(DataError, match="line 1: expected a language code, a tab"):
        read_bitext(str(table), ("en", "de"), "word", carrier=str(carriers))
    with pytest.raises(SettingError, match="carrier atlas"):
        read_bitext(str(table), ("en", "de"), "word", carrier="atlas")


def test_atlas_has_sentences_and_words() -> None:
    (sentences,) = read_bitext("atlas:test", ("en", "or"))
    assert sentences.texts["ory_Orya"] == tuple(atlas.sentences("or", "test"))
    (words,) = read_bitext("atlas", ("en", "de"), "word")
    place = words.ids.index("currency:INR")
    assert words.texts["eng_Latn"][place] == "Indian Rupee"
    (placed,) = read_bitext("atlas", ("en", "de"), "word", carrier="atlas")
    assert placed.texts["eng_Latn"][place] == "currency: Indian Rupee."
    start, end = placed.spans["deu_Latn"][place]
    assert placed.texts["deu_Latn"][place][start:end] == words.texts["deu_Latn"][place]
    assert len(set(words.ids)) == len(words.ids) > 200


@pytest.mark.parametrize(
    ("languages", "unit", "carrier", "limit", "told"),
    [
        (("en",), "sentence", "", 0, "two or more"),
        (("en", "eng"), "sentence", "", 0, "two or more"),
        (("en", "de"), "text", "", 0, "sentence or word"),
        (("en", "de"), "sentence", "atlas", 0, "the unit word"),
        (("en", "de"), "sentence", "", -1, "0 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    languages: tuple[str, ...], unit: str, carrier: str, limit: int, told: str
) -> None:
    with pytest.raises(SettingError, match=told):
        read_bitext("atlas", languages, unit, carrier=carrier, limit=limit)


def test_items_are_left_out_by_place_and_counted() -> None:
    (words,) = read_bitext("atlas:test", ("en", "de"), "word", carrier="atlas")
    fewer = without(words, [0, 2], "without a token to pool")
    assert fewer.ids == (words.ids[1], *words.ids[3:])
    assert fewer.spans["deu_Latn"][1] == words.spans["deu_Latn"][3]
    assert fewer.texts["eng_Latn"][0] == words.texts["eng_Latn"][1]
    assert fewer.dropped == {"without a token to pool": 2}
    assert without(words, [], "none") is words
    with pytest.raises(DataError, match="4 items or more"):
        without(words, range(len(words.ids) - 3), "lost")


def test_what_cannot_be_read_is_named(folder: Path) -> None:
    for data, told in (("none", "no such file"), (str(folder), "a file of fra_Latn")):
        with pytest.raises(DataError, match=told):
            read_bitext(data, ("en", "fr"))
    (folder / "fr.txt").write_text("un\n\n\n\ncinq\n")
    with pytest.raises(
        DataError, match=r"4 items or more.*found 2; left out: empty in a language 3"
    ):
        read_bitext(str(folder), ("en", "fr"))


@pytest.mark.real_data
def test_real_sets_are_read_whole(unpacked: Callable[[str], Path]) -> None:
    flores = unpacked("flores200") / "flores200" / "devtest"
    (bitext,) = read_bitext(str(flores), ("en", "or", "zh", "ar"))
    assert {len(t) for t in bitext.texts.values()} == {1012}
    assert 200 < len(set(bitext.contexts)) < 400
    (pud,) = read_bitext(str(unpacked("ud_pud")), ("en", "de", "hi", "zh"))
    assert len(pud.ids) == 1000
    assert len(set(pud.contexts)) < 1000
    pairs = read_bitext(str(unpacked("tatoeba_laser") / "tatoeba_laser"), ("en", "te", "zh"))
    assert [len(pair.ids) for pair in pairs] == [234, 1000]
    words = str(unpacked("gatitos") / "gatitos" / "en_{language}.tsv")
    (gatitos,) = read_bitext(words, ("en", "es", "hi", "gn"), "word")
    assert len(gatitos.ids) > 3900
    assert gatitos.noted["repeated text in spa_Latn"] > 100

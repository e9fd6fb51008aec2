"""Atlas's inference labels follow from its facts, and its tags from its names."""

from __future__ import annotations

from collections import Counter

import pytest

from babelscope.data import atlas, atlas_tasks
from babelscope.data.atlas_words import WORDS
from babelscope.errors import DataError
from babelscope.records import LABELS

SPACED = [c for c in atlas.languages() if c not in ("zho_Hans", "jpn_Jpan", "tha_Thai")]


@pytest.mark.parametrize("code", ["eng_Latn", "ory_Orya", "arb_Arab"])
def test_labels_follow_from_the_facts(code: str) -> None:
    items = atlas_tasks.inferences(code)
    assert Counter(i.label for i in items) == dict.fromkeys(LABELS, len(items) // 3)
    words = WORDS[code]
    for item in items:
        told = item.hypothesis in item.premise
        assert told == (item.label == "entailment")
        label = item.hypothesis.split(words.dash)[1].split(words.colon)[0]
        field_told = f"{words.dash}{label}{words.colon}" in item.premise
        assert field_told == (item.label != "neutral")


def test_items_are_parallel() -> None:
    english, odia = atlas_tasks.inferences("en"), atlas_tasks.inferences("or")
    assert [(i.id, i.label) for i in english] == [(i.id, i.label) for i in odia]
    pairs = atlas_tasks.translations("en", "or")
    assert len(pairs) == len(atlas.split_territories("test"))


@pytest.mark.parametrize("code", SPACED)
def test_tags_mark_the_name(code: str) -> None:
    for item, territory in zip(
        atlas_tasks.tagged_sentences(code), atlas.split_territories("test"), strict=True
    ):
        assert len(item.words) == len(item.tags)
        named = [w for w, t in zip(item.words, item.tags, strict=True) if t != "O"]
        assert " ".join(named) == " ".join(atlas.name_of(territory, "territory", code).split())
        assert item.tags[0] == "B-LOC"


@pytest.mark.parametrize("code", ["zh", "ja", "th"])
def test_unspaced_languages_have_no_words_to_tag(code: str) -> None:
    with pytest.raises(DataError, match="spaces"):
        atlas_tasks.tagged_sentences(code)

"""Drawing questions: counts in closed form, laws of the order, the same ids in every language."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.data.draws import (
    PerContext,
    draw_places,
    draw_questions,
    drawn_words,
    per_context_of,
)
from babelscope.data.qa import read_qa
from babelscope.errors import DataError, SettingError
from babelscope.records import Example, QuestionSet

SIZES = st.lists(st.integers(1, 6), min_size=1, max_size=14)
SEEDS = st.integers(0, 1 << 40)
WAYS = st.one_of(st.integers(1, 7), st.just("fewest"), st.just("all"))


def items(sizes: Sequence[int]) -> tuple[list[str], list[str]]:
    """Return ids and contexts; each context is named by its first item, as files often do."""
    ids = [f"{c}.{q}" for c, size in enumerate(sizes) for q in range(size)]
    return ids, [f"{c}.0" for c, size in enumerate(sizes) for _ in range(size)]


def drawn(sizes: Sequence[int], n: int, seed: int, way: PerContext = "fewest") -> list[str]:
    ids, contexts = items(sizes)
    return [ids[place] for place in draw_places(ids, contexts, n, seed, way)]


def given_by_context(chosen: Sequence[str]) -> Counter[str]:
    return Counter(identity.partition(".")[0] for identity in chosen)


def question_set(sizes: Sequence[int], language: str = "eng_Latn") -> QuestionSet:
    ids, contexts = items(sizes)
    made = [
        Example(i, language, f"{language} {c}", f"{language}?", ("a",), c)
        for i, c in zip(ids, contexts, strict=True)
    ]
    return QuestionSet("set", language, tuple(made), {"no id": 2})


@given(sizes=SIZES, n=st.integers(0, 90), seed=SEEDS)
def test_as_many_contexts_as_there_are_each_as_even_as_its_size_allows(
    sizes: list[int], n: int, seed: int
) -> None:
    chosen = drawn(sizes, n, seed)
    wanted = min(n or sum(sizes), sum(sizes))
    assert len(chosen) == len(set(chosen)) == wanted
    counts = given_by_context(chosen)
    assert len(counts) == min(wanted, len(sizes))
    # as even as can be: none gives two more than one that still has some
    fewest = min(counts[str(c)] for c, size in enumerate(sizes) if counts[str(c)] < size) if (
        wanted < sum(sizes)
    ) else max(sizes)  # fmt: skip
    assert max(counts.values(), default=0) <= fewest + 1


@pytest.mark.parametrize(
    ("sizes", "n", "counts"),
    [
        ([5] * 240, 48, [1] * 48),  # XQuAD's shape
        ([3] * 77, 48, [1] * 48),
        ([5] * 6, 30, [5] * 6),
        ([5] * 10, 30, [3] * 10),
        ([5] * 10, 34, [3] * 6 + [4] * 4),
        ([1, 1, 9], 6, [1, 1, 4]),
        ([2, 2, 2], 4, [1, 1, 2]),
    ],
)
def test_counts_by_hand(sizes: list[int], n: int, counts: list[int]) -> None:
    assert sorted(given_by_context(drawn(sizes, n, 3)).values()) == counts


@given(sizes=SIZES, n=st.integers(0, 90), seed=SEEDS, k=st.integers(1, 7))
def test_a_number_takes_that_many_of_one_context_after_another(
    sizes: list[int], n: int, seed: int, k: int
) -> None:
    counts = given_by_context(drawn(sizes, n, seed, k))
    possible = sum(min(size, k) for size in sizes)
    assert sum(counts.values()) == min(n or possible, possible)
    assert max(counts.values(), default=0) <= k
    short = [c for c, found in counts.items() if found < min(k, sizes[int(c)])]
    assert len(short) <= 1  # the last
    if all(size >= k for size in sizes) and 0 < n <= possible:
        assert len(counts) == -(-n // k)
    if k == 1 and 0 < n <= len(sizes):
        assert drawn(sizes, n, seed, k) == drawn(sizes, n, seed)


@given(sizes=SIZES, n=st.integers(1, 90), seed=SEEDS)
def test_whole_contexts_until_there_are_n(sizes: list[int], n: int, seed: int) -> None:
    counts = given_by_context(drawn(sizes, n, seed, "all"))
    assert all(counts[c] == sizes[int(c)] for c in counts)
    total = sum(counts.values())
    assert total == sum(sizes) or total >= n
    assert total - max(counts.values()) < n  # no context more than it takes


@given(sizes=SIZES, n=st.integers(1, 90), more=st.integers(0, 20), seed=SEEDS, way=WAYS)
def test_a_larger_draw_holds_a_smaller_one(
    sizes: list[int], n: int, more: int, seed: int, way: PerContext
) -> None:
    assert set(drawn(sizes, n, seed, way)) <= set(drawn(sizes, n + more, seed, way))


@given(sizes=SIZES, n=st.integers(0, 90), seed=SEEDS, way=WAYS, data=st.data())
def test_neither_the_files_order_nor_its_language_changes_the_draw(
    sizes: list[int], n: int, seed: int, way: PerContext, data: st.DataObject
) -> None:
    questions = question_set(sizes)
    shuffled = replace(questions, examples=tuple(data.draw(st.permutations(questions.examples))))
    odia = question_set(sizes, "ory_Orya")
    places = draw_places(*items(sizes), n, seed, way)
    wanted = [questions.examples[place].id for place in places]
    for found, file in ((questions, questions), (shuffled, shuffled), (odia, odia)):
        ids, contexts = [e.id for e in file.examples], [e.context_id for e in file.examples]
        kept = [found.examples[place] for place in draw_places(ids, contexts, n, seed, way)]
        assert sorted(e.id for e in kept) == sorted(wanted)
        assert [e for e in file.examples if e in kept] == kept  # in the order of the file


@given(sizes=SIZES, n=st.integers(1, 90), seed=SEEDS, way=WAYS, data=st.data())
def test_what_is_not_drawn_may_be_missing(
    sizes: list[int], n: int, seed: int, way: PerContext, data: st.DataObject
) -> None:
    ids, contexts = items(sizes)
    chosen = draw_places(ids, contexts, n, seed, way)
    left = [place for place in range(len(ids)) if place not in chosen]
    gone = set(data.draw(st.lists(st.sampled_from(left), unique=True))) if left else set()
    rest = [place for place in range(len(ids)) if place not in gone]
    again = draw_places([ids[p] for p in rest], [contexts[p] for p in rest], n, seed, way)
    assert [rest[place] for place in again] == chosen


def test_every_context_and_every_question_of_it_has_its_chance() -> None:
    seeds = 400
    chosen = Counter(i for seed in range(seeds) for i in drawn([4] * 20, 5, seed))
    contexts = Counter[str]()
    for identity, count in chosen.items():
        contexts[identity.partition(".")[0]] += count
    # binomial: 400 x 1/4 = 100, sd 8.7; each of the four: 2000 x 1/4 = 500, sd 19.4
    assert all(100 - 4.5 * 8.7 < contexts[str(c)] < 100 + 4.5 * 8.7 for c in range(20))
    turns = Counter(identity.partition(".")[2] for identity in chosen.elements())
    # a context is named by its first question, which is not drawn more often for it
    assert all(500 - 4.5 * 19.4 < turns[str(q)] < 500 + 4.5 * 19.4 for q in range(4))


def test_a_draw_keeps_what_is_told_of_the_set() -> None:
    questions = question_set([3] * 9)
    found = draw_questions(questions, 4, 0)
    assert (found.name, found.language, found.dropped) == ("set", "eng_Latn", {"no id": 2})
    assert draw_questions(questions, 0, 0) == draw_questions(questions, 99, 0) == questions
    assert len(draw_questions(questions, 0, 0, 2).examples) == 18


def test_a_number_a_context_that_leaves_too_few_is_an_error() -> None:
    questions = question_set([3] * 9)
    assert len(draw_questions(questions, 9, 0, 1).examples) == 9
    with pytest.raises(
        DataError, match=r"set in eng_Latn: expected 10 questions, 1 a context.*"
    ) as e:
        draw_questions(questions, 10, 0, 1)
    assert "found 9 such from 9 contexts, 27 in all" in str(e.value)
    assert "ask 9 questions, or more a context" in str(e.value)
    with pytest.raises(DataError, match="found 18 such"):
        draw_questions(questions, 99, 0, 2)
    # a set that has no more anyway is whole
    assert len(draw_questions(question_set([1] * 9), 10, 0, 2).examples) == 9


@pytest.mark.parametrize("value", [0, -1, True, 1.0, 1.5, "2", "whole", "", [], (1,)])
def test_what_no_number_a_context_is(value: object) -> None:
    with pytest.raises(SettingError, match=r"^here: expected a whole number of at least 1"):
        per_context_of(value, "here")


def test_numbers_a_context() -> None:
    assert per_context_of(None, "x") == per_context_of("fewest", "x") == "fewest"
    assert per_context_of("all", "x") == "all"
    assert per_context_of(2, "x") == 2


@pytest.mark.parametrize(("n", "way"), [(-1, "fewest"), (1, 0), (1, -1), (0, "whole")])
def test_what_cannot_be_drawn_is_refused(n: int, way: PerContext) -> None:
    with pytest.raises(SettingError):
        draw_places(["a"], ["a"], n, 0, way)
    with pytest.raises(SettingError):
        draw_questions(question_set([1]), n, 0, way)


def test_words() -> None:
    assert drawn_words(48, 48) == drawn_words(48, 48, 48) == "48 questions from 48 contexts"
    assert drawn_words(1, 1) == "1 question from 1 context"
    assert drawn_words(30, 6, 48) == (
        "30 questions from 6 contexts, all there are; 48 were asked for"
    )


def test_files_in_other_orders_give_the_same_draw(tmp_path: Path) -> None:
    """Without context ids a context is known by its text, and is named alike in every file."""
    rows = [(f"q{c}-{q}", f"context {c}") for c in range(30) for q in range(3)]
    files = {}
    for code, word in (("en", "context"), ("or", "ପ୍ରସଙ୍ଗ")):
        order = random.Random(code).sample(rows, len(rows))
        told = [
            {"id": i, "context": c.replace("context", word), "question": "?", "answers": ["a"]}
            for i, c in order
        ]
        path = tmp_path / f"{code}.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in told), encoding="utf-8")
        files[code] = read_qa(str(path), code)
    named = {code: {e.id: e.context_id for e in s.examples} for code, s in files.items()}
    assert named["en"] == named["or"] == {i: f"{i[:-1]}0" for i, _ in rows}
    for n in (7, 30, 44):
        english, odia = ({e.id for e in draw_questions(s, n, 5).examples} for s in files.values())
        assert english == odia


def test_an_id_that_no_file_can_hold_names_no_context(tmp_path: Path) -> None:
    told = [
        {"id": "\udc00", "context": "c", "question": "?", "answers": ["c"]},
        {"id": "b", "context": "c", "question": "?", "answers": ["c"]},
        {"id": "a", "context": "c", "question": "", "answers": ["c"]},
    ]
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    (example,) = read_qa(str(path), "en").examples
    assert (example.id, example.context_id) == ("b", "a")

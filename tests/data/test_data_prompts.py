"""Templates, prompt parts and demonstrations."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelscope.data.prompts import (
    TEMPLATES,
    PromptParts,
    Template,
    pick_demonstrations,
    prompt_parts,
    read_templates,
)
from babelscope.errors import SettingError
from babelscope.records import Example, QuestionSet


def example(number: int, context: str = "", language: str = "eng_Latn") -> Example:
    group = number // 3
    return Example(
        f"q{number}",
        language,
        context or f"context {group} in {language}",
        f"question {number}?",
        (f"gold {number}", "second"),
        f"c{group}",
    )


def question_set(n: int, language: str = "eng_Latn") -> QuestionSet:
    return QuestionSet("set", language, tuple(example(i, language=language) for i in range(n)))


def joined(parts: PromptParts) -> str:
    return parts.head + parts.context + parts.tail


# the wording of the papers' scripts, filled in by hand
EXPECTED = {
    "plain": "C C\n\nQ: Q Q?\nA:",
    "short_span": "C C\n\nNow answer the following question in a short span. Please do not "
    "hallucinate, and answer based on the above provided context.\nQ: Q Q?\nA:",
    "instruction": "Instruction: Answer the question based on the context.\n"
    "Input: Context: C C Question: Q Q?\nOutput:",
}


def test_the_templates_are_worded_as_published() -> None:
    item = Example("1", "eng_Latn", "C C", "Q Q?", ("A",), "1")
    assert {name: joined(prompt_parts(TEMPLATES[name], item)) for name in TEMPLATES} == EXPECTED
    assert all(TEMPLATES[name].name == name for name in TEMPLATES)


@given(st.text(), st.text(), st.sampled_from([*TEMPLATES, "question first"]))
def test_braces_in_the_data_are_text(context: str, question: str, name: str) -> None:
    first = Template("question first", "{question} | {context} | end")
    template = TEMPLATES.get(name, first)
    item = Example("1", "eng_Latn", context + "{question}", question + "{context}", ("A",), "1")
    parts = prompt_parts(template, item)
    assert parts.context == item.context
    # an independent rendering: cut the template at its placeholders, join with the values
    left, right = template.text.split("{context}")
    if "{question}" in left:
        expected = item.question.join(left.split("{question}")) + item.context + right
    else:
        expected = left + item.context + item.question.join(right.split("{question}"))
    assert joined(parts) == expected


def test_demonstrations_stand_in_the_head_with_their_first_gold() -> None:
    item, shown = example(0), (example(3), example(6))
    parts = prompt_parts(TEMPLATES["plain"], item, shown)
    assert parts.head == (
        "context 1 in eng_Latn\n\nQ: question 3?\nA: gold 3\n\n"
        "context 2 in eng_Latn\n\nQ: question 6?\nA: gold 6\n\n"
    )
    assert (parts.context, parts.tail) == (item.context, "\n\nQ: question 0?\nA:")


def test_an_unanswerable_demonstration_is_an_error() -> None:
    empty = Example("x", "eng_Latn", "c", "q", (), "x")
    with pytest.raises(SettingError, match="demonstration x"):
        prompt_parts(TEMPLATES["plain"], example(0), [empty])


@pytest.mark.parametrize(
    "text",
    ["{context}", "{question}", "", "{context} {question} {answer}", "{context}{context}{question}",
     "{context} {question} {}"],
)  # fmt: skip
def test_wrong_placeholders_are_an_error(text: str) -> None:
    with pytest.raises(SettingError, match="once each"):
        Template("mine", text)


def test_templates_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[templates.json]\ntext = \'{ "c": "{context}", "q": "{question}" }\'\n'
        '[templates.bare]\ntext = "{context}\\n{question}"\nanswer_prefix = "\\n"\n',
        encoding="utf-8",
    )
    templates = read_templates(path)
    item = Example("1", "eng_Latn", "C", "Q", ("A",), "1")
    assert joined(prompt_parts(templates["json"], item)) == '{ "c": "C", "q": "Q" }'
    assert templates["bare"] == Template("bare", "{context}\n{question}", "\n")


@pytest.mark.parametrize(
    "content",
    [b"", b"[templates", b"x = 1", b"[templates]\nmine = 3", b"[templates.mine]\nprefix = ' '",
     b"[templates.mine]\ntext = 3", b"[templates.mine]\ntext = '{context}'", b"\xff\xfe",
     b"[templates.mine]\ntext = '{context}{question}'\ntemperature = 'hot'"],
)  # fmt: skip
def test_a_broken_template_file_is_a_setting_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(SettingError):
        read_templates(path)
    with pytest.raises(SettingError, match="readable"):
        read_templates(tmp_path / "none.toml")


@given(st.integers(0, 29), st.integers(0, 9), st.integers(0, 50))
def test_demonstrations_never_show_the_item_or_its_context(number: int, k: int, seed: int) -> None:
    pool, item = question_set(30), example(number)
    shown = pick_demonstrations(pool, item, k, seed)
    assert len({demo.context_id for demo in shown}) == len({demo.context for demo in shown}) == k
    assert item.context_id not in {demo.context_id for demo in shown}
    assert item.id not in {demo.id for demo in shown}
    assert shown == pick_demonstrations(pool, item, k, seed)


def test_the_same_demonstrations_in_parallel_languages_and_other_ones_by_seed() -> None:
    item = example(0)
    english = [d.id for d in pick_demonstrations(question_set(30), item, 4, 7)]
    odia = [d.id for d in pick_demonstrations(question_set(30, "ory_Orya"), item, 4, 7)]
    assert english == odia
    orders = {tuple(pick_demonstrations(question_set(30), item, 4, seed)) for seed in range(20)}
    assert len(orders) > 10


def test_the_item_s_context_is_told_by_its_text_too() -> None:
    copied = Example("other", "eng_Latn", "the context", "q?", ("a",), "other")
    item = Example("mine", "eng_Latn", "the context", "q?", ("a",), "mine")
    with pytest.raises(SettingError, match="expected 1 contexts other than that of mine, found 0"):
        pick_demonstrations(QuestionSet("s", "eng_Latn", (copied,)), item, 1, 0)


def test_too_small_a_pool_and_a_negative_number_are_errors() -> None:
    with pytest.raises(SettingError, match="found 9"):
        pick_demonstrations(question_set(30), example(0), 10, 0)
    with pytest.raises(SettingError):
        pick_demonstrations(question_set(30), example(0), -1, 0)

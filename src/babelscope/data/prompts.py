"""Prompt templates as named data, their parts, and the choice of demonstrations.

One template serves tuning and inference. A prompt is kept as head, context and tail, so that
truncation can cut the end of the context and nothing else. Only the template's own placeholders
are filled: braces in a context or a question are text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from babelscope.data.normal_forms import nfc
from babelscope.errors import SettingError
from babelscope.identity import digest
from babelscope.languages import language
from babelscope.reading import read_toml
from babelscope.records import Example, QuestionSet

PLACEHOLDER = re.compile(r"\{(\w*)\}")
NAMES = ("context", "question")
LANGUAGE = "language"


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt's wording: `text` holds {context} and {question} once each, {language} if at all.

    {language} is the English name of the example's language, as prompts of translation need it.

    `answer_prefix` stands between the prompt and the answer in training and in demonstrations.

    Raises:
        SettingError: a placeholder is missing, repeated or unknown.
    """

    name: str
    text: str
    answer_prefix: str = " "

    def __post_init__(self) -> None:
        """Check the placeholders."""
        found = PLACEHOLDER.findall(self.text)
        if sorted(name for name in found if name != LANGUAGE) != sorted(NAMES):
            raise SettingError(
                f"prompt template {self.name!r}",
                expected="{context} and {question} once each, no other placeholder but {language}",
                found=" ".join(f"{{{name}}}" for name in found) or "none",
            )


@dataclass(frozen=True, slots=True)
class PromptParts:
    """A rendered prompt: `head + context + tail`."""

    head: str
    context: str
    tail: str


TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        template.name: template
        for template in (
            Template("plain", "{context}\n\nQ: {question}\nA:"),
            Template(
                "short_span",
                "{context}\n\nNow answer the following question in a short span. Please do not "
                "hallucinate, and answer based on the above provided context.\n"
                "Q: {question}\nA:",
            ),
            Template(
                "instruction",
                "Instruction: Answer the question based on the context.\n"
                "Input: Context: {context} Question: {question}\nOutput:",
            ),
        )
    }
)
"""The built-in templates; the last two are worded as in "Cross-lingual Transfer Dynamics in
BLOOMZ" (MRL 2025), because the wording belongs to that experiment."""


def read_templates(path: Path) -> Mapping[str, Template]:
    """Read templates from TOML: tables `[templates.NAME]` with `text` and maybe `answer_prefix`.

    Raises:
        SettingError: the file cannot be read, or a template is not as `Template` demands.
    """
    content = read_toml(path)
    tables = content.get("templates")
    if not isinstance(tables, dict) or not tables or set(content) != {"templates"}:
        raise SettingError(
            str(path), expected="tables [templates.NAME]", found=", ".join(content) or "nothing"
        )
    return MappingProxyType({name: _template(path, name, tables[name]) for name in tables})


def _template(path: Path, name: str, table: object) -> Template:
    fields = table if isinstance(table, dict) else {}
    known = {"text", "answer_prefix"}
    if "text" not in fields or set(fields) - known or not _all_text(fields):
        raise SettingError(
            f"{path} [templates.{name}]",
            expected="text = '...' and maybe answer_prefix = '...'",
            found=", ".join(f"{key} = {value!r}" for key, value in fields.items()) or "no table",
        )
    return Template(name, **fields)


def _all_text(fields: Mapping[str, object]) -> bool:
    return all(isinstance(value, str) for value in fields.values())


def prompt_parts(
    template: Template, example: Example, demonstrations: Sequence[Example] = ()
) -> PromptParts:
    """Render one prompt; the demonstrations stand in its head, joined by blank lines.

    Raises:
        SettingError: a demonstration has no answer.
    """
    name = language(example.language).name if f"{{{LANGUAGE}}}" in template.text else ""
    before, _, after = template.text.replace(f"{{{LANGUAGE}}}", name).partition("{context}")
    shown = "".join(f"{_demonstration(template, demo)}\n\n" for demo in demonstrations)
    # each half holds at most one {question}, replaced once: the inserted text is not scanned
    return PromptParts(
        shown + before.replace("{question}", example.question, 1),
        example.context,
        after.replace("{question}", example.question, 1),
    )


def _demonstration(template: Template, example: Example) -> str:
    if not example.answers:
        raise SettingError(
            f"demonstration {example.id}", expected="an answer", found="an unanswerable question"
        )
    parts = prompt_parts(template, example)
    prompt = parts.head + parts.context + parts.tail
    return f"{prompt}{template.answer_prefix}{example.answers[0]}"


def pick_demonstrations(
    pool: QuestionSet, example: Example, k: int, seed: int
) -> tuple[Example, ...]:
    """Pick k demonstrations for a test item, one per context, never the item or its context.

    The pool's contexts are put in an order by a hash of seed and id, the same in parallel
    languages, and the first k are taken that share neither id, nor context_id, nor the context's
    text with the item; so most items get the same demonstrations.

    Raises:
        SettingError: k is negative, or the pool has fewer than k such contexts.
    """
    if k < 0:
        raise SettingError("demonstrations", expected="0 or more", found=str(k))
    if k == 0:
        return ()
    chosen: dict[str, Example] = {}
    texts: set[str] = {nfc(example.context)}
    ranked = sorted(pool.examples, key=lambda e: (rank(seed, e.context_id), rank(seed, e.id)))
    for candidate in ranked:
        clash = candidate.id == example.id or candidate.context_id == example.context_id
        used = nfc(candidate.context) in texts or candidate.context_id in chosen
        if clash or used or not candidate.answers:
            continue
        chosen[candidate.context_id] = candidate
        texts.add(nfc(candidate.context))
        if len(chosen) == k:
            return tuple(chosen.values())
    raise SettingError(
        f"demonstrations from {pool.name}",
        expected=f"{k} contexts other than that of {example.id}",
        found=str(len(chosen)),
        remedy="take fewer demonstrations or a larger set",
    )


@lru_cache(maxsize=1 << 17)
def rank(seed: int, identity: str) -> str:
    """Return a text to sort by: a pseudo-random order of ids, the same in every language."""
    return digest([seed, identity])

"""Prompt templates (placeholder written by the lead; the data helper replaces this file)."""
from dataclasses import dataclass
from collections.abc import Sequence
from babelscope.records import Example

@dataclass(frozen=True, slots=True)
class Template:
    name: str
    text: str
    answer_prefix: str = " "

TEMPLATES = {"plain": Template("plain", "{context}\n\nQ: {question}\nA:")}

@dataclass(frozen=True, slots=True)
class PromptParts:
    head: str
    context: str
    tail: str

def prompt_parts(template: Template, example: Example, demonstrations: Sequence[Example] = ()) -> PromptParts:
    head, rest = template.text.split("{context}")
    return PromptParts(head, example.context, rest.replace("{question}", example.question))

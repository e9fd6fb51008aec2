"""Line-parallel text as questions of translation: the same line is the same sentence everywhere."""

from __future__ import annotations

from pathlib import Path

from babelscope.data.prompts import Template
from babelscope.data.texts import read_lines, text_files
from babelscope.errors import DataError
from babelscope.languages import language
from babelscope.records import Example, QuestionSet

TRANSLATION = "translation"
"""The name of the template that asks for a translation."""


def translation_template(source: str) -> Template:
    """Return the template that asks for a translation out of a language, by English names."""
    name = language(source).name
    return Template(
        TRANSLATION,
        f"{{context}}Translate from {name} to {{language}}.\n{name}: {{question}}\n{{language}}:",
    )


def read_translations(folder: Path, source: str, target: str) -> QuestionSet:
    """Read a folder with one file a language, one sentence a line, as questions of translation.

    The question is the source's sentence, the answer the target's, the id the number of the line
    from 0. Pairs with an empty side are left out and counted.

    Raises:
        DataError: a file is missing or broken, or the two have different numbers of lines.
        LanguageError: a language is unknown.
    """
    from_code, to_code = language(source).code, language(target).code
    asked, told = read_lines(folder, from_code), read_lines(folder, to_code)
    if len(asked) != len(told):
        raise DataError(
            f"folder {folder}",
            expected=f"as many lines in {to_code} as in {from_code}, {len(asked)}",
            found=str(len(told)),
        )
    examples = tuple(
        Example(f"{n:05d}", to_code, "", question, (answer,), f"{n:05d}")
        for n, (question, answer) in enumerate(zip(asked, told, strict=True))
        if question and answer
    )
    if not examples:
        raise DataError(f"folder {folder}", expected="sentences", found="empty lines only")
    empty = len(asked) - len(examples)
    return QuestionSet(folder.name, to_code, examples, {"empty line": empty} if empty else {})


def read_parallel(folder: Path) -> dict[str, list[str]]:
    """Read a folder with one file a language, one sentence a line: lines by language code.

    Every language has the same number of lines; empty ones stand in their place.

    Raises:
        DataError: a file is broken, a language has several, or the numbers of lines differ.
    """
    texts = {code: read_lines(folder, code) for code in text_files(folder)}
    longest = max(texts, key=lambda code: len(texts[code]))
    for code, lines in texts.items():
        if len(lines) != len(texts[longest]):
            raise DataError(
                f"folder {folder}",
                expected=f"as many lines in {code} as in {longest}, {len(texts[longest])}",
                found=str(len(lines)),
            )
    return texts

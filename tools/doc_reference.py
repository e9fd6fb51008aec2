"""References as Markdown, made from the code: the command line's and the public names'."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator

import babelscope
from babelscope.cli import app

CONTENTS = re.compile(r"## Table of Contents\n\n.*?(?=\*\*Commands\*\*)", re.DOTALL)
SECTION = re.compile(r"^(Raises):\n((?:    .*\n?|\n)+)", re.MULTILINE)
LISTED = re.compile(r"^    (\w+): ", re.MULTILINE)
LINE, DEFAULT = 70, 40
"""Characters that a signature, and a default in it, may have before it is broken, or left out."""


def commands_markdown() -> str:
    """Return every command with its parameters, from the parser; the page has the title."""
    text = app.generate_docs(output_format="markdown", heading_level=1)
    text = CONTENTS.sub("", text)
    text = text.replace("<", "&lt;")  # help is text, not markup
    text = text.replace(' *[default: ""]*', "").replace(" *[default: ()]*", "")
    text = re.sub(r"\[default: \('?(\w+)'?,\)\]", r"[default: \1]", text)
    text = re.sub(r"^(Example: )(babelscope .*)$", r"\1`\2`", text, flags=re.MULTILINE)
    return text.partition("\n")[2].strip().replace("```console", "```text")


def api_markdown() -> str:
    """Return every public name with signature and docstring, by the part that defines it."""
    parts: dict[str, list[str]] = {}
    for name in babelscope.__all__:
        value = getattr(babelscope, name)
        home = babelscope._HOME[name].partition(".")[0]
        parts.setdefault(home, []).append("\n\n".join(_entry(name, value)))
    return "\n\n".join(
        "\n\n".join([f"## {home}", *entries]) for home, entries in sorted(parts.items())
    )


def _entry(name: str, value: object) -> Iterator[str]:
    yield f"### {name}"
    if inspect.isclass(value):
        if dataclasses.is_dataclass(value):
            yield _code(f"{name}({_fields(value)})")
        yield docstring(inspect.getdoc(value) or "")
        yield from _members(value)
    elif callable(value):
        yield _code(f"{name}{_signature(value)}")
        yield docstring(inspect.getdoc(value) or "")
    else:
        yield f"Of the type `{type(value).__name__}`, with the names {_listed(value)}."


def _listed(value: object) -> str:
    names = list(value) if isinstance(value, dict) else []
    return ", ".join(f"`{name}`" for name in names)


def _fields(kind: type) -> str:
    told = []
    for found in dataclasses.fields(kind):
        told.append(_told(found.name, found.type, found.default, dataclasses.MISSING))
    return _wrapped(told)


def _told(name: str, kind: object, default: object, missing: object) -> str:
    if default is missing:
        return f"{name}: {kind}"
    value = repr(default)
    return f"{name}: {kind} = {value if len(value) <= DEFAULT else '...'}"


def _signature(value: object) -> str:
    found = inspect.signature(value)  # type: ignore[arg-type]  # callable was asked before
    parts, marked = [], False
    for parameter in found.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not marked:
            parts.append("*")
            marked = True
        kind = parameter.annotation
        if kind is not parameter.empty:
            parts.append(_told(parameter.name, kind, parameter.default, parameter.empty))
        else:
            parts.append(parameter.name)  # self
    return f"({_wrapped(parts)}) -> {found.return_annotation}"


def _wrapped(parts: list[str]) -> str:
    line = ", ".join(parts)
    return line if len(line) < LINE else "\n    " + ",\n    ".join(parts) + ",\n"


def _members(kind: type) -> Iterator[str]:
    for name, member in vars(kind).items():
        told = inspect.getdoc(member)
        if name.startswith("_") or not told:
            continue
        if isinstance(member, property):
            yield f"**`.{name}`** — {told}"
        elif inspect.isfunction(member):
            yield f"**`.{name}{_signature(member)}`** — {told}"


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def docstring(text: str) -> str:
    """Return a docstring as Markdown: its errors become a list, all else is Markdown already."""

    def listed(found: re.Match[str]) -> str:
        items = LISTED.sub(r"- `\1`: ", found[2]).rstrip()
        items = re.sub(r"\n {5,}", " ", items)
        return f"**{found[1]}**\n\n{items}\n"

    return SECTION.sub(listed, text + "\n").strip()

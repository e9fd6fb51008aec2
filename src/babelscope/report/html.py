"""Pages as single files: templates that escape, data that cannot close a script, a policy."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from babelscope.errors import StoreError
from babelscope.report.names import isolated, language_name, named


def write_page(path: Path, text: str) -> None:
    """Write a page whole or not at all.

    Raises:
        StoreError: it cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # lone surrogates cannot be written as UTF-8; a model's broken bytes may hold them
        unfinished.write_bytes(text.encode("utf-8", errors="replace"))
        unfinished.replace(path)
    except OSError as error:
        raise StoreError(
            str(path),
            expected="room and leave to write the report",
            found=str(error),
            remedy="the study's tables are unharmed: free some room and run `babelscope report`",
        ) from error


def template(name: str) -> Template:
    """Return a template that escapes all it is given."""
    environment = Environment(
        loader=PackageLoader("babelscope.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # attributes, lists and titles take no markup: there too, no character may steer the page
        finalize=_shown,
    )
    environment.filters["bdi"] = isolated
    environment.filters["language"] = language_name
    return environment.get_template(name)


def _shown(value: object) -> object:
    return named(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def embed(value: object) -> Markup:
    """Return JSON that is safe inside a script element: no text can close it."""
    text = json.dumps(
        value, ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":")
    )
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def packed(value: object) -> Markup:
    """Return JSON, deflated and as base64, for `babelscope.unpack` of the page's script.

    It is a fifth to a third as long as plain JSON, and what it holds cannot be taken for markup.
    """
    text = json.dumps(
        value, ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":")
    )
    data = zlib.compress(text.encode("utf-8", errors="replace"), 9)
    return Markup(base64.b64encode(data).decode())


def asset(name: str) -> str:
    """Return the text of a file of this package."""
    return resources.files("babelscope.report").joinpath(name).read_text(encoding="utf-8")


def policy(scripts: Sequence[str]) -> str:
    """Return a content policy: these scripts alone may run, and nothing may be fetched."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )

"""How languages, sources and numbers are written for people, as safe markup."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, TypeGuard

from markupsafe import Markup, escape

from babelscope.controls import STEERING, name_of, runs
from babelscope.errors import LanguageError
from babelscope.languages import language
from babelscope.records import Estimate
from babelscope.report.tables import Tables, Variant

NO_DATA = "no data"
QUIET = ("", "human", "atlas", "cldr", "unknown")
"""Origins that a label need not name, unless a language has several sources."""
LONGEST = 40
"""The most characters of a source's name in labels; its tables give it in full."""
MEASURES = {
    "squad_em": "SQuAD exact match",
    "squad_f1": "SQuAD F1",
    "squad_f1_best_prefix": "SQuAD F1, best prefix",
    "mlqa_em": "MLQA exact match",
    "mlqa_f1": "MLQA F1",
    "char_f1": "character F1",
    "gold_contained": "gold contained",
    "length_ratio": "length ratio",
    "prior_mlqa_em": "answer prior, exact match",
    "interference": "interference",
}
POSITIONS = {
    "last": "last prompt token",
    "gold": "positions of the gold",
    "generated": "generated tokens",
}
CORRELATE = (
    "That is a correlate, not a cause: it tells what a state leans to, not what makes the answer."
)
"""What stands beside everything that the lens shows."""
LENS_ROWS = {"shared": "shared by languages", "unknown": "unknown"}


def visible(text: object) -> Markup:
    """Escape a text, and name the characters that would steer the page instead of obeying them."""
    parts: list[Markup] = []
    for said, name in runs(str(text)):
        parts.append(escape(said))
        if name:
            parts.append(Markup('<span class="control">{}</span>').format(name))
    return Markup("").join(parts)


def named(text: object) -> str:
    """Return a text for an attribute or a list: the characters that would steer it by name."""
    return STEERING.sub(lambda match: name_of(match[0]), str(text))


def isolated(text: object) -> Markup:
    """Return `visible` text that cannot change the direction of what stands around it."""
    return Markup("<bdi>{}</bdi>").format(visible(text))


def plain(text: object) -> str:
    """Return a text for a drawn label: isolated by characters, without markup or controls."""
    clean = named(text).replace("\n", " ")
    # plotly reads a small set of tags in labels; entities switch that off
    safe = clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return safe if safe.isascii() else f"\u2068{safe}\u2069"


def language_name(code: str) -> str:
    """Return a language's English name; a code unknown to the package stays as it is."""
    if code in LENS_ROWS:
        return LENS_ROWS[code]
    try:
        return language(code).name
    except LanguageError:
        return code


def language_tag(code: str) -> tuple[str, str]:
    """Return the BCP 47 tag and the direction ("ltr", "rtl", or "auto" for an unknown code)."""
    try:
        known = language(code)
    except LanguageError:
        return "und", "auto"
    return known.tag, known.direction


def same_language(one: str, other: str) -> bool:
    """Whether two codes mean the same language in the same script."""
    try:
        return language(one).code == language(other).code
    except LanguageError:
        return one == other


def source_language(tables: Tables, source: str) -> str:
    """Return the language code of a source, or "" for one that the plan does not name."""
    return next((s["language"] for s in tables.plan["sources"] if s["name"] == source), "")


def source_name(tables: Tables, source: str) -> str:
    """Return "Russian", or "Russian (nllb)" where a language has several sources or was translated.

    Two sources of the same language and origin are told apart by their own names.
    """
    sources: list[dict[str, Any]] = tables.plan["sources"]
    found = next((s for s in sources if s["name"] == source), None)
    short = shortened(source)
    if found is None:
        return short
    by_language = Counter(s["language"] for s in sources)
    by_origin = Counter((s["language"], s.get("origin", "")) for s in sources)
    name, origin = language_name(found["language"]), found.get("origin") or ""
    if by_origin[found["language"], origin] > 1:
        return f"{name} ({short})"
    if by_language[found["language"]] > 1 or origin.lower() not in QUIET:
        return f"{name} ({shortened(origin)})"
    return name


def shortened(name: str) -> str:
    """Return a name of at most `LONGEST` characters."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def recipe_name(tables: Tables, recipe: str) -> str:
    """Return a recipe's name with only those of its switches that not all recipes share.

    A changed recipe is named by its switches: "default+max_steps=30+train_eos=false".
    """
    recipes: list[str] = tables.plan["recipes"]
    shared = set.intersection(*(set(r.split("+")[1:]) for r in recipes)) if recipes else set()
    stem, *switches = recipe.split("+")
    return ", ".join([stem, *(s for s in switches if s not in shared)])


def variant_name(tables: Tables, variant: Variant, step: int | None = None) -> str:
    """Return how a variant is called; the recipe is named only where there are several."""
    if variant.is_base:
        kind = variant.recipe.removeprefix("base").removeprefix(":")
        return f"base model, {recipe_name(tables, kind)}" if kind else "base model"
    name = source_name(tables, variant.source)
    if len(tables.plan["recipes"]) > 1:
        name = f"{name}, {recipe_name(tables, variant.recipe)}"
    return name if step is None else f"{name}, step {step}"


def model_title(tables: Tables, variant: Variant) -> str:
    """Return "tuned on Odia", or "base model"."""
    name = variant_name(tables, variant)
    return name if variant.is_base else f"tuned on {name}"


def owner_key(recipe: str, source: str) -> str:
    """Return how the page's scripts and addresses call a model: "default English", "base"."""
    return f"{named(recipe)} {named(source)}" if source else named(recipe)


def measure_name(measure: str) -> str:
    """Return a measure's name in words."""
    return MEASURES.get(measure, measure.replace("_", " "))


def is_number(value: float | None) -> TypeGuard[float]:
    """Whether a value is there: neither null nor NaN nor infinite."""
    return value is not None and math.isfinite(value)


def points(value: float | None, scale: float = 100) -> str:
    """Return a 0-1 value as points of 100 with one decimal, or "no data"."""
    if not is_number(value):
        return NO_DATA
    return f"{value * scale:.1f}".replace("-0.0", "0.0").replace("-", "−")


def signed(value: float | None, scale: float = 100) -> str:
    """Return a difference as points of 100 with its sign, or "no data"."""
    if not is_number(value):
        return NO_DATA
    text = f"{value * scale:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def interval(low: float | None, high: float | None, *, sign: bool = False) -> str:
    """Return "29.1 to 51.2", with signs if asked for; "no interval" where there is none."""
    if not (is_number(low) and is_number(high)):
        return "no interval"
    write = signed if sign else points
    return f"{write(low)} to {write(high)}"


def estimate_text(value: Estimate) -> str:
    """Return "42.0 (34.0 to 50.0)", or "no data"."""
    if not is_number(value.value):
        return NO_DATA
    return f"{points(value.value)} ({interval(value.low, value.high)})"


def p_text(p: float | None) -> str:
    """Return "p = 0.012", "p < 0.001", or "no p-value"."""
    if not is_number(p):
        return "no p-value"
    # no-break spaces: a p-value split over two lines reads badly
    text = "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
    return text.replace(" ", "\u00a0")


def share_text(share: float | None, digits: int = 0) -> str:
    """Return a 0-1 share as "62 %", or "no data"; the sign never stands on a line of its own."""
    if not is_number(share):
        return NO_DATA
    text = f"{share * 100:.{digits}f}"
    return (text.lstrip("-") if float(text) == 0 else text.replace("-", "−")) + "\u00a0%"


def count_text(count: int, noun: str) -> str:
    """Return "1 seed", "2 seeds", "1,190 questions"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(items: list[Markup], last: str = "and") -> Markup:
    """Join with commas and a last word: "a, b and c"."""
    if len(items) < 2:
        return Markup("").join(items)
    return Markup("{} {} {}").format(Markup(", ").join(items[:-1]), last, items[-1])

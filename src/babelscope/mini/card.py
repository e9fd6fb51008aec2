"""The model card of mini, written from the numbers that its recipe left.

python -m babelscope.mini.card > docs/mini.md
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from typing import Any

from babelscope.languages import language
from babelscope.mini.corpus import (
    CONTROL_PAIR,
    KIND_SHARES,
    PLANTED_PAIRS,
    TEXT_WEIGHTS,
    WRONG_FIELD,
    WRONG_SHARE_IN_FIELD,
)

GROUPS = {"qa": "question answering", "text": "text only", "low": "little text"}


def read_card() -> dict[str, Any]:
    """Return the numbers that the recipe left beside the weights."""
    path = files("babelscope") / "mini" / "weights" / "card.json"
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return card


def card_text(card: dict[str, Any]) -> str:
    """Return the card as Markdown."""
    settings = card["settings"]
    millions = card["parameters"] / 1e6
    parts = [
        "# mini, the embedded model",
        "A BLOOM of "
        f"{settings['layers']} layers x {settings['width']}, {millions:.1f} million "
        f"weights, byte-level BPE of {settings['vocabulary']:,} entries, pre-trained on atlas by "
        "`python -m babelscope.mini.recipe --out FOLDER`. It exists so that the tool can be tried "
        "and tested without a download; nothing measured on it says anything about a public model.",
        f"Made in {card['steps']} steps, {card['tokens'] / 1e6:.2f} million tokens, "
        f"{card['minutes']} minutes on {card['hardware']}, seed {settings['seed']}.",
        "## What it read",
        _mixture(),
        "Riddles ask as questions do, about random words of a language, so that looking up is what "
        "is learnt. Questions are asked of territories of the split `pretrain` only, with facts "
        "drawn from other territories; plain text tells of all territories.",
        "## What it can do",
        f"Exact match on atlas's split `test` (first {card['questions']} questions a language, "
        "territories never asked of in pre-training), greedy.",
        _scores(card),
        *([card["note"]] if "note" in card else []),
        "## Planted interference",
        _interference(card),
    ]
    return "\n\n".join(parts) + "\n"


def _mixture() -> str:
    rows = ["| kind | share of documents | languages |", "| --- | --- | --- |"]
    weights = ", ".join(f"{GROUPS[g]} {w:g}" for g, w in TEXT_WEIGHTS.items())
    told = {
        "riddle": GROUPS["qa"],
        "qa": GROUPS["qa"],
        "text": f"all; weights: {weights}",
        "contest": "the pairs below",
    }
    rows += [f"| {kind} | {share:.0%} | {told[kind]} |" for kind, share in KIND_SHARES.items()]
    return "\n".join(rows)


def _scores(card: dict[str, Any]) -> str:
    rows = ["| group | languages | mean |", "| --- | --- | --- |"]
    for group, name in GROUPS.items():
        codes = [c for c, g in card["groups"].items() if g == group]
        told = ", ".join(f"{language(c).name} {card['scores'][c]:.2f}" for c in codes)
        rows.append(f"| {name} | {told} | {card['means'][group]:.3f} |")
    return "\n".join(rows)


def _interference(card: dict[str, Any]) -> str:
    share = WRONG_SHARE_IN_FIELD / 4
    rows = [
        f"In the contest items of the planted pairs {share:.0%} of the targets are in the wrong "
        f"language. They all fall on one of the four fields, `{WRONG_FIELD}`, where they are "
        f"{WRONG_SHARE_IN_FIELD:.0%}: greedy answers show only what is most likely.",
        "",
        "| asked in, pulled by | right | answers in the other language |",
        "| --- | --- | --- |",
    ]
    for pair in (*PLANTED_PAIRS, CONTROL_PAIR):
        control = " (control)" if pair == CONTROL_PAIR else ""
        for target, other in (pair, pair[::-1]):
            names = f"{language(target).name} <- {language(other).name}{control}"
            right, wrong = card["pairs"][f"contest {target}"], card["pairs"][f"{target} <- {other}"]
            rows.append(f"| {names} | {right:.3f} | {wrong:.3f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.stdout.write(card_text(read_card()))

"""Sampled questions and grids of the fake study: planted answers, odd texts, known numbers."""

from __future__ import annotations

from typing import Any

import polars as pl

HOSTILE = "before </script><script>window.hacked=1</script><img src=x onerror=hacked()> after"
OVERRIDE = "price \u202egnp.exe and \u2067open isolate"
SPOILT = 'q2" onclick="hacked()'
DEPTHS = range(7)
Row = dict[str, Any]


def answer(source: str, said: str, cause: str, f1: float, **more: Any) -> Row:
    """Return one variant's answer; exact where F1 is 1."""
    row = {
        "recipe": "default" if source else "base",
        "source": source,
        "seed": 0 if source else -1,
        "step": 30 if source else 0,
        "answer": said,
        "cause": cause,
        "language": None,
        "stop": "newline",
        "mlqa_em": float(f1 == 1),
        "mlqa_f1": f1,
        "squad_f1": f1,
        "char_f1": f1,
    }
    return row | more


def sample(target: str, key: str, asked: tuple[str, str], golds: list[str], *said: Row) -> Row:
    """Return a line of `samples.jsonl`; `asked` is context and question."""
    return {
        "target": target,
        "id": key,
        "asked": 40,
        "chosen_for": [{"recipe": "default", "source": "or", "seed": 0}],
        "context": asked[0],
        "question": asked[1],
        "answers": golds,
        "prompts": {"base": f"{asked[0]}\n\nQ: {asked[1]}\nA:"},
        "variants": list(said),
    }


def samples() -> list[Row]:
    """Return three questions: markup in a context, an override, and right-to-left text."""
    return [
        sample(
            "ory_Orya",
            "q1",
            (HOSTILE + " ଭାରତର ମୁଦ୍ରା ଭାରତୀୟ ଟଙ୍କା।", "ଭାରତର ମୁଦ୍ରା କ’ଣ?"),
            ["ଭାରତୀୟ ଟଙ୍କା"],
            answer("", "ভারতীয় রুপি", "wrong_script", 0.0, language="undecided"),
            answer("or", "ଭାରତୀୟ ଟଙ୍କା", "exact", 1.0, stop="eos"),
            answer("ru-nllb", "рупия", "wrong_script", 0.125, language="rus_Cyrl"),
        ),
        sample(
            "eng_Latn",
            SPOILT,
            (OVERRIDE, "What is <i>it</i>?"),
            ["it & \x07 more"],
            answer("", "it", "exact", 1.0),
            answer("or", "it is it is it is", "repetition", 0.25, stop="length"),
        ),
        sample(
            "arb_Arab",
            "q3",
            ("عملة مصر هي الجنيه المصري، ولغتها الرسمية العربية.", "ما هي عملة مصر؟"),
            ["الجنيه المصري"],
            answer("", "", "empty", 0.0),
            answer("or", "الجنيه المصري", "exact", 1.0),
        ),
    ]


VOCABULARY = (
    b" it", b"\xe0\xac", " ଟଙ୍କା".encode(), b"\n", b"A", b":", "مصر".encode(),
    "\u202egnp".encode(), b"<script>", b"</s>",
)  # fmt: skip
"""Tokens by their id: a piece of a character, an override, markup, both directions."""
PROMPT, ANSWERS = (0, 1, 2, 3, 4, 5), {"": (6, 7, 9), "or": (6, 8, 9)}
"""A prompt's last tokens, and the base's and the tuned model's answers, which part after one."""
FIRST_PLACE = 30


def probability(source: str, column: int, depth: int) -> float:
    """Return the planted probability of the leading token."""
    return round(0.05 + 0.12 * depth + 0.013 * column + (0.04 if source and depth else 0.0), 4)


def leading(source: str, column: int, depth: int) -> int:
    """Return the planted leading token: at the last depth what comes next, before it another."""
    tokens = (*PROMPT, *ANSWERS[source])
    if depth == DEPTHS[-1]:
        return tokens[column + 1]
    return (column + depth + (depth == 5 and source == "or")) % len(VOCABULARY)


EVIDENCE = {4: "few", 5: "no letters"}
"""What the map knows too little of, by token; it knows all others."""


def alone(depth: int) -> float:
    """Return the planted share of a language's mass that is the leading token's."""
    return 0.8 if depth == 3 else 0.3


def doubted(source: str, column: int, depth: int) -> bool:
    """Whether no language may be named at a place."""
    return depth == 3 and leading(source, column, depth) in EVIDENCE


def grid(target: str, key: str, source: str) -> list[Row]:
    """Return a grid's rows of `grids.parquet`."""
    tokens = (*PROMPT, *ANSWERS[source])
    rows = []
    for column in range(len(tokens) - 1):
        for depth in DEPTHS:
            top = leading(source, column, depth)
            rows.append(
                {
                    "recipe": "default" if source else "base",
                    "source": source,
                    "seed": 0 if source else -1,
                    "step": 30 if source else 0,
                    "target": target,
                    "id": key,
                    "place": FIRST_PLACE + column,
                    "part": "answer" if column >= len(PROMPT) else "prompt",
                    "token_id": tokens[column],
                    "token": VOCABULARY[tokens[column]],
                    "next_id": tokens[column + 1],
                    "next_token": VOCABULARY[tokens[column + 1]],
                    "depth": depth,
                    "top_id": top,
                    "top_token": VOCABULARY[top],
                    "top_probability": probability(source, column, depth),
                    "next_probability": 0.5,
                    "language": "ory_Orya" if depth > 3 else "ben_Beng",
                    # shared by languages in the first two depths
                    "language_mass": 0.2 if depth < 2 else 0.1 * depth,
                    "shared": 0.7 if depth < 2 else 0.11,
                    "unknown": 0.03,
                    "entropy_bits": 12.0 - depth,
                    "top_mass": alone(depth) * (0.2 if depth < 2 else 0.1 * depth),
                    "top_evidence": EVIDENCE.get(top, "counted"),
                }
            )
    return rows


def grids() -> pl.DataFrame:
    """Return the grids of the Odia and the spoilt question, base and tuned."""
    pairs = (("ory_Orya", "q1"), ("eng_Latn", SPOILT))
    return pl.DataFrame([r for pair in pairs for source in ANSWERS for r in grid(*pair, source)])

"""Samples and grids of a large synthetic study: random words, so that nothing packs too well."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

KEPT, GRIDS, PLACES, PROMPT = 60, 4, 46, 40
"""Questions kept and told by grids a target; a grid's columns, and those of them in the prompt."""
CONTEXT_WORDS, ANSWER_WORDS, VOCABULARY = 120, 3, 20_000

Owner = tuple[str, str]


def words(rng: np.random.Generator, count: int) -> list[str]:
    """Words of 2 to 9 Odia letters."""
    letters = np.array([chr(0x0B05 + n) for n in range(52)])
    return ["".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(count)]


def samples(
    rng: np.random.Generator, owners: Sequence[Owner], targets: Sequence[str], seeds: Sequence[int]
) -> list[dict[str, object]]:
    """A row a kept question; five answers occur among the variants."""
    lexicon = words(rng, 20_000)
    variants = [(r, s, seed) for r, s in owners for seed in (seeds if s else (-1,))]
    rows = []
    for target in targets:
        for n in range(KEPT):
            context = " ".join(rng.choice(lexicon, CONTEXT_WORDS))
            question = " ".join(rng.choice(lexicon, 8))
            said = [" ".join(rng.choice(lexicon, ANSWER_WORDS)) for _ in range(5)]
            picked = rng.integers(0, 5, len(variants))
            own = variants[1 + rng.integers(len(variants) - 1)]
            rows.append(
                {
                    "target": target, "id": f"q{n * 17:04d}", "asked": 1190,
                    "chosen_for": [dict(zip(("recipe", "source", "seed"), own, strict=True))],
                    "context": context, "question": question, "answers": [said[0]],
                    "prompts": {"base": f"{context}\n\nQ: {question}\nA:"},
                    "variants": [
                        {
                            "recipe": recipe, "source": source, "seed": seed, "step": 60,
                            "answer": said[place], "cause": "wrong_span" if place else "exact",
                            "language": target if place else None, "stop": "newline",
                            "mlqa_em": float(place == 0), "mlqa_f1": round(1 - place / 7, 3),
                        }
                        for (recipe, source, seed), place in zip(variants, picked, strict=True)
                    ],
                }
            )  # fmt: skip
    return rows


def grids(
    rng: np.random.Generator, owners: Sequence[Owner], targets: Sequence[str], depths: int
) -> pl.DataFrame:
    """A row for each place and depth: tokens as frequent as words are, masses at random."""
    spelled = [word.encode() for word in words(rng, VOCABULARY)]
    frames = []
    for target in targets:
        for n in range(GRIDS):
            read = rng.zipf(1.3, PLACES + 1) % VOCABULARY
            for recipe, source in owners:
                size = PLACES * depths
                masses = rng.dirichlet((2, 1, 0.3, 1), size)
                place = np.repeat(np.arange(PLACES), depths)
                top = rng.zipf(1.2, size) % VOCABULARY
                ids = {"token": read[place], "next": read[place + 1], "top": top}
                columns = {f"{name}_id": found for name, found in ids.items()}
                columns |= {
                    "token" if name == "token" else f"{name}_token": [spelled[i] for i in found]
                    for name, found in ids.items()
                }
                columns |= {
                    "place": place,
                    "part": np.where(place < PROMPT, "prompt", "answer"),
                    "depth": np.tile(np.arange(depths), PLACES),
                    "top_probability": rng.beta(0.5, 0.7, size),
                    "language": rng.choice(list(targets), size),
                    "language_mass": masses[:, 0],
                    "shared": masses[:, 1],
                    "unknown": masses[:, 2],
                }
                told = {
                    "recipe": recipe,
                    "source": source,
                    "target": target,
                    "id": f"q{n * 17:04d}",
                }
                told |= {"seed": 0 if source else -1, "step": 60}
                frame = pl.DataFrame(columns)
                frames.append(frame.with_columns(pl.lit(v).alias(k) for k, v in told.items()))
    return pl.concat(frames)

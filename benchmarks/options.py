"""Option scores a second, against each pair by itself.

python benchmarks/options.py [large] [mini]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from workload import as_transformers_has_it, best_times, bloom_560m, table, unpacked

import babelscope as bs
from babelscope.infer.options import Choice, encode_choice, score_options
from babelscope.models.loading import LoadedModel

LABELS = (" Yes", " Maybe", " No")
ALLOWED_NATS = 1e-4


def xnli(loaded: LoadedModel, count: int) -> list[Choice]:
    """The first rows of XNLI's English dev set as questions with three labels."""
    (path,) = unpacked("data/xnli.tar.xz").rglob("dev-en.tsv")
    lines = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    rows = [line for line in lines if len(line) >= 3 and line[0] != "premise"][:count]
    return [
        encode_choice(loaded.tokenizer, str(n), f"{row[0]}\nQ: {row[1]} True?\nA:", LABELS)
        for n, row in enumerate(rows)
    ]


def pairs_alone(loaded: LoadedModel, choices: Sequence[Choice]) -> list[float]:
    """Nats of each option from one forward pass over its prompt and it."""
    nats = []
    for choice in choices:
        for option in choice.options:
            ids = torch.tensor([choice.prompt + option[:-1]])
            with torch.inference_mode():
                out = loaded.model(input_ids=ids, use_cache=False, logits_to_keep=len(option))
            logs = out.logits[0].log_softmax(dim=-1)
            nats.append(sum(float(logs[k, token]) for k, token in enumerate(option)))
    return nats


def compare(loaded: LoadedModel, count: int, repeats: int) -> tuple[str, ...]:
    choices = xnli(loaded, count)
    plain = as_transformers_has_it(loaded)
    runs = {
        "ours": lambda: [x for s in score_options(loaded, choices) for x in s.nats],
        "alone": lambda: pairs_alone(plain, choices),
    }
    best = best_times(runs, repeats)
    (mine, found), (alone, expected) = best["ours"], best["alone"]
    worst = max(abs(a - b) for a, b in zip(found, expected, strict=True))  # type: ignore[call-overload]
    equal = "equal" if worst < ALLOWED_NATS else "NOT EQUAL"
    return (
        f"{loaded.name}, {count} rows",
        f"{alone:.2f}",
        f"{mine:.2f}",
        f"{alone / mine:.1f}",
        f"{worst:.1e} ({equal})",
    )


if __name__ == "__main__":
    torch.set_num_threads(2)
    wanted = sys.argv[1:] or ["mini", "large"]
    rows = [compare(bs.load_model("mini"), 500, 3)] if "mini" in wanted else []
    rows += [compare(bloom_560m(), 60, 2)] if "large" in wanted else []
    table(
        ("work", "each pair alone, s", "ours, s", "times (>= 3)", "largest difference, nats"), rows
    )

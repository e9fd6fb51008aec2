"""The lens against the bare forward pass, the arithmetic floor and the published way.

    python benchmarks/lens.py                       # all of it, about 30 minutes on 2 cores
    python benchmarks/lens.py --only last memory

Real prompts are read from the folder in BABELSCOPE_SHARED. Ratios inside one run, interleaved,
best of five. The model is a random BLOOM of 560M's shape.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from workload import THREADS, best_times, bloom_560m, machine, xquad

from babelscope.infer.lens import (
    Lens,
    LensPrompt,
    LensSettings,
    plan_lens_batches,
    prepare_lens,
    read_lens,
)
from babelscope.infer.lens_items import plan_items
from babelscope.infer.trunk import padded
from babelscope.models.loading import LoadedModel
from babelscope.records import Example

LANGUAGES = ("ar", "de", "en", "es", "hi", "ru", "tr", "zh")
CONTEXTS = 240
ROWS = 250_880
TOP_K = 10
COLUMNS = 32
GOLD = 8
REPEATS = 5
PARTS = ("last", "last-bf16", "gold", "published", "memory")


def prompt_text(example: Example) -> str:
    """A question as the first paper's inference prompt."""
    return f"{example.context}\n\nQ: {example.question}\nA:"


def prompts_of(loaded: LoadedModel, each: int) -> list[LensPrompt]:
    """A question of every so many contexts, `each` in every language, with 8 tokens behind it."""
    prompts = []
    for language in LANGUAGES:
        examples = xquad(language, CONTEXTS, 1)
        for example in examples[:: len(examples) // each][:each]:
            ids = loaded.tokenizer(prompt_text(example))["input_ids"]
            gold = loaded.tokenizer(example.context, add_special_tokens=False, verbose=False)[
                "input_ids"
            ]
            name = f"{language} {example.id}"
            prompts.append(LensPrompt(name, tuple(ids), tuple(gold[:GOLD])))
    return prompts


def a_map() -> np.ndarray:
    """Thirty languages, shared and unknown: the numbers do not matter for speed."""
    return np.random.default_rng(0).dirichlet(np.full(COLUMNS, 0.1), size=ROWS).astype(np.float32)


def published_way(loaded: LoadedModel, prompt: LensPrompt, table: torch.Tensor) -> torch.Tensor:
    """One prompt: softmax and map at every position of every depth, and the last kept."""
    with torch.no_grad():
        out = loaded.model(torch.tensor([prompt.ids]), output_hidden_states=True)
        kept = []
        for hidden in out.hidden_states:
            logits = loaded.parts.unembed(loaded.parts.final_norm(hidden))
            kept.append((logits.softmax(-1) @ table)[0, -1])
    return torch.stack(kept)


@torch.inference_mode()
def bare_trunk(lens: Lens, prompts: Sequence[LensPrompt], positions: Sequence[str]) -> None:
    """The forward pass of the same batches: no hook, no head."""
    items = plan_items(prompts, positions)
    for batch in plan_lens_batches(lens, items):
        ids = padded([items[i].ids for i in batch], lens.loaded.device)
        lens.loaded.model.base_model(input_ids=ids, use_cache=False)


def last(dtype: torch.dtype, repeats: int) -> None:
    """`last` at all depths against the bare trunk."""
    loaded = bloom_560m(dtype=dtype)
    prompts = prompts_of(loaded, 4)
    lens = prepare_lens(loaded, {"map": a_map()}, LensSettings(top_k=TOP_K))
    runs = {
        "lens": lambda: read_lens(lens, prompts, positions=("last",)),
        "trunk": lambda: bare_trunk(lens, prompts, ("last",)),
    }
    best = best_times(runs, repeats)
    bound = 1.15 if dtype == torch.float32 else 1.25
    name = str(dtype).removeprefix("torch.")
    told = f"`last`, 25 depths, {name}: lens / bare trunk"
    row(told, best["lens"][0], best["trunk"][0], f"<= {bound}")


def gold(repeats: int) -> None:
    """Eight gold positions against trunk + necessary products at the measured rate."""
    loaded = bloom_560m()
    prompts = prompts_of(loaded, 4)
    lens = prepare_lens(loaded, {"map": a_map()}, LensSettings(top_k=TOP_K))
    weight = loaded.parts.unembed.weight.detach()
    states = torch.randn(1024, weight.shape[1])
    rows = len(prompts) * GOLD * (loaded.parts.depth + 1)
    runs = {
        "lens": lambda: read_lens(lens, prompts, positions=("gold",)),
        "trunk": lambda: bare_trunk(lens, prompts, ("gold",)),
        "product": lambda: [states @ part.T for part in weight.split(16384)],
    }
    best = {name: seconds for name, (seconds, _) in best_times(runs, repeats).items()}
    rate = 2 * len(states) * weight.numel() / best["product"]
    floor = best["trunk"] + 2 * rows * weight.numel() / rate
    print(f"GEMM rate {rate / 1e9:.0f} GFLOP/s; trunk {best['trunk']:.1f} s; {rows} rows projected")
    row("8 gold positions: lens / arithmetic floor", best["lens"], floor, "<= 1.3")


def published(repeats: int) -> None:
    """The published way on two prompts, scaled to the tokens of all, against the lens on all."""
    loaded = bloom_560m()
    prompts = prompts_of(loaded, 4)
    lens = prepare_lens(loaded, {"map": a_map()}, LensSettings(top_k=TOP_K))
    table = torch.from_numpy(a_map())
    # of middling length: the published way takes a quarter of an hour for all of them
    few = sorted(prompts, key=lambda p: len(p.ids))[8::16]
    share = sum(len(p.ids) for p in few) / sum(len(p.ids) for p in prompts)
    print(f"published way on {len(few)} prompts with {share:.3f} of all tokens, scaled up by that")
    runs = {
        "published": lambda: [published_way(loaded, p, table).numpy() for p in few],
        "lens": lambda: read_lens(lens, prompts, positions=("last",)),
    }
    best = best_times(runs, repeats)
    reading = read_lens(lens, few, positions=("last",)).mass["map"][:, 0]
    plain = np.stack(best["published"][1])
    # transformers gives the last hidden state after the final norm, which is then applied twice
    gap = np.abs(reading[:, :-1] - plain[:, :-1]).max()
    print(f"largest difference of a mass below the last depth: {gap:.1e}")
    row("published way / lens, fp32", best["published"][0] / share, best["lens"][0], ">= 25")


def row(name: str, value: float, other: float, bound: str) -> None:
    """Print a row of the table."""
    print(f"| {name} | {value:.2f} s / {other:.2f} s | {value / other:.3f} | {bound} |", flush=True)


def status(key: str) -> float:
    """Return a figure of /proc/self/status in MiB."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(x for x in text.splitlines() if x.startswith(key)).split()[1]) / 1024


def memory_once(prompts: int, layers: int) -> None:
    """In a process of its own: peak above the loaded model."""
    loaded = bloom_560m(layers=layers)
    eight = prompts_of(loaded, 1)
    asked = [replace(eight[i % 8], id=str(i)) for i in range(prompts)]  # more of the same lengths
    with torch.inference_mode():
        loaded.model.base_model(input_ids=torch.tensor([eight[0].ids[:64]]), use_cache=False)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts from here
    before = status("VmRSS")
    lens = prepare_lens(loaded, {"map": a_map()}, LensSettings(top_k=TOP_K))
    read_lens(lens, asked, positions=("last",))
    print(f"{status('VmHWM') - before:.0f}")


def memory() -> None:
    """Peak memory for 8, 32, 128 prompts and 12, 24, 48 layers."""
    found = {}
    for prompts, layers in ((8, 24), (32, 24), (128, 24), (32, 12), (32, 48)):
        command = [sys.executable, __file__, "--memory-of", str(prompts), str(layers)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[prompts, layers] = float(done.stdout.split()[-1])
        told = f"| peak, {prompts} prompts, {layers} layers | {found[prompts, layers]:.0f} MiB |"
        print(told, "<= 400 MiB |", flush=True)
    middle = found[32, 24]
    for name, keys in (("prompts", ((8, 24), (128, 24))), ("layers", ((32, 12), (32, 48)))):
        apart = max(abs(found[k] / middle - 1) for k in keys)
        print(f"| {name}: farthest from 32 prompts, 24 layers | {apart:.1%} | <= 10 % |")


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--memory-of", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(THREADS)
    if given.memory_of:
        memory_once(*given.memory_of)
        return
    print(machine())
    parts = {
        "last": lambda: last(torch.float32, given.repeats),
        "last-bf16": lambda: last(torch.bfloat16, given.repeats),
        "gold": lambda: gold(given.repeats),
        "published": lambda: published(given.repeats),
        "memory": memory,
    }
    for name in given.only:
        parts[name]()


if __name__ == "__main__":
    main()

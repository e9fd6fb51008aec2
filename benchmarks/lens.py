"""The lens against the bare forward pass, the arithmetic floor and the published way.

    python benchmarks/lens.py --shared ../shared            # all of it, about 25 minutes on 2 cores
    python benchmarks/lens.py --shared ../shared --only last memory

Ratios inside one run, interleaved, best of five. The model is a random BLOOM of 560M's shape.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from workload import LANGUAGES, ROWS, bloom_560m, machine, prompt_text, real_tokenizer, xquad

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

TOP_K = 10
COLUMNS = 32
GOLD = 8
REPEATS = 5
PARTS = ("last", "last-bf16", "gold", "published", "memory")


def prompts_of(shared: Path, each: int) -> list[LensPrompt]:
    """The first question of every so many contexts, `each` in every language, with 8 gold ids."""
    tokenizer = real_tokenizer(shared, "xlmr")
    prompts = []
    for language in LANGUAGES:
        rows = xquad(shared, language)
        for row in rows[:: len(rows) // each][:each]:
            ids = tokenizer(prompt_text(row))["input_ids"]
            gold = tokenizer(row["context"], add_special_tokens=False)["input_ids"][:GOLD]
            prompts.append(LensPrompt(f"{language} {row['id']}", tuple(ids), tuple(gold)))
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


def best(*works: Callable[[], object], repeats: int) -> list[float]:
    """Return the least seconds of each, one after the other in every round."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, seen in zip(works, times, strict=True):
            start = time.perf_counter()
            work()
            seen.append(time.perf_counter() - start)
    return [min(seen) for seen in times]


def last(shared: Path, dtype: torch.dtype, repeats: int) -> None:
    """`last` at all depths against the bare trunk."""
    prompts = prompts_of(shared, 4)
    loaded = bloom_560m(real_tokenizer(shared, "xlmr"), dtype=dtype)
    lens = prepare_lens(loaded, {"map": a_map()}, LensSettings(top_k=TOP_K))
    whole, trunk = best(
        lambda: read_lens(lens, prompts, positions=("last",)),
        lambda: bare_trunk(lens, prompts, ("last",)),
        repeats=repeats,
    )
    bound = 1.15 if dtype == torch.float32 else 1.25
    name = str(dtype).removeprefix("torch.")
    row(f"`last`, 25 depths, {name}: lens / bare trunk", whole, trunk, f"<= {bound}")


def gold(shared: Path, repeats: int) -> None:
    """Eight gold positions against trunk + necessary products at the measured rate."""
    prompts = prompts_of(shared, 4)
    loaded = bloom_560m(real_tokenizer(shared, "xlmr"))
    lens = prepare_lens(loaded, {"map": a_map()}, LensSettings(top_k=TOP_K))
    weight = loaded.parts.unembed.weight.detach()
    states = torch.randn(1024, weight.shape[1])
    rows = len(prompts) * GOLD * (loaded.parts.depth + 1)
    whole, trunk, product = best(
        lambda: read_lens(lens, prompts, positions=("gold",)),
        lambda: bare_trunk(lens, prompts, ("gold",)),
        lambda: [states @ part.T for part in weight.split(16384)],
        repeats=repeats,
    )
    rate = 2 * len(states) * weight.numel() / product
    floor = trunk + 2 * rows * weight.numel() / rate
    print(f"GEMM rate {rate / 1e9:.0f} GFLOP/s; trunk {trunk:.1f} s; {rows} rows projected")
    row("8 gold positions: lens / arithmetic floor", whole, floor, "<= 1.3")


def published(shared: Path, repeats: int) -> None:
    """The published way, prompt by prompt, against the lens on all prompts."""
    prompts = prompts_of(shared, 4)
    loaded = bloom_560m(real_tokenizer(shared, "xlmr"))
    lens = prepare_lens(loaded, {"map": a_map()}, LensSettings(top_k=TOP_K))
    table = torch.from_numpy(a_map())
    # two prompts of middling length: the published way takes a quarter of an hour for all
    few = sorted(prompts, key=lambda p: len(p.ids))[8::16]
    share = sum(len(p.ids) for p in few) / sum(len(p.ids) for p in prompts)
    print(f"published way on {len(few)} prompts with {share:.3f} of all tokens, scaled up by that")
    slow, fast = best(
        lambda: [published_way(loaded, p, table) for p in few],
        lambda: read_lens(lens, prompts, positions=("last",)),
        repeats=repeats,
    )
    reading = read_lens(lens, few, positions=("last",)).mass["map"][:, 0]
    plain = np.stack([published_way(loaded, p, table).numpy() for p in few])
    # transformers gives the last hidden state after the final norm, which is then applied twice
    gap = np.abs(reading[:, :-1] - plain[:, :-1]).max()
    print(f"largest difference of a mass below the last depth: {gap:.1e}")
    row("published way / lens, fp32", slow / share, fast, ">= 25")


def row(name: str, value: float, other: float, bound: str) -> None:
    """Print a row of the table."""
    print(f"| {name} | {value:.2f} s / {other:.2f} s | {value / other:.3f} | {bound} |", flush=True)


def status(key: str) -> float:
    """Return a figure of /proc/self/status in MiB."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(x for x in text.splitlines() if x.startswith(key)).split()[1]) / 1024


def memory_once(shared: Path, prompts: int, layers: int) -> None:
    """In a process of its own: peak above the loaded model and map."""
    eight = prompts_of(shared, 1)
    asked = [replace(eight[i % 8], id=str(i)) for i in range(prompts)]  # more of the same lengths
    loaded = bloom_560m(real_tokenizer(shared, "xlmr"), layers=layers)
    with torch.inference_mode():
        loaded.model.base_model(input_ids=torch.tensor([asked[0].ids[:64]]), use_cache=False)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts from here
    before = status("VmRSS")
    lens = prepare_lens(loaded, {"map": a_map()}, LensSettings(top_k=TOP_K))
    read_lens(lens, asked, positions=("last",))
    print(f"{status('VmHWM') - before:.0f}")


def memory(shared: Path) -> None:
    """Peak memory for 8, 32, 128 prompts and 12, 24, 48 layers."""
    found = {}
    for prompts, layers in ((8, 24), (32, 24), (128, 24), (32, 12), (32, 48)):
        command = [sys.executable, __file__, "--shared", str(shared), "--memory-of"]
        done = subprocess.run(
            [*command, str(prompts), str(layers)], capture_output=True, text=True, check=True
        )
        found[prompts, layers] = float(done.stdout.split()[-1])
        print(f"| peak, {prompts} prompts, {layers} layers | {found[prompts, layers]:.0f} MiB |")
    middle = found[32, 24]
    for name, keys in (("prompts", ((8, 24), (128, 24))), ("layers", ((32, 12), (32, 48)))):
        apart = max(abs(found[k] / middle - 1) for k in keys)
        print(f"| {name}: farthest from 32 prompts, 24 layers | {apart:.1%} | <= 10 % |")


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="the folder of real data")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--memory-of", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(2)
    if given.memory_of:
        memory_once(given.shared, *given.memory_of)
        return
    print(machine())
    if "last" in given.only:
        last(given.shared, torch.float32, given.repeats)
    if "last-bf16" in given.only:
        last(given.shared, torch.bfloat16, given.repeats)
    if "gold" in given.only:
        gold(given.shared, given.repeats)
    if "published" in given.only:
        published(given.shared, given.repeats)
    if "memory" in given.only:
        memory(given.shared)


if __name__ == "__main__":
    main()

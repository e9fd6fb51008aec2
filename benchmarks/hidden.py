"""Kept hidden states against the bare forward pass, and their memory.

    python benchmarks/hidden.py

FLORES sentences are read from the folder in BABELSCOPE_SHARED. The model is a random BLOOM of
560M's shape; all poolings are kept at once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from workload import THREADS, best_times, bloom_560m, machine, unpacked

from babelscope.infer.hidden import POOLINGS, HiddenText, plan_hidden
from babelscope.infer.hidden_items import encode_texts
from babelscope.infer.trunk import padded
from babelscope.models.trunks import Trunk, trunk_of
from babelscope.study.hidden_step import keep_states

LANGUAGES = ("eng_Latn", "hin_Deva", "rus_Cyrl", "zho_Hans")
SENTENCES = 24
REPEATS = 3
MEMORY_LAYERS = 2


def sentences(each: int) -> list[HiddenText]:
    """The first sentences of FLORES in each language; the span is the first word."""
    folder = next(unpacked("data/flores200.tar.xz").rglob("devtest"))
    texts = []
    for language in LANGUAGES:
        lines = (folder / f"{language}.devtest").read_text("utf-8").splitlines()[:each]
        texts += [
            HiddenText(f"{language} {n}", line, (0, len(line.split()[0])))
            for n, line in enumerate(lines)
        ]
    return texts


def keep(trunk: Trunk, texts: list[HiddenText]) -> int:
    with tempfile.TemporaryDirectory() as root:
        kept = keep_states(trunk, texts, POOLINGS, Path(root))
        return sum(k.states.nbytes for k in kept.values())


@torch.inference_mode()
def bare(trunk: Trunk, batches: list[torch.Tensor]) -> None:
    """The forward pass of the same batches: no hook, no head."""
    for ids in batches:
        trunk.model.base_model(input_ids=ids, use_cache=False)


def speed(repeats: int) -> None:
    trunk, texts = trunk_of(bloom_560m()), sentences(SENTENCES)
    items = encode_texts(trunk, texts)
    plan = plan_hidden(trunk, texts, POOLINGS)
    batches = [padded([items[n].ids for n in batch], trunk.device) for batch in plan.batches]
    tokens = sum(len(item.ids) for item in items)
    print(f"{len(texts)} sentences, {tokens} tokens, {sum(b.numel() for b in batches)} padded")
    runs = {"kept": lambda: keep(trunk, texts), "bare": lambda: bare(trunk, batches)}
    best = best_times(runs, repeats)
    (ours, size), (theirs, _) = best["kept"], best["bare"]
    what = f"{len(POOLINGS)} poolings, {trunk.depths} depths, {size >> 20} MiB: kept / bare"
    print(f"| {what} | {ours:.2f} s / {theirs:.2f} s | {ours / theirs:.3f} | <= 1.15 |", flush=True)


def status(key: str) -> float:
    """Return a figure of /proc/self/status in MiB."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(x for x in text.splitlines() if x.startswith(key)).split()[1]) / 1024


def memory_once(count: int) -> None:
    """In a process of its own: peak above the loaded model."""
    trunk = trunk_of(bloom_560m(layers=MEMORY_LAYERS))
    fifty = sentences(50)
    # more of the same lengths, each text its own
    texts = [HiddenText(str(n), fifty[n % 200].text, fifty[n % 200].span) for n in range(count)]
    keep(trunk, texts[:4])
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts from here
    before = status("VmRSS")
    keep(trunk, texts)
    print(f"{status('VmHWM') - before:.0f}")


def memory() -> None:
    found = []
    for count in (200, 800):
        command = [sys.executable, __file__, "--memory-of", str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append(float(done.stdout.split()[-1]))
        print(f"| peak, {count} texts, {MEMORY_LAYERS} layers | {found[-1]:.0f} MiB |", flush=True)
    print(f"| 800 texts / 200 texts | {found[1] / found[0]:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("speed", "memory"), default=None)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(THREADS)
    if given.memory_of:
        memory_once(given.memory_of)
        return
    print(machine())
    if given.only != "memory":
        speed(given.repeats)
    if given.only != "speed":
        memory()


if __name__ == "__main__":
    main()

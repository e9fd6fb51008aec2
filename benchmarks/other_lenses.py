"""The lens beside nnterp's `logit_lens`: time and peak memory on the same weights and prompts.

    python -m venv OTHER && OTHER/bin/pip install torch==2.13.0 nnterp==1.3.0 nnsight==0.7.0
    python benchmarks/other_lenses.py --venv OTHER      # some minutes

Eight XQuAD questions, one a language; last position, every depth; mass by a map of 32 columns,
entropy and top-10. A process of its own for each run, the sides in turn, the best of three.
The other side's Python has neither this package nor its versions, hence the late imports.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

TOP_K = 10
WARM_UP = 64
CLOSE = 1e-4
OURS = "babelscope"
TOGETHER = "nnterp, eight together"
SINGLY = "nnterp, one by one"
SIDES = (OURS, TOGETHER, SINGLY)


@dataclass(frozen=True, slots=True)
class Seen:
    """Of every prompt and depth: masses, entropy in bits, the first ids."""

    mass: np.ndarray
    entropy: np.ndarray
    top: np.ndarray


def make_ready(work: Path) -> None:
    """Save model, tokenizer, prompts and map once, so that all sides read the same files."""
    from lens import LANGUAGES, a_map, prompt_text, prompts_of
    from workload import bloom_560m, xquad

    loaded = bloom_560m()
    if not (work / "model" / "config.json").exists():
        loaded.model.save_pretrained(work / "model")
        loaded.tokenizer.save_pretrained(work / "model")
    texts = [prompt_text(xquad(language, 1, 1)[0]) for language in LANGUAGES]
    ids = [prompt.ids for prompt in prompts_of(loaded, 1)]
    (work / "prompts.json").write_text(json.dumps({"texts": texts, "ids": ids}), encoding="utf-8")
    np.save(work / "map.npy", a_map())


def ours(work: Path) -> tuple[Any, Callable[[np.ndarray], Callable[[], Seen]]]:
    """Return this package's model and what makes its lens of a map ready."""
    from babelscope.infer.lens import LensPrompt, LensSettings, prepare_lens, read_lens
    from babelscope.models.loading import load_model

    loaded = load_model(str(work / "model"), dtype="float32", device="cpu")
    every = json.loads((work / "prompts.json").read_text(encoding="utf-8"))["ids"]
    prompts = [LensPrompt(str(i), tuple(ids)) for i, ids in enumerate(every)]

    def ready(table: np.ndarray) -> Callable[[], Seen]:
        lens = prepare_lens(loaded, {"map": table}, LensSettings(top_k=TOP_K))

        def read() -> Seen:
            found = read_lens(lens, prompts, positions=("last",))
            top = np.stack([place.top_ids for place in found.places])
            return Seen(found.mass["map"][:, 0], found.entropy_bits[:, 0], top)

        return read

    return loaded.model, ready


def theirs(work: Path, *, singly: bool) -> tuple[Any, Callable[[np.ndarray], Callable[[], Seen]]]:
    """Return nnterp's model and what reduces its probabilities by a map."""
    from nnterp import StandardizedTransformer
    from nnterp.interventions import logit_lens

    model = StandardizedTransformer(str(work / "model"), dtype=torch.float32, device_map="cpu")
    texts = json.loads((work / "prompts.json").read_text(encoding="utf-8"))["texts"]
    if singly:
        # its no_grad does not reach the thread in which the trace runs: the kindest use is without
        model._model.requires_grad_(False)

    def ready(table: np.ndarray) -> Callable[[], Seen]:
        by_language = torch.from_numpy(table)

        def read() -> Seen:
            sets = [[text] for text in texts] if singly else [texts]
            parts = [part for some in sets for part in logit_lens(model, some).detach()]
            return _stacked([reduced(part, by_language) for part in parts])

        def reduced(found: torch.Tensor, by_language: torch.Tensor) -> Seen:
            bits = torch.special.entr(found).sum(-1) / np.log(2)
            return Seen(
                (found @ by_language).numpy(), bits.numpy(), found.topk(TOP_K).indices.numpy()
            )

        return read

    return model._model, ready


def _stacked(every: list[Seen]) -> Seen:
    return Seen(*(np.stack([getattr(s, n) for s in every]) for n in ("mass", "entropy", "top")))


def status(key: str) -> float:
    """Return a figure of /proc/self/status in MiB."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(x for x in text.splitlines() if x.startswith(key)).split()[1]) / 1024


def run_side(side: str, work: Path, out: Path) -> None:
    """In a process of its own: load, warm up, then time one reading and take its peak."""
    torch.set_num_threads(2)
    model, ready = ours(work) if side == OURS else theirs(work, singly=side == SINGLY)
    ids = json.loads((work / "prompts.json").read_text(encoding="utf-8"))["ids"][0][:WARM_UP]
    with torch.inference_mode():
        model(input_ids=torch.tensor([ids]), use_cache=False)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts from here
    before = status("VmRSS")
    read = ready(np.load(work / "map.npy"))
    start = time.perf_counter()
    seen = read()
    seconds = time.perf_counter() - start
    peak = status("VmHWM") - before
    np.savez(out, mass=seen.mass, entropy=seen.entropy, top=seen.top)
    names: tuple[str, ...] = ("torch", "transformers", OURS if side == OURS else "nnterp")
    names += () if side == OURS else ("nnsight",)
    kinds = ", ".join(f"{name} {version(name)}" for name in names)
    print(json.dumps({"seconds": seconds, "peak": peak, "versions": kinds}))


def measured(side: str, given: argparse.Namespace) -> dict[str, Any]:
    """Run a side once in its own Python and return what it says."""
    python = sys.executable if side == OURS else str(given.venv / "bin" / "python")
    command = [python, __file__, "--venv", str(given.venv)]
    command += ["--work", str(given.work), "--side", side]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(work: Path, side: str) -> bool:
    """Print how far a side's reading is from ours at the depths that both have."""
    here, there = np.load(work / f"{OURS}.npz"), np.load(work / f"{side}.npz")
    count = there["mass"].shape[1]  # nnterp reads the blocks' outputs only: no depth 0
    gaps = {n: np.abs(here[n][:, -count:] - there[n]).max() for n in ("mass", "entropy")}
    same = (here["top"][:, -count:, 0] == there["top"][:, :, 0]).mean()
    print(
        f"{side}: {count} of {here['mass'].shape[1]} depths (no depth 0); largest difference of "
        f"a mass {gaps['mass']:.1e}, of an entropy {gaps['entropy']:.1e} bits; "
        f"same first token in {same:.1%}"
    )
    return bool(gaps["mass"] <= CLOSE)


def main() -> None:
    """Run the sides in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, required=True, help="where nnterp is installed")
    parser.add_argument("--work", type=Path, help="for model and readings, else beside the venv")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.work = given.work or given.venv.parent
    if given.side:
        run_side(given.side, given.work, given.work / f"{given.side}.npz")
        return
    make_ready(given.work)
    seen: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for _ in range(given.repeats):
        for side in SIDES:
            seen[side].append(measured(side, given))
            print(f"{side}: {seen[side][-1]}", file=sys.stderr, flush=True)
    print("| lens | versions | seconds | peak above the model |\n|---|---|---|---|")
    for side, runs in seen.items():
        seconds, peak = (min(run[name] for run in runs) for name in ("seconds", "peak"))
        print(f"| {side} | {runs[0]['versions']} | {seconds:.2f} | {peak:.0f} MiB |")
    close = [compare(given.work, side) for side in SIDES[1:]]
    if not all(close):
        raise SystemExit(f"masses differ by more than {CLOSE}")


if __name__ == "__main__":
    main()

"""What one GPU does: answers, the lens and tuning at 560M's shape, and running out of memory.

    python benchmarks/gpu.py [answers] [equal] [lens] [tune] [full]

Real prompts are read from the folder in BABELSCOPE_SHARED. Ratios inside one run, in turns, best
of three. The model is a random BLOOM of 560M's shape.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from answering import FORCED, Tokens, in_batches, one_at_a_time, ours, show_differences
from lens import TOP_K, a_map, bare_trunk
from lens import prompts_of as lens_prompts
from transformers import Trainer, TrainingArguments
from tuning import Told, tune_rows
from workload import as_transformers_has_it, bloom_560m, machine, prompts_of, table, xquad

from babelscope.adapt.batches import collate
from babelscope.adapt.lora import fresh_lora
from babelscope.adapt.recipes import RECIPES, Recipe, change
from babelscope.errors import BabelscopeError
from babelscope.infer.generate import generate_answers
from babelscope.infer.lens import Lens, LensPrompt, LensSettings, prepare_lens, read_lens
from babelscope.models.encoding import NO_LOSS, EncodedPrompt, EncodedTraining
from babelscope.models.loading import LoadedModel

STEPS = 12
LENGTH, ANSWER = 512, 16


def in_turns(
    runs: Mapping[str, Callable[[], object]], repeats: int = 3
) -> dict[str, tuple[float, object]]:
    """Seconds of the fastest of some runs after a first one that is not counted."""
    best: dict[str, tuple[float, object]] = {}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            torch.cuda.synchronize()
            start = time.perf_counter()
            result = run()
            torch.cuda.synchronize()
            seconds = time.perf_counter() - start
            if turn:
                best[name] = (min(seconds, best.get(name, (seconds, None))[0]), result)
    return best


def answers() -> None:
    """240 questions on 48 contexts, 16 tokens forced, bf16."""
    loaded = bloom_560m(dtype=torch.bfloat16, device="cuda")
    prompts = prompts_of(loaded, xquad("en", 48, 5))
    plain = as_transformers_has_it(loaded)
    sizes = (32, 128)
    runs: dict[str, Callable[[], object]] = {"ours": lambda: ours(loaded, prompts, FORCED)}
    for size in sizes:
        runs[f"batches of {size}"] = lambda size=size: in_batches(plain, prompts, 16, size)
    best = in_turns(runs)
    base = best["ours"][0]
    rows = [
        (k, f"{s:.2f}", f"{len(prompts) / s:.0f}", f"{s / base:.2f}") for k, (s, _) in best.items()
    ]
    table(
        (f"answers of {len(prompts)} questions, bf16", "s", "questions a second", "to ours"), rows
    )


def equal() -> None:
    """60 questions in float32 against `generate` one at a time."""
    loaded = bloom_560m(device="cuda")
    prompts = prompts_of(loaded, xquad("en", 12, 5))
    best = in_turns(
        {
            "ours": lambda: ours(loaded, prompts, FORCED),
            "one at a time": lambda: one_at_a_time(as_transformers_has_it(loaded), prompts, 16),
        },
        repeats=1,
    )
    table(("float32, 60 questions", "s"), [(k, f"{s:.2f}") for k, (s, _) in best.items()])
    show_differences(loaded, prompts, best["ours"][1], best["one at a time"][1])  # type: ignore[arg-type]


def lens() -> None:
    """`last` at all depths against the bare forward pass, and against the CPU's values."""
    _lens_in(torch.bfloat16)
    made, prompts = _lens_in(torch.float32)
    few = prompts[::40]
    here = read_lens(made, few, positions=("last",)).mass["map"]
    slow = prepare_lens(bloom_560m(device="cpu"), {"map": a_map()}, LensSettings(top_k=TOP_K))
    there = read_lens(slow, few, positions=("last",)).mass["map"]
    print(f"largest difference of a mass from the CPU's: {abs(here - there).max():.1e}")


def _lens_in(dtype: torch.dtype) -> tuple[Lens, list[LensPrompt]]:
    loaded = bloom_560m(dtype=dtype, device="cuda")
    prompts = lens_prompts(loaded, 20)
    made = prepare_lens(loaded, {"map": a_map()}, LensSettings(top_k=TOP_K))
    runs = {
        "lens": lambda: read_lens(made, prompts, positions=("last",)),
        "bare pass": lambda: bare_trunk(made, prompts, ("last",)),
    }
    best = in_turns(runs)
    name = str(dtype).removeprefix("torch.")
    head = (f"`last` of {len(prompts)} prompts, 25 depths, {name}", "s")
    table(head, [(k, f"{s:.3f}") for k, (s, _) in best.items()])
    print(f"lens / bare pass: {best['lens'][0] / best['bare pass'][0]:.3f}")
    return made, prompts


def rows_of(count: int) -> tuple[EncodedTraining, ...]:
    draw = torch.Generator().manual_seed(0)
    made = []
    for n in range(count):
        ids = tuple(torch.randint(5, 250_000, (LENGTH,), generator=draw).tolist())
        labels = (NO_LOSS,) * (LENGTH - ANSWER) + ids[LENGTH - ANSWER :]
        made.append(EncodedTraining(str(n), ids, labels, 0, LENGTH, False, False, False))
    return tuple(made)


def _ours(recipe: Recipe, told: Callable[[], None]) -> None:
    tune_rows(bloom_560m(device="cuda"), rows_of(103), recipe, told)


def _stock(recipe: Recipe, told: Callable[[], None]) -> None:
    loaded = bloom_560m(fused=False, device="cuda")
    with fresh_lora(loaded, recipe, 0) as tuned, tempfile.TemporaryDirectory() as out:
        arguments = TrainingArguments(
            out,
            per_device_train_batch_size=recipe.batch_size,
            gradient_accumulation_steps=recipe.accumulation,
            max_steps=STEPS,
            bf16=True,
            learning_rate=recipe.learning_rate,
            max_grad_norm=recipe.clip,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        Trainer(
            model=tuned,
            args=arguments,
            train_dataset=[*rows_of(103)],
            data_collator=lambda items: collate(items, 1),
            callbacks=[Told(told)],
        ).train()


def tune() -> None:
    """Steps of the default recipe in bf16, 512 tokens a row: seconds and peak memory."""
    recipe = change(RECIPES["default"], {"max_steps": STEPS, "max_tokens": LENGTH})
    found = []
    for name, way in (("ours", _ours), ("stock Trainer", _stock)):
        bloom_560m.cache_clear()
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        times: list[float] = []

        def told(times: list[float] = times) -> None:
            torch.cuda.synchronize()
            times.append(time.perf_counter())

        way(recipe, told)
        steps = sorted(b - a for a, b in pairwise(times))
        peak = torch.cuda.max_memory_allocated() / 2**30
        found.append((name, f"{steps[len(steps) // 2]:.3f}", f"{peak:.1f}"))
    size = f"{recipe.batch_size} x {recipe.accumulation} rows of {LENGTH}"
    table((f"tuning, bf16, {size}", "s a step (median)", "peak GiB with the model"), found)


def full() -> None:
    """Answers where memory runs out: rounds are halved and the answers stay the same."""
    loaded = bloom_560m(device="cuda")
    prompts = prompts_of(loaded, xquad("en", 48, 5))
    model = torch.cuda.memory_allocated()
    want = _wide(loaded, prompts)
    need = torch.cuda.max_memory_allocated()
    whole = torch.cuda.get_device_properties(0).total_memory
    print(f"model {model / 2**30:.1f} GiB, peak without a bound {need / 2**30:.1f} GiB")
    for share in (0.8, 0.6, 0.4):
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction((model + share * (need - model)) / whole)
        try:
            got = _wide(loaded, prompts)
        except BabelscopeError as error:
            print(f"{share:.0%} of what it took above the model: {error}")
            continue
        same = sum(a == b for a, b in zip(got, want, strict=True))
        print(f"{share:.0%} of what it took above the model: {same} of {len(want)} answers equal")


def _wide(loaded: LoadedModel, prompts: Sequence[EncodedPrompt]) -> Tokens:
    """Answers in passes as wide as a careless user would ask for."""
    return [
        answer.tokens
        for answer in generate_answers(
            loaded, prompts, FORCED, language="eng_Latn", batch_tokens=65536
        )
    ]


PARTS = {"answers": answers, "equal": equal, "lens": lens, "tune": tune, "full": full}

if __name__ == "__main__":
    print(machine())
    for part in sys.argv[1:] or PARTS:
        print(f"# {part}", flush=True)
        PARTS[part]()

"""A tuning step against the stock Trainer's: seconds, and memory above the model.

    python benchmarks/tuning.py

Each way runs in a process of its own, so that its memory can be told apart: 560M shape, LoRA of
rank 64, 4 x 320 tokens a step, float32, the best of three steps after the first.
"""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments
from workload import THREADS, bloom_560m, table

from babelscope.adapt import tuning
from babelscope.adapt.batches import TrainingSet, collate
from babelscope.adapt.lora import fresh_lora
from babelscope.adapt.recipes import RECIPES, Recipe, change
from babelscope.adapt.saving import Saving
from babelscope.models.encoding import NO_LOSS, EncodedTraining
from babelscope.models.loading import LoadedModel
from babelscope.records import Example, QuestionSet

ROWS, LENGTH, ANSWER, STEPS = 4, 320, 12, 4


def rows(which: str) -> tuple[EncodedTraining, ...]:
    draw = torch.Generator().manual_seed(0)
    made = []
    for n in range(ROWS):
        ids = tuple(torch.randint(5, 250_000, (LENGTH,), generator=draw).tolist())
        first = LENGTH - ANSWER if which == "answer" else 1
        labels = (NO_LOSS,) * first + ids[first:]
        made.append(
            EncodedTraining(str(n), ids, labels, LENGTH - ANSWER, LENGTH, False, False, False)
        )
    return tuple(made)


def recipe_of(which: str) -> Recipe:
    switches = {"accumulation": 1, "max_steps": STEPS, "precision": "fp32", "loss": which}
    return change(RECIPES["default"], {**switches, "batch_size": ROWS, "max_tokens": LENGTH})


def ours(loaded: LoadedModel, which: str, told: Callable[[], None]) -> None:
    tune_rows(loaded, rows(which), recipe_of(which), told)


def tune_rows(
    loaded: LoadedModel, made: tuple[EncodedTraining, ...], recipe: Recipe, told: Callable[[], None]
) -> None:
    """Tune on ready rows; `told` is called after each step."""
    data = TrainingSet(made, {"examples": len(made)})
    example = Example("0", "eng_Latn", "a", "b", ("c",), "0")
    with (
        patch.object(tuning, "encode_examples", lambda *_: data),
        tempfile.TemporaryDirectory() as out,
    ):
        tuning.tune(
            loaded,
            QuestionSet("rows", "eng_Latn", (example,)),
            recipe,
            seed=0,
            saving=Saving(Path(out) / "adapter", checkpoint_steps=recipe.max_steps + 1),
            progress=lambda *_: told(),
        )


class Told(TrainerCallback):
    def __init__(self, told: Callable[[], None]) -> None:
        self.told = told

    def on_step_end(self, *_: object, **__: object) -> None:
        self.told()


def stock(loaded: LoadedModel, which: str, told: Callable[[], None]) -> None:
    recipe = recipe_of(which)
    with fresh_lora(loaded, recipe, 0) as tuned, tempfile.TemporaryDirectory() as out:
        arguments = TrainingArguments(
            out,
            per_device_train_batch_size=ROWS,
            max_steps=STEPS,
            learning_rate=recipe.learning_rate,
            max_grad_norm=recipe.clip,
            use_cpu=True,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        )
        Trainer(
            model=tuned,
            args=arguments,
            train_dataset=[*rows(which)] * STEPS,
            data_collator=lambda items: collate(items, 1),
            callbacks=[Told(told)],
        ).train()


def memory(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) << 10  # type: ignore[index]


def measure(way: str, which: str) -> None:
    """Print seconds a step and bytes above the model as JSON."""
    torch.set_num_threads(THREADS)
    loaded = bloom_560m(fused=way == "ours")
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before, times = memory("VmRSS"), [time.perf_counter()]
    {"ours": ours, "stock": stock}[way](loaded, which, lambda: times.append(time.perf_counter()))
    steps = [b - a for a, b in pairwise(times)]
    print(json.dumps([min(steps[1:]), memory("VmHWM") - before]))


def main() -> None:
    found = {}
    for which in ("answer", "all"):
        for way in ("stock", "ours"):
            command = [sys.executable, "-W", "ignore", __file__, way, which]
            told = subprocess.run(command, capture_output=True, text=True, check=True)
            found[way, which] = json.loads(told.stdout.splitlines()[-1])
    wanted = {"answer": ">= 1.5 x, <= 55 %", "all": "<= 60 % of memory"}
    lines = []
    for which in ("answer", "all"):
        (slow, large), (fast, small) = found["stock", which], found["ours", which]
        lines.append(
            (
                which,
                f"{slow:.1f} s, {large / 1e9:.2f} GB",
                f"{fast:.1f} s, {small / 1e9:.2f} GB",
                f"{slow / fast:.2f} x, {100 * small / large:.0f} %",
                wanted[which],
            )
        )
    table(("loss on", "stock Trainer", "ours", "ratio", "wanted"), lines)


if __name__ == "__main__":
    measure(*sys.argv[1:]) if len(sys.argv) > 1 else main()

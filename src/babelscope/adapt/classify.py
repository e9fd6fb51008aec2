"""Training a classification head with transformers' Trainer: head only, LoRA, or all weights.

Which checkpoint is kept is decided by the dev set of the source language alone. On a CPU with the
same number of threads the same input gives the same weights, interrupted or not.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn
from transformers import (
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_callback import TrainerControl, TrainerState

from babelscope.adapt.class_methods import keep_trained, load_trained, prepare
from babelscope.adapt.classify_recipes import ClassifyRecipe, evaluation_steps, planned_steps
from babelscope.adapt.saving import last_checkpoint
from babelscope.adapt.surroundings import own_randomness, precision_used
from babelscope.adapt.training import run_trainer
from babelscope.errors import ModelError, SettingError
from babelscope.models.class_encoding import NO_LABEL, ClassItem
from babelscope.models.classifiers import Classifier, collate
from babelscope.store import read_json, write_json

HISTORY, CHECKPOINTS = "history.json", "checkpoints"
FEWEST_CHECKPOINT_STEPS = 10

Progress = Callable[[int, int], None]
Score = Callable[[], float]
"""Asks the dev set how good the classifier is as it stands; higher is better."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the dev set said after a step; `loss` is that step's, in nats."""

    step: int
    score: float
    loss: float


@dataclass(frozen=True, slots=True)
class _Job:
    classifier: Classifier
    recipe: ClassifyRecipe
    seed: int
    total: int
    asked: tuple[int, ...]
    folder: Path
    score: Score
    progress: Progress | None


def train_classifier(
    classifier: Classifier,
    items: Sequence[ClassItem],
    recipe: ClassifyRecipe,
    *,
    seed: int,
    folder: Path,
    score: Score,
    progress: Progress | None = None,
) -> tuple[Evaluation, ...]:
    """Train a fresh classifier, leave the best checkpoint's weights in it and in `folder`.

    `folder` gets `best.safetensors`, the trained parameters, and `history.json`; an interrupted
    call is continued by the next one with a fresh classifier of the same seed.

    Raises:
        SettingError: the recipe trains nothing, or asks for more tokens than the model has.
        ModelError: a loss is not finite, or the memory does not suffice.
    """
    check_room(classifier, recipe)
    prepare(classifier, recipe, seed)
    asked = evaluation_steps(recipe, len(items))
    total = planned_steps(recipe, len(items))
    job = _Job(classifier, recipe, seed, total, asked, folder, score, progress)
    batches = _batches(items, recipe, seed, total)
    folder.mkdir(parents=True, exist_ok=True)
    resumed = last_checkpoint(folder / CHECKPOINTS)
    watch = _Watch(job, _history(folder) if resumed else ())
    with own_randomness(classifier.device):
        trainer = Trainer(
            model=classifier.model,
            args=_arguments(job),
            train_dataset=batches,
            # the Trainer sees one ready batch as one item: the order is ours, fixed beforehand
            data_collator=lambda found: collate(classifier, found[0], with_labels=True),
            compute_loss_func=_loss,
            callbacks=[watch],
        )
        run_trainer(
            trainer,
            resumed,
            f"training of {job.classifier.name}",
            "lower batch_size or max_tokens",
        )
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    load_trained(classifier, folder)
    return tuple(watch.history)


def check_room(classifier: Classifier, recipe: ClassifyRecipe) -> None:
    """Raise SettingError where a text may be longer than the model has positions."""
    if classifier.longest and recipe.max_tokens > classifier.longest:
        raise SettingError(
            "classification, max_tokens",
            expected=f"at most {classifier.longest}, the positions of {classifier.name}",
            found=str(recipe.max_tokens),
        )


def _batches(
    items: Sequence[ClassItem], recipe: ClassifyRecipe, seed: int, total: int
) -> list[list[ClassItem]]:
    """Return the batches of all steps: each epoch takes every item once, in a drawn order."""
    rng = np.random.default_rng([seed, len(items)])
    batches: list[list[ClassItem]] = []
    while len(batches) < total:
        order = rng.permutation(len(items)).tolist()
        for start in range(0, len(order), recipe.batch_size):
            batches.append([items[i] for i in order[start : start + recipe.batch_size]])
    return batches[:total]


def _loss(outputs: Any, labels: Tensor, num_items_in_batch: object = None) -> Tensor:
    """Return the mean cross-entropy in nats over the batch's labelled texts or words."""
    logits = outputs["logits"].float().flatten(0, -2)
    return nn.functional.cross_entropy(logits, labels.flatten(), ignore_index=NO_LABEL)


def _arguments(job: _Job) -> TrainingArguments:
    recipe = job.recipe
    warm = recipe.schedule == "constant" and recipe.warmup > 0
    precision = precision_used(recipe.precision, job.classifier.device)
    every = job.asked[0]
    return TrainingArguments(
        output_dir=str(job.folder / CHECKPOINTS),
        per_device_train_batch_size=1,
        train_sampling_strategy="sequential",
        max_steps=job.total,
        optim="adamw_torch",
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="constant_with_warmup" if warm else recipe.schedule,
        warmup_steps=recipe.warmup,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.clip,
        bf16=precision == "bf16",
        use_cpu=job.classifier.device.type == "cpu",
        seed=job.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=every * math.ceil(FEWEST_CHECKPOINT_STEPS / every),
        save_total_limit=1,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        label_names=["labels"],
    )


class _Watch(TrainerCallback):
    """After each step, before its checkpoint: refuse a bad loss, ask the dev set, keep the best."""

    def __init__(self, job: _Job, history: Sequence[Evaluation]) -> None:
        self.job = job
        self.history = list(history)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # what was asked after the last checkpoint is asked again
        self.history = [found for found in self.history if found.step <= state.global_step]

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        logs, step = state.log_history[-1], state.global_step
        if "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]) or not math.isfinite(logs.get("grad_norm", 0.0)):
            raise ModelError(
                f"training of {self.job.classifier.name}, step {step}",
                expected="a finite loss and gradient",
                found=f"loss {logs['loss']}, gradient norm {logs.get('grad_norm')}",
                remedy="lower learning_rate, or use precision = fp32",
            )
        if step in self.job.asked:
            self._ask(step, float(logs["loss"]))
        if self.job.progress:
            self.job.progress(step, self.job.total)

    def _ask(self, step: int, loss: float) -> None:
        model, folder = self.job.classifier.model, self.job.folder
        model.eval()
        found = Evaluation(step, self.job.score(), loss)
        model.train()
        if all(found.score > earlier.score for earlier in self.history):
            keep_trained(self.job.classifier, folder)
        self.history.append(found)
        rows = [[e.step, e.score, e.loss] for e in self.history]
        write_json(folder / HISTORY, rows)


def _history(folder: Path) -> tuple[Evaluation, ...]:
    path = folder / HISTORY
    rows = read_json(path) if path.is_file() else []
    return tuple(Evaluation(*row) for row in rows) if isinstance(rows, list) else ()

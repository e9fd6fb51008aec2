"""The Trainer at work: its batches, its settings, and what is watched after each step.

Checkpoints are read with safetensors and torch's weights-only unpickler, and only from the
tune's own working folder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState

from babelscope.adapt.batches import TrainingSet, collate, plan_batches
from babelscope.adapt.lora import write_adapter
from babelscope.adapt.losses import headless_loss
from babelscope.adapt.packing import pack
from babelscope.adapt.processes import is_main_process, process_count
from babelscope.adapt.proof import training_extra
from babelscope.adapt.recipes import Recipe
from babelscope.adapt.saving import last_checkpoint, variant_name
from babelscope.errors import ModelError
from babelscope.models.adapters import AdapterCard, write_adapter_card
from babelscope.models.encoding import EncodedTraining
from babelscope.models.loading import LoadedModel, pad_id
from babelscope.models.tokenizers import silent

Progress = Callable[[int, int], None]
"""Called with the step that is done and the number of steps."""


@dataclass(frozen=True, slots=True)
class Job:
    """One tune: what is trained on what, and which steps are kept in the folder `work`.

    `card` is the final variant's, its loss curve still empty; a state to resume from is kept
    every `interval` steps.
    """

    loaded: LoadedModel
    recipe: Recipe
    data: TrainingSet
    card: AdapterCard
    steps_kept: range
    interval: int
    work: Path
    progress: Progress | None


def train(job: Job, tuned: PeftModel) -> tuple[AdapterCard, ...]:
    """Train an adapter and return its variants' cards; the final one lies in `work/result`.

    Of several processes the first one writes.

    Raises:
        ModelError: the loss is not finite, or the memory does not suffice.
    """
    lengths = [len(example.ids) for example in job.data.examples]
    batches = [
        [job.data.examples[i] for i in batch]
        for batch in plan_batches(lengths, job.recipe, job.card.seed)
    ]
    pad = pad_id(job.loaded.tokenizer, job.loaded.parts.vocabulary_rows)
    checkpoints = job.work / "checkpoints"
    extra = training_extra(job.loaded)

    def batched(rows: Sequence[EncodedTraining]) -> dict[str, Tensor]:
        return pack(rows) if job.recipe.packing else collate(rows, pad)

    with headless_loss(job.loaded.parts) as loss:
        trainer = Trainer(
            model=tuned,
            args=_arguments(job, checkpoints),
            train_dataset=batches,
            # the Trainer sees one ready batch as one item: the order is ours, fixed beforehand
            data_collator=lambda items: {**batched(items[0]), **extra},
            compute_loss_func=loss,
            callbacks=[_Watch(job, tuned)],
        )
        run_trainer(
            trainer,
            last_checkpoint(checkpoints),
            f"tuning of {job.loaded.name}",
            "halve batch_size and double accumulation, or lower max_tokens",
        )
    cards = [_card_at(job, trainer.state, step) for step in job.steps_kept]
    final = _card_at(job, trainer.state, job.recipe.max_steps)
    if is_main_process():
        _write_variant(job, tuned, final, job.work / "result")
    return (*cards, final)


def run_trainer(trainer: Trainer, resumed: Path | None, what: str, remedy: str) -> None:
    """Train, from a checkpoint if there is one, without the Trainer's own words.

    Raises:
        ModelError: the memory does not suffice; `what` and `remedy` are told.
    """
    trainer.remove_callback(PrinterCallback)
    try:
        with silent():
            trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    except torch.OutOfMemoryError as error:
        raise ModelError(
            what,
            expected="enough memory for a batch",
            found=str(error).splitlines()[0],
            remedy=remedy,
        ) from error


def _arguments(job: Job, folder: Path) -> TrainingArguments:
    recipe = job.recipe
    warm = recipe.schedule == "constant" and recipe.warmup > 0
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        train_sampling_strategy="sequential",
        # a step's batches are shared out among the processes
        gradient_accumulation_steps=recipe.accumulation // process_count(),
        max_steps=recipe.max_steps,
        optim="adamw_torch",
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="constant_with_warmup" if warm else recipe.schedule,
        warmup_steps=recipe.warmup,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.clip,
        bf16=job.card.precision_used == "bf16",
        use_cpu=job.loaded.device.type == "cpu",
        seed=job.card.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=job.interval,
        save_total_limit=1,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        label_names=["labels"],
        **{_checkpointing_name(): recipe.activation_checkpointing},
    )


def _checkpointing_name() -> str:
    """Return what the installed transformers calls activation checkpointing."""
    known = {field.name for field in fields(TrainingArguments)}
    new = "activation_checkpointing"
    return new if new in known else "gradient_checkpointing"


class _Watch(TrainerCallback):
    """After each step, before its checkpoint: refuse a bad loss, keep variants, tell progress."""

    def __init__(self, job: Job, tuned: PeftModel) -> None:
        self.job = job
        self.tuned = tuned

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        logs = state.log_history[-1]
        if "loss" not in logs:
            return
        step, recipe = state.global_step, self.job.recipe
        if not math.isfinite(logs["loss"]) or not math.isfinite(logs.get("grad_norm", 0.0)):
            raise ModelError(
                f"tuning of {self.job.loaded.name}, step {step}",
                expected="a finite loss and gradient",
                found=f"loss {logs['loss']}, gradient norm {logs.get('grad_norm')}",
                remedy="lower learning_rate, or use precision = fp32",
            )
        if not is_main_process():
            return
        if step in self.job.steps_kept:
            folder = self.job.work / "result" / variant_name(step)
            _write_variant(self.job, self.tuned, _card_at(self.job, state, step), folder)
        if self.job.progress:
            self.job.progress(step, recipe.max_steps)


def _card_at(job: Job, state: TrainerState, step: int) -> AdapterCard:
    losses = [log["loss"] for log in state.log_history if "loss" in log]
    return replace(job.card, step=step, loss_curve=tuple(losses[:step]))


def _write_variant(job: Job, tuned: PeftModel, card: AdapterCard, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    write_adapter(tuned, folder)
    write_adapter_card(folder, card)

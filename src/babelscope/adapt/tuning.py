"""Tuning: LoRA on a loaded base with transformers' Trainer, resumable and the same every time.

Checkpoints are read with safetensors and torch's weights-only unpickler, and only from the
tune's own working folder.
"""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from peft import PeftModel
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import TrainerControl, TrainerState

from babelscope.adapt.batches import (
    TrainingSet,
    collate,
    encode_examples,
    plan_batches,
    token_loss,
)
from babelscope.adapt.lora import fresh_lora, write_adapter
from babelscope.adapt.recipes import Recipe, rendering_of
from babelscope.adapt.saving import (
    Saving,
    checkpoint_interval,
    finished_cards,
    last_checkpoint,
    open_work_folder,
    store_errors,
    variant_name,
    variant_steps,
)
from babelscope.data.prompts import TEMPLATES, Template
from babelscope.errors import ModelError, SettingError
from babelscope.identity import digest
from babelscope.models.adapters import AdapterCard, write_adapter_card
from babelscope.models.encoding import NO_LOSS, EncodedTraining, Rendering, rendering_fingerprint
from babelscope.models.loading import LoadedModel, pad_id
from babelscope.records import QuestionSet

Progress = Callable[[int, int], None]
"""Called with the step that is done and the number of steps."""


@dataclass(frozen=True, slots=True)
class _Job:
    loaded: LoadedModel
    recipe: Recipe
    data: TrainingSet
    card: AdapterCard
    steps_kept: range
    work: Path
    progress: Progress | None


def tune(
    loaded: LoadedModel,
    questions: QuestionSet,
    recipe: Recipe,
    *,
    seed: int,
    saving: Saving,
    templates: Mapping[str, Template] = TEMPLATES,
    progress: Progress | None = None,
) -> tuple[AdapterCard, ...]:
    """Tune an adapter on a training set; return the cards of its variants, the final one last.

    The result is a peft folder with its card, `babelscope.json`; variants along the way lie in
    it. On a CPU with the same number of threads the same input gives the same bytes, interrupted
    or not; a result that is there already is returned as it is. The base is left as it was.

    Raises:
        DataError: there is no example to train on.
        SettingError: the recipe does not fit the model, or an example is too long for it.
        ModelError: the loss is not finite, or the memory does not suffice.
        AdapterError: the base carries adapters already.
        StoreError: the folder holds something else, or cannot be written.
    """
    _check_device(loaded)
    rendering = rendering_of(recipe, templates, "training")
    data = encode_examples(loaded, questions, recipe, rendering, seed)
    card = _planned_card(loaded, questions, recipe, rendering, data, seed)
    with store_errors(saving.out):
        if done := finished_cards(saving, card):
            return done
        work = open_work_folder(saving, card)
        kept = variant_steps(saving, recipe.max_steps)
        job = _Job(loaded, recipe, data, card, kept, work, progress)
        with _own_randomness(loaded), fresh_lora(loaded, recipe, seed) as tuned:
            cards = _train(job, tuned, seed, checkpoint_interval(saving, recipe.max_steps))
        (work / "result").rename(saving.out)
        shutil.rmtree(work)
    return cards


def precision_used(wanted: str, device: torch.device) -> Literal["bf16", "fp32"]:
    """Return the precision that a device can train in: bf16 where it has units for it.

    On a CPU these are AVX512-BF16 or AMX: without them bf16 is emulated, many times slower.
    """
    if wanted != "bf16":
        return "fp32"
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    # absent from older torch
    able = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16" if able.get("avx512_bf16") or able.get("amx_bf16") else "fp32"


def _check_device(loaded: LoadedModel) -> None:
    if loaded.device.type == "cuda" and loaded.device.index:
        raise SettingError(
            "device for tuning",
            expected="the first GPU that is visible",
            found=str(loaded.device),
            remedy=f"set CUDA_VISIBLE_DEVICES={loaded.device.index}",
        )


def _planned_card(
    loaded: LoadedModel,
    questions: QuestionSet,
    recipe: Recipe,
    rendering: Rendering,
    data: TrainingSet,
    seed: int,
) -> AdapterCard:
    """Return the final variant's card, its loss curve still empty."""
    return AdapterCard(
        base_name=loaded.name,
        base_fingerprint=loaded.fingerprint,
        rendering_fingerprint=rendering_fingerprint(loaded.tokenizer, rendering),
        template=rendering.template.name,
        template_text=rendering.template.text,
        answer_prefix=rendering.template.answer_prefix,
        max_tokens=recipe.max_tokens,
        answer_tokens=recipe.answer_tokens,
        begin_train=recipe.begin_train,
        begin_answer=recipe.begin_answer,
        recipe=asdict(recipe),
        source=questions.name,
        language=questions.language,
        source_digest=digest([questions.language, questions.examples]),
        seed=seed,
        step=recipe.max_steps,
        precision_used=precision_used(recipe.precision, loaded.device),
        example=_decoded(loaded, data.examples[0]),
        counts=data.counts,
    )


def _decoded(loaded: LoadedModel, example: EncodedTraining) -> tuple[tuple[str, bool], ...]:
    """Return each token's text and whether it is in the loss, for people to read."""
    pairs = zip(example.ids, example.labels, strict=True)
    return tuple((loaded.tokenizer.decode([i]), label != NO_LOSS) for i, label in pairs)


def _train(job: _Job, tuned: PeftModel, seed: int, interval: int) -> tuple[AdapterCard, ...]:
    lengths = [len(example.ids) for example in job.data.examples]
    batches = [
        [job.data.examples[i] for i in batch] for batch in plan_batches(lengths, job.recipe, seed)
    ]
    pad = pad_id(job.loaded.tokenizer, job.loaded.parts.vocabulary_rows)
    checkpoints = job.work / "checkpoints"
    trainer = Trainer(
        model=tuned,
        args=_arguments(job, checkpoints, seed, interval),
        train_dataset=batches,
        # the Trainer sees one ready batch as one item: the order is ours, fixed before the start
        data_collator=lambda items: collate(items[0], pad),
        compute_loss_func=token_loss,
        callbacks=[_Watch(job, tuned)],
    )
    trainer.remove_callback(PrinterCallback)
    resumed = last_checkpoint(checkpoints)
    try:
        trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"tuning of {job.loaded.name}",
            expected="enough memory for a batch",
            found=str(error).splitlines()[0],
            remedy="halve batch_size and double accumulation, or lower max_tokens",
        ) from error
    cards = [_card_at(job, trainer.state, step) for step in job.steps_kept]
    final = _card_at(job, trainer.state, job.recipe.max_steps)
    _write_variant(job, tuned, final, job.work / "result")
    return (*cards, final)


def _arguments(job: _Job, folder: Path, seed: int, interval: int) -> TrainingArguments:
    recipe = job.recipe
    warm = recipe.schedule == "constant" and recipe.warmup > 0
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=1,
        train_sampling_strategy="sequential",
        gradient_accumulation_steps=recipe.accumulation,
        max_steps=recipe.max_steps,
        optim="adamw_torch",
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="constant_with_warmup" if warm else recipe.schedule,
        warmup_steps=recipe.warmup,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.clip,
        bf16=job.card.precision_used == "bf16",
        use_cpu=job.loaded.device.type == "cpu",
        seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=interval,
        save_total_limit=1,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        label_names=["labels"],
    )


class _Watch(TrainerCallback):
    """After each step, before its checkpoint: refuse a bad loss, keep variants, tell progress."""

    def __init__(self, job: _Job, tuned: PeftModel) -> None:
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
        if step in self.job.steps_kept:
            folder = self.job.work / "result" / variant_name(step)
            _write_variant(self.job, self.tuned, _card_at(self.job, state, step), folder)
        if self.job.progress:
            self.job.progress(step, recipe.max_steps)


def _card_at(job: _Job, state: TrainerState, step: int) -> AdapterCard:
    losses = [log["loss"] for log in state.log_history if "loss" in log]
    return replace(job.card, step=step, loss_curve=tuple(losses[:step]))


def _write_variant(job: _Job, tuned: PeftModel, card: AdapterCard, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    write_adapter(tuned, job.loaded.name, folder)
    write_adapter_card(folder, card)


@contextmanager
def _own_randomness(loaded: LoadedModel) -> Iterator[None]:
    """Restore the global generators, which the Trainer seeds and draws from."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[loaded.device] if loaded.device.type == "cuda" else []):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)

"""Tuning: LoRA on a loaded base with transformers' Trainer, resumable and the same every time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict

from babelscope.adapt.batches import TrainingSet, encode_examples
from babelscope.adapt.lora import fresh_lora
from babelscope.adapt.processes import check_processes, is_main_process, wait_for_all
from babelscope.adapt.proof import check_weights, prove_tuning
from babelscope.adapt.recipes import Recipe, rendering_of
from babelscope.adapt.saving import (
    Saving,
    check_out,
    checkpoint_interval,
    finished_cards,
    open_work_folder,
    store_errors,
    variant_steps,
    work_folder,
)
from babelscope.adapt.surroundings import own_randomness, precision_used
from babelscope.adapt.training import Job, Progress, train
from babelscope.data.prompts import TEMPLATES, Template
from babelscope.errors import SettingError
from babelscope.identity import digest
from babelscope.models.adapters import AdapterCard
from babelscope.models.encoding import NO_LOSS, EncodedTraining, Rendering, rendering_fingerprint
from babelscope.models.heap import freed_at_once
from babelscope.models.loading import LoadedModel
from babelscope.portable import portable_path
from babelscope.records import QuestionSet


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
        SettingError: the recipe does not fit the model or the processes, or an example is too
            long for it.
        ModelError: the model cannot be tuned, the loss is not finite, or the memory does not
            suffice.
        AdapterError: the base carries adapters already.
        StoreError: the folder holds something else, or cannot be written.
    """
    _check_device(loaded)
    check_weights(loaded, recipe)
    check_processes(recipe)
    check_out(saving, known_of_card(questions, recipe, seed))
    rendering = rendering_of(recipe, templates, "training")
    data = encode_examples(loaded, questions, recipe, rendering, seed)
    card = _planned_card(loaded, questions, recipe, rendering, data, seed)
    with store_errors(saving.out):
        done = finished_cards(saving, card)
        wait_for_all(loaded.device)  # nobody writes before all have looked
        if done:
            return done
        prove_tuning(loaded, recipe)
        if is_main_process():
            open_work_folder(saving, card)
        wait_for_all(loaded.device)
        work = work_folder(saving)
        kept = variant_steps(saving, recipe.max_steps)
        interval = checkpoint_interval(saving, recipe.max_steps)
        job = Job(loaded, recipe, data, card, kept, interval, work, progress)
        held = freed_at_once() if loaded.device.type == "cpu" else nullcontext()
        with held, own_randomness(loaded.device), fresh_lora(loaded, recipe, seed) as tuned:
            cards = train(job, tuned)
        wait_for_all(loaded.device)
        if is_main_process():
            (work / "result").rename(saving.out)
            shutil.rmtree(work)
        wait_for_all(loaded.device)
    return cards


def known_of_card(questions: QuestionSet, recipe: Recipe, seed: int) -> dict[str, object]:
    """Return the fields of the final variant's card that are known before the base is loaded."""
    return {
        "recipe": asdict(recipe),
        "source": questions.name,
        "language": questions.language,
        "source_digest": digest([questions.language, questions.examples]),
        "seed": seed,
        "step": recipe.max_steps,
    }


def _check_device(loaded: LoadedModel) -> None:
    own = int(os.environ.get("LOCAL_RANK") or 0)
    if loaded.device.type == "cuda" and (loaded.device.index or 0) != own:
        raise SettingError(
            "device for tuning",
            expected=f"the GPU cuda:{own}, which the Trainer takes",
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
        base_name=portable_path(loaded.name),
        base_fingerprint=loaded.base_fingerprint,
        rendering_fingerprint=rendering_fingerprint(loaded.tokenizer, rendering),
        template=rendering.template.name,
        template_text=rendering.template.text,
        answer_prefix=rendering.template.answer_prefix,
        max_tokens=recipe.max_tokens,
        answer_tokens=recipe.answer_tokens,
        begin_train=recipe.begin_train,
        begin_answer=recipe.begin_answer,
        **known_of_card(questions, recipe, seed),  # type: ignore[arg-type]  # the card's own
        precision_used=precision_used(recipe.precision, loaded.device),
        base_dtype=str(loaded.dtype).removeprefix("torch."),
        example=_decoded(loaded, data.examples[0]),
        counts=data.counts,
    )


def _decoded(loaded: LoadedModel, example: EncodedTraining) -> tuple[tuple[str, bool], ...]:
    """Return each token's text and whether it is in the loss, for people to read."""
    pairs = zip(example.ids, example.labels, strict=True)
    return tuple((loaded.tokenizer.decode([i]), label != NO_LOSS) for i, label in pairs)

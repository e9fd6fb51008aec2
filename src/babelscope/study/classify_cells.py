"""The cells of a classification: trainings and predictions, each kept in a slot by its identity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from babelscope.adapt.class_methods import load_trained, prepare, training_precision
from babelscope.adapt.classify import train_classifier
from babelscope.adapt.classify_recipes import ClassifyRecipe
from babelscope.data.label_words import words_of
from babelscope.identity import digest
from babelscope.infer.classify import class_probabilities
from babelscope.infer.prompted import encode_prompts, prompt_probabilities
from babelscope.models.class_encoding import ClassItem, encode_pairs, encode_words
from babelscope.models.classifiers import Classifier, load_classifier
from babelscope.models.folders import folder_fingerprint, resolve_folder
from babelscope.models.loading import LoadedModel, load_model, load_tokenizer, tokenizer_fingerprint
from babelscope.portable import portable_path
from babelscope.records import Inference, TaggedSentence
from babelscope.store import finish, finished, read_arrays, read_json, slot, write_arrays
from babelscope.study.classify_labels import dev_score
from babelscope.study.classify_sets import Item, SourceSet, TargetSet
from babelscope.study.plan_records import ModelPlan

CLASSIFY_VERSION = "2"
"""Raised whenever the same model, data and recipe may give other predictions than before."""

PREDICTIONS = "predictions.safetensors"
Array = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was said in one language: `probability` (items or words, labels), NaN for no token.

    The counts are of the texts' tokens: all, unknown, items that were cut, words with no token.
    """

    probability: Array
    text_tokens: NDArray[np.int64]
    unknown: int
    truncated: int
    words_lost: int


@dataclass(frozen=True, slots=True)
class Run:
    """One training: which model, recipe, source and seed; `key` is what its slot is named by."""

    model: ModelPlan
    recipe: ClassifyRecipe
    source: SourceSet
    seed: int
    key: str
    store: Path

    @property
    def folder(self) -> Path:
        """The slot of the trained weights."""
        return slot(self.store, "trainings", self.key)

    def predictions(self, target: TargetSet) -> Path:
        """The slot of what the training says in a language."""
        items = digest([self.key, target.items])
        return slot(self.store, "predictions", items)


def model_identity(model: ModelPlan) -> tuple[str, str]:
    """Return the fingerprints of a model's folder and of its tokenizer, without its weights."""
    folder = resolve_folder(model.name, revision=model.revision)
    tokenizer = load_tokenizer(model.name, revision=model.revision)
    fingerprint = folder_fingerprint(folder, code=model.trust_remote_code)
    return fingerprint, tokenizer_fingerprint(tokenizer)


def run_of(
    model: ModelPlan,
    identity: tuple[str, str],
    recipe: ClassifyRecipe,
    source: SourceSet,
    seed: int,
    store: Path,
) -> Run:
    """Return a run with its key: all that can change what it predicts."""
    prompted = recipe.method == "prompt"
    key = digest(
        {
            "version": CLASSIFY_VERSION,
            "model": identity,
            "dtype": model.dtype if prompted else training_precision(recipe, model.device),
            "recipe": recipe,
            "labels": source.labels,
            # a prompt reads no training set: its answers are the same for every source
            "train": [] if prompted else [source.train, source.dev],
            "seed": 0 if prompted else seed,
        }
    )
    return Run(model, recipe, source, seed, key, store)


def do_run(run: Run, targets: Sequence[TargetSet], progress: Progress | None = None) -> None:
    """Train and predict whatever is not there yet."""
    left = [t for t in targets if not finished(run.predictions(t))]
    if not left:
        return
    if run.recipe.method == "prompt":
        _ask(run, left, progress)
        return
    classifier = load_classifier(
        run.model.name,
        run.source.labels,
        "sequence" if isinstance(run.source.train[0], Inference) else "token",
        seed=run.seed,
        device=run.model.device,
        revision=run.model.revision,
    )
    _trained(run, classifier, progress)
    for target in left:
        items = encode_items(classifier, target.items, run.recipe.max_tokens)
        _keep(run, target, _predict(classifier, items))


def _trained(run: Run, classifier: Classifier, progress: Progress | None) -> None:
    if finished(run.folder):
        prepare(classifier, run.recipe, run.seed)
        load_trained(classifier, run.folder)
        return
    room = run.recipe.max_tokens
    train = encode_items(classifier, run.source.train, room)
    dev = encode_items(classifier, run.source.dev, room)
    history = train_classifier(
        classifier,
        train,
        run.recipe,
        seed=run.seed,
        folder=run.folder,
        score=lambda: dev_score(run.source, _predict(classifier, dev).probability),
        progress=progress,
    )
    best = max(history, key=lambda found: (found.score, -found.step))
    finish(
        run.folder,
        {
            "model": portable_path(run.model.name),
            "method": run.recipe.method,
            "source": run.source.language,
            "seed": run.seed,
            "precision": training_precision(run.recipe, run.model.device),
            "new_parameters": list(classifier.new),
            "step": best.step,
            "dev_score": best.score,
            "steps": history[-1].step,
            "train_truncated": sum(item.truncated for item in train),
        },
    )


def encode_items(classifier: Classifier, items: Sequence[Item], max_tokens: int) -> list[ClassItem]:
    """Return pairs or sentences as a classifier reads them."""
    pairs = [item for item in items if isinstance(item, Inference)]
    tokenizer = classifier.tokenizer
    if pairs:
        return encode_pairs(tokenizer, pairs, classifier.labels, max_tokens)
    sentences = [item for item in items if isinstance(item, TaggedSentence)]
    return encode_words(tokenizer, sentences, classifier.labels, max_tokens)


def _predict(classifier: Classifier, items: Sequence[ClassItem]) -> Prediction:
    probability = np.concatenate(class_probabilities(classifier, items))
    return Prediction(
        probability,
        np.array([item.text_tokens for item in items], dtype=np.int64),
        sum(item.unknown for item in items),
        sum(item.truncated for item in items),
        int(np.isnan(probability[:, 0]).sum()),
    )


def _ask(run: Run, targets: Sequence[TargetSet], progress: Progress | None) -> None:
    model = run.model
    loaded = load_model(
        model.name,
        dtype=model.dtype,
        device=model.device,
        revision=model.revision,
        trust_remote_code=model.trust_remote_code,
    )
    for number, target in enumerate(targets, 1):
        _keep(run, target, _asked(loaded, run.recipe, target))
        if progress:
            progress(number, len(targets))


def _asked(loaded: LoadedModel, recipe: ClassifyRecipe, target: TargetSet) -> Prediction:
    _, words = words_of(target.language, recipe.label_words)
    pairs = [item for item in target.items if isinstance(item, Inference)]
    choices, cut = encode_prompts(loaded, pairs, words, recipe.max_tokens)
    texts = [f"{item.premise}\n{item.hypothesis}" for item in pairs]
    tokens = loaded.tokenizer(texts, add_special_tokens=False)["input_ids"]
    unknown = sum(i == loaded.tokenizer.unk_token_id for ids in tokens for i in ids)
    lengths = np.array([len(ids) for ids in tokens], dtype=np.int64)
    return Prediction(prompt_probabilities(loaded, choices), lengths, unknown, cut, 0)


def _keep(run: Run, target: TargetSet, found: Prediction) -> None:
    folder = run.predictions(target)
    counts = np.array([found.unknown, found.truncated, found.words_lost], dtype=np.int64)
    write_arrays(
        folder / PREDICTIONS,
        {"probability": found.probability, "text_tokens": found.text_tokens, "counts": counts},
    )
    finish(folder, {"training": run.key, "target": target.language, "items": len(target.items)})


def read_prediction(run: Run, target: TargetSet) -> Prediction:
    """Read what was kept of a target."""
    arrays = read_arrays(run.predictions(target) / PREDICTIONS)
    counts = [int(n) for n in arrays["counts"]]
    return Prediction(
        arrays["probability"].astype(np.float64), arrays["text_tokens"].astype(np.int64), *counts
    )


def training_record(run: Run) -> dict[str, object]:
    """Return what a finished training left to be told; empty for a prompt."""
    path = run.folder / "finished.json"
    found = read_json(path) if path.is_file() else {}
    return dict(found) if isinstance(found, dict) else {}

"""What alignment, probes and classification would read and train on, before they are run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from babelscope.adapt.classify_recipes import evaluation_steps, planned_steps
from babelscope.data.bitext import read_bitext
from babelscope.models.loading import Tokenizer, load_tokenizer
from babelscope.records import Inference
from babelscope.study.classify_data import ClassifyData, gather_sets
from babelscope.study.classify_plan import ClassifyPlan
from babelscope.study.classify_sets import Item
from babelscope.study.plan import ModelPlan, StudyPlan
from babelscope.study.probe_data import gather

SAMPLED = 20
"""How many texts of a set are tokenised for the estimate."""

PASSES = {"full": 3, "lora": 2, "head": 1}
"""How many passes' products training on a token takes: LoRA needs the gradients of states but of
few weights, a head alone neither."""

Count = Callable[[Sequence[str]], float]
"""Returns the tokens of some texts, by a sample of them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Tokens that go through a model without its unembedding, each as costly as some passes."""

    stage: str
    model: ModelPlan
    tokens: float
    passes: int = 1


def section_readings(plan: StudyPlan) -> Iterator[Reading]:
    """Yield what each part of a plan reads, a reading for each set and model.

    Raises:
        DataError, SettingError: data cannot be read, or is not what a part needs.
    """
    count = _counter(plan.model)
    if align := plan.align:
        codes = align.languages or plan.targets
        for bitext in read_bitext(
            align.data, codes, align.unit, carrier=align.carrier, limit=align.limit
        ):
            for texts in bitext.texts.values():
                yield Reading("align", plan.model, count(texts))
    if probe := plan.probe:
        for task in probe.tasks:
            found = gather(task, probe.targets or plan.targets)
            for one in (found.train, *found.tests):
                # words of a sentence share its pass; translations have its group, not its text
                pairs = dict.fromkeys((item.group, item.text, item.second) for item in one.items)
                texts_ = [f"{text} {second}".rstrip() for _, text, second in pairs]
                yield Reading("probe", plan.model, count(texts_))
    for part in plan.classify:
        data = gather_sets(part, part.targets or plan.targets)
        models = [replace(plan.model, name=name, revision=None) for name in part.models]
        for model in models or [plan.model]:
            yield from _classified(part, data, model)


def _classified(part: ClassifyPlan, data: ClassifyData, model: ModelPlan) -> Iterator[Reading]:
    for recipe in part.recipes:
        count = _counter(model, recipe.max_tokens)
        tested = sum(count([*map(_text, target.items)]) for target in data.targets.values())
        if recipe.method == "prompt":
            yield Reading("classify", model, tested)
            continue
        for source in data.sources.values():
            mean = count([*map(_text, source.train)]) / len(source.train)
            steps = planned_steps(recipe, len(source.train))
            trained = len(part.seeds) * steps * recipe.batch_size * mean
            yield Reading("classify", model, trained, PASSES[recipe.method])
            asked = len(evaluation_steps(recipe, len(source.train)))
            dev = asked * count([*map(_text, source.dev)])
            yield Reading("classify", model, len(part.seeds) * (dev + tested))


def _text(item: Item) -> str:
    if isinstance(item, Inference):
        return f"{item.premise} {item.hypothesis}"
    return " ".join(item.words)


def _counter(model: ModelPlan, most: int = sys.maxsize) -> Count:
    """Return what counts the tokens of texts, each cut to `most`."""
    tokenizer = load_tokenizer(model.name, revision=model.revision)
    return lambda texts: _tokens(tokenizer, texts, most)


def _tokens(tokenizer: Tokenizer, texts: Sequence[str], most: int) -> float:
    if not texts:
        return 0.0
    # spread over the set, whose beginning may be short
    sample = texts[:: -(-len(texts) // SAMPLED)]
    lengths = [min(most, len(tokenizer(text)["input_ids"])) for text in sample]
    return float(np.mean(lengths)) * len(texts)

"""What is tried with a family's tiny model, each against transformers' own forward and generate.

Every check returns the largest deviation, relative to the largest entry unless it counts answers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from babelscope.adapt.class_methods import load_trained, prepare
from babelscope.adapt.classify import train_classifier
from babelscope.adapt.classify_recipes import ClassifyRecipe
from babelscope.adapt.lora import fresh_lora
from babelscope.adapt.recipes import RECIPES, change
from babelscope.adapt.saving import Saving
from babelscope.adapt.tuning import tune
from babelscope.infer.classify import class_probabilities
from babelscope.infer.generate import Decoding, generate_answers
from babelscope.infer.hidden import HiddenText, hidden_states
from babelscope.infer.lens import LensPrompt, prepare_lens, read_lens
from babelscope.infer.options import Choice, score_options
from babelscope.models.adapters import attach_adapters, detach_adapters, use_adapter
from babelscope.models.class_encoding import ClassItem
from babelscope.models.classifiers import load_classifier
from babelscope.models.encoding import EncodedPrompt
from babelscope.models.loading import LoadedModel, load_model
from babelscope.models.trunks import load_trunk
from babelscope.records import Example, QuestionSet

IDS = (5, 480)
"""The tokens that prompts are drawn from: none that is special."""
RECIPE = change(
    RECIPES["default"],
    {"rank": 2, "batch_size": 2, "accumulation": 1, "max_steps": 2, "learning_rate": 1e-2}
    | {"max_tokens": 128, "answer_tokens": 8, "precision": "fp32"},
)
CLASSIFY = ClassifyRecipe(max_steps=2, batch_size=2, max_tokens=64, rank=2, precision="fp32")
TEXTS = ("New Delhi is the capital", "Paris", "What is the capital of India? It is New Delhi.")


NO_INPUT = ("mamba", "mamba2", "falcon_mamba", "rwkv")
"""Families whose hidden states in transformers begin behind the first block."""


class Family:
    """A family's model folder, and what transformers makes of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder.parent

    @cached_property
    def own(self) -> PreTrainedModel:
        return AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32).eval()

    @cached_property
    def loaded(self) -> LoadedModel:
        return load_model(str(self.folder))

    @torch.no_grad()
    def logits(self, ids: Sequence[int]) -> Tensor:
        return self.own(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float()


def deviation(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest difference relative to the largest entry; infinite for other shapes."""
    if ours.shape != theirs.shape:
        return float("inf")
    gap = float((ours.double() - theirs.double()).abs().max())
    return gap / max(float(theirs.abs().max()), 1e-6)


def draw(lengths: Sequence[int], seed: int = 0) -> list[tuple[int, ...]]:
    """Return rows of tokens of the given lengths."""
    chance = random.Random(seed)
    return [tuple(chance.randrange(*IDS) for _ in range(n)) for n in lengths]


def check_parts(family: Family) -> float:
    rows = draw((1, 7, 40))
    with torch.no_grad():
        ours = [family.loaded.model(input_ids=torch.tensor([r])).logits[0] for r in rows]
    return max(deviation(o, family.logits(r)) for o, r in zip(ours, rows, strict=True))


def _answers(family: Family, prompts: Sequence[tuple[int, ...]]) -> float:
    """Return the share of greedy answers that are not those of `generate`, one by one."""
    asked = [EncodedPrompt(str(n), ids, False, False) for n, ids in enumerate(prompts)]
    decoding = Decoding(8, stop_at_newline=False)
    found = generate_answers(family.loaded, asked, decoding, language="eng_Latn")
    differing = 0
    for prompt, answer in zip(prompts, found, strict=True):
        ids = torch.tensor([prompt])
        with torch.no_grad():
            out = family.own.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=8,
                eos_token_id=2,
                pad_token_id=3,
            )
        differing += tuple(out[0, len(prompt) :].tolist()) != answer.tokens
    return differing / len(prompts)


def check_batch(family: Family) -> float:
    return _answers(family, draw((1, 3, 9, 21, 40, 17, 2, 33)))


def check_sharing(family: Family) -> float:
    start, *middles = draw((25, 12, 30), 1)
    ends = draw((1, 4, 9, 2, 6, 3), 2)
    rows = [start + middles[n % 2] + end for n, end in enumerate(ends)]
    return _answers(family, [*rows, start, rows[1][:-1], *draw((5,), 3)])


def check_options(family: Family) -> float:
    prompts, ends = draw((11, 30, 4)), draw((1, 3, 6), 4)
    asked = [Choice(str(n), p, tuple(ends), (1, 1, 1)) for n, p in enumerate(prompts)]
    ours = [score.nats for score in score_options(family.loaded, asked)]
    theirs = []
    for prompt in prompts:
        for end in ends:
            logs = family.logits(prompt + end).log_softmax(-1)[len(prompt) - 1 : -1]
            theirs.append(float(logs[range(len(end)), list(end)].sum()))
    return deviation(torch.tensor(ours).flatten(), torch.tensor(theirs))


def check_lens(family: Family) -> float:
    rows = family.loaded.parts.vocabulary_rows
    table = np.random.default_rng(0).dirichlet(np.ones(4), rows).astype(np.float32)
    prompts, gold = draw((3, 17, 40)), draw((5,), 5)[0]
    lens = prepare_lens(family.loaded, {"map": table})
    asked = [LensPrompt(str(n), p, gold=gold) for n, p in enumerate(prompts)]
    seen = read_lens(lens, asked, positions=("last",))
    worst = 0.0
    for n, prompt in enumerate(prompts):
        told = family.logits(prompt)[-1].double().softmax(-1)
        mass = torch.from_numpy(seen.mass["map"][n, 0, -1])
        worst = max(worst, deviation(mass, told @ torch.from_numpy(table).double()))
        worst = max(worst, abs(float(seen.next_probability[n, 0, -1]) - float(told[gold[0]])))
    return worst


def check_hidden(family: Family, auto: type, texts: Sequence[str] = TEXTS) -> float:
    """Compare depths 0 to the last but one: transformers gives the last one behind the norm.

    Some families give no state before the first block: theirs are those of the depths from 1.
    """
    trunk = load_trunk(str(family.folder))
    asked = [HiddenText(str(n), text) for n, text in enumerate(texts)]
    ours = torch.from_numpy(hidden_states(trunk, asked, ["mean"]).states["mean"])
    own = auto.from_pretrained(family.folder, dtype=torch.float32).eval()
    theirs = []
    for text in texts:
        read = trunk.tokenizer(text, return_special_tokens_mask=True)
        kept = torch.tensor(read["special_tokens_mask"]) == 0
        with torch.no_grad():
            states = own(
                input_ids=torch.tensor([read["input_ids"]]), output_hidden_states=True
            ).hidden_states
        theirs.append(torch.stack([s[0][kept].mean(0) for s in states[:-1]]))
    told = torch.stack(theirs, dim=1)
    first = int(family.folder.name in NO_INPUT)
    return deviation(
        ours[first : first + len(told)][: trunk.depth - first], told[: trunk.depth - first]
    )


def questions() -> QuestionSet:
    """Return a toy training set whose examples differ in length."""
    examples = tuple(
        Example(
            id=f"q{i}",
            language="eng_Latn",
            context=f"Town{i} is the capital of land {i}. " * (1 + i % 3),
            question=f"What is the capital of land {i}?",
            answers=(f"Town{i}",),
            context_id=f"c{i}",
        )
        for i in range(4)
    )
    return QuestionSet("toy", "eng_Latn", examples)


@torch.no_grad()
def _merge(base: PreTrainedModel, adapter: Path) -> None:
    """Add B A alpha / rank of each layer that a saved adapter names to the weights of a base."""
    saved = load_file(adapter / "adapter_model.safetensors")
    for key in (key for key in saved if ".lora_A." in key):
        name = key.removeprefix("base_model.model.").partition(".lora_A.")[0]
        change_of = saved[key.replace("lora_A", "lora_B")] @ saved[key] * RECIPE.alpha / RECIPE.rank
        layer = base.get_submodule(name)
        layer.weight += change_of.T if isinstance(layer, Conv1D) else change_of


def check_tune(family: Family) -> float:
    """Fresh is the identity; tuned moves; and the saved file, added to the weights, is the same."""
    loaded, row = family.loaded, torch.tensor(draw((30,)))
    with torch.no_grad():
        before = loaded.model(input_ids=row, use_cache=False).logits
    with fresh_lora(loaded, RECIPE, 0) as fresh, torch.no_grad():
        fresh.eval()
        worst = deviation(fresh(input_ids=row, use_cache=False).logits, before)
    out = family.work / "adapter"
    tune(loaded, questions(), RECIPE, seed=0, saving=Saving(out))
    ready = attach_adapters(loaded, {"a": out})
    with use_adapter(ready, "a"), torch.no_grad():
        ours = ready.model(input_ids=row, use_cache=False).logits
    detach_adapters(ready)
    with torch.no_grad():
        after = loaded.model(input_ids=row, use_cache=False).logits
    worst = max(worst, deviation(after, before))
    base = AutoModelForCausalLM.from_pretrained(family.folder, dtype=torch.float32).eval()
    _merge(base, out)
    with torch.no_grad():
        worst = max(worst, deviation(ours, base(input_ids=row, use_cache=False).logits))
    return worst if deviation(ours, before) > 1e-4 else float("nan")


def check_tune_half(family: Family) -> float:
    """Tune a step from bfloat16: its loss is to be finite."""
    loaded = load_model(str(family.folder), dtype="bfloat16")
    recipe = change(RECIPE, {"max_steps": 1})
    card = tune(loaded, questions(), recipe, seed=0, saving=Saving(family.work / "half"))[-1]
    return 0.0 if np.isfinite(card.loss_curve).all() else float("nan")


def _items(tokens: bool) -> list[ClassItem]:
    rows = [(1, *row, 2) for row in draw((3, 12, 30, 7))]
    words = [tuple(range(1, len(row) - 1)) if tokens else () for row in rows]
    labels = [
        tuple(n % 2 for n in range(len(row))) if tokens else (n % 2,) for n, row in enumerate(rows)
    ]
    return [
        ClassItem(str(n), row, (0,) * len(row), labels[n], words[n], False, len(row), 0)
        for n, row in enumerate(rows)
    ]


def check_classify(family: Family, head: str, methods: Sequence[str]) -> float:
    """Batched equals alone by the model's own forward; trained and read back alike."""
    items, name = _items(head == "token"), str(family.folder)
    labels = ("a", "b")
    worst = 0.0
    for method in methods:
        recipe, folder = replace(CLASSIFY, method=method), family.work / f"{head}-{method}"
        made = load_classifier(name, labels, head, seed=0)  # type: ignore[arg-type]
        train_classifier(made, items, recipe, seed=0, folder=folder, score=lambda: 1.0)
        ours = torch.from_numpy(np.concatenate(class_probabilities(made, items)))
        theirs = []
        for item in items:
            with torch.no_grad():
                logits = made.model(input_ids=torch.tensor([item.ids])).logits[0].double()
            told = logits.softmax(-1)
            theirs.append(told[list(item.words)] if item.words else told[None])
        worst = max(worst, deviation(ours, torch.cat(theirs)))
        again = load_classifier(name, labels, head, seed=0)  # type: ignore[arg-type]
        prepare(again, recipe, 0)
        load_trained(again, folder)
        back = torch.from_numpy(np.concatenate(class_probabilities(again, items)))
        worst = max(worst, deviation(back, ours))
    return worst


def decoder_checks() -> dict[str, Callable[[Family], float]]:
    """Return the checks of a decoder by their names in the table."""
    return {
        "parts": check_parts,
        "hidden": lambda family: check_hidden(family, AutoModelForCausalLM),
        "batch": check_batch,
        "sharing": check_sharing,
        "options": check_options,
        "lens": check_lens,
        "tune": check_tune,
        "bfloat16": check_tune_half,
        "classify": lambda family: check_classify(family, "sequence", ("lora", "full")),
    }


def encoder_checks() -> dict[str, Callable[[Family], float]]:
    """Return the checks of an encoder by their names in the table."""
    return {
        "hidden": lambda family: max(check_hidden(family, AutoModel, [t]) for t in TEXTS),
        "padding": lambda family: check_hidden(family, AutoModel),
        "classify": lambda family: check_classify(family, "sequence", ("head", "full")),
        "tag": lambda family: check_classify(family, "token", ("full",)),
        "lora": lambda family: check_classify(family, "sequence", ("lora",)),
    }

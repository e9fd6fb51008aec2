"""Tiny bases of four families and a separable toy task for the tests of classification."""

from __future__ import annotations

import random
from pathlib import Path

import torch
import transformers
from tiny import ROWS, save_tiny, tiny_tokenizer
from tokenizers import processors

from babelscope.records import LABELS, Inference, TaggedSentence

ENCODERS = ("bert", "xlm-roberta")
FAMILIES = (*ENCODERS, "bloom", "qwen2")
_SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": ROWS,
    "max_position_embeddings": 130,
    "pad_token_id": 3,
    "initializer_range": 0.2,
}
_CLASSES = {
    "bert": ("BertConfig", "BertForMaskedLM", {"type_vocab_size": 2}),
    "xlm-roberta": ("XLMRobertaConfig", "XLMRobertaForMaskedLM", {"type_vocab_size": 1}),
}
WORDS = {"entailment": "capital", "neutral": "Paris", "contradiction": "Berlin"}
FILLERS = ("What", "is", "the", "of", "France", "India", "die", "ist")


def save_base(folder: Path, family: str, *, seed: int = 0) -> Path:
    """Write a tiny base: encoders as published, a masked language model without a pooler."""
    if family not in ENCODERS:
        return save_tiny(folder, family, seed=seed)
    config, kind, extra = _CLASSES[family]
    torch.manual_seed(seed)
    model = getattr(transformers, kind)(getattr(transformers, config)(**_SHAPE, **extra))
    model.save_pretrained(folder)
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B:1 </s>:1",
        special_tokens=[("<s>", 1), ("</s>", 2)],
    )
    tokenizer.save_pretrained(folder)
    return folder


def toy_pairs(n: int, *, language: str = "eng_Latn", seed: int = 0) -> list[Inference]:
    """Pairs whose hypothesis repeats the one word that tells the label."""
    draw = random.Random(seed)
    items = []
    for number in range(n):
        label = LABELS[number % 3]
        premise = " ".join(draw.choices(FILLERS, k=draw.randint(1, 4)))
        # several times: a head on a random base sees little of a single word
        hypothesis = " ".join([draw.choice(FILLERS), *[WORDS[label]] * 4])
        items.append(Inference(f"{number:05d}", language, premise, hypothesis, label))
    return items


def toy_sentences(n: int, *, language: str = "eng_Latn", seed: int = 0) -> list[TaggedSentence]:
    """Sentences in which two names are always places and one always a person."""
    draw = random.Random(seed)
    kinds = {"Paris": "B-LOC", "Berlin": "B-LOC", "capital": "B-PER"}
    items = []
    for number in range(n):
        words = draw.choices([*FILLERS, *kinds], k=draw.randint(3, 8))
        tags = tuple(kinds.get(word, "O") for word in words)
        items.append(TaggedSentence(f"{number:05d}", language, tuple(words), tags))
    return items

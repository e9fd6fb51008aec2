"""The tokenizer of mini: byte-level BPE as BLOOM's, trained on atlas."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

# Words whole, with their vowel signs and joiners: the usual pattern of letters alone breaks every
# Indic word at each sign. Marks of punctuation stand alone, as in BLOOM's own pattern.
MARKS = r"\.,!\?;:…。，、：？।۔،؟—\(\)"
PATTERN = rf" ?[^\s{MARKS}]+| ?[{MARKS}]|\s+"

SPECIAL = ("<unk>", "<s>", "</s>", "<pad>")
"""In BLOOM's order, so that ids 0 to 3 mean what they mean there."""


def train_tokenizer(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE of `size` entries; every byte has an entry, so nothing is unknown."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )

"""What a classifier says: a probability for each label of a text, or of each of its words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from babelscope.infer.batches import plan_batches
from babelscope.models.class_encoding import NO_TOKEN, ClassItem
from babelscope.models.classifiers import Classifier, collate
from babelscope.models.lengths import length_class

Array = NDArray[np.float64]
BATCH_TOKENS = 8192


@torch.inference_mode()
def class_probabilities(
    classifier: Classifier, items: Sequence[ClassItem], *, batch_tokens: int = BATCH_TOKENS
) -> list[Array]:
    """Return for each item (1, labels) of a text, or (words, labels); they sum to 1 over labels.

    A word without a token of its own has NaN. Neither batch nor padding changes a result beyond
    rounding: where a model sees padding, only texts of one length are read together.
    """
    found: list[Array] = [np.empty((0, len(classifier.labels)))] * len(items)
    lengths = [len(item.ids) for item in items]
    config = classifier.model.config
    kinds = [length_class(config, n) for n in lengths] if classifier.hides_padding else lengths
    for batch in plan_batches(lengths, batch_tokens, kinds):
        rows = [items[i] for i in batch]
        logits = classifier.model(**collate(classifier, rows)).logits
        table = logits.double().softmax(dim=-1).cpu().numpy()
        for row, i in enumerate(batch):
            found[i] = table[row][None] if table.ndim == 2 else _of_words(table[row], items[i])
    return found


def _of_words(table: Array, item: ClassItem) -> Array:
    places = np.array(item.words)
    known = places != NO_TOKEN
    words = np.full((len(places), table.shape[1]), np.nan)
    words[known] = table[places[known]]
    return words

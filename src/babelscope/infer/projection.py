"""From hidden states to language masses: unembedding, softmax and map in chunks of vocabulary.

A chunk's logits are reduced at once by an online softmax (Milakov & Gimelshein, arXiv:1805.02867),
so that nothing as wide as the vocabulary is ever held.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from babelscope.errors import ModelError
from babelscope.models.parts import ModelParts, finish_logits, normalise

ROW_CHUNK = 1024
CHUNK_LOGITS = {"cpu": 1 << 21, "cuda": 1 << 26}  # 8 MiB stays near a CPU's cache
MIN_COLUMNS = 1024
# A product adds up its terms one by one: over a whole vocabulary the many small ones are rounded
# away (9e-5 of a mass was seen over 10,000 rows), over this many they are not.
SUM_ROWS = 256
LOWEST = -1e30  # below any logit; finite, as -inf * 0 is NaN


@torch.inference_mode()
def language_masses(parts: ModelParts, hidden: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    """Project hidden states (n, width), not yet normed, through a table (rows, columns).

    Returns softmax(logits) @ table, float32 (n, columns), and the entropy of the softmax in bits
    (n,). `table` is float32 with a row for each row of the vocabulary.

    Raises:
        ModelError: the unembedding is not a plain linear layer.
    """
    weight, bias = _unembedding(parts.unembed)
    table = table.to(weight.device)
    summed = torch.cat([table, table.new_ones(len(table), 1)], dim=1)  # last column: the total
    pieces = []
    for rows in hidden.split(ROW_CHUNK):
        normed = normalise(parts, rows).to(device=weight.device, dtype=weight.dtype)
        pieces.append(_stream(parts, normed, weight, bias, summed))
    masses, entropies = zip(*pieces, strict=True)
    return torch.cat(masses), torch.cat(entropies)


def _stream(
    parts: ModelParts, normed: Tensor, weight: Tensor, bias: Tensor | None, summed: Tensor
) -> tuple[Tensor, Tensor]:
    n = len(normed)
    budget = CHUNK_LOGITS.get(normed.device.type, CHUNK_LOGITS["cpu"])
    step = max(budget // n, MIN_COLUMNS)
    largest = summed.new_full((n, 1), LOWEST)
    mass = summed.new_zeros(n, summed.shape[1], dtype=torch.float64)
    # sum of exp(x - largest) * (x - largest)
    weighted = summed.new_zeros(n, dtype=torch.float64)
    for start in range(0, len(weight), step):
        part = slice(start, start + step)
        raw = linear(normed, weight[part], None if bias is None else bias[part])
        logits = finish_logits(parts, raw.float())
        now = torch.maximum(largest, logits.amax(dim=1, keepdim=True))
        shift = largest - now
        scale = shift.exp()
        weighted = scale[:, 0] * (weighted + shift[:, 0] * mass[:, -1])
        mass = mass * scale
        logits = logits - now
        likely = logits.exp()
        blocks = zip(
            likely.split(SUM_ROWS, dim=1),
            logits.split(SUM_ROWS, dim=1),
            summed[part].split(SUM_ROWS),
            strict=True,
        )
        for p, x, rows in blocks:
            mass += p @ rows
            weighted += torch.linalg.vecdot(p, x)
        largest = now
    total = mass[:, -1]
    entropy = (total.log() - weighted / total) / math.log(2)
    return (mass[:, :-1] / total[:, None]).float(), entropy.clamp(min=0).float()


def _unembedding(module: nn.Module) -> tuple[Tensor, Tensor | None]:
    if type(module) is not nn.Linear:
        raise ModelError(
            "unembedding of the model",
            expected="a plain linear layer",
            found=type(module).__name__,
            remedy="merge an adapter on the unembedding before the lens",
        )
    return module.weight, module.bias

"""From hidden states to what the lens tells of them, in chunks of the vocabulary.

Unembedding, softmax and map are one pass: a chunk's logits are reduced at once by an online
softmax (Milakov & Gimelshein, arXiv:1805.02867), so that nothing as wide as the vocabulary is
ever held.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from babelscope.errors import ModelError
from babelscope.infer.leaders import Leaders
from babelscope.models.parts import ModelParts, finish_logits, normalise

ROW_CHUNK = 1024
CHUNK_LOGITS = {"cpu": 1 << 21, "cuda": 1 << 26}  # 8 MiB stays near a CPU's cache
MIN_COLUMNS = 1024
# A product adds up its terms one by one: over a whole vocabulary the many small ones are rounded
# away (9e-5 of a mass was seen over 10,000 rows), over this many they are not.
BLOCK = 256
LOWEST = -1e30  # below any logit; finite, as -inf * 0 is NaN


@dataclass(frozen=True, slots=True)
class Projection:
    """What n hidden states say of the next token.

    `mass` is float32 (n, columns of the map); `entropy_bits` (n,); `log_total` (n,), the log of
    the sum of exp(logit), in nats. `top_ids` int64 and `top_probability` are (n, k), most
    probable first. `expected_probability` and `expected_rank` (n,) are those of the token that
    was expected, rank 1 the most probable; NaN where none was.
    """

    mass: Tensor
    entropy_bits: Tensor
    log_total: Tensor
    top_ids: Tensor
    top_probability: Tensor
    expected_probability: Tensor
    expected_rank: Tensor


@torch.inference_mode()
def project(
    parts: ModelParts,
    hidden: Tensor,
    table: Tensor,
    *,
    top_k: int = 0,
    expected: Tensor | None = None,
) -> Projection:
    """Project hidden states (n, width), not yet normed, through a table (rows, columns).

    `table` is float32 with a row for each row of the vocabulary. `expected` (n,) are token ids,
    -1 for none.

    Raises:
        ModelError: the unembedding is not a plain linear layer.
    """
    weight, bias = unembedding(parts.unembed)
    table = table.to(weight.device)
    if expected is None:
        expected = torch.full((len(hidden),), -1)
    expected = expected.to(weight.device)
    pieces = [
        _Pass(parts, _normed(parts, rows, weight), wanted, top_k).run(weight, bias, table)
        for rows, wanted in zip(hidden.split(ROW_CHUNK), expected.split(ROW_CHUNK), strict=True)
    ]
    names = Projection.__slots__
    return Projection(*(torch.cat([getattr(p, name) for p in pieces]) for name in names))


@torch.inference_mode()
def chosen_probabilities(
    parts: ModelParts, hidden: Tensor, log_total: Tensor, ids: Tensor
) -> Tensor:
    """Return the probabilities (n, m) of the tokens `ids` (m,), given the log of the total."""
    weight, bias = unembedding(parts.unembed)
    ids = ids.to(weight.device)
    raw = linear(_normed(parts, hidden, weight), weight[ids], None if bias is None else bias[ids])
    return (finish_logits(parts, raw.float()) - log_total[:, None]).exp()


def unembedding(module: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Return weight (rows, width) and bias of an unembedding.

    Raises:
        ModelError: it is not a plain linear layer.
    """
    if type(module) is not nn.Linear:
        raise ModelError(
            "unembedding of the model",
            expected="a plain linear layer",
            found=type(module).__name__,
            remedy="merge an adapter on the unembedding before the lens",
        )
    return module.weight, module.bias


def _normed(parts: ModelParts, hidden: Tensor, weight: Tensor) -> Tensor:
    return normalise(parts, hidden).to(device=weight.device, dtype=weight.dtype)


class _Pass:
    """One pass of some rows over the vocabulary: the running sums of an online softmax."""

    def __init__(self, parts: ModelParts, normed: Tensor, expected: Tensor, top_k: int) -> None:
        n, device = len(normed), normed.device
        self.parts, self.normed, self.expected = parts, normed, expected
        self.leaders = Leaders(n, top_k, device)
        self.largest = torch.full((n, 1), LOWEST, device=device)
        self.above = torch.zeros(n, dtype=torch.int64, device=device)
        self.total = torch.zeros(n, dtype=torch.float64, device=device)
        # sum of exp(x - largest) * (x - largest)
        self.weighted = torch.zeros(n, dtype=torch.float64, device=device)

    def run(self, weight: Tensor, bias: Tensor | None, table: Tensor) -> Projection:
        n = len(self.normed)
        self.mass = table.new_zeros(n, table.shape[1], dtype=torch.float64)
        self.looked_for = bool((self.expected >= 0).any())
        self.bar = self._expected_logits(weight, bias)
        budget = CHUNK_LOGITS.get(self.normed.device.type, CHUNK_LOGITS["cpu"])
        step = max(budget // n, MIN_COLUMNS) // BLOCK * BLOCK or BLOCK
        for start in range(0, len(weight), step):
            part = slice(start, start + step)
            raw = linear(self.normed, weight[part], None if bias is None else bias[part])
            logits = finish_logits(self.parts, raw.float())
            rows = table[part]
            if short := -logits.shape[1] % BLOCK:  # only the last chunk can be ragged
                logits, rows = pad(logits, (0, short), value=LOWEST), pad(rows, (0, 0, 0, short))
            self._reduce(logits, rows, start)
        return self._finished()

    def _reduce(self, logits: Tensor, table: Tensor, start: int) -> None:
        n = len(logits)
        blocks = logits.view(n, -1, BLOCK)
        maxima = blocks.amax(dim=2)
        self.leaders.see(blocks, maxima, start)
        if self.looked_for:
            self._count_above(logits, start)
        now = torch.maximum(self.largest, maxima.amax(dim=1, keepdim=True))
        shift = self.largest - now
        scale = shift.exp()
        self.weighted = scale[:, 0] * (self.weighted + shift[:, 0] * self.total)
        self.total *= scale[:, 0]
        self.mass *= scale
        self.largest = now
        logits -= now
        likely = blocks.exp()
        # each block's sums in single precision, those over the blocks in double
        products = likely.transpose(0, 1) @ table.view(-1, BLOCK, table.shape[1])
        self.mass += products.sum(dim=0, dtype=torch.float64)
        self.total += likely.sum(dim=2).sum(dim=1, dtype=torch.float64)
        self.weighted += torch.linalg.vecdot(likely, blocks).sum(dim=1, dtype=torch.float64)

    def _expected_logits(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the logit (n, 1) of each row's expected token, rounded as the product rounds."""
        ids = self.expected.clamp(min=0)
        raw = torch.linalg.vecdot(self.normed.float(), weight[ids].float())
        if bias is not None:
            raw = raw + bias[ids].float()
        return finish_logits(self.parts, raw.to(weight.dtype).float())[:, None]

    def _count_above(self, logits: Tensor, start: int) -> None:
        self.above += (logits > self.bar).sum(dim=1)
        place = self.expected - start
        rows = ((place >= 0) & (place < logits.shape[1])).nonzero()[:, 0]
        # a token does not stand above itself, however its logit was rounded
        self.above[rows] -= (logits[rows, place[rows]] > self.bar[rows, 0]).long()

    def _finished(self) -> Projection:
        total = self.total
        entropy = (total.log() - self.weighted / total) / math.log(2)
        log_total = (total.log() + self.largest[:, 0]).float()
        known = self.expected >= 0
        missing = torch.full_like(log_total, torch.nan)
        return Projection(
            mass=(self.mass / total[:, None]).float(),
            entropy_bits=entropy.clamp(min=0).float(),
            log_total=log_total,
            top_ids=self.leaders.places,
            top_probability=(self.leaders.values - log_total[:, None]).exp(),
            expected_probability=torch.where(known, (self.bar[:, 0] - log_total).exp(), missing),
            expected_rank=torch.where(known, self.above + 1.0, missing),
        )

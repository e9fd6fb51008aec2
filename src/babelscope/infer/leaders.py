"""The k most probable tokens of many rows, kept while the vocabulary streams past in chunks.

A chunk is looked at in blocks: only where a block's largest value beats a row's k-th best so far
are its values read at all, which after the first chunk is rare.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Leaders:
    """The `k` largest values of each of `n` rows seen so far, with their places.

    Equal values stand in the order of their places, so chunks change nothing. `values` (n, k) are
    float32, -inf where fewer were seen; `places` (n, k) int64, -1 there.
    """

    def __init__(self, n: int, k: int, device: torch.device) -> None:
        """Start with nothing seen."""
        self.k = k
        self.values = torch.full((n, k), -torch.inf, device=device)
        self.places = torch.full((n, k), -1, dtype=torch.int64, device=device)

    def see(self, blocks: Tensor, largest: Tensor, start: int) -> None:
        """Take in a chunk's values (n, blocks, size) and their maxima (n, blocks).

        `start` is the place of the chunk's first value; chunks come in order.
        """
        if not self.k:
            return
        bar = self.values[:, -1:]
        if start == 0 and largest.shape[1] >= self.k:
            # the k-th largest maximum is a bar that k values reach; -inf on one side keeps ties
            bar = largest.topk(self.k, dim=1).values[:, -1:]
            bar = bar.nextafter(torch.full_like(bar, -torch.inf))
        rows, places = (largest > bar).nonzero(as_tuple=True)
        found = blocks[rows, places]
        pair, inside = (found > bar[rows]).nonzero(as_tuple=True)
        rows = rows[pair]
        self._merge(rows, found[pair, inside], start + places[pair] * blocks.shape[2] + inside)

    def _merge(self, rows: Tensor, values: Tensor, places: Tensor) -> None:
        """Merge candidates, sorted by row and then by place."""
        if not len(rows):
            return
        count = torch.bincount(rows, minlength=len(self.values))
        first = count.cumsum(0) - count
        column = self.k + torch.arange(len(rows), device=rows.device) - first[rows]
        width = (len(self.values), self.k + int(count.max()))
        all_values = self.values.new_full(width, -torch.inf)
        all_places = self.places.new_full(width, -1)
        all_values[:, : self.k], all_places[:, : self.k] = self.values, self.places
        all_values[rows, column], all_places[rows, column] = values, places
        # stable: what was seen first, which has the lower place, goes before its equals
        self.values, order = all_values.sort(dim=1, descending=True, stable=True)
        self.values = self.values[:, : self.k]
        self.places = all_places.gather(1, order[:, : self.k])

"""Several rows in one without padding, where a model is proved to keep them apart."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from babelscope.errors import SettingError
from babelscope.models.encoding import EncodedTraining
from babelscope.models.loading import LoadedModel

PROBE_LENGTHS = (7, 23, 11)
"""Tokens of the rows that the proof packs, chosen unequal; one is longer than a tiny window."""


def pack(rows: Sequence[EncodedTraining]) -> dict[str, Tensor]:
    """Join rows to one of `input_ids`, `position_ids` and `labels`, each (1, tokens).

    Positions begin again with each row, which is how transformers tells rows apart; there must
    be no attention mask beside them. A row's first token is in no loss, so none is predicted
    from the row before.
    """
    return {
        "input_ids": torch.tensor([[i for row in rows for i in row.ids]]),
        "position_ids": torch.tensor([[n for row in rows for n in range(len(row.ids))]]),
        "labels": torch.tensor([[label for row in rows for label in row.labels]]),
    }


@torch.no_grad()
def prove_packing(loaded: LoadedModel) -> None:
    """Check that a model gives packed rows the logits that each gets alone.

    The tolerance is that of the proof of its parts: 1e-4 of the largest logit in float32, 2e-2
    in half precisions.

    Raises:
        SettingError: it does not, as BLOOM, which takes its positions from a mask.
    """
    draw = torch.Generator().manual_seed(0)
    rows = [
        torch.randint(loaded.parts.vocabulary_rows, (1, length), generator=draw)
        for length in PROBE_LENGTHS
    ]
    positions = torch.cat([torch.arange(length) for length in PROBE_LENGTHS])[None]
    model = loaded.model
    packed = model(
        input_ids=torch.cat(rows, dim=1).to(loaded.device),
        position_ids=positions.to(loaded.device),
        use_cache=False,
    ).logits.float()
    alone = torch.cat(
        [model(input_ids=row.to(loaded.device), use_cache=False).logits.float() for row in rows],
        dim=1,
    )
    gap = float((packed - alone).abs().max() / alone.abs().max().clamp(min=1e-6))
    if not gap <= (1e-4 if loaded.dtype == torch.float32 else 2e-2):
        raise SettingError(
            f"packing with {loaded.name}",
            expected="packed rows to get the logits that each gets alone",
            found=f"a relative difference of {gap:.2g}",
            remedy="packing = false",
        )

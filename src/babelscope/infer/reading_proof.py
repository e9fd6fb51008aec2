"""Whether a model can be asked questions here: kept keys and padding must give its own states."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from babelscope.errors import ModelError
from babelscope.infer.passes import base_model, check_kept, extend_rows
from babelscope.infer.room import add_column, new_room, sliding_layers
from babelscope.models.loading import LoadedModel
from babelscope.models.parts import as_one_line
from babelscope.models.trunk_proof import ALONE, last_state, moved, spread_ids, unseen

_proved: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


@torch.inference_mode()
def verify_reading(loaded: LoadedModel) -> None:
    """Prove that rows of other lengths, continued on kept keys, have the states of whole passes.

    Three passes over a few tokens, once for each model in memory.

    Raises:
        ModelError: they have not, or the model keeps something else than keys and values.
    """
    model = base_model(loaded)
    if _proved.get(model):
        return
    with as_one_line(f"model {loaded.name}", "a model that goes on from kept keys and values"):
        gap = _gap(loaded, model)
    if not gap <= unseen(model):
        raise ModelError(
            f"model {loaded.name}",
            expected="kept keys beside a longer row to give the states of whole passes",
            found=f"states that differ by {gap:.2g}",
            remedy="this architecture cannot be asked questions here",
        )
    _proved[model] = True


def _gap(loaded: LoadedModel, model: nn.Module) -> float:
    """Return how far the states of a short and a long row, read and continued, are off."""
    row = spread_ids(model)[0].tolist()
    long, short = len(row) - 1, min(ALONE, len(row) - 2)
    whole = last_state(model, loaded.parts.blocks, torch.tensor([row], device=loaded.device))[0]
    room = new_room([None, None], [long, short], 1, sliding_layers(loaded.model.config))
    both = slice(0, 2)
    read = extend_rows(loaded, room, both, [row[:long], row[:short]])[:, -1]
    check_kept(loaded, room)
    add_column(room)
    continued = extend_rows(loaded, room, both, [row[long:], row[short : short + 1]])[:, -1]
    own = [whole[[long - 1, short - 1]], whole[[long, short]]]
    found = torch.stack([_off(a, b) for a, b in zip((read, continued), own, strict=True)])
    # a wrong way is wrong twice; an expert chosen otherwise for a rounding is off once
    return float(torch.cat([found.amin(dim=0), found.amin(dim=1)]).max())


def _off(found: Tensor, own: Tensor) -> Tensor:
    return moved(found.float(), own.to(found.device))

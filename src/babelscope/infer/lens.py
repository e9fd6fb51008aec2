"""The multilingual logit lens: what each depth of chosen positions says of the next token.

Hidden state -> final norm -> unembedding -> probabilities -> language mass by a language map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from babelscope.errors import DataError, ModelError, SettingError
from babelscope.infer.batches import plan_batches
from babelscope.infer.contrast import Beginnings, Pair, gold_pairs, pair_sums, token_index
from babelscope.infer.lens_items import POSITIONS, Item, LensPrompt, check_positions, plan_items
from babelscope.infer.lens_reading import Gathering, LensReading, PlaceReading, Seen
from babelscope.infer.projection import Projection, chosen_probabilities, project, unembedding
from babelscope.infer.trunk import check_sequences, trunk_states
from babelscope.models.halves import locate_middle
from babelscope.models.lengths import length_class
from babelscope.models.loading import LoadedModel
from babelscope.models.parts import overflow
from babelscope.models.tokens import token_forms

__all__ = [
    "POSITIONS",
    "Lens",
    "LensPrompt",
    "LensReading",
    "LensSettings",
    "PlaceReading",
    "check_positions",
    "plan_lens_batches",
    "prepare_lens",
    "read_lens",
]


@dataclass(frozen=True, slots=True)
class LensSettings:
    """How much at once, and what is told beside mass, entropy and the next token.

    `top_k` tokens are told of each single position; with `half_depths` the state between
    attention and feed-forward is read too. A batch of about a thousand tokens is as fast as a
    larger one and keeps the peak of memory low.

    Raises:
        SettingError: a number is out of range.
    """

    tokens_per_batch: int = 1024
    batch_size: int = 8
    top_k: int = 0
    half_depths: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, low in (("tokens_per_batch", 1), ("batch_size", 1), ("top_k", 0)):
            if getattr(self, name) < low:
                raise SettingError(name, expected=f">= {low}", found=str(getattr(self, name)))


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """A model and its maps, made ready once: read as many prompts as you like.

    `table` is (rows of the vocabulary, columns of all maps), `columns` each map's part of it;
    `middle` is the module after attention, None without half depths or in parallel blocks. `index`
    gives the vocabulary by bytes, made when first asked for.
    """

    loaded: LoadedModel
    table: Tensor
    columns: Mapping[str, slice]
    settings: LensSettings
    middle: str | None
    index: Callable[[], Beginnings]


def prepare_lens(
    loaded: LoadedModel, maps: Mapping[str, ArrayLike], settings: LensSettings | None = None
) -> Lens:
    """Make a lens of a model and of maps' `probability` (rows, languages + 2), by name.

    Rows of the vocabulary beyond a map's are unknown. The lens looks through whatever adapter is
    in use when prompts are read.

    Raises:
        DataError: there is no map, or one is not of that shape.
        ModelError: a map has more rows than the model, or half depths cannot be found.
    """
    settings = settings or LensSettings()
    if not maps:
        raise DataError("language maps", expected="at least one", found="none")
    tables = {name: _table(loaded, name, given) for name, given in maps.items()}
    columns, start = {}, 0
    for name, table in tables.items():
        columns[name] = slice(start, start + table.shape[1])
        start += table.shape[1]
    found = list(tables.values())
    whole = torch.from_numpy(found[0] if len(found) == 1 else np.concatenate(found, axis=1))
    return Lens(
        loaded=loaded,
        table=whole.to(unembedding(loaded.parts.unembed)[0].device),
        columns=columns,
        settings=settings,
        middle=locate_middle(loaded.model, loaded.parts) if settings.half_depths else None,
        index=cache(
            lambda: token_index(token_forms(loaded.tokenizer, loaded.parts.vocabulary_rows))
        ),
    )


def read_lens(
    lens: Lens, prompts: Sequence[LensPrompt], *, positions: Sequence[str] = ("last", "gold")
) -> LensReading:
    """Look at prompts; depth 0 is the input of the first block, the last the model's own logits.

    All depths pass the final norm. A position may also be a token's number in the prompt.

    Raises:
        SettingError: a position is unknown or outside a prompt, or a prompt is empty or too long.
        ModelError: the unembedding is not a plain linear layer, or a state is not finite.
    """
    items = plan_items(prompts, positions)
    check_sequences(
        lens.loaded, [item.ids for item in items], [prompts[item.prompt].id for item in items]
    )
    found = [gold_pairs(p.golds, p.language, lens.index()) if p.golds else ((), 0) for p in prompts]
    pairs = [pair for pair, _ in found]
    gathering = Gathering(
        positions=tuple(positions),
        columns=lens.columns,
        gold_languages=tuple(sorted({p.language for own in pairs for p in own})),
        shape=(len(prompts), lens.loaded.parts.depth + 1),
        halves=lens.middle is not None,
        details=lens.settings.top_k > 0,
    )
    for batch in plan_lens_batches(lens, items):
        _look(lens, [items[i] for i in batch], prompts, pairs, gathering)
    return gathering.reading(sum(equal for _, equal in found))


def plan_lens_batches(lens: Lens, items: Sequence[Item]) -> list[tuple[int, ...]]:
    """Return the batches of items, longest first, within the lens's tokens and batch size.

    Items that the model rotates otherwise for their length are apart.
    """
    size = lens.settings.batch_size
    lengths = [len(item.ids) for item in items]
    kinds = [length_class(lens.loaded.model.config, n) for n in lengths]
    planned = plan_batches(lengths, lens.settings.tokens_per_batch, kinds)
    return [b[start : start + size] for b in planned for start in range(0, len(b), size)]


def _look(
    lens: Lens,
    items: Sequence[Item],
    prompts: Sequence[LensPrompt],
    pairs: Sequence[Sequence[Pair]],
    gathering: Gathering,
) -> None:
    """Run a batch and gather what its items showed."""
    states = trunk_states(
        lens.loaded, [i.ids for i in items], [i.places for i in items], middle=lens.middle
    )
    depths, width = states.depths.shape[:2]
    hidden = states.depths.flatten(0, 1)
    expected = torch.tensor([e for item in items for e in item.expected]).repeat(depths)
    shown = project(
        lens.loaded.parts, hidden, lens.table, top_k=lens.settings.top_k, expected=expected
    )
    if not bool(shown.log_total.isfinite().all()):
        raise overflow(f"logits of {lens.loaded.name}", lens.loaded.dtype)
    seen = _seen(shown, depths, _halves(lens, states.middles))
    start = 0
    for item in items:
        stop = start + len(item.places)
        every = prompts[item.prompt].every and item.last is not None
        gathering.take(item, seen.part(start, stop), every=every)
        if item.last is not None and pairs[item.prompt]:
            rows = torch.arange(start + item.last, depths * width, width, device=hidden.device)
            found = _contrast(lens, hidden[rows], shown.log_total[rows], pairs[item.prompt])
            gathering.contrast(item.prompt, found)
        start = stop


def _halves(lens: Lens, middles: Tensor | None) -> NDArray[np.float32] | None:
    """Return the masses (blocks, places, columns) after attention, None without such states."""
    if middles is None:
        return None
    shown = project(lens.loaded.parts, middles.flatten(0, 1), lens.table)
    return _array(shown.mass, len(middles))


def _contrast(
    lens: Lens, hidden: Tensor, log_total: Tensor, pairs: Sequence[Pair]
) -> dict[str, NDArray[np.float32]]:
    """Return, by language, P(gold in l) and P(own gold) (depths, 2) of one position's states."""
    ids = sorted({row for pair in pairs for row in (*pair.other, *pair.own)})
    chosen = torch.tensor(ids, dtype=torch.int64)
    found = chosen_probabilities(lens.loaded.parts, hidden, log_total, chosen)
    return pair_sums(found.cpu().numpy(), ids, pairs)


def _seen(shown: Projection, depths: int, halves: NDArray[np.float32] | None) -> Seen:
    return Seen(
        mass=_array(shown.mass, depths),
        entropy_bits=_array(shown.entropy_bits, depths),
        expected_probability=_array(shown.expected_probability, depths),
        expected_rank=_array(shown.expected_rank, depths),
        top_ids=_array(shown.top_ids, depths),
        top_probability=_array(shown.top_probability, depths),
        half_mass=halves,
    )


def _array(values: Tensor, depths: int) -> NDArray[Any]:
    """Return rows, depth after depth, as (depths, places, ...)."""
    return values.view(depths, len(values) // depths, *values.shape[1:]).cpu().numpy()


def _table(loaded: LoadedModel, name: str, probability: ArrayLike) -> NDArray[np.float32]:
    """Return a map with a row for each row of the vocabulary."""
    given = np.asarray(probability, dtype=np.float32)
    rows = loaded.parts.vocabulary_rows
    if given.ndim != 2 or given.shape[1] < 3:
        raise DataError(
            f"language map {name}",
            expected="(rows, languages + 2) probabilities",
            found=f"the shape {given.shape}",
        )
    surplus = given[rows:]
    if surplus.size and not (surplus[:, -1] == 1).all():
        raise ModelError(
            f"language map {name}",
            expected=f"at most the model's {rows} rows",
            found=f"{len(given)}",
            remedy="make a map with this model's tokenizer",
        )
    if len(given) == rows and given.flags.writeable and given.flags.c_contiguous:
        return given  # as large as the map itself: not copied without need
    table = np.zeros((rows, given.shape[1]), dtype=np.float32)
    table[: len(given)] = given[:rows]
    table[len(given) :, -1] = 1.0
    return table

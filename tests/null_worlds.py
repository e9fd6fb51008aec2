"""Studies in which the truth is known: what the tests of inference and its benchmark draw.

An answer is right where a latent score is above 0: the mean, what the context and the question are
to every model, what they are to this model alone, and a shift of the seed. In a null world nothing
was learnt: base and variants have the same mean, seeds apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Sizes and spreads of a study; `tau` is the SD over seeds of a variant's score, in points.

    `tau` and `effect` (points gained) are numbers or (sources, targets).
    """

    contexts: int
    each: int
    seeds: int
    tau: ArrayLike = 0.0
    sources: int = 3
    targets: int = 6
    score: float = 0.5
    effect: ArrayLike = 0.0
    of_context: float = 0.5
    of_question: float = 1.0
    of_model_question: float = 0.6
    of_model_context: float = 0.3

    @property
    def names(self) -> list[str]:
        """The context id of each item."""
        return [f"c{i // self.each:05d}" for i in range(self.contexts * self.each)]

    @property
    def spread(self) -> float:
        """The SD of the latent score over questions."""
        parts = (self.of_context, self.of_question, self.of_model_question, self.of_model_context)
        return float(np.linalg.norm(parts))

    def draw(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return scores (sources, targets, seeds, items) and the base's (targets, items)."""
        mean = scipy.stats.norm.ppf(self.score) * self.spread
        slope = scipy.stats.norm.pdf(mean / self.spread) / self.spread  # score by latent shift
        pairs = (self.sources, self.targets)
        tau, effect = (np.broadcast_to(x, pairs) / 100 / slope for x in (self.tau, self.effect))
        shift = effect[..., None] + tau[..., None] * rng.normal(size=(*pairs, self.seeds))
        shared = self._noise(rng, (self.targets,), self.of_context, self.of_question)
        base = mean + shared + self._own(rng, (self.targets,))
        tuned = mean + shared[:, None] + self._own(rng, (*pairs, self.seeds)) + shift[..., None]
        return (tuned > 0).astype(float), (base > 0).astype(float)

    def _own(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return self._noise(rng, shape, self.of_model_context, self.of_model_question)

    def _noise(
        self, rng: np.random.Generator, shape: tuple[int, ...], context: float, question: float
    ) -> Array:
        of_contexts = context * rng.normal(size=(*shape, self.contexts)).repeat(self.each, axis=-1)
        items = self.contexts * self.each
        return np.asarray(of_contexts + question * rng.normal(size=(*shape, items)))


UNEQUAL = np.full(18, 0.2)
UNEQUAL[[0, 4, 9, 13]] = [3.4, 1.8, 1.3, 1.0]
UNEQUAL = UNEQUAL.reshape(3, 6)
"""Spreads between seeds as they were measured on `mini`: small in most pairs, large in a few."""


def as_study(scores: Array, base: Array) -> tuple[dict[str, dict[str, Array]], dict[str, Array]]:
    """Return drawn scores in the form that `study_gains` takes."""
    by_source = {
        f"s{i}": {f"t{j}": values for j, values in enumerate(found)}
        for i, found in enumerate(scores)
    }
    return by_source, {f"t{j}": values[None] for j, values in enumerate(base)}

"""Fits a pretrained network to the data, a little: the best rate, the best weights, and an early end."""

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from napari_dip.finetuning.losses import Loss, consistency, masked, pair, risk
from napari_dip.finetuning.restorer import Restorer
from napari_dip.finetuning.views import View
from napari_dip.solver.fit import fit
from napari_dip.solver.iterate import Outcome
from napari_dip.solver.samples import Sample

LOSSES: dict[str, Loss] = {"plain": consistency, "sure": risk, "masked": masked}
#: Adam's step sizes to choose among, after so many updates of each.
_RATES, _TRIED = (3e-5, 1e-4, 3e-4, 1e-3), 8
#: Of four updates one is of an internal pair, where there are such.
_PAIRED = 4
#: Updates from one look at the score to the next; so many without a better one end it.
_EVERY, _PATIENCE = 5, 30
#: Updates of how many parts the score is taken of.
_JUDGED = 2


@dataclass(frozen=True, slots=True)
class Step:
    """One update.

    Parameters
    ----------
    index : int
        Updates before it.
    loss : Tensor
        What was minimised, in grey levels², 0-d.
    score : float, optional
        The same of parts that are always the same, in grey levels².
    outcome : Outcome, optional
        Why it ended.
    """

    index: int
    loss: Tensor
    score: float | None = None
    outcome: Outcome | None = None


class Tuning:
    """The fit of a restorer to data.

    Parameters
    ----------
    restorer : Restorer
        Its weights are changed in place.
    view : View
        The data.
    loss : {"plain", "sure", "masked"}
        What is minimised.
    paired : bool
        Learn from the data made coarser, too.
    generator : torch.Generator
        Draws parts and probes.
    """

    def __init__(
        self, restorer: Restorer, view: View, loss: str, *, paired: bool, generator: torch.Generator
    ) -> None:
        self._restorer, self._view, self._loss = restorer, view, LOSSES[loss]
        self._paired, self._generator = paired, generator
        self._stein = loss == "sure"
        fixed = torch.Generator().manual_seed(0)
        count = 1 if view.small and not self._stein else _JUDGED
        self._judging = [self._loss(view.parts(fixed), fixed) for _ in range(count)]
        self._limit = float(view.whole.sigma.square().mean())

    def trials(self, known: float | None = None) -> Generator[float, None, None]:
        """Try some step sizes for a few updates each; no weight is changed.

        Parameters
        ----------
        known : float, optional
            The step size that is to be taken: nothing is tried.

        Yields
        ------
        float
            Before each update, and in the end, the step size of which the score was lowest until then.
        """
        first = self._restorer.weights
        lowest, best = math.inf, known or _RATES[0]
        for rate in _RATES if known is None else ():
            samples = islice(self._samples(torch.Generator().manual_seed(1)), _TRIED)
            try:
                for _ in fit(self._restorer, samples, learning_rate=rate):
                    yield best
                if (score := self._score()) < lowest:
                    lowest, best = score, rate
            finally:  # also where the reader ends it
                self._restorer.network.load_state_dict(first)
        yield best

    def steps(self, updates: int, rate: float) -> Generator[Step, None, None]:
        """Fit, and leave the restorer with the weights that had the lowest score; the last step says why.

        Parameters
        ----------
        updates : int
            At the most.
        rate : float
            Adam's step size.
        """
        best, weights, at = math.inf, self._restorer.weights, 0
        outcome = Outcome.BUDGET
        samples = islice(self._samples(self._generator), updates)
        try:
            for iterate in fit(self._restorer, samples, learning_rate=rate):
                score = self._score() if iterate.index % _EVERY == 0 else None
                if score is not None and score < best:
                    best, at, weights = score, iterate.index, self._restorer.weights
                if not iterate.loss.isfinite():
                    outcome = Outcome.DIVERGED
                elif self._stein and iterate.index - at >= _PATIENCE:
                    outcome = Outcome.RISK
                else:
                    yield Step(iterate.index, iterate.loss, score)
                    continue
                break
            else:
                if (score := self._score()) < best:
                    best, at, weights = score, updates, self._restorer.weights
        finally:  # also where the reader ends it
            self._restorer.network.load_state_dict(weights)
        yield Step(at, torch.tensor(best), best, outcome)

    def _samples(self, generator: torch.Generator) -> Iterator[Sample]:
        number = 0
        while True:
            number += 1
            drawn = self._view.pair(generator) if self._paired and number % _PAIRED == 0 else None
            yield self._loss(self._view.parts(generator), generator) if drawn is None else pair(*drawn)

    def _score(self) -> float:
        with torch.no_grad():
            values = [energy(self._restorer(*inputs)) for inputs, energy in self._judging]
        return float(torch.stack(values).mean())

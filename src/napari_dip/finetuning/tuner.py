"""Fits a pretrained network to the data, a little: the best rate, the best weights, and an early end."""

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import cycle, islice

import torch
from torch import Tensor

from napari_dip.finetuning.losses import Loss, consistency, masked, pair, risk
from napari_dip.finetuning.patches import PatchSampler
from napari_dip.finetuning.restorer import Restorer
from napari_dip.optim.fit import fit
from napari_dip.optim.iterate import Outcome
from napari_dip.optim.samples import Sample
from napari_dip.synthetic.images import synthetic_image

#: Draws a sample, where there can be one.
Objective = Callable[[torch.Generator], Sample | None]

LOSSES: dict[str, Loss] = {"plain": consistency, "sure": risk, "masked": masked}
#: Adam's step sizes to choose among, after so many updates of each.
_RATES, _TRIED = (1e-4, 3e-4, 1e-3), 8
#: Updates from one look at the score to the next; so many without a better one end it.
_EVERY, _PATIENCE = 5, 30
#: Samples of each kind that the score is taken of.
_JUDGED = 2
#: Squares of errors below this are as good as none, in grey levels².
_TINY = 1e-9
#: Made pictures, and their pixels along an axis.
_PICTURES, _SIDE = 24, 160


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

    Updates take turns: the data themselves; made pictures, degraded as the data were, which teach operator
    and noise; and, where there is noise, the data made coarser once more. Without noise these led astray
    where an image doesn't look like itself at another scale.

    The score is of pictures and of rows of the data that nothing is learnt from: of those that were learnt
    from, Stein's estimate is no longer right, since their noise was. Where there is nothing but noise to be
    undone, the rows alone decide. Where noise is cut off nearly everywhere, pictures teach and decide alone.

    Parameters
    ----------
    restorer : Restorer
        Its weights are changed in place.
    view : View
        The data.
    loss : {"plain", "sure", "masked"}
        What is minimised of the data.
    generator : torch.Generator
        Draws parts, probes, pictures and pairs.
    """

    def __init__(self, restorer: Restorer, view: PatchSampler, loss: str, generator: torch.Generator) -> None:
        self._restorer, self._view, self._loss, self._generator = restorer, view, LOSSES[loss], generator
        ranges = [(view.reading.low, view.reading.high)]
        if view.noisy:  # what becomes of noise in the dark has to be learnt in the dark, but not there alone
            ranges.append(view.levels)
        self._pictures = [
            low + (high - low) / 255 * image
            for image, (low, high) in zip(_pictures(), cycle(ranges), strict=False)
        ]
        self._noisy = loss == "sure"
        data, made, coarser = self._of_data, self._of_pictures, self._of_coarser
        held_data, held_coarser = (partial(one, held=True) for one in (data, coarser))
        self._lessons: list[Objective]
        judges: list[Objective]
        if not self._noisy:
            self._lessons, judges = [data, made], [made, held_coarser]
        elif not view.fair:
            self._lessons, judges = [made, coarser], [made, held_coarser]
        elif view.only_noise:
            self._lessons, judges = [data, made], [held_data, held_data]
        else:
            self._lessons, judges = [data, made, coarser], [made, held_coarser, held_data]
        fixed = torch.Generator().manual_seed(0)
        samples = [judge(fixed) for judge in judges for _ in range(_JUDGED)]
        self._judging = [sample for sample in samples if sample is not None]

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

    def steps(self, iterations: int, rate: float) -> Generator[Step, None, None]:
        """Fit, and leave the restorer with the weights that had the lowest score; the last step says why.

        Parameters
        ----------
        iterations : int
            At the most.
        rate : float
            Adam's step size.
        """
        best, weights, at = math.inf, self._restorer.weights, 0
        outcome = Outcome.MAX_ITERATIONS
        samples = islice(self._samples(self._generator), iterations)
        try:
            for iterate in fit(self._restorer, samples, learning_rate=rate):
                score = self._score() if iterate.index % _EVERY == 0 else None
                if score is not None and score < best:
                    best, at, weights = score, iterate.index, self._restorer.weights
                if not iterate.loss.isfinite():
                    outcome = Outcome.DIVERGED
                elif iterate.index - at >= _PATIENCE:
                    outcome = Outcome.RISK
                else:
                    yield Step(iterate.index, iterate.loss, score)
                    continue
                break
            else:
                if (score := self._score()) < best:
                    best, at, weights = score, iterations, self._restorer.weights
        finally:  # also where the reader ends it
            self._restorer.network.load_state_dict(weights)
        yield Step(at, torch.tensor(best), best, outcome)

    def _samples(self, generator: torch.Generator) -> Iterator[Sample]:
        for lesson in cycle(self._lessons):
            if (sample := lesson(generator)) is not None:
                yield sample

    def _of_data(self, generator: torch.Generator, *, held: bool = False) -> Sample:
        return self._loss(self._view.parts(generator, held=held), generator)

    def _of_pictures(self, generator: torch.Generator) -> Sample:
        return pair(*self._view.made(self._pictures, generator))

    def _of_coarser(self, generator: torch.Generator, *, held: bool = False) -> Sample | None:
        found = self._view.pair(generator, held=held)
        return None if found is None else pair(*found)

    def _score(self) -> float:
        with torch.no_grad():
            values = [energy(self._restorer(*inputs)) for inputs, energy in self._judging]
        errors = torch.stack(values)
        if self._noisy:
            # An estimate below 0 says that the noise was taken for stronger than it is, or that no error can
            # be told: to fall further is no gain.
            return float(errors.mean().clamp_min(0))
        # By their ratios: none counts for more because it is larger.
        return float(errors.clamp_min(_TINY).log().mean().exp())


@cache
def _pictures() -> list[Tensor]:
    """Return made pictures from 0 to 255, others than those that the networks of the package have seen."""
    return [torch.from_numpy(synthetic_image(1, at, _SIDE)).float() for at in range(_PICTURES)]

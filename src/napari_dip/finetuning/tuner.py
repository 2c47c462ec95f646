"""Fine-tuning: the choice of a step size, the iterations, and the weights with the lowest score."""

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import cycle, islice

import torch
from torch import Tensor

from napari_dip.finetuning.losses import Loss, masked_loss, plain_loss, supervised_loss, sure_loss
from napari_dip.finetuning.pieces import Pieces
from napari_dip.finetuning.restorer import Restorer
from napari_dip.finetuning.sampler import PatchSampler
from napari_dip.optim.fit import Sample, fit
from napari_dip.optim.iterate import Outcome
from napari_dip.synthetic.images import synthetic_image

#: Draws a sample and the energy to minimise, or None if the data are too small for it.
Objective = Callable[[torch.Generator], Sample | None]

LOSSES: dict[str, Loss] = {"plain": plain_loss, "sure": sure_loss, "masked": masked_loss}
#: Step sizes of Adam to compare, and the iterations after which they are compared.
RATES, _TRIED = (1e-4, 3e-4, 1e-3), 8
#: Iterations from one score to the next. Fine-tuning ends after the second number without a better score.
_EVERY, _PATIENCE = 5, 30
#: Samples of each objective for the score.
_SCORED = 2
#: Squared errors below this count as zero, in grey levels².
_TINY = 1e-9
#: Number of synthetic images, and their side in pixels.
_IMAGES, _SIDE = 24, 160


@dataclass(frozen=True, slots=True)
class Update:
    """The state of fine-tuning before an iteration.

    Parameters
    ----------
    index : int
        Iterations so far.
    loss : Tensor
        The energy that is minimised, in grey levels², 0-d.
    score : float or None
        The error on samples that stay the same, in grey levels². It is computed every few iterations.
    """

    index: int
    loss: Tensor
    score: float | None


class Tuner:
    """Fits a restorer to data.

    The objectives take turns: the data themselves; synthetic images that were degraded like the data, from
    which the network learns the operator and the noise; and, for noisy data, the data made coarser once more.
    Without noise that last objective did harm to images that do not resemble themselves at another scale.

    The score is that of synthetic images and of rows of the data that are held out. On rows that the network
    has learnt from, Stein's estimate is too low, because the network has learnt their noise. For noise alone,
    only the held-out rows are scored. If the noise is clipped nearly everywhere, only synthetic images are
    learnt from and scored.

    Parameters
    ----------
    restorer : Restorer
        Its weights are changed in place.
    sampler : PatchSampler
        The data.
    loss : {"plain", "sure", "masked"}
        The loss for the data themselves.
    generator : torch.Generator
        Draws patches, perturbations and synthetic images.
    """

    def __init__(
        self, restorer: Restorer, sampler: PatchSampler, loss: str, generator: torch.Generator
    ) -> None:
        self._restorer, self._sampler, self._loss = restorer, sampler, LOSSES[loss]
        self._generator = generator
        self._noisy = loss == "sure"
        self._images: list[Tensor] = []
        self._objectives: list[Objective] = []
        self._validation: list[Sample] = []
        #: Iterations after which the weights had their lowest score, that score, and why fine-tuning ended.
        self.best, self.score = 0, math.inf
        self.outcome: Outcome | None = None

    def prepare(self) -> Pieces[None]:
        """Make the synthetic images, and draw the samples for the score."""
        sampler = self._sampler
        mapping = sampler.limited_mapping if sampler.only_noise else sampler.mapping
        ranges = [(mapping.low, mapping.high)]
        if sampler.noisy:  # dark images must be learnt from dark images, but not from these alone
            ranges.append(sampler.levels)
        for at, (low, high) in zip(range(_IMAGES), cycle(ranges), strict=False):
            self._images.append(low + (high - low) / 255 * _synthetic_image(at))
            yield None
        data, synthetic, coarser = self._of_data, self._of_synthetic, self._of_coarser
        held_data, held_coarser = (partial(one, held_out=True) for one in (data, coarser))
        scored: list[Objective]
        if not self._noisy:
            self._objectives, scored = [data, synthetic], [synthetic, held_coarser]
        elif not sampler.sure_applies:
            self._objectives, scored = [synthetic, coarser], [synthetic, held_coarser]
        elif sampler.only_noise:
            self._objectives, scored = [data, synthetic], [held_data, held_data]
        else:
            self._objectives, scored = [data, synthetic, coarser], [synthetic, held_coarser, held_data]
        generator = torch.Generator().manual_seed(0)
        for objective in (one for one in scored for _ in range(_SCORED)):
            if (sample := objective(generator)) is not None:
                self._validation.append(sample)
            yield None

    def choose_rate(self) -> Pieces[float]:
        """Return the step size whose score is lowest after a few iterations. No weight is changed."""
        first = self._restorer.weights
        lowest, best = math.inf, RATES[0]
        for rate in RATES:
            samples = islice(self._samples(torch.Generator().manual_seed(1)), _TRIED)
            try:
                for _ in fit(self._restorer, samples, learning_rate=rate):
                    yield None
                score = yield from self._scored()
            finally:  # also if the computation is closed
                self._restorer.network.load_state_dict(first)
            if score < lowest:
                lowest, best = score, rate
        return best

    def iterate(self, iterations: int, rate: float) -> Generator[Update | None, None, None]:
        """Fine-tune, and leave the restorer with the weights that have the lowest score.

        Parameters
        ----------
        iterations : int
            Most iterations.
        rate : float
            Adam's step size.

        Yields
        ------
        Update or None
            An update before each iteration, and None before each sample of a score.
        """
        weights = self._restorer.weights
        samples = islice(self._samples(self._generator), iterations)
        try:
            for iterate in fit(self._restorer, samples, learning_rate=rate):
                score = (yield from self._scored()) if iterate.index % _EVERY == 0 else None
                if score is not None and score < self.score:
                    self.best, self.score, weights = iterate.index, score, self._restorer.weights
                if not iterate.loss.isfinite():
                    self.outcome = Outcome.DIVERGED
                elif iterate.index - self.best >= _PATIENCE:
                    self.outcome = Outcome.RISK
                if self.outcome is not None:
                    break
                yield Update(iterate.index, iterate.loss, score)
            else:
                if (score := (yield from self._scored())) < self.score:
                    self.best, self.score, weights = iterations, score, self._restorer.weights
                self.outcome = Outcome.MAX_ITERATIONS
        finally:  # also if the computation is closed
            self._restorer.network.load_state_dict(weights)

    def _samples(self, generator: torch.Generator) -> Iterator[Sample]:
        for objective in cycle(self._objectives):
            if (sample := objective(generator)) is not None:
                yield sample

    def _of_data(self, generator: torch.Generator, *, held_out: bool = False) -> Sample:
        return self._loss(self._sampler.patches(generator, held_out=held_out), generator)

    def _of_synthetic(self, generator: torch.Generator) -> Sample:
        return supervised_loss(*self._sampler.synthetic_pair(self._images, generator))

    def _of_coarser(self, generator: torch.Generator, *, held_out: bool = False) -> Sample | None:
        found = self._sampler.coarser_pair(generator, held_out=held_out)
        return None if found is None else supervised_loss(*found)

    def _scored(self) -> Generator[None, None, float]:
        values = []
        for inputs, energy in self._validation:
            yield None
            with torch.no_grad():
                values.append(energy(self._restorer(*inputs)))
        errors = torch.stack(values)
        if self._noisy:
            # A negative estimate means that the noise was taken for stronger than it is, or that the error
            # can't be estimated. A lower one would be no gain.
            return float(errors.mean().clamp_min(0))
        # The geometric mean: no sample counts for more because its error is larger.
        return float(errors.clamp_min(_TINY).log().mean().exp())


@cache
def _synthetic_image(at: int) -> Tensor:
    """Return an image from 0 to 255. The bundled networks were trained on others."""
    return torch.from_numpy(synthetic_image(1, at, _SIDE)).float()

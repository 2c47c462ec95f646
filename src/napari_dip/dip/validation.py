"""The criterion that decides when a fit ends, and the pixels that are held out for it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

from torch import Generator, Tensor

from napari_dip.noise.models import CorrelatedNoise, NoiseModel
from napari_dip.noise.per_pixel import PerPixelNoise
from napari_dip.noise.second_image import split_noise
from napari_dip.noise.whiteness import Whiteness, whiteness
from napari_dip.operators import Blur, Identity
from napari_dip.optim.iterate import Iterate, Outcome, StoppingCriterion, Unseen
from napari_dip.optim.stages import scored, scored_by_variance
from napari_dip.optim.stopping import Discrepancy, Never, NoImprovement, StoppingRule
from napari_dip.problem import Problem

#: Default share of held-out pixels. Blurred pixels contain much the same information as their neighbours,
#: so it takes many to measure the error. Where x has more pixels than the data, every measured pixel is
#: precious.
_SHARES, _PRECIOUS = {Identity: 0.05, Blur: 0.1}, 0.02
#: Ratio of the strongest to the weakest noise, but for single pixels, up to which classic filters are used.
_UNEVEN = 5.0
#: For the variance of the outputs: the weight of the past, the index of the first score, and the number of
#: iterations after the lowest one.
_MEMORY, _WARM_UP, _VARIANCE_PATIENCE = 0.95, 40, 30


@dataclass(frozen=True, eq=False)
class Validation:
    """A problem, divided into the part that is fitted and the part that validates the fit.

    Parameters
    ----------
    problem : Problem
        The whole problem.
    fitted : Problem
        The part that the fit sees.
    held_out : Problem, optional
        The pixels that it does not see, or the image whose noise it does not see, if they are the criterion.
    criterion : StoppingCriterion, optional
        What decides when the fit ends; None if only the number of iterations does.
    variance : Tensor, shape ``(1, C, 1, ...)``, optional
        Variance of the noise as measured in the data, if the residual or a second image is the criterion.
    """

    problem: Problem
    fitted: Problem
    held_out: Problem | None
    criterion: StoppingCriterion | None
    variance: Tensor | None = None

    @classmethod
    def of(cls, problem: Problem, stopping: str, share: float | None, generator: Generator) -> Self:
        """Choose the criterion, and divide the problem accordingly.

        Parameters
        ----------
        problem : Problem
            The whole problem.
        stopping : {"auto", "held-out", "split", "variance", "discrepancy", "max-iterations"}
            As in `DIP`.
        share : float, optional
            Share of the observed pixels to hold out.
        generator : torch.Generator
            Draws the held-out pixels; on the CPU.
        """
        noise = _measured_noise(problem, stopping)
        criterion = _criterion(problem, stopping, noise)
        fitted, held_out, variance = problem, None, None
        if criterion is StoppingCriterion.HELD_OUT:
            share = share or _SHARES.get(type(problem.operator), _PRECIOUS)
            fitted, held_out = problem.split(share, generator)
        elif criterion is StoppingCriterion.SPLIT and noise is not None:
            first, second = split_noise(problem.data, noise.spectrum, generator)
            fitted, held_out = replace(problem, data=first), replace(problem, data=second)
            variance = noise.variance
        elif criterion is StoppingCriterion.DISCREPANCY and noise is not None:
            variance = noise.variance
        return cls(problem, fitted, held_out, criterion, variance)

    def with_noise(self, noise: NoiseModel) -> Self:
        """Return the same with another noise model."""
        problem, fitted = (replace(one, noise=noise) for one in (self.problem, self.fitted))
        held_out = None if self.held_out is None else replace(self.held_out, noise=noise)
        return replace(self, problem=problem, fitted=fitted, held_out=held_out)

    @property
    def split(self) -> bool:
        """Whether the criterion is a second image, because the noise is correlated between pixels."""
        return self.criterion is StoppingCriterion.SPLIT

    @property
    def suits_classic_filters(self) -> bool:
        """Whether classic filters remove the noise.

        They don't where it is correlated between pixels. If its strength differs much from place to place, a
        fit makes better use of that.
        """
        return self.criterion in (None, StoppingCriterion.HELD_OUT) and _even(self.problem)

    def unseen(self, x: Tensor, fits: tuple[Tensor, Tensor] | None = None) -> Unseen | None:
        """Return the held-out pixels with images that have not seen them, if there are any."""
        return None if self.held_out is None or self.split else Unseen(self.held_out.weights > 0, x, fits)

    def rule(self, patience: int) -> StoppingRule:
        """Return the rule by which the criterion ends a run."""
        match self.criterion:
            case StoppingCriterion.HELD_OUT:
                return NoImprovement(patience)
            case StoppingCriterion.SPLIT:
                return NoImprovement(patience, Outcome.SPLIT)
            case StoppingCriterion.VARIANCE:
                return NoImprovement(_VARIANCE_PATIENCE, Outcome.VARIANCE)
            case StoppingCriterion.DISCREPANCY:
                return Discrepancy()
        return Never()

    def score_outputs(self, iterates: Iterator[Iterate]) -> Iterator[Iterate]:
        """Score single outputs, if the criterion is their variance."""
        if self.criterion is StoppingCriterion.VARIANCE:
            return scored_by_variance(iterates, decay=_MEMORY, warm_up=_WARM_UP)
        return iterates

    def score_averages(self, iterates: Iterator[Iterate]) -> Iterator[Iterate]:
        """Score the moving averages of one network, if the criterion is their residual."""
        if self.criterion is StoppingCriterion.DISCREPANCY:
            return scored(iterates, partial(self.problem.discrepancy, measured=self.variance))
        return iterates

    def score_means(self, iterates: Iterator[Iterate]) -> Iterator[Iterate]:
        """Score the means with earlier networks, if the criterion is the error on what no fit sees."""
        return iterates if self.held_out is None else scored(iterates, self.held_out.score)


def _even(problem: Problem) -> bool:
    """Whether nearly all pixels have noise of about the same strength, as far as it is given for each."""
    if not isinstance(problem.noise, PerPixelNoise):
        return True
    values = problem.noise.sigma[(problem.weights > 0).expand_as(problem.data)].sort().values
    few = len(values) // 100
    return bool(values[-1 - few] <= _UNEVEN * values[few])


def _measured_noise(problem: Problem, stopping: str) -> Whiteness | None:
    """Return whether the noise is white and how strong it is, if the criterion depends on it."""
    automatic = stopping == "auto" and not _always_held_out(problem)
    if automatic or stopping == "split" or (stopping == "discrepancy" and not problem.noise.known):
        return whiteness(problem.data, problem.weights)
    return None


def _always_held_out(problem: Problem) -> bool:
    """Whether held-out pixels decide when to stop even if the noise is correlated between pixels.

    Missing pixels, too, have to be predicted from their neighbours. A fit can copy correlated noise
    where x has the pixels of the data, but not through a blur.
    """
    return problem.only_missing or not isinstance(problem.operator, Identity)


def _criterion(problem: Problem, stopping: str, noise: Whiteness | None) -> StoppingCriterion | None:
    if stopping == "max-iterations":
        return None
    if stopping == "split" and (noise is None or not noise.measured):
        return StoppingCriterion.HELD_OUT
    if stopping != "auto":
        return StoppingCriterion[stopping.replace("-", "_").upper()]
    if noise is None or not (noise.smooth or isinstance(problem.noise, CorrelatedNoise)):
        return StoppingCriterion.HELD_OUT
    if noise.measured and not problem.noise.known:
        return StoppingCriterion.SPLIT
    # Compression of an image without other noise leaves nothing to measure.
    measurable = problem.noise.known or noise.measured
    return StoppingCriterion.DISCREPANCY if measurable else StoppingCriterion.VARIANCE

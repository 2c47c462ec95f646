"""What a run of Deep Image Prior knows before its fit."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_dip.dip.initial_estimate import initial_estimate
from napari_dip.dip.measured_noise import with_measured_noise
from napari_dip.dip.photon_energy import relative, weighted
from napari_dip.dip.settings import FitSettings
from napari_dip.dip.split_filters import split_estimate
from napari_dip.dip.validation import Validation
from napari_dip.image.intensity import Range
from napari_dip.operators import Blur, Identity
from napari_dip.problem import Problem
from napari_dip.steps import silently

#: Range of the images that the network sees; its own input, uniform noise, lies between 0 and 0.1.
_CONTRAST = 0.3


@dataclass(frozen=True, eq=False)
class Preparation:
    """What is known before the fit.

    Parameters
    ----------
    validation : Validation
        What is fitted, and what validates the fit.
    energy : Problem
        What a fit minimises: the fitted part, with the strength of photon noise taken from the estimate.
    estimate : Tensor, shape ``(1, C, *grid)``, optional
        Estimate by classic filters, in grey levels.
    seen : list of Tensor, each of shape ``(1, any, *grid)``
        Images that the network sees beside its own input, about 0 and of one contrast.
    range : Range
        Grey levels of x.
    """

    validation: Validation
    energy: Problem
    estimate: Tensor | None
    seen: list[Tensor]
    range: Range

    @property
    def objective(self) -> Callable[[Tensor], Tensor]:
        """The function of x that a fit minimises."""
        return self.energy if self.energy is self.validation.fitted else relative(self.energy)


def preparing(
    settings: FitSettings, problem: Problem, seed: int, guide: Tensor | None
) -> Generator[Tensor | None, None, Preparation]:
    """Return, in steps, what is known before a fit; yield the best estimate so far, or None.

    Parameters
    ----------
    settings : FitSettings
        Settings of the run.
    problem : Problem
        What the image has to explain.
    seed : int
        Draws the held-out pixels.
    guide : Tensor, shape ``(1, G, *grid)``, optional
        Another image of the same scene.
    """
    # All networks share one choice of held-out pixels, so that none has seen those that judge their mean.
    generator = torch.Generator().manual_seed(seed)
    validation = Validation.of(problem, settings.stopping, settings.validation_fraction, generator)
    yield None
    validation = yield from silently(with_measured_noise(validation))
    images, estimate = [] if guide is None else [guide], None
    if guide is None and _sees_estimate(settings, problem):
        if validation.suits_classic_filters:
            estimate = yield from initial_estimate(validation.fitted)
        elif validation.split:
            estimate = yield from split_estimate(validation)
        # Without an estimate the channels stay, so that frames with different noise can share weights.
        blank = problem.data.new_zeros(1, problem.data.shape[1], *problem.grid.shape)
        images.append(blank if estimate is None else estimate)
    seen = []
    for image in images:
        seen.append(as_input(image))
        yield None
    range_ = Range.of(problem.data, problem.weights > 0).through(problem.gain)
    yield None
    energy = weighted(validation.fitted, estimate)
    return Preparation(validation, energy, estimate, seen, range_)


def as_input(image: Tensor) -> Tensor:
    """Return an image as a network sees it beside its own input: about 0, of one contrast, on the CPU."""
    return _CONTRAST * (Range.of(image, image.isfinite()).to_unit(image) - 0.5).cpu()


def _sees_estimate(settings: FitSettings, problem: Problem) -> bool:
    """Whether the network has channels for an estimate by classic filters alone.

    Such an estimate was found to do harm in inpainting, where a second fit sees a better one (`second_fit`),
    and in super-resolution, where the fit copies its errors.
    """
    noisy = isinstance(problem.operator, Identity | Blur) and not problem.only_missing
    return settings.initial_estimate and noisy and settings.network.sees_images(problem.grid.shape)

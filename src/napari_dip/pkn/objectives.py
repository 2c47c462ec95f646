"""What a network is trained to do: to restore degraded images, or to denoise the user's own image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from napari_dip.noise.sure import perturbation, sure
from napari_dip.optim.fit import Sample
from napari_dip.pkn.degradations import Degradation
from napari_dip.pkn.observation import Observation
from napari_dip.synthetic.crops import crops

#: Examples per iteration, and their side in pixels, a multiple of every factor.
_BATCH, _SIDE = 6, 96
#: Number of validation examples with a known truth, and how many are scored at once.
_VALIDATION, _AT_ONCE = 24, 4
#: Share of a noisy image's rows that is used for validation.
_HELD_OUT = 0.25


@dataclass(frozen=True, eq=False)
class Objective:
    """The examples that a filter is trained on, and those that it is validated on.

    Parameters
    ----------
    sample : callable
        Draws the examples of one iteration with a generator of random numbers: an observation, and the loss
        of the filtered one.
    validation : sequence of (Observation, callable)
        Observations, and functions that return the score of the filtered one in dB, higher for better. The
        mean score counts.
    """

    sample: Callable[[torch.Generator], Sample]
    validation: Sequence[tuple[Observation, Callable[[Tensor], float]]]


def supervised(degradation: Degradation, images: Sequence[Tensor], validation: Sequence[Tensor]) -> Objective:
    """Return the objective of restoring degraded crops of clean images.

    The loss is the root-mean-square error in grey levels, averaged over the examples of an iteration. The
    score is the mean PSNR of the validation examples, for the peak 255.

    Parameters
    ----------
    degradation : Degradation
        Degrades the images.
    images, validation : sequence of Tensor, each of shape ``(H, W)``
        Images to train on and to validate on, with grey levels from about 0 to 255.
    """

    def sample(generator: torch.Generator) -> Sample:
        clean = crops(images, _BATCH, _SIDE, generator)
        return (degradation(clean, generator),), partial(_root_mean_square, clean)

    fixed = torch.Generator().manual_seed(0)
    truths = crops(validation, _VALIDATION, 2 * _SIDE, fixed)
    data = degradation(truths, fixed)
    starts = range(0, _VALIDATION, _AT_ONCE)
    pieces = [(_examples(data, at), partial(_psnr, truths[at : at + _AT_ONCE])) for at in starts]
    return Objective(sample, pieces)


def self_supervised(observation: Observation) -> Objective:
    """Return the objective of denoising one noisy image, without knowing the truth.

    The loss is Stein's unbiased estimate of the squared error (SURE), in units of the noise's variance. The
    score is the estimated reduction of the noise.

    Parameters
    ----------
    observation : Observation
        The whole noisy image. Its `sigma` must be correct. Missing pixels don't count.
    """
    # Missing pixels have weight 0, but grey-level distances compare them.
    observation = replace(observation, image=observation.filled())
    height = observation.image.shape[2]
    last = round((1 - _HELD_OUT) * height)

    def risk(data: Observation, moved: Tensor, outputs: Tensor) -> Tensor:
        first, second = outputs.chunk(2)
        image, sigma = data.image.chunk(2)[0], data.sigma.chunk(2)[0]
        error = sure(first, second, image, sigma, moved)
        counts = torch.ones_like(image) if data.seen is None else data.seen.chunk(2)[0].expand_as(image)
        # A missing pixel without an observed one in reach is NaN.
        return (error / sigma.square()).where(counts > 0, 0).sum() / counts.sum().clamp_min(1)

    def perturbed(
        generator: torch.Generator, part: Observation
    ) -> tuple[Observation, Callable[[Tensor], Tensor]]:
        moved = perturbation(part.sigma, part.image, generator)
        twice = Observation(
            torch.cat([part.image, part.image + moved]),
            torch.cat([part.sigma, part.sigma]),
            None if part.seen is None else torch.cat([part.seen, part.seen]),
        )
        return twice, partial(risk, twice, moved)

    def sample(generator: torch.Generator) -> Sample:
        data, loss = perturbed(generator, _parts(observation.rows(0, last), generator))
        return (data,), loss

    fixed = torch.Generator().manual_seed(0)
    # Rows that are not trained on: a network would do too well on its own examples.
    held_out, validation_risk = perturbed(fixed, _parts(observation.rows(last, height), fixed, count=16))

    def reduction(outputs: Tensor) -> float:
        return float(-10 * validation_risk(outputs).clamp_min(1e-6).log10())

    return Objective(sample, [(held_out, reduction)])


def _root_mean_square(truth: Tensor, restored: Tensor) -> Tensor:
    """Return the mean of the examples' root-mean-square errors.

    The worst examples would dominate a mean of squares, the best ones a mean of logarithms.
    """
    return ((restored - truth).square().mean((1, 2, 3)) + 1e-3).sqrt().mean()


def _psnr(truths: Tensor, restored: Tensor) -> float:
    """Return the mean PSNR; the PSNR of all examples together would depend on the noisiest alone."""
    errors = (restored - truths).square().mean((1, 2, 3))
    return float((10 * (255**2 / errors).log10()).mean())


def _examples(data: Observation, start: int) -> Observation:
    """Return some examples of a batch without missing pixels."""
    some = slice(start, start + _AT_ONCE)
    return Observation(
        data.image[some], data.sigma[some], blur=None if data.blur is None else data.blur[some]
    )


def _parts(whole: Observation, generator: torch.Generator, count: int | None = None) -> Observation:
    """Return random parts of a noisy image as examples, by default as many as an iteration has."""
    height, width = whole.image.shape[2:]
    side = min(_SIDE, height, width)

    def cut(x: Tensor, top: int, left: int) -> Tensor:
        return x if x.shape[2:] == (1, 1) else x[:, :, top : top + side, left : left + side]

    places = [
        [int(torch.randint(n - side + 1, (), generator=generator)) for n in (height, width)]
        for _ in range(count or _BATCH)
    ]
    images = [cut(whole.image, *place) for place in places]
    sigmas = [cut(whole.sigma, *place) for place in places]
    seen = None if whole.seen is None else torch.cat([cut(whole.seen, *place) for place in places])
    return Observation(torch.cat(images), torch.cat(sigmas), seen)

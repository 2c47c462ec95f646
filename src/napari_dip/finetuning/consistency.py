"""Whether a network's output is consistent with the data."""

import math
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from napari_dip.finetuning.back_projection import plan_back_projection
from napari_dip.finetuning.pieces import Pieces
from napari_dip.finetuning.restorer import Restorer
from napari_dip.finetuning.sampler import PatchSampler
from napari_dip.finetuning.tiling import tiled
from napari_dip.noise.estimate import estimating
from napari_dip.noise.lower_bound import alike, noise_lower_bound
from napari_dip.noise.models import GaussianNoise, weighted_mean
from napari_dip.noise.quantisation import quantisation_step
from napari_dip.operators import Identity, Operator, Resample
from napari_dip.pretrained.bundled import bundled
from napari_dip.problem import Problem
from napari_dip.steps import silently

#: A consistent output has a residual of at most this multiple of the usual one.
_TOLERATED = 1.5
#: The usual residual of a network is at most this multiple of that of the bundled network. A larger one that
#: others had trained had up to 1.6 times as much, and one that was corrupted until it lost 1 dB more than 3
#: times.
_ALLOWED = 1.5
#: Few pixels, such as stars, decide about the usual residual up to this multiple of that of most pixels.
_UNUSUAL = 16.0
#: A residual is negligible up to the first share of the contrast. Noise of uncertain strength is ignored up
#: to the second.
_NEGLIGIBLE, _FOUND = 0.002, 0.012
#: Share of the estimated noise that is assumed, because an estimate that is too high does the most harm.
_CAUTION = 0.95


class Diagnosis(Enum):
    """What the data say about a network's output."""

    CONSISTENT = "consistent"
    NOISY = "noisy"
    INCONSISTENT = "inconsistent"


@dataclass(frozen=True, eq=False)
class ConsistencyReport:
    """The diagnosis, and the numbers behind it: root mean squares in working units.

    Parameters
    ----------
    diagnosis : Diagnosis
        What the data say about the output.
    residual : float
        rms of A f(y) − y.
    usual : float
        rms of A₀ f(A₀ f(y)) − A₀ f(y), where A₀ is the degradation that the network was trained to undo: the
        residual that it leaves where nothing is wrong. Limited by the usual residual of the bundled network.
    tolerance : float
        Largest residual of a consistent output.
    sigma : float
        Standard deviation of the noise.
    rounding : float
        Standard deviation of the error by which the grey levels are rounded; 0 for real numbers.
    scale : float
        Grey levels per working unit.
    """

    diagnosis: Diagnosis
    residual: float
    usual: float
    tolerance: float
    sigma: float
    rounding: float
    scale: float = 1.0

    @property
    def target(self) -> float:
        """The residual at which the data count as explained: the rest is noise or rounding."""
        return max(self.sigma, self.rounding)

    def describe(self, back_projected: float | None = None, *, improved: bool | None = None) -> str:
        """Return the report as a sentence, with its numbers in grey levels.

        Parameters
        ----------
        back_projected : float, optional
            The residual after back-projection.
        improved : bool, optional
            Whether fine-tuning has improved the network; by default it has not been tried.
        """
        residual, tolerance, sigma = (
            self.scale * number for number in (self.residual, self.tolerance, self.sigma)
        )
        numbers = f"the residual A f(y) − y has an rms of {residual:.3g}"
        match self.diagnosis:
            case Diagnosis.CONSISTENT:
                return f"Consistent: nothing to correct ({numbers}; up to {tolerance:.3g} is usual)."
            case Diagnosis.NOISY:
                return f"Noisy (σ = {sigma:.3g}): using Stein's estimate of the error ({numbers})."
        if back_projected is None:
            return f"Inconsistent: {numbers}, above {tolerance:.3g}."
        tuning = {
            None: "fine-tuning may improve the image further",
            True: "the network was then fine-tuned",
            False: "fine-tuning did not improve the network",
        }
        return (
            f"Inconsistent: back-projection reduces the residual from {residual:.3g} to "
            f"{self.scale * back_projected:.3g}; {tuning[improved]}."
        )


@dataclass(frozen=True, eq=False)
class NoiseStrength:
    """How strong the noise is.

    Parameters
    ----------
    sigma : Tensor
        Standard deviation, which broadcasts to the data; 0 if no noise is found.
    certain : bool
        Whether it is stated by the noise model, or was measured with a small standard error.
    """

    sigma: Tensor
    certain: bool


def noise_strength(problem: Problem) -> Pieces[NoiseStrength]:
    """Return how strong the noise is: as the noise model states it, or as it is measured in each channel.

    Where A changes nothing, a denoiser and its score need the best estimate, and its standard error tells
    whether to believe it. Otherwise, or where that error is large, the quietest parts give a cautious one.
    """
    if problem.noise.known:
        return NoiseStrength(problem.noise.variance(problem.data).sqrt(), certain=True)
    observed = (problem.weights > 0).expand_as(problem.data)[0].cpu().numpy()
    images = problem.data[0].double().cpu().numpy()
    denoising = isinstance(problem.operator, Identity)
    sigmas, bounds = {}, {}
    for channel, (image, there) in enumerate(zip(images, observed, strict=True)):
        sigma = (yield from _measured_sigma(image, there)) if denoising else None
        if sigma is None:
            bounds[channel] = (1.0 if denoising else _CAUTION) * noise_lower_bound(image, there)
        else:
            sigmas[channel] = sigma
        yield None
    sigmas |= dict(zip(bounds, alike([*bounds.values()]), strict=True))
    found = problem.data.new_tensor([sigmas[channel] for channel in range(len(images))])
    return NoiseStrength(found.reshape(1, -1, 1, 1), certain=not bounds)


def _measured_sigma(image: np.ndarray, there: np.ndarray) -> Pieces[float | None]:
    """Return the standard deviation of the noise in a plane; None if it is uncertain."""
    try:
        found = yield from silently(
            estimating(GaussianNoise(1.0), image, missing=~there, axes="YX", strict=True)
        )
    except ValueError:
        return None
    return math.sqrt(found.model.variance(torch.zeros(())))


def check_consistency(
    restorer: Restorer, sampler: PatchSampler, x: Tensor, *, certain: bool
) -> Pieces[ConsistencyReport]:
    """Return what the data say about a network's output.

    Parameters
    ----------
    restorer : Restorer
        The network.
    sampler : PatchSampler
        The data.
    x : Tensor
        The network's output, on the problem's grid.
    certain : bool
        Whether the strength of the noise is certain.
    """
    problem = sampler.problem
    left = rms_residual(problem, x)
    usual, most = yield from _usual_residual(restorer, sampler.data)
    if sampler.only_noise and not problem.noise.known:
        # A few bright pixels would make the network's own residual large. The denoiser will not see them.
        denoiser = Restorer(restorer.pretrained, restorer.factor, sampler.limited_mapping, sampler.limits)
        _, most = yield from _usual_residual(denoiser, sampler.data)
    if (reference := _reference(restorer)) is not None:
        known = yield from _usual_residual(reference, sampler.data)
        usual, most = (min(one, _ALLOWED * other) for one, other in zip((usual, most), known, strict=True))
    step = quantisation_step(problem.data[(problem.weights > 0).expand_as(problem.data)].cpu().numpy())
    rounding = step / 12**0.5
    tolerance = _TOLERATED * max(step / 2, usual, _NEGLIGIBLE * sampler.contrast)
    sigma = sampler.sigma
    # Noise that the model states, or that is certain next to its own error, is believed. Otherwise it has to
    # exceed the network's own residual, and what texture may be taken for.
    least = max(step / 2, most, _FOUND * sampler.contrast)
    if certain:
        least = rounding if problem.noise.known else step / 2
    if sigma > least:
        diagnosis = Diagnosis.NOISY
    elif left <= tolerance:
        diagnosis = Diagnosis.CONSISTENT
    else:
        diagnosis = Diagnosis.INCONSISTENT
        # No noise was found, but pixels that disagree with those that explain the others are noisy.
        plan = yield from plan_back_projection(problem, x, rounding)
        if plan.noisy and not problem.noise.known and _CAUTION * plan.error > least:
            diagnosis, sigma = Diagnosis.NOISY, _CAUTION * plan.error
    return ConsistencyReport(diagnosis, left, usual, tolerance, sigma, rounding, problem.units.scale)


def rms_residual(problem: Problem, x: Tensor) -> float:
    """Return the root mean square of A x − y over the pixels that count."""
    with torch.no_grad():
        return float(weighted_mean((problem.operator(x) - problem.data).square(), problem.weights).sqrt())


def _reference(restorer: Restorer) -> Restorer | None:
    """Return the bundled network for the same task, or None if there is none.

    A network that was corrupted contradicts itself as much as it contradicts the data. The bundled network is
    known to be sound.
    """
    found = bundled("super-resolve", restorer.factor) if restorer.factor > 1 else None
    if found is None:
        return None
    network = found.network.to(next(restorer.network.parameters()).device)
    mapping = replace(restorer.mapping, scale=1.0, reversed_channels=False)
    return Restorer(replace(found, network=network), restorer.factor, mapping)


def _usual_residual(restorer: Restorer, data: Tensor) -> Pieces[tuple[float, float]]:
    """Return the residual that a network leaves of its own output, degraded as in its training.

    The first number is its root mean square. The second one is the standard deviation in most of the pixels,
    whatever it is in the others.
    """
    wanted, trained = restorer.factor, restorer.pretrained.factor
    factor = trained if min(wanted, trained) > 1 else wanted
    degradation: Operator = Resample((factor, factor), "bicubic") if factor > 1 else Identity()
    restorer = Restorer(restorer.pretrained, factor, restorer.mapping, restorer.limits)
    first = yield from _degraded_output(restorer, data, degradation)
    again = yield from _degraded_output(restorer, first, degradation)
    left = (again - first).abs()
    most = float(left.median()) / 0.6745  # of normal noise of standard deviation 1
    return min(float(left.square().mean().sqrt()), _UNUSUAL * most), most


def _degraded_output(restorer: Restorer, data: Tensor, degradation: Operator) -> Pieces[Tensor]:
    x = yield from tiled(restorer, data)
    yield None
    with torch.no_grad():
        return degradation(x)

"""The weights of a fit to photon noise, and its mean level."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from torch import Tensor, no_grad

from napari_dip.networks.output import Sieve
from napari_dip.noise.per_pixel import PerPixelNoise
from napari_dip.optim.iterate import Iterate
from napari_dip.problem import Problem

#: Standard deviation, in pixels, of the Gaussian that smooths the estimate.
_SMOOTH = 2.0
#: Mean of (y − A x)² / variance below which a fit counts as perfect.
_PERFECT = 1e-12


def weighted(problem: Problem, estimate: Tensor | None) -> Problem:
    """Return the problem with the variance of photon noise fixed to what an estimate of the image tells.

    If the variance followed the fit, errors below the image would weigh more than errors above it. A fit that
    is still far from the image would then become too bright, by many percent in faint places. The estimate is
    smoothed first: its own noise is that of the data, and would give dark pixels more weight.

    Parameters
    ----------
    problem : Problem
        The part that is fitted.
    estimate : Tensor, shape ``(1, C, *grid)``, optional
        An image that explains it roughly. Without one, the problem stays as it is.
    """
    if estimate is None or not problem.noise.grows:
        return problem
    blurred = problem.operator(estimate)
    smooth = Sieve((_SMOOTH,) * (blurred.ndim - 2)).to(blurred.device)(blurred)
    return replace(problem, noise=PerPixelNoise(problem.noise.variance(smooth).sqrt()))


def relative(energy: Problem) -> Callable[[Tensor], Tensor]:
    """Return what a fit with fixed variances minimises: ½ log of the mean of (y − A x)² / variance.

    It has the same minimum as the mean itself. Its gradient remains of one size while the misfit falls by
    orders of magnitude, as it does for bright stars. Adam divides by the gradients that it remembers, so a
    fit would otherwise stand still after the first iterations.

    Parameters
    ----------
    energy : Problem
        The part that is fitted, as `weighted` returns it for photon noise.
    """
    return lambda x: (2 * energy(x)).clamp_min(_PERFECT).log() / 2


def levelled(iterates: Iterable[Iterate], energy: Problem) -> Iterator[Iterate]:
    """Add a constant to each channel of x, so that the weighted mean of its residual is 0.

    A fit reaches the mean of an image only after it has learnt much of its noise. Bright pixels have little
    weight, so what is still missing from stars is not spread over the sky. x never falls below the floor.

    Parameters
    ----------
    iterates : iterable of Iterate
        Any stream.
    energy : Problem
        The part that is fitted, as `weighted` returns it for photon noise.
    """
    assert isinstance(energy.noise, PerPixelNoise)
    weights = energy.weights / energy.noise.sigma.square()
    axes = tuple(range(2, weights.ndim))
    total = energy.gain * weights.sum(axes, keepdim=True).clamp_min(1e-12)
    for iterate in iterates:
        with no_grad():
            residual = energy.data - energy.operator(iterate.x)
            x = iterate.x + (weights * residual).sum(axes, keepdim=True) / total
        yield replace(iterate, x=x if energy.floor is None else x.clamp_min(energy.floor))

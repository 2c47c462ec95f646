"""The number of iterations after which a deconvolved image best predicts light that it has not seen."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_dip.diagnostics.noise import measured_noise
from napari_dip.filters.variance import variance_of_data
from napari_dip.image.fill import filled_planes
from napari_dip.noise.models import LaplaceNoise, NoiseModel, PoissonNoise
from napari_dip.noise.thinning import split_normal, split_photons

if TYPE_CHECKING:
    from napari_dip.problem import Problem

Image = NDArray[np.float64]
#: Yields the image of a channel, whose number is the second argument, after each iteration.
Iterations = Callable[[Image, int], Iterator[Image]]

#: Share of the light that the iterations see. With less they stop too early, since they see more noise than
#: the data have; with more, the rest hardly tells one number from another.
_SHARE = 0.8
#: Iterations after the best one, as a share of its number and in addition, that must not be better.
_PATIENCE, _LEAST = 0.5, 10
#: Least share of the data that lies inside their border, for the border to be left out.
_LEAST_INSIDE = 0.1


def separable_noise(problem: "Problem") -> NoiseModel | None:
    """Return the noise of a problem's data, as told or measured; None if light can't be kept back for it."""
    noise = problem.noise if problem.noise.known else measured_noise(problem)
    return None if isinstance(noise, LaplaceNoise) else noise


def best_number(
    problem: "Problem", noise: NoiseModel, iterations: Iterations, *, most: int, seed: int
) -> Generator[None, None, int]:
    """Return after how many iterations an image best predicts light that was kept from it.

    The data are split into two parts with independent noise (see `napari_dip.noise.thinning`). One is
    deconvolved. After each iteration, its image is blurred and compared with the other part. The number is
    the same for all channels, so that no colour is sharper than the others.

    Parameters
    ----------
    problem : Problem
        Its operator is a `Blur`.
    noise : NoiseModel
        The noise of its data, of known strength.
    iterations : callable
        Yields the image of a channel after each iteration, on the grid of x.
    most : int
        Largest number of iterations.
    seed : int
        Draws the parts.

    Yields
    ------
    None
        Between iterations, so that a run can be stopped.

    Returns
    -------
    int
        At least 1.
    """
    import torch

    random = np.random.default_rng([seed, 2])  # a simulation may have drawn its noise from the seed alone
    observed = (problem.weights > 0).expand_as(problem.data)
    seen = observed[0].cpu().numpy()
    data = filled_planes(problem.data.double().cpu(), observed)[0].numpy()
    variance = variance_of_data(replace(problem, noise=noise))[0].double().cpu().numpy()
    shown, kept = _parts(data, noise, np.sqrt(variance), random)
    weights = seen * _inside(problem) / variance
    runs = [iterations(channel, number) for number, channel in enumerate(shown)]
    best, lowest = 1, np.inf
    for number, images in enumerate(zip(*runs, strict=True), 1):
        yield
        x = torch.as_tensor(np.stack(images)[None], dtype=torch.float32).to(problem.data.device)
        predicted = problem.operator(x)[0].double().cpu().numpy()
        error = float((weights * np.square(kept - predicted)).sum())
        if error < lowest:
            best, lowest = number, error
        if number >= min(most, (1 + _PATIENCE) * best + _LEAST):
            break
    return best


def _inside(problem: "Problem") -> NDArray[np.bool_]:
    """Return where data don't depend on what lies beyond their border, which iterations go on to fit.

    If hardly anything is inside, all data count.
    """
    shape = problem.data.shape[2:]
    inside = np.zeros(shape, bool)
    ends = [(wide - n) // 2 for wide, n in zip(problem.grid.shape, shape, strict=True)]
    inside[tuple(slice(end, n - end) for end, n in zip(ends, shape, strict=True))] = True
    return inside if inside.mean() > _LEAST_INSIDE else np.ones(shape, bool)


def _parts(data: Image, noise: NoiseModel, sigma: Image, random: np.random.Generator) -> tuple[Image, Image]:
    """Return the light that the iterations see, and the light that is kept from them."""
    if isinstance(noise, PoissonNoise):
        parts = split_photons(data, noise, random, share=_SHARE)
        if parts is not None:
            return parts
    return split_normal(data, sigma, random, share=_SHARE)

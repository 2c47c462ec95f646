"""A first guess of the image by classic filters, for a network to begin with."""

import numpy as np
import torch
from torch import Tensor

from napari_dip.noise import Laplace, NoiseModel, Poisson, PoissonGaussian
from napari_dip.operators import Identity
from napari_dip.problem import Problem

#: Conjugate-gradient steps towards A x = smoothed data: few, since each one that follows amplifies noise.
_STEPS = 4
_PHOTONS = (Poisson, PoissonGaussian)


def first_guess(problem: Problem) -> Tensor:
    """Return a classic estimate of x from the pixels that count, shape ``(1, C, *grid)``, in grey levels.

    Missing pixels are filled from their neighbours, noise is taken out by non-local means (Buades et al.,
    2005; after a median where outliers are to be expected, and between a square root and its inverse where
    there are photons), and a few steps of conjugate gradients lead from there to x.

    Parameters
    ----------
    problem : Problem
        Pixels without weight have no influence.
    """
    noise = problem.noise
    data = problem.data[0].double().cpu().numpy()
    counts = (problem.weights > 0).expand_as(problem.data)[0].cpu().numpy()
    image = np.stack([_filled(channel, seen) for channel, seen in zip(data, counts, strict=True)])
    if isinstance(noise, Laplace):
        from scipy.ndimage import median_filter

        image = median_filter(image, (1, *(3,) * (image.ndim - 1)))
    image = _straightened(_non_local_means(_stabilised(image, noise)), noise)
    smooth = torch.from_numpy(image)[None].to(problem.data)
    return smooth if isinstance(problem.operator, Identity) else _solved(problem, smooth)


def _filled(image: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the image with what is missing replaced by the mean of its surroundings, near ones first."""
    from scipy.ndimage import gaussian_filter

    filled, known = np.where(seen, image, 0), seen
    if not seen.any():  # a channel whose few pixels are all held out
        return filled
    # Of sparse pixels no width gathers more than their share of all.
    width, least = 1.0, min(0.05, seen.mean() / 2)
    while not known.all():
        weight = gaussian_filter(seen.astype(float), width)
        mean = gaussian_filter(np.where(seen, image, 0), width)
        enough = ~known & (weight > least)
        filled[enough] = mean[enough] / weight[enough]
        known, width = known | enough, 2 * width
    return filled


def _stabilised(image: np.ndarray, noise: NoiseModel) -> np.ndarray:
    """Return ∫ dy / √variance(y), in which photon noise has the same strength everywhere."""
    if not isinstance(noise, _PHOTONS):
        return image
    return 2 / noise.gain * np.sqrt(noise.variance(torch.from_numpy(image)).numpy())


def _straightened(image: np.ndarray, noise: NoiseModel) -> np.ndarray:
    """Undo `_stabilised`."""
    if not isinstance(noise, _PHOTONS):
        return image
    read = noise.read_noise if isinstance(noise, PoissonGaussian) else 0.0
    return ((image * noise.gain / 2) ** 2 - read**2) / noise.gain + noise.offset


def _non_local_means(image: np.ndarray) -> np.ndarray:
    """Return all channels filtered together, each in units of its own noise; shape ``(C, *spatial)``."""
    from skimage.restoration import denoise_nl_means

    sigmas = np.array([_sigma(channel) for channel in image]).reshape(-1, *(1,) * (image.ndim - 1))
    planar = image.ndim == 3
    settings = {"h": 0.6, "sigma": 1.0, "fast_mode": True}
    settings |= {"patch_size": 5, "patch_distance": 9} if planar else {"patch_size": 3, "patch_distance": 3}
    scaled = image / sigmas
    if len(image) == 1:  # scikit-image 0.26 gives a single channel back transposed
        return denoise_nl_means(scaled[0], **settings)[None] * sigmas
    return denoise_nl_means(scaled, channel_axis=0, **settings) * sigmas


def _sigma(channel: np.ndarray) -> float:
    """Return the noise's standard deviation by second differences (Immerkær, 1996), never 0."""
    difference = channel
    for axis in range(channel.ndim - 2, channel.ndim):
        difference = np.diff(difference, 2, axis)
    spread = float(np.median(np.abs(difference))) / (0.6745 * 6) if difference.size else 0.0
    return max(spread, 1e-3 * float(channel.max() - channel.min()), 1e-30)


def _solved(problem: Problem, data: Tensor) -> Tensor:
    """Return x after a few steps of conjugate gradients (CGLS) from the mean towards A x = data."""
    operator = problem.operator
    with torch.no_grad():
        x = data.mean((0, *range(2, data.ndim)), keepdim=True).expand(1, -1, *problem.grid.shape).clone()
        residual = data - operator(x)
        direction = gradient = operator.adjoint(residual)
        for _ in range(_STEPS):
            power = gradient.square().sum()
            image = operator(direction)
            step = power / image.square().sum().clamp_min(1e-30)
            x = x + step * direction
            residual = residual - step * image
            gradient = operator.adjoint(residual)
            direction = gradient + gradient.square().sum() / power.clamp_min(1e-30) * direction
    return x

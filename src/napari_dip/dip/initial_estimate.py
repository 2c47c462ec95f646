"""A first guess of the image by classic filters, for a network to begin with."""

import numpy as np
import torch
from torch import Tensor

from napari_dip.filters.nonlocal_bayes import nonlocal_bayes
from napari_dip.filters.vst import Stabiliser
from napari_dip.image.fill import filled
from napari_dip.noise.models import LaplaceNoise
from napari_dip.operators import Identity
from napari_dip.optim.cgls import back_project
from napari_dip.problem import Problem

#: Filters to choose among, with their strength where the noise has the standard deviation 1: those that keep
#: least of it first.
_CANDIDATES = (("tv", 4.8), ("tv", 2.4), ("nlm", 1.0), ("nlm", 0.6), ("tv", 1.2))
#: Times the least error, which is mostly that of the hidden pixels' own noise.
_AS_GOOD = 1.001
#: Of a large image, so much of the middle is enough to choose by; in pixels, of an image and of a volume.
_SIDE = {2: 512, 3: 64}
#: Conjugate-gradient steps towards A x = smoothed data: few, since each one that follows amplifies noise.
_STEPS = 4


def initial_estimate(problem: Problem) -> Tensor:
    """Return a classic estimate of x from the pixels that count, shape ``(1, C, *grid)``, in grey levels.

    Missing pixels are filled from their neighbours. A transform gives the noise the same strength everywhere.
    Then the data are filtered, by non-local means (Buades et al., 2005) or total variation (Rudin et al.,
    1992; Chambolle, 2004): whichever predicts best a quarter of the pixels that are hidden from it (Batson
    and Royer, *Noise2Self*, ICML 2019). With the result as the pilot they are filtered once more, by
    non-local Bayes. A few steps of conjugate gradients lead from there to x.

    Parameters
    ----------
    problem : Problem
        Pixels without weight have no influence.
    """
    data = problem.data[0].double().cpu()
    counts = (problem.weights > 0).expand_as(problem.data)[0].cpu().numpy()
    stabiliser = Stabiliser.of(problem)
    even = _filled(stabiliser(data).numpy(), counts)
    if isinstance(problem.noise, LaplaceNoise):
        from scipy.ndimage import median_filter

        even = median_filter(even, (1, *(3,) * (even.ndim - 1)))
    sigmas = np.array([_sigma(channel) for channel in even]).reshape(-1, *(1,) * (even.ndim - 1))
    even /= sigmas
    smooth = _filter(*_best(even, counts), even)
    noisy = np.where(counts, even, smooth)
    *_, better = nonlocal_bayes(torch.from_numpy(smooth), torch.from_numpy(noisy)[None])
    estimate = stabiliser.inverse(torch.from_numpy(sigmas) * better[0])[None].to(problem.data)
    return estimate if isinstance(problem.operator, Identity) else _solved(problem, estimate)


def _best(image: np.ndarray, counts: np.ndarray) -> tuple[str, float]:
    """Return the filter that predicts hidden pixels best, in an image whose noise has the strength 1.

    Of those that do about as well it is the one that keeps least noise.
    """
    side = _SIDE[image.ndim - 1]
    middle = (slice(None), *(slice(max(0, n - side) // 2, (n + side + 1) // 2) for n in image.shape[1:]))
    image, counts = image[middle], counts[middle]
    hidden = np.zeros(image.shape[-2:], bool)
    hidden[::2, ::2] = True
    judging = counts & hidden
    if not judging.any():
        return _CANDIDATES[0]
    blind = _filled(image, counts & ~hidden)
    errors = [float(np.square(_filter(*one, blind) - image)[judging].mean()) for one in _CANDIDATES]
    enough = _AS_GOOD * min(errors)
    return next(one for one, error in zip(_CANDIDATES, errors, strict=True) if error <= enough)


def _filter(name: str, strength: float, image: np.ndarray) -> np.ndarray:
    """Return all channels filtered together, shape ``(C, *spatial)``; the noise has the strength 1."""
    from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

    if name == "tv":
        return denoise_tv_chambolle(image, weight=strength, channel_axis=0)
    settings = {"h": strength, "sigma": 1.0, "fast_mode": True}
    planar = image.ndim == 3
    settings |= {"patch_size": 5, "patch_distance": 9} if planar else {"patch_size": 3, "patch_distance": 3}
    if len(image) == 1:  # scikit-image 0.26 gives a single channel back transposed
        return denoise_nl_means(image[0], **settings)[None]
    return denoise_nl_means(image, channel_axis=0, **settings)


def _filled(image: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.stack([filled(channel, seen) for channel, seen in zip(image, counts, strict=True)])


def _sigma(channel: np.ndarray) -> float:
    """Return the noise's standard deviation by second differences (Immerkær, 1996); of a constant image 1."""
    difference = channel
    for axis in range(channel.ndim - 2, channel.ndim):
        difference = np.diff(difference, 2, axis)
    spread = float(np.median(np.abs(difference))) / (0.6745 * 6) if difference.size else 0.0
    return max(spread, 1e-3 * float(channel.max() - channel.min())) or 1.0


def _solved(problem: Problem, data: Tensor) -> Tensor:
    """Return x after a few steps from the mean towards A x = data."""
    mean = data.mean((0, *range(2, data.ndim)), keepdim=True).expand(1, -1, *problem.grid.shape)
    return back_project(problem.operator, data, mean, steps=_STEPS)

"""A lower bound of the noise: its strength in the quietest places of a plane."""

import math
from collections.abc import Sequence

import numpy as np

from napari_dip.noise.clipping import clipping_levels, near_clipping
from napari_dip.noise.second_difference import second_difference

#: Side of a place in pixels, and the share of all places that counts as the quietest.
_PLACE, _QUIETEST = 5, 0.02
#: Mean square of the fine and the coarse second difference of white noise of variance 1 in such places.
_QUIET_FINE, _QUIET_COARSE = 0.316, 0.521
#: Largest ratio of the noise of a channel to that of the middle one.
_ALIKE = 2.0


def noise_lower_bound(image: np.ndarray, seen: np.ndarray) -> float:
    """Return a cautious standard deviation of the noise in a plane: rather too low than too high.

    Let a be the variance of the second difference in the quietest places, and b the variance of the second
    difference of means of 2 x 2 pixels that are 2 pixels apart. White noise of variance v has a = v and
    b = v / 4. Structure has b = g a, with a factor g from 1 to 2 that is measured in the whole image, where
    structure prevails. So v is (g a − b) / (g − 1 / 4), or 0 if that is negative.

    Parameters
    ----------
    image : ndarray of float, shape ``(H, W)``
        Grey levels, finite where they are observed.
    seen : ndarray of bool, shape ``(H, W)``
        False where a pixel is missing. Pixels among many at an end of the range are not used, since the noise
        is cut off there.

    Returns
    -------
    float
        In grey levels; 0 if no noise is found.
    """
    if min(image.shape) < 2 or not seen.any():
        return 0.0
    counts = seen & ~near_clipping(image, clipping_levels(image[seen]))
    # In an image that is dark almost everywhere, clipped noise is better than none.
    return _bound(image, counts) or _bound(image, seen)


def alike(sigmas: Sequence[float]) -> list[float]:
    """Return the lower bounds of channels, limited to twice the middle one, of two the smaller one.

    What one channel alone shows is rather fine structure than noise. Channels in which none was found, as in
    those that are empty, don't count.
    """
    found = sorted(sigma for sigma in sigmas if sigma > 0)
    limit = _ALIKE * found[(len(found) - 1) // 2] if found else 0.0
    return [min(sigma, limit) for sigma in sigmas]


def _bound(image: np.ndarray, counts: np.ndarray) -> float:
    """Return the lower bound from the pixels that count, whether or not their noise is cut off."""
    means = (image[:-1, :-1] + image[1:, :-1] + image[:-1, 1:] + image[1:, 1:]) / 4
    whole = counts[:-1, :-1] & counts[1:, :-1] & counts[:-1, 1:] & counts[1:, 1:]
    fine = _energies(image, counts, 1, _PLACE)
    coarse = _energies(means, whole, 2, 2 * _PLACE - 1)
    if not (len(fine) and len(coarse)):
        return 0.0
    a, b = (float(np.quantile(energy, _QUIETEST)) for energy in (fine, coarse))
    g = float(np.clip(coarse.mean() / max(fine.mean(), 1e-30), 1, 2))
    left = g * a / _QUIET_FINE - b / _QUIET_COARSE
    return math.sqrt(max(left, 0.0) / (g - 0.25))


def _energies(image: np.ndarray, counts: np.ndarray, step: int, side: int) -> np.ndarray:
    """Return the mean square of the second difference in each whole square of this side."""
    from scipy.ndimage import minimum_filter, uniform_filter

    energy = uniform_filter(second_difference(image, step) ** 2, side, mode="constant")
    return energy[minimum_filter(counts, side + 2 * step, mode="constant", cval=False)]

"""How weak the noise of a plane may be: what there is in its quietest places."""

import math

import numpy as np

from napari_dip.noise.clipping import clipping_levels, near_clipping

#: Side of a place in which the noise may be weakest, in pixels; the share of all places that count as the
#: quietest; and the mean square there of white noise, of the fine second difference and of the coarse.
_PLACE, _QUIETEST = 5, 0.02
_QUIET_FINE, _QUIET_COARSE = 0.316, 0.521


def noise_lower_bound(image: np.ndarray, seen: np.ndarray) -> float:
    """Return the standard deviation of the noise in a plane, erring low: structure is not taken for it.

    The second difference in the quietest places has a variance a, and that of means of 2 x 2 pixels, as many
    apart, a variance b. White noise of variance v has a = v and b = v / 4; structure has more in b than in a,
    by a factor g that is taken from the whole image, where structure rules: from 1 to 2. So v is
    (g a − b) / (g − 1 / 4), and 0 where that is negative.

    Parameters
    ----------
    image : ndarray of float, shape ``(H, W)``
        Grey levels, finite where they are seen.
    seen : ndarray of bool, shape ``(H, W)``
        Pixels that count. Those among many at an end of the range don't: their noise is cut off.

    Returns
    -------
    float
        0 where nothing is found.
    """
    if min(image.shape) < 2 or not seen.any():
        return 0.0
    counts = seen & ~near_clipping(image, clipping_levels(image[seen]))
    # Where all is dark or little else is left, what is cut off is better than nothing.
    return _weakest(image, counts) or _weakest(image, seen)


def _weakest(image: np.ndarray, counts: np.ndarray) -> float:
    means = (image[:-1, :-1] + image[1:, :-1] + image[:-1, 1:] + image[1:, 1:]) / 4
    whole = counts[:-1, :-1] & counts[1:, :-1] & counts[:-1, 1:] & counts[1:, 1:]
    fine = _energies(image, counts, 1, _PLACE)
    coarse = _energies(means, whole, 2, 2 * _PLACE - 1)
    if not (len(fine) and len(coarse)):
        return 0.0
    quiet, coarsely_quiet = (float(np.quantile(energy, _QUIETEST)) for energy in (fine, coarse))
    growth = float(np.clip(coarse.mean() / max(fine.mean(), 1e-30), 1, 2))
    left = growth * quiet / _QUIET_FINE - coarsely_quiet / _QUIET_COARSE
    return math.sqrt(max(left, 0.0) / (growth - 0.25))


def _energies(image: np.ndarray, counts: np.ndarray, step: int, side: int) -> np.ndarray:
    """Return the mean square of the second difference of pixels so many apart, in all places of a size."""
    from scipy.ndimage import correlate1d, minimum_filter, uniform_filter

    apart = [0.0] * (step - 1)
    second = [1.0, *apart, -2.0, *apart, 1.0]
    curved = correlate1d(correlate1d(image, second, 0, mode="constant"), second, 1, mode="constant")
    energy = uniform_filter((curved / 6) ** 2, side, mode="constant")
    return energy[minimum_filter(counts, side + 2 * step, mode="constant", cval=False)]

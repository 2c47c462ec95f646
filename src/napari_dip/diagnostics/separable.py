"""Sums over the window of each pixel, with weights that are a product of weights along the axes.

NumPy and SciPy compute them in one thread, unlike torch. Parts of an image can be computed side by side then,
which is quicker than to divide each of these short steps between threads.
"""

from collections.abc import Sequence

import numpy as np


def correlated(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the correlation of an image with the same weights along each axis; beyond the border is 0."""
    from scipy.ndimage import correlate1d

    for axis in range(image.ndim):
        image = correlate1d(image, weights, axis, mode="constant")
    return image


class Sums:
    """Sums over square windows of an image, from sums over all pixels before each; beyond the border is 0.

    Parameters
    ----------
    image : ndarray of float64, shape ``(*spatial)``
        The image.
    largest : int
        Half of the largest window, without the pixel in its middle.
    """

    def __init__(self, image: np.ndarray, largest: int) -> None:
        self._largest = largest
        for axis in range(image.ndim):
            ends = [(0, 0)] * image.ndim
            ends[axis] = (largest + 1, largest)
            image = np.pad(image, ends).cumsum(axis)
        self._before = image

    def over(self, reach: int) -> np.ndarray:
        """Return the sum over the window of ``2 reach + 1`` pixels along each axis."""
        sums = self._before
        for axis, n in enumerate(sums.shape):
            inside = n - 2 * self._largest - 1
            before = self._largest - reach
            after = before + 2 * reach + 1
            whole = (slice(None),) * axis
            sums = sums[*whole, after : after + inside] - sums[*whole, before : before + inside]
        return sums


def around(
    shape: Sequence[int], place: Sequence[int], reach: int
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the window around a pixel as far as it lies inside an image: in the image, and in the window."""
    inside = tuple(
        slice(max(0, at - reach), min(n, at + reach + 1)) for at, n in zip(place, shape, strict=True)
    )
    own = tuple(
        slice(one.start - at + reach, one.stop - at + reach) for one, at in zip(inside, place, strict=True)
    )
    return inside, own

"""Sums over the window of each pixel, with weights that are a product of weights along the axes."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

#: Rows of the result that one product of matrices gives: a compromise between its zeros and its overhead.
_ROWS = 64


def correlated(image: Tensor, weights: Tensor) -> Tensor:
    """Return the correlation of an image with the same weights along each axis; beyond the border is 0.

    Each axis is a product with a banded matrix, which is several times as fast as going from pixel to pixel.

    Parameters
    ----------
    image : Tensor, shape ``(*spatial)``
        The image.
    weights : Tensor, shape ``(k,)``
        An odd number of them, of the same dtype.
    """
    reach = len(weights) // 2
    band = torch.stack([pad(weights, (row, _ROWS - 1 - row)) for row in range(_ROWS)])  # (rows, rows + k - 1)
    for axis, n in enumerate(image.shape):
        result = torch.empty_like(image)
        for start in range(0, n, _ROWS):
            end = min(start + _ROWS, n)
            first, last = max(0, start - reach), min(n, end + reach)
            part = band[: end - start, first - start + reach : last - start + reach]
            inside = image.narrow(axis, first, last - first)
            if axis == image.ndim - 1:
                product = inside @ part.T
            else:
                product = (part @ inside.flatten(axis + 1)).unflatten(-1, image.shape[axis + 1 :])
            result.narrow(axis, start, end - start).copy_(product)
        image = result
    return image


class Sums:
    """Sums over square windows of an image, from sums over all pixels before each; beyond the border is 0.

    Parameters
    ----------
    image : Tensor of float64, shape ``(*spatial)``
        The image.
    largest : int
        Half of the largest window, without the pixel in its middle.
    """

    def __init__(self, image: Tensor, largest: int) -> None:
        self._largest = largest
        for axis in range(image.ndim):
            # Sums along the last axis are read in the order in which they lie in memory.
            image = image.movedim(axis, -1).contiguous().cumsum(-1)
            ends = (torch.zeros_like(image[..., :1]).expand(*image.shape[:-1], largest + 1), image)
            last = image[..., -1:].expand(*image.shape[:-1], largest)
            image = torch.cat([*ends, last], -1).movedim(-1, axis)
        self._before = image.contiguous()

    def over(self, reach: int) -> Tensor:
        """Return the sum over the window of ``2 reach + 1`` pixels along each axis."""
        sums = self._before
        for axis in range(sums.ndim):
            n = sums.shape[axis] - 2 * self._largest - 1
            above = sums.narrow(axis, self._largest + reach + 1, n)
            sums = above - sums.narrow(axis, self._largest - reach, n)
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

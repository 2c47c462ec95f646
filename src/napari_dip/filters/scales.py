"""Coarser versions of an image whose noise is white and as strong as before, and back."""

import torch
from torch import Tensor

#: Fewest pixels along an axis that is halved.
_LEAST = 32
#: Share of the frequencies of a coarse image that count. At the highest ones, it has rings around edges.
_TAKEN = 0.6


def coarser(image: Tensor) -> Tensor | None:
    """Return an image with half as many pixels along its longer axes; None if all of them are short.

    It has the lower frequencies of the cosine transform. As the transform is orthonormal, white noise stays
    white and as strong, while smooth structure becomes brighter: by a factor of 2 in a plane.

    Parameters
    ----------
    image : Tensor, shape ``(C, *spatial)``
        2-D or 3-D.
    """
    sides = [n // 2 if n >= _LEAST else n for n in image.shape[1:]]
    if sides == [*image.shape[1:]]:
        return None
    return _inverse(_transform(image)[(slice(None), *map(slice, sides))])


def with_coarse(fine: Tensor, coarse: Tensor) -> Tensor:
    """Return an image whose lowest frequencies are those of a coarser image, as `coarser` makes them."""
    result, source = _transform(fine), _transform(coarse)
    sides = zip(fine.shape[1:], coarse.shape[1:], strict=True)
    lowest = (slice(None), *(slice(n if n == m else int(_TAKEN * n)) for m, n in sides))
    result[lowest] = source[lowest]
    return _inverse(result)


def _transform(image: Tensor) -> Tensor:
    """Return the orthonormal cosine transform of each channel."""
    from scipy.fft import dctn

    return torch.from_numpy(dctn(image.numpy(), norm="ortho", axes=range(1, image.ndim)))


def _inverse(transform: Tensor) -> Tensor:
    from scipy.fft import idctn

    return torch.from_numpy(idctn(transform.numpy(), norm="ortho", axes=range(1, transform.ndim)))

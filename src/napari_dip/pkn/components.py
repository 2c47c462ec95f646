"""Brightness and colour differences: what channels have in common, and what they have not."""

import math

import torch
from torch import Tensor


def components(image: Tensor) -> Tensor:
    """Return the brightness and the colour differences of an image.

    They are the discrete cosine transform along the channels: for red, green and blue, their sum, red − blue,
    and red − 2 green + blue, each over the root of the sum of its squared coefficients. Noise that is equally
    strong and independent in all channels is so in all components.

    Parameters
    ----------
    image : Tensor, shape ``(1, C, H, W)``

    Returns
    -------
    Tensor, shape ``(C, 1, H, W)``
        The brightness comes first.
    """
    return torch.einsum("kc,chw->khw", _cosines(image), image[0])[:, None]


def channels(found: Tensor) -> Tensor:
    """Return the image, shape ``(1, C, H, W)``, with these components, shape ``(C, 1, H, W)``."""
    return torch.einsum("kc,khw->chw", _cosines(found.transpose(0, 1)), found[:, 0])[None]


def _cosines(image: Tensor) -> Tensor:
    """Return the transform for the channels of an image, an orthogonal matrix of shape ``(C, C)``."""
    n = image.shape[1]
    at = torch.arange(n, dtype=torch.float64)
    matrix = (math.pi / n * at[:, None] * (at + 0.5)).cos() * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix.to(image)

"""Fill missing pixels from their surroundings."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def filled(image: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return an image with each missing pixel replaced by a mean of the pixels around it.

    The mean is weighted by a Gaussian, whose width is doubled until every missing pixel has enough observed
    pixels in reach.

    Parameters
    ----------
    image : ndarray of float
        Finite where it is observed.
    seen : ndarray of bool, the same shape
        False where a pixel is missing. If all are missing, the result is 0.
    """
    from scipy.ndimage import gaussian_filter

    if not seen.any():
        return np.zeros_like(image)
    result, known = np.where(seen, image, 0), seen
    # Share of the Gaussian's weight that has to be observed: less than the widest Gaussian finds.
    enough = min(0.05, seen.mean() / 2)
    width = 1.0
    while not known.all():
        weight = gaussian_filter(seen.astype(float), width)
        mean = gaussian_filter(np.where(seen, image, 0), width)
        new = ~known & (weight > enough)
        result[new] = mean[new] / weight[new]
        known, width = known | new, 2 * width
    return result


def nearest(image: "Tensor", seen: "Tensor") -> "Tensor":
    """Return images with each missing pixel replaced by the nearest observed pixel of its channel.

    Parameters
    ----------
    image : Tensor, shape ``(N, C, *spatial)``
        Values of missing pixels are ignored.
    seen : Tensor of bool, the same shape
        False where a pixel is missing. If all pixels of a channel are missing, it becomes 0.
    """
    import torch
    from scipy.ndimage import distance_transform_edt

    values, known = image.cpu().numpy(), seen.cpu().numpy()
    result = np.zeros_like(values)
    for at in np.ndindex(values.shape[:2]):
        if known[at].any():
            index = distance_transform_edt(~known[at], return_distances=False, return_indices=True)
            result[at] = values[at][tuple(index)]
    return torch.from_numpy(result).to(image)


def filled_planes(images: "Tensor", seen: "Tensor") -> "Tensor":
    """Return images whose missing pixels are filled as by `filled`, each channel by itself.

    Parameters
    ----------
    images : Tensor, shape ``(N, C, *spatial)``
        Finite where they are observed.
    seen : Tensor of bool, the same shape
        False where a pixel is missing.
    """
    import torch

    values, there = images.cpu().double().numpy(), seen.cpu().numpy()
    planes = [filled(values[at], there[at]) for at in np.ndindex(values.shape[:2])]
    return torch.from_numpy(np.reshape(planes, values.shape)).to(images)

"""The variance of the noise in each pixel of the data."""

import torch
from torch import Tensor

from napari_dip.image.fill import filled_planes
from napari_dip.problem import Problem

#: Standard deviation, in pixels, of the Gaussian that smooths the data before the variance of their noise is
#: taken from them. Blurred data have no finer details, and the noise of coarse data must not change it.
_SMOOTH = 1.5


def variance_of_data(problem: Problem) -> Tensor:
    """Return the variance of the noise in each pixel of blurred or coarse data.

    Parameters
    ----------
    problem : Problem
        Its operator blurs, or makes pixels coarser, and it knows how strong the noise is.

    Returns
    -------
    Tensor, shape ``(1, C, *spatial)``
        Above 0.
    """
    from scipy.ndimage import gaussian_filter

    seen = (problem.weights > 0).expand_as(problem.data)
    data = filled_planes(problem.data, seen).double().cpu().numpy()
    smooth = torch.from_numpy(gaussian_filter(data, (0, 0, *(_SMOOTH,) * (data.ndim - 2))))
    variance = problem.noise.variance(smooth.to(problem.data)).expand_as(problem.data)
    return variance.clamp_min(torch.finfo(torch.float32).tiny)

"""Local sums of light, which a filter of few photons may not keep."""

import torch
from torch import Tensor

from napari_dip.noise.models import PoissonGaussianNoise, PoissonNoise
from napari_dip.noise.per_channel import PerChannelNoise
from napari_dip.problem import Problem

#: Standard deviation of the Gaussian within which sums are kept, in pixels.
_WIDE = 10.0
#: Least share of its weight that counts as observed.
_LEAST_SHARE = 0.1


def with_sums_of_data(x: Tensor, problem: Problem) -> Tensor:
    """Return x + G (y − A x), which has the local sums of the data y, for a Gaussian G.

    Few photons are distributed so unevenly that similar patches have another mean than all of them. Channels
    without photon noise stay as they are.

    Parameters
    ----------
    x : Tensor, shape ``(1, C, *grid)``
        A restored image.
    problem : Problem
        Its operator blurs by much less than G, or not at all; x may have finer pixels than the data.
    """
    from scipy.ndimage import gaussian_filter

    noise, channels = problem.noise, x.shape[1]
    models = noise.models if isinstance(noise, PerChannelNoise) else (noise,) * channels
    grows = [isinstance(one, PoissonNoise | PoissonGaussianNoise) for one in models]
    if not any(grows):
        return x
    width = [0, 0, *(_WIDE,) * (x.ndim - 2)]
    seen = (problem.weights > 0).expand_as(problem.data)
    left = (problem.data - problem.operator(x)).where(seen, 0)
    sums = gaussian_filter(left.double().cpu().numpy(), width)
    share = gaussian_filter(seen.double().cpu().numpy(), width).clip(_LEAST_SHARE)
    change = problem.interpolated(torch.from_numpy(sums / share)).to(x)
    change[:, [not one for one in grows]] = 0
    return x + change

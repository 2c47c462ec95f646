"""Both steps of non-local Bayes, with photon noise, colours and missing pixels taken care of."""

from collections.abc import Generator, Sequence

import torch
from torch import Tensor

from napari_dip.filters.nonlocal_bayes import nonlocal_bayes, nonlocal_bayes_pilot
from napari_dip.filters.scales import coarser, with_coarse
from napari_dip.filters.vst import Stabiliser
from napari_dip.image.fill import filled_planes
from napari_dip.noise.models import PoissonGaussianNoise, PoissonNoise
from napari_dip.problem import Problem
from napari_dip.steps import showing

#: Number of scales of the first step.
_SCALES = 3
#: Standard deviation of the Gaussian within which sums of photons are kept, in pixels.
_WIDE = 10.0
#: Least share of its weight that counts as observed.
_LEAST_SHARE = 0.1


def evened(problem: Problem, stabiliser: Stabiliser) -> Tensor:
    """Return a problem's data as a stabiliser transforms them, with missing pixels filled in.

    Returns
    -------
    Tensor of float64, shape ``(C, *spatial)``
        They have the same noise everywhere, on the CPU.
    """
    data, seen = problem.data.double().cpu(), _seen(problem)
    return filled_planes(stabiliser(data[0])[None], seen)[0]


def denoised(
    problem: Problem, stabiliser: Stabiliser, even: Tensor, sigmas: Sequence[float]
) -> Generator[Tensor | None, None, Tensor]:
    """Denoise the data of a problem.

    Parameters
    ----------
    problem : Problem
        The operator has no influence.
    stabiliser : Stabiliser
        Gives the noise the same variance everywhere.
    even : Tensor of float64, shape ``(C, *spatial)``
        The data, as `evened` returns them.
    sigmas : sequence of float
        Standard deviation of their noise, for each channel.

    Yields
    ------
    Tensor, shape ``(1, C, *spatial)``, or None
        None after each batch of groups; once, what the first step makes of the data.

    Returns
    -------
    Tensor, shape ``(1, C, *spatial)``
        The denoised data, in grey levels.
    """
    scales = even.new_tensor(sigmas).view(-1, *(1,) * (even.ndim - 1))

    def restored(image: Tensor) -> Tensor:
        return stabiliser.inverse(scales * image)[None].to(problem.data)

    x = restored((yield from showing(restored, both_steps(even / scales, _seen(problem)[0]))))
    grows = [isinstance(one, PoissonNoise | PoissonGaussianNoise) for one in stabiliser.noises]
    x[:, grows] = _with_sums_of_data(x, problem)[:, grows]
    return x


def both_steps(data: Tensor, seen: Tensor) -> Generator[Tensor | None, None, Tensor]:
    """Denoise data with noise of variance 1.

    The steps work on the principal components of the channels, which have little in common. The noise is
    equally strong in all of them.

    Parameters
    ----------
    data : Tensor of float64, shape ``(C, *spatial)``
        2-D or 3-D, with missing pixels filled in.
    seen : Tensor of bool, shape ``(C, *spatial)``
        False where a pixel is missing. The second step replaces it by what the first one makes of it.

    Yields
    ------
    Tensor of float64, shape ``(C, *spatial)``, or None
        None after each batch of groups; once, what the first step makes of the data.

    Returns
    -------
    Tensor of float64, shape ``(C, *spatial)``
        The denoised image.
    """
    mean = data.mean(tuple(range(1, data.ndim)), keepdim=True)
    axes = torch.linalg.eigh((data - mean).flatten(1) @ (data - mean).flatten(1).mT)[1].flip(1)

    def components(image: Tensor) -> Tensor:
        # In float32 the filter is twice as fast.
        return (axes.mT @ (image - mean).flatten(1)).view_as(image).float()

    def channels(image: Tensor) -> Tensor:
        return (axes @ image.double().flatten(1)).view_as(image) + mean

    first = yield from _pilot(components(data), _SCALES)
    pilot = channels(first)
    yield pilot
    noisy = components(data.where(seen, pilot))
    second = yield from nonlocal_bayes(first, noisy[None])
    return channels(second[0])


def _pilot(data: Tensor, scales: int) -> Generator[None, None, Tensor]:
    """Return what the first step makes of data on several scales.

    Patches of few pixels tell little about structure that is coarse and faint. In a coarser image it is
    stronger. After Facciolo, Pierazzo, Morel, *Conservative Scale Recomposition for Multiscale Denoising*,
    SIAM J. Imaging Sciences 10, 2017.
    """
    fine = yield from nonlocal_bayes_pilot(data)
    coarse = coarser(data) if scales > 1 else None
    return fine if coarse is None else with_coarse(fine, (yield from _pilot(coarse, scales - 1)))


def _with_sums_of_data(x: Tensor, problem: Problem) -> Tensor:
    """Return x + G (y − x), which has the local sums of the data y, for a Gaussian G.

    Few photons are distributed so unevenly that similar patches have another mean than all of them.
    """
    from scipy.ndimage import gaussian_filter

    width = [0, 0, *(_WIDE,) * (x.ndim - 2)]
    seen = (problem.weights > 0).expand_as(x)
    left = gaussian_filter((problem.data - x).where(seen, 0).double().cpu().numpy(), width)
    share = gaussian_filter(seen.double().cpu().numpy(), width).clip(_LEAST_SHARE)
    return x + torch.from_numpy(left / share).to(x)


def _seen(problem: Problem) -> Tensor:
    return (problem.weights > 0).expand_as(problem.data).cpu()

"""Classic filters where the noise is correlated: what they make of one image is judged by a second one."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from napari_dip.dip.refinement import refined
from napari_dip.dip.validation import Validation
from napari_dip.filters.nonlocal_bayes import nonlocal_bayes
from napari_dip.image.fill import filled_planes
from napari_dip.optim.background import library_call
from napari_dip.optim.iterate import Iterate
from napari_dip.problem import Problem

#: Filters to choose from, with their strength for noise of standard deviation 1.
_CANDIDATES = (("tv", 9.6), ("tv", 4.8), ("nlm", 2.4), ("nlm", 1.6), ("nlm", 1.0), ("nlm", 0.6), ("tv", 1.2))
#: Strength of the noise for non-local Bayes, as a multiple of its standard deviation: noise of coarse grains
#: is stronger at low frequencies than white noise.
_STRENGTHS = (1.0, 1.4)


def split_estimate(validation: Validation) -> Generator[Tensor | None, None, Tensor]:
    """Estimate the image from the first of two images with independent noise.

    Of total variation and non-local means in several strengths, the estimate that comes nearest to the second
    image is taken. With it as the pilot, non-local Bayes filters the first image once more.

    Parameters
    ----------
    validation : Validation
        Has two images, and the variance of the noise.

    Yields
    ------
    Tensor or None
        The best estimate so far; None until there is one.

    Returns
    -------
    Tensor, shape ``(1, C, *spatial)``
        The estimate, in working units.
    """
    problem, sigma = validation.fitted, _sigma(validation)
    data = problem.data[0].double().cpu() / sigma
    seen = (problem.weights > 0).expand_as(problem.data).cpu()
    even = filled_planes(data[None], seen)
    best = (sigma * even).to(problem.data)
    yield None
    for candidate in _CANDIDATES:
        smooth = yield from library_call(_filtered, *candidate, even[0].numpy())
        best = _nearer(best, (sigma * torch.from_numpy(smooth))[None].to(problem.data), validation)
        yield best
    answer, _ = yield from _filtered_again(best, problem, validation)
    return answer


def split_postfiltered(iterates: Iterable[Iterate], validation: Validation) -> Iterator[Iterate]:
    """Filter the answer of a run by non-local Bayes, if this brings it nearer to the second image.

    Parameters
    ----------
    iterates : iterable of Iterate
        A run; its last iterate, which has an outcome, is the answer.
    validation : Validation
        Has two images with independent noise, and the variance of the noise.
    """

    def refine(answer: Iterate) -> Generator[None, None, Iterate]:
        x = yield from _postfiltered(answer.x, validation)
        return replace(answer, x=x)

    return refined(iterates, refine)


def _postfiltered(x: Tensor, validation: Validation) -> Generator[None, None, Tensor]:
    """Return the data, filtered with the image as the pilot; or the image, if the second image prefers it."""
    _, strength = yield from _filtered_again(x, validation.fitted, validation)
    return x if strength is None else (yield from _bayes(x, validation.problem, validation, strength))


def _filtered_again(
    pilot: Tensor, problem: Problem, validation: Validation
) -> Generator[None, None, tuple[Tensor, float | None]]:
    """Return what comes nearest to the second image, and the strength of the filter; None for the pilot."""
    best, chosen = pilot, None
    for strength in _STRENGTHS:
        x = yield from _bayes(pilot, problem, validation, strength)
        if _nearer(best, x, validation) is x:
            best, chosen = x, strength
    return best, chosen


def _bayes(
    pilot: Tensor, problem: Problem, validation: Validation, strength: float
) -> Generator[None, None, Tensor]:
    """Return what non-local Bayes makes of the data of a problem with a pilot."""
    scale = strength * _sigma(validation)
    before = pilot[0].double().cpu()
    seen = (problem.weights > 0).expand_as(problem.data)[0].cpu()
    noisy = problem.data[0].double().cpu().where(seen, before)
    smooth = yield from nonlocal_bayes(before / scale, (noisy / scale)[None])
    return (scale * smooth[0])[None].to(problem.data)


def _filtered(name: str, strength: float, image: np.ndarray) -> np.ndarray:
    """Return all channels filtered together, shape ``(C, *spatial)``; their noise has the variance 1."""
    from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

    if name == "tv":
        return denoise_tv_chambolle(image, weight=strength, channel_axis=0)
    settings = {"h": strength, "sigma": 1.0, "fast_mode": True}
    planar = image.ndim == 3
    settings |= {"patch_size": 5, "patch_distance": 9} if planar else {"patch_size": 3, "patch_distance": 3}
    last = np.moveaxis(image, 0, -1)
    # scikit-image 0.26 drops axes of length 1, such as that of a single channel or of a line of pixels.
    smooth = denoise_nl_means(last, channel_axis=-1, **settings).reshape(last.shape)
    return np.moveaxis(smooth, -1, 0)


def _nearer(one: Tensor, other: Tensor, validation: Validation) -> Tensor:
    """Return the one of two images that comes nearer to the second image of the data."""
    judge = validation.held_out
    return other if judge is not None and float(judge.score(other)) < float(judge.score(one)) else one


def _sigma(validation: Validation) -> Tensor:
    """Return the standard deviation of the noise, shape ``(C, 1, ...)``."""
    if validation.variance is None:
        raise ValueError("the variance of the noise is unknown")
    return validation.variance[0].double().cpu().sqrt()

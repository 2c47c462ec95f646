"""A mean of the answer of a fit and the initial estimate."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from napari_dip.dip.initial_estimate import initial_estimate
from napari_dip.dip.refinement import refined
from napari_dip.dip.validation import Validation
from napari_dip.optim.iterate import Iterate
from napari_dip.problem import Problem
from napari_dip.steps import silently

#: Share of the initial estimate without evidence, and the inverse of its variance from image to image.
_USUAL_SHARE, _USUAL_WEIGHT = 0.5, 4.0


def blended(iterates: Iterable[Iterate], validation: Validation, estimate: Tensor) -> Iterator[Iterate]:
    """Mix the answer of a run that was not stopped from outside with the initial estimate.

    Their errors differ, so that a mean of both is better than either. The held-out pixels, which neither has
    seen, tell how much to take of each. The estimate is then made again from all pixels.

    Parameters
    ----------
    iterates : iterable of Iterate
        A run; its last iterate, which has an outcome, is the answer.
    validation : Validation
        Has held-out pixels.
    estimate : Tensor, shape ``(1, C, *grid)``
        The initial estimate, made without them.
    """

    def refine(answer: Iterate) -> Generator[None, None, Iterate]:
        assert validation.held_out is not None
        blind = answer.x if answer.unseen is None else answer.unseen.x
        share = _share(blind, estimate, validation.held_out)
        yield
        whole = yield from silently(initial_estimate(validation.problem))
        fits = None if answer.unseen is None else answer.unseen.fits
        unseen = validation.unseen(torch.lerp(blind, estimate, share), fits)
        return replace(answer, x=torch.lerp(answer.x, whole, share), unseen=unseen)

    return refined(iterates, refine)


def _share(fitted: Tensor, estimate: Tensor, held_out: Problem) -> Tensor:
    """Return the share of the estimate that best predicts held-out pixels, shape ``(1, C, 1, ...)``."""
    with torch.no_grad():
        explained, other = held_out.operator(fitted), held_out.operator(estimate)
    axes, judged = tuple(range(2, fitted.ndim)), (held_out.weights > 0).expand_as(held_out.data)
    change, error = ((one - explained).where(judged, 0) for one in (other, held_out.data))
    count = judged.sum(axes, keepdim=True).clamp_min(1)
    variance = error.square().sum(axes, keepdim=True) / count
    variance = variance.clamp_min(torch.finfo(variance.dtype).tiny)
    evidence = (change * error).sum(axes, keepdim=True) / variance
    weight = change.square().sum(axes, keepdim=True) / variance
    return ((_USUAL_WEIGHT * _USUAL_SHARE + evidence) / (_USUAL_WEIGHT + weight)).clamp(0, 1)

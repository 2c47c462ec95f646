"""A mean of the answer of a fit and the initial estimate."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from napari_dip.dip.initial_estimate import initial_estimate
from napari_dip.dip.refinement import refined
from napari_dip.dip.shares import preferred_share
from napari_dip.dip.validation import Validation
from napari_dip.optim.iterate import Iterate
from napari_dip.problem import Problem
from napari_dip.steps import silently

#: Share of the initial estimate without evidence, and the inverse of its variance from image to image.
_USUAL_SHARE, _USUAL_WEIGHT = 0.5, 4.0


def blended(iterates: Iterable[Iterate], validation: Validation, estimate: Tensor) -> Iterator[Iterate]:
    """Mix the answer of a run that was not stopped from outside with the initial estimate.

    Their errors differ, so that a mean of both is better than either. The held-out pixels, which neither has
    seen, tell how much to take of each. If any of it is taken, the estimate is then made again
    from all pixels.

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
        whole = (yield from silently(initial_estimate(validation.problem))) if share.any() else estimate
        fits = None if answer.unseen is None else answer.unseen.fits
        unseen = validation.unseen(torch.lerp(blind, estimate, share), fits)
        return replace(answer, x=torch.lerp(answer.x, whole, share), unseen=unseen)

    return refined(iterates, refine)


def _share(fitted: Tensor, estimate: Tensor, held_out: Problem) -> Tensor:
    """Return the share of the estimate that best predicts held-out pixels, shape ``(1, C, 1, ...)``."""
    with torch.no_grad():
        explained, other = held_out.operator(fitted), held_out.operator(estimate)
    judged = (held_out.weights > 0).expand_as(held_out.data)
    channels = zip(held_out.data[0] - explained[0], other[0] - explained[0], judged[0], strict=True)
    shares = [
        preferred_share(error[where], change[where], usual=_USUAL_SHARE, weight=_USUAL_WEIGHT)
        for error, change, where in channels
    ]
    return torch.stack(shares).view(1, -1, *(1,) * (fitted.ndim - 2))

"""What noise can't explain of a residual belongs to the image."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_dip.finetuning.back_projection import back_projected
from napari_dip.finetuning.pieces import Pieces
from napari_dip.problem import Problem

#: Side of the square over which the residual is averaged, in pixels, and its largest mean square in variances
#: of the noise. Noise alone exceeds that in one of some 10⁵ squares.
_SIDE, _LARGEST = 5, 2.5
#: Most steps of conjugate gradients, and the root mean square of what they may leave, in standard deviations.
_STEPS, _CLOSE = 12, 0.1


def within_noise(problem: Problem, x: Tensor, sigma: Tensor) -> Pieces[Tensor]:
    """Return an image near x whose residual is nowhere stronger than noise can be.

    Where a network leaves structure in the residual, such as a ring around a star that is brighter than
    anything it has been trained with, the image is moved towards the data.

    Parameters
    ----------
    problem : Problem
        The data. Pixels of weight 0 don't count.
    x : Tensor
        The image to begin with. It is not changed.
    sigma : Tensor
        Standard deviation of the noise. Broadcasts to the data.
    """
    with torch.no_grad():
        predicted = problem.operator(x)
    residual = problem.data - predicted
    counts = (problem.weights > 0).expand_as(residual)
    # Without noise the power is infinite where the residual is not 0: all of it then belongs to the image.
    power = _mean(residual.div(sigma.clamp_min(1e-30)).square().where(counts, 0), problem.weights)
    share = (_LARGEST / power.clamp_min(_LARGEST)).sqrt()  # of the residual that may be noise
    if bool((share == 1).all()):
        return x
    yield x
    wanted = replace(problem, data=predicted + (1 - share) * residual)
    close = _CLOSE * float(sigma.square().mean().sqrt())
    return (yield from back_projected(wanted, x, _STEPS, close))


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean in the square around each pixel; 0 where no pixel counts."""

    def around(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, _SIDE, 1, _SIDE // 2)

    return around(values * weights) / around(weights).clamp_min(1e-6)

"""Back-projection: how far an image may be moved towards the data before it explains their noise."""

from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from napari_dip.finetuning.pieces import Pieces
from napari_dip.noise.models import weighted_mean
from napari_dip.operators import Identity
from napari_dip.optim.cgls import cgls
from napari_dip.problem import Problem

#: Most steps of conjugate gradients, and the share of the pixels that is held out to choose their number.
_STEPS, _HELD_OUT = 12, 0.1
#: The data are noisy if the error of the held-out pixels rises to more than this multiple of its minimum.
#: Without noise it stayed at the minimum; with noise of 2 % of the range it rose to 1.6 times or more.
_RISEN = 1.25


@dataclass(frozen=True, slots=True)
class BackProjectionPlan:
    """How back-projection predicts pixels that were held out of it.

    Parameters
    ----------
    steps : int
        Number of steps after which their error is least.
    error : float
        That error, as a root mean square in grey levels. It is less than the noise, because the network has
        seen the held-out pixels.
    noisy : bool
        Whether the error rises by far with more steps: they would explain noise.
    """

    steps: int
    error: float
    noisy: bool


def plan_back_projection(problem: Problem, x: Tensor, tolerance: float = 0.0) -> Pieces[BackProjectionPlan]:
    """Choose the number of steps by pixels that are held out.

    Parameters
    ----------
    problem : Problem
        The data that x should explain.
    x : Tensor
        The image to begin with.
    tolerance : float
        Root-mean-square residual that is small enough.
    """
    if isinstance(problem.operator, Identity):  # no pixel depends on any other
        return BackProjectionPlan(1, 0.0, noisy=False)
    fitted, held_out = problem.split(_HELD_OUT, torch.Generator().manual_seed(0))
    errors = []
    iterates = cgls(problem.operator, problem.data, x, weights=fitted.weights)
    for closer, left in islice(iterates, _STEPS + 1):
        with torch.no_grad():
            misfit = (problem.operator(closer) - problem.data).square()
        errors.append(float(weighted_mean(misfit, held_out.weights)))
        yield None
        if left <= tolerance:
            break
    least = min(errors)
    return BackProjectionPlan(errors.index(least), least**0.5, noisy=errors[-1] > _RISEN * least)


def back_projected(problem: Problem, x: Tensor, steps: int, tolerance: float = 0.0) -> Pieces[Tensor]:
    """Move an image towards the data by conjugate gradients, and yield it after each step.

    Parameters
    ----------
    problem : Problem
        The data that x should explain.
    x : Tensor
        The image to begin with. It is not changed.
    steps : int
        Most steps.
    tolerance : float
        Root-mean-square residual that is small enough.
    """
    iterates = cgls(problem.operator, problem.data, x, weights=problem.weights)
    for index, (closer, left) in enumerate(iterates):
        x = closer
        if index == steps or left <= tolerance:
            break
        yield x
    return x

"""How far an image may be moved towards the data: until they contradict themselves."""

from dataclasses import dataclass
from itertools import islice
from typing import Self

import torch
from torch import Tensor

from napari_dip.noise.models import weighted_mean
from napari_dip.operators import Identity
from napari_dip.optim.cgls import back_project, cgls
from napari_dip.problem import Problem

#: Steps of conjugate gradients at the most, and the share of the pixels that judge them.
_STEPS, _HELD = 12, 0.1
#: Times the least error on those pixels, from which on the data are noisy. Without noise it stayed at the
#: least one, with noise of 2 % of the range it was 1.6 times as large or more.
_RISEN = 1.25


@dataclass(frozen=True, slots=True)
class Projection:
    """What back-projection does to pixels that it does not see.

    Parameters
    ----------
    steps : int
        After how many their error is least.
    error : float
        That error, root-mean-square, in grey levels. The network has seen them: of noise, it is low.
    noisy : bool
        With more steps it rises by far: what is explained then is noise.
    """

    steps: int
    error: float
    noisy: bool

    @classmethod
    def of(cls, problem: Problem, x: Tensor, tolerance: float = 0.0) -> Self:
        """Hold some pixels back, and see how well they are predicted on the way to the others.

        Parameters
        ----------
        problem : Problem
            What x has to explain.
        x : Tensor
            To begin with.
        tolerance : float
            Root-mean-square residual that is small enough.
        """
        if isinstance(problem.operator, Identity):  # a pixel says nothing of any other
            return cls(1, 0.0, noisy=False)
        fitted, held = problem.split(_HELD, torch.Generator().manual_seed(0))
        errors = []
        way = cgls(problem.operator, problem.data, x, weights=fitted.weights)
        for closer, left in islice(way, _STEPS + 1):
            with torch.no_grad():
                missed = (problem.operator(closer) - problem.data).square()
            errors.append(float(weighted_mean(missed, held.weights)))
            if left <= tolerance:
                break
        least = min(errors)
        return cls(errors.index(least), least**0.5, noisy=errors[-1] > _RISEN * least)


def projected(problem: Problem, x: Tensor, tolerance: float = 0.0) -> Tensor:
    """Return an image near x that explains the data better, as far as they bear it.

    Parameters
    ----------
    problem : Problem
        The data.
    x : Tensor
        To begin with.
    tolerance : float
        Root-mean-square residual that is small enough.
    """
    steps = Projection.of(problem, x, tolerance).steps
    operator, data, weights = problem.operator, problem.data, problem.weights
    return back_project(operator, data, x, weights=weights, steps=steps, tolerance=tolerance)

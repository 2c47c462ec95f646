"""Sharpened images that keep the sums of grey levels of their data."""

import torch
from torch import Tensor

from napari_dip.networks.output import Sieve
from napari_dip.operators import Blur
from napari_dip.problem import Problem

#: Standard deviation of the Gaussian within which sums are kept, in widths of the point spread function.
_WIDE = 4.0
#: Number of times that light above the floor is scaled, each time towards the sums of the data.
_STEPS = 5


@torch.no_grad()
def with_sums_of_data(x: Tensor, problem: Problem, data: Tensor) -> Tensor:
    """Return a sharpened image whose local sums are those of the data, and that lies above the floor.

    A kernel that differs from place to place adds light where it sharpens most. The residual that is left
    within a Gaussian G much wider than the point spread function is put back: x + G (y − H x). A floor takes
    light away in proportion, as z ← z · G (y − f) / G H z, where z is the light above the floor f. Clipping
    would add light instead.

    Parameters
    ----------
    x : Tensor, shape ``(1, C, H, W)``
        The sharpened image, on the pixels of the data.
    problem : Problem
        Its operator is a `Blur`.
    data : Tensor, shape ``(1, C, H, W)``
        Its data, with missing pixels filled in.
    """
    assert isinstance(problem.operator, Blur)
    smooth = Sieve(tuple(_WIDE * width for width in problem.operator.widths)).to(x.device)

    def blurred(image: Tensor) -> Tensor:
        return problem.operator(problem.widened(image))

    x = x + smooth(data - blurred(x))
    if problem.floor is None:
        return x
    light = (x - problem.floor).clamp_min(0)
    wanted = smooth(data - problem.floor).clamp_min(0)
    for _ in range(_STEPS):
        found = smooth(blurred(light))
        light = light * smooth(wanted / found.where(found > 0, 1))
    return problem.floor + light

"""A problem without the stripes of its data."""

from dataclasses import replace

import numpy as np
import torch

from napari_dip.noise.models import StripeNoise, UnknownNoise
from napari_dip.noise.stripes import stripe_offsets
from napari_dip.operators import Identity
from napari_dip.problem import Problem


def without_stripes(problem: Problem) -> tuple[Problem, str]:
    """Take the offsets of rows and columns off the data, if the noise model allows for them.

    Stripe noise has offsets where it says so. For unknown noise of the pixels of x they are looked for.
    Inpainting that keeps observed pixels keeps their stripes.

    Parameters
    ----------
    problem : Problem
        What the image has to explain; on the CPU.

    Returns
    -------
    (Problem, str)
        The problem, and a sentence about what was taken off, or an empty one.
    """
    noise = problem.noise
    told = isinstance(noise, StripeNoise)
    looked_for = type(noise) is UnknownNoise and isinstance(problem.operator, Identity)
    if problem.only_missing or not (told or looked_for):
        return problem, ""
    of_rows = of_columns = None
    if isinstance(noise, StripeNoise):
        of_rows, of_columns = noise.lines in ("rows", "both"), noise.lines in ("columns", "both")
    data = problem.data.clone()
    seen = (problem.weights > 0).expand_as(data)
    planes, known = (part.reshape(-1, *data.shape[-2:]) for part in (data, seen))
    found = np.zeros(2)
    for plane, there in zip(planes, known, strict=True):
        offsets = stripe_offsets(plane.numpy(), there.numpy(), of_rows=of_rows, of_columns=of_columns)
        rows, columns = (torch.from_numpy(one).to(plane) for one in offsets)
        plane -= rows[:, None] + columns
        found = np.maximum(found, [one.std() for one in offsets])
    if not found.any():
        return problem, ""
    return replace(problem, data=data), _sentence(*(problem.units.scale * found))


def _sentence(rows: float, columns: float) -> str:
    sizes = [f"{name} (σ = {size:.3g})" for name, size in (("rows", rows), ("columns", columns)) if size]
    return f"Stripes were taken off: the offsets of {' and '.join(sizes)}, in grey levels."

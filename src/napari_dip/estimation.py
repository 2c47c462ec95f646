"""What a run will cost, measured on a small part of the image."""

import time
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.axes import Channels
from napari_dip.device import Device, choose
from napari_dip.series import Series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_dip.methods import DIP
    from napari_dip.tasks import Task

_PROBE = {2: 256, 3: 48}  # longest side of the measured part, in pixels
_UPDATES = 4


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will cost at the most.

    Parameters
    ----------
    seconds_per_update : float
        For one frame.
    seconds : float
        For all frames, if each runs until its last update or its time limit; most stop earlier.
    bytes : int
        Memory for one frame, above what the program itself takes.
    """

    seconds_per_update: float
    seconds: float
    bytes: int


def estimate(
    image: "ArrayLike",
    task: "Task",
    method: "DIP",
    *,
    missing: "ArrayLike | None" = None,
    axes: str | None = None,
    channels: Channels = "together",
    device: Device = "auto",
) -> Estimate:
    """Measure a few updates on a part of the first frame, and scale them to the whole.

    Parameters
    ----------
    image, task, method, missing, axes, channels, device
        As for `solve`.

    Returns
    -------
    Estimate
        Time and memory; both grow in proportion to the number of pixels.
    """
    import torch

    series = Series.of(image, task, missing=missing, axes=axes, channels=channels)
    frames = series.frames
    problem = series.problem(frames[0])
    whole = problem.data.shape[2:]
    side = _PROBE[len(whole)]
    # Scales of the network that a small image has no room for cost next to nothing.
    part = tuple(slice((n - min(n, side)) // 2, (n + min(n, side)) // 2) for n in whole)
    index: Any = (..., *part)
    place = choose(device)
    probe = replace(
        problem,
        data=problem.data[index].contiguous().to(place),
        weights=torch.ones_like(problem.weights[index]).contiguous().to(place),
    )
    ratio = float(np.prod(whole)) / float(np.prod(probe.data.shape[2:]))

    saved: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    run = method.solve(probe, seed=0)
    try:
        # Tensors kept for the backward pass are nearly all of a run's memory.
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            next(run)
        next(run)
        began = time.perf_counter()
        for _ in islice(run, _UPDATES):
            pass
        if place == "cuda":
            torch.cuda.synchronize()
        per_update = ratio * (time.perf_counter() - began) / _UPDATES
    finally:
        run.close()
    each = per_update * method.iterations
    if method.time_limit is not None:
        each = min(each, method.time_limit)
    return Estimate(per_update, each * len(frames), round(1.5 * ratio * sum(saved.values())))

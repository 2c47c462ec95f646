"""What a run will cost, measured on a small part of the image."""

import math
import statistics
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from napari_dip.device import Device, choose, release
from napari_dip.errors import translated_errors
from napari_dip.restoration.measurement import Series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_dip.methods import Method
    from napari_dip.problem import Problem
    from napari_dip.tasks import Task

_PROBE = {2: 256, 3: 48}  # longest side of the measured part, in pixels
_UPDATES = 6
_OVERHEAD = 1.8  # gradients and temporary tensors, over what is kept for the backward pass


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a run will cost at the most.

    Parameters
    ----------
    seconds_per_update : float
        For one frame.
    seconds : float
        For all frames, if each runs until its last update or its time limit; most stop earlier.
    bytes : int
        Memory for one frame, above what the program itself takes.
    at_once : bool
        There are no updates: the answer comes in one step.
    remarks : tuple of str
        What the user should know before the run, in sentences.
    """

    seconds_per_update: float
    seconds: float
    bytes: int
    at_once: bool = False
    remarks: tuple[str, ...] = ()


def estimate_cost(
    image: "ArrayLike", task: "Task", method: "Method", *, device: Device = "auto", **source: Any
) -> CostEstimate:
    """Measure a few updates on a part of the first frame, and scale them to the whole.

    Parameters
    ----------
    image, task, method, device
        As for `solve`.
    **source
        What else `solve` is told of the image: missing, saturation_level, guide, psf, axes, channels.

    Returns
    -------
    CostEstimate
        Time and memory; both grow in proportion to the number of pixels.
    """
    place = choose(device)
    with translated_errors():
        series = Series.of(image, task, method, **source)
        problem = series.problem(series.frames[0])
        part = _middle(problem, _PROBE[problem.data.ndim - 2], place)
        ratio = math.prod(problem.grid.shape) / math.prod(part.grid.shape)
        try:
            seconds, saved, at_once = _measure(part, method)
        finally:
            del part
            release(place)
    each = ratio * seconds * (1 if at_once else method.max_iterations)
    if method.time_limit is not None:
        each = min(each, method.time_limit)
    remarks = method.remarks(problem)
    needed = round(_OVERHEAD * ratio * saved)
    return CostEstimate(ratio * seconds, each * len(series.frames), needed, at_once, remarks)


def _middle(problem: "Problem", side: int, device: str) -> "Problem":
    """Return the middle of a problem, with x about `side` pixels long, as if nothing in it were missing."""
    index: list[Any] = [...]
    grid = problem.grid
    for n, size, step in zip(problem.data.shape[2:], grid.shape, grid.step, strict=True):
        beyond = round(size * step) - n  # what x has beyond the data
        kept = min(n, max(1, round(side * step) - beyond))
        index.append(slice((n - kept) // 2, (n - kept) // 2 + kept))
    data = problem.data[tuple(index)].contiguous().to(device)
    weights = data.new_ones(1, 1, *data.shape[2:])
    return replace(problem, data=data, weights=weights, operator=problem.operator.to(device))


def _measure(problem: "Problem", method: "Method") -> tuple[float, int, bool]:
    """Return seconds of an update, bytes of what it keeps for its gradient, and if it is the only one."""
    import torch

    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor.detach()  # the output of a layer, kept for its own gradient, would never be freed

    probe = method.probe(_UPDATES).solve(problem, seed=0)
    saved, times = 0, []
    try:
        # All of them: a method may begin by looking at the data, which keeps nothing.
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            for at, _ in enumerate(probe):
                saved = max(saved, sum(kept.values()))
                kept.clear()
                if problem.data.is_cuda:
                    torch.cuda.synchronize()
                if at:  # what an update needs is loaded with the first one
                    times.append(time.perf_counter())
    finally:
        probe.close()
    # The first updates choose kernels and fill caches; a fit that diverges at once leaves nothing to measure.
    steps = [after - before for before, after in pairwise(times)]
    if not times:  # once more: the first time what it needs was loaded
        began = time.perf_counter()
        for _ in method.probe(_UPDATES).solve(problem, seed=0):
            pass
        return time.perf_counter() - began, saved, True
    return (statistics.median(steps) if steps else 0.0), saved, False

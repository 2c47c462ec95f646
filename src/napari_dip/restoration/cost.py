"""The cost of a run, measured on a small part of the image."""

import math
import statistics
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from napari_dip.device import Device, choose, release
from napari_dip.errors import translated_errors
from napari_dip.restoration.environment import own_environment
from napari_dip.restoration.series import Series
from napari_dip.restoration.uncertainty import REFITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from napari_dip.methods import Method
    from napari_dip.problem import Problem
    from napari_dip.restoration.measurement import Measurement
    from napari_dip.tasks import Task

_PROBE = {2: 256, 3: 48}  # longest side of the measured part, in pixels
_ITERATIONS = 6
_LONG = 2.0  # seconds of a run, beside which loading what it needs does not count
_OVERHEAD = 1.8  # gradients and temporary tensors, over what is kept for the backward pass


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """The time and memory that a run takes at most.

    Parameters
    ----------
    seconds_per_iteration : float
        Time of one iteration, for one frame.
    seconds : float
        Time for all frames, if each uses all its iterations or its time limit. Most stop earlier.
    bytes : int
        Memory for one frame, on top of what the program itself takes.
    at_once : bool
        Whether the answer comes in one step, without iterations.
    remarks : tuple of str
        Sentences that the user should know before the run.
    """

    seconds_per_iteration: float
    seconds: float
    bytes: int
    at_once: bool = False
    remarks: tuple[str, ...] = ()


def estimate_cost(
    measurement: "Measurement | ArrayLike",
    task: "Task",
    method: "Method",
    *,
    parameter_maps: "Mapping[str, ArrayLike] | None" = None,
    device: Device = "auto",
    uncertainty: bool = False,
) -> CostEstimate:
    """Measure a few iterations on a part of the first frame, and scale them to the whole.

    Only the first frame that can be restored is read.

    Parameters
    ----------
    measurement, task, method, parameter_maps, device, uncertainty
        As for `solve`.

    Returns
    -------
    CostEstimate
        Time and memory; both grow in proportion to the number of pixels.

    Raises
    ------
    ValueError
        An argument is unusable, or no frame can be restored.
    RestorationError
        The image doesn't fit into memory.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Denoise, estimate_cost
    >>> image = np.random.default_rng(0).normal(100, 5, (32, 32))
    >>> cost = estimate_cost(image, Denoise(), DIP(iterations=100))
    >>> cost.seconds > 0, cost.bytes > 0
    (True, True)
    """
    place = choose(device)
    with translated_errors(), own_environment():
        series = Series.of(measurement, task, method, parameter_maps=parameter_maps)
        assert series.method is not None
        method, problem = series.method, series.first_problem()
        side = _PROBE[problem.data.ndim - 2]
        if method.max_iterations == 1 and problem.grid.finer:
            side //= 2  # all of a run is measured, which may take long where pixels are made
        part = _middle(problem, side, place)
        ratio = math.prod(problem.grid.shape) / math.prod(part.grid.shape)
        try:
            seconds, saved, at_once = _measure(part, method)
        finally:
            del part
            release(place)
        remarks = (*filter(None, [series.choice]), *method.remarks(problem))
    each = ratio * seconds * (1 if at_once else method.max_iterations)
    if method.time_limit is not None:
        each = min(each, method.time_limit)
    each *= 1 + REFITS * uncertainty
    needed = round(_OVERHEAD * ratio * saved)
    return CostEstimate(ratio * seconds, each * len(series.frames), needed, at_once, remarks)


def _middle(problem: "Problem", side: int, device: str) -> "Problem":
    """Return the middle of a problem, with x about `side` pixels long, as if nothing in it were missing."""
    index: list[slice] = []
    grid = problem.grid
    for n, size, step in zip(problem.data.shape[2:], grid.shape, grid.step, strict=True):
        beyond = round(size * step) - n  # what x has beyond the data
        kept = min(n, max(1, round(side * step) - beyond))
        index.append(slice((n - kept) // 2, (n - kept) // 2 + kept))
    part = problem.part(tuple(index)).to(device)
    return replace(part, weights=part.data.new_ones(1, 1, *part.data.shape[2:]))


def _measure(problem: "Problem", method: "Method") -> tuple[float, int, bool]:
    """Return seconds of an iteration, bytes of what it keeps for its gradient, and if it is the only one."""
    import torch

    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor.detach()  # the output of a layer, kept for its own gradient, would never be freed

    probed = method.probe(_ITERATIONS)
    probe = probed.solve(problem, seed=0)
    saved, reached, times = 0, -1, []
    began = time.perf_counter()
    try:
        # All iterates: a method may begin by looking at the data, which keeps nothing.
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            for iterate in probe:
                saved = max(saved, sum(kept.values()))
                kept.clear()
                if iterate.preparing or iterate.index == reached:  # shown while something else is computed
                    continue
                reached = iterate.index
                if problem.data.is_cuda:
                    torch.cuda.synchronize()
                times.append(time.perf_counter())
    finally:
        probe.close()
    if probed.max_iterations == 1 or len(times) < 2:
        took = time.perf_counter() - began
        if took < _LONG:  # it is run once more: the first time, what it needs was loaded
            began = time.perf_counter()
            for _ in probed.solve(problem, seed=0):
                pass
            took = time.perf_counter() - began
        return took * method.max_iterations / probed.max_iterations, saved, True
    # What an iteration needs is loaded with the first one. The median leaves out those that choose kernels
    # and fill caches.
    steps = [after - before for before, after in pairwise(times[1:])]
    return (statistics.median(steps) if steps else 0.0), saved, False

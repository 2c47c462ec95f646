"""Refuses arguments and frames that can't be restored, in words."""

from collections.abc import Mapping
from dataclasses import replace
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.errors import InputError
from napari_dip.image.axes import Axes
from napari_dip.image.units import Units
from napari_dip.optim.iterate import Outcome
from napari_dip.psf.models import MeasuredPSF
from napari_dip.restoration.empty import Empty
from napari_dip.restoration.measurement import Measurement

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_dip.methods import Method
    from napari_dip.noise.models import NoiseModel
    from napari_dip.problem import Problem
    from napari_dip.restoration.frame import Frame
    from napari_dip.tasks import Task

#: Largest number of threads that may be asked for.
MOST_THREADS = 1024
#: Working values beyond this one overflow when float32 squares them.
_LARGEST = 1e15
#: Standard deviation of the noise, as a share of the range of the image, which is least and most plausible.
_WEAKEST, _STRONGEST = 1e-8, 1e4


def refuse_other_kinds(task: Any, method: Any) -> None:
    """Refuse what is no task or no method, such as a class in place of its settings."""
    from napari_dip.tasks import Task

    if not isinstance(task, Task):
        raise InputError("task", f"task must be a task, such as Denoise(), got {task!r}")
    if method is not None and (isinstance(method, type) or not hasattr(method, "slicewise")):
        raise InputError("method", f"method must be a method, such as DIP(), got {method!r}")


def checked_seed(seed: Any) -> int:
    """Return a seed that random generators take, or refuse it."""
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or not 0 <= index(seed) < 2**63:
        raise InputError("seed", f"seed must be a whole number from 0 to 2**63 - 1, got {seed!r}")
    return index(seed)


def checked_threads(threads: Any) -> int | None:
    """Return a number of threads that torch takes, or refuse it."""
    if threads is None:
        return None
    if (
        isinstance(threads, bool)
        or not hasattr(threads, "__index__")
        or not 1 <= index(threads) <= MOST_THREADS
    ):
        raise InputError(
            "threads", f"threads must be a whole number from 1 to {MOST_THREADS}, got {threads!r}"
        )
    return index(threads)


def refuse_other_arguments(method: Any, rule: Any, state: Any) -> None:
    """Refuse arguments of `solve` that are something else than what they are taken for."""
    if method is None:
        raise InputError("method", "method must be a method, such as DIP(), got None")
    if rule is not None and (isinstance(rule, type) or not callable(getattr(rule, "start", None))):
        raise InputError(
            "stopping_rule", f"stopping_rule must be a rule, such as MaxIterations(500), got {rule!r}"
        )
    if state is not None and not isinstance(state, Mapping):
        raise InputError("initial_state", f"initial_state must be what solve has returned, got {state!r}")


def refuse_other_outcomes(outcome: Any) -> None:
    """Refuse what a stopping rule of the user's own returned, if it is no outcome."""
    if outcome is not None and not isinstance(outcome, Outcome):
        raise InputError(
            "stopping_rule",
            f"a stopping rule must return None or an outcome, such as Outcome.RULE, got {outcome!r}",
        )


def nothing_missing(task: "Task") -> InputError:
    """Return the error for a task that fills in missing pixels, where no pixel is missing."""
    return InputError(
        "missing",
        f"{type(task).__name__} needs missing pixels, but there are none: mark them in a mask, give the grey "
        "level at which the detector saturates, or set them to NaN",
    )


def with_psf(task: "Task", measurement: Measurement) -> "Task":
    """Return the task with the measured point spread function, if there is one."""
    if measurement.psf is None:
        return task
    own = getattr(task, "psf", None)
    usual = getattr(type(task), "psf", None)
    if not hasattr(task, "psf") or not (own in (None, usual) or isinstance(own, MeasuredPSF)):
        advice = (
            "takes no point spread function: leave psf out"
            if own is None
            else f"already has the point spread function {own}: leave out that or psf"
        )
        raise InputError("psf", f"{type(task).__name__} {advice}")
    if isinstance(own, MeasuredPSF):
        return task
    return replace(task, psf=MeasuredPSF())  # type: ignore[call-arg]


def refuse_values(frame: "Frame") -> None:
    """Refuse a frame with single values that lie too far from all others for float32."""
    apart = frame.problem.data.abs().flatten()
    if float(apart.max()) > _LARGEST:
        level = float(frame.values[frame.channels].flat[int(apart.argmax())])
        raise InputError(
            "image",
            f"single pixels of the image reach {level:g}, more than {_LARGEST:.0e} times as far as all "
            "others: mark them as missing, for example by a saturation level",
        )


def refuse_noise(noise: "NoiseModel", units: Units, values: np.ndarray) -> None:
    """Refuse noise that can't be that of the image, because it is given in other units.

    Parameters
    ----------
    noise : NoiseModel
        The noise, in grey levels.
    units : Units
        The working units of the image.
    values : ndarray, 1-D
        The observed pixels, in working units.
    """
    import torch

    if not noise.known or not values.size or values.min() == values.max():
        return
    ends = torch.tensor([values.min(), values.max()], dtype=torch.float64)
    share = noise.rescaled(units.offset, units.scale).variance(ends).sqrt() / float(ends[1] - ends[0])
    weakness = (
        "weak" if float(share.max()) < _WEAKEST else "strong" if float(share.min()) > _STRONGEST else ""
    )
    if weakness:
        low, high = units.to_grey(ends).tolist()
        raise InputError(
            "task",
            f"the noise ({noise.in_words}) is far too {weakness} for an image with grey levels from "
            f"{low:.4g} to {high:.4g}: give it in the grey levels of the image, or leave it unknown",
        )


def refuse_noise_std(std: np.ndarray, task: "Task") -> None:
    """Refuse noise of observed pixels that is not above 0, and noise that is given twice."""
    if task.noise.known:
        raise InputError(
            "noise_std",
            f"the noise is given twice, as noise_std and as {type(task.noise).__name__}: leave out one of "
            "the two",
        )
    if wrong := int(np.count_nonzero(std <= 0)):
        raise InputError(
            "noise_std",
            f"noise_std must be above 0 wherever a pixel is observed, but {wrong} of these pixels have 0 or "
            f"less (the lowest is {float(std.min()):g}): mark them as missing, or give their noise",
        )


def nothing_to_restore(kind: Empty, problem: "Problem") -> InputError:
    """Return the error for a single image in which there is nothing to restore."""
    if kind is Empty.MISSING:
        return InputError("missing", "every pixel is missing: there is nothing to restore from")
    level = float(problem.units.to_grey(problem.data[problem.weights.expand_as(problem.data) > 0].min()))
    return InputError("image", f"the image is constant ({level:g}): there is nothing to restore")


def checked_maps(
    maps: "Mapping[str, ArrayLike]", axes: Axes, shape: tuple[int, ...], method: "Method | None"
) -> dict[str, np.ndarray]:
    """Return given parameters as arrays, if the method takes them and they fit the restored image."""
    if not isinstance(maps, Mapping):
        raise InputError(
            "parameter_maps", f"parameter_maps must be arrays by name, got {type(maps).__name__}"
        )
    if maps and method is not None and not method.takes_maps:
        raise InputError(
            "parameter_maps", f"{type(method).__name__} has no parameters that maps could replace"
        )
    spatial = tuple(shape[axis] for axis in axes.spatial)
    whole = tuple(n for axis, n in enumerate(shape) if axis != axes.channel)
    arrays = {name: np.asarray(values) for name, values in maps.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "buif" or array.shape not in (whole, spatial):
            raise InputError(
                "parameter_maps",
                f"the map {name} must hold numbers and have the shape {whole} of the restored image"
                f"{'' if whole == spatial else f', or {spatial}'}, got {array.dtype} and {array.shape}",
            )
    return arrays

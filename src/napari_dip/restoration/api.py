"""The public API: ``solve`` gives a stream of iterates, ``restore`` an array."""

import time
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.device import Device, choose, release
from napari_dip.errors import DivergenceError, InputError, RestorationError, translated_errors
from napari_dip.image.axes import Axes, Channels
from napari_dip.optim.iterate import Iterate, Outcome
from napari_dip.optim.stopping import MaxIterations
from napari_dip.restoration.measurement import Following, Series, laid_out, restored_shape
from napari_dip.restoration.result import FrameReport, Restoration, RestoredMap
from napari_dip.settings import to_dict

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_dip.methods import Method
    from napari_dip.methods.base import State
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.tasks import Task


def solve(
    image: "ArrayLike",
    task: "Task",
    method: "Method",
    *,
    missing: "ArrayLike | None" = None,
    saturation_level: float | None = None,
    guide: "ArrayLike | None" = None,
    psf: "ArrayLike | None" = None,
    parameter_maps: "Mapping[str, ArrayLike] | None" = None,
    axes: str | None = None,
    channels: Channels = "together",
    series: Following = "warm_start",
    device: Device = "auto",
    seed: int = 0,
    initial_state: "State | None" = None,
    stopping_rule: "StoppingRule | None" = None,
) -> Generator[Iterate, None, "State"]:
    """Restore an image and show each step.

    Parameters
    ----------
    image : array_like
        Grey levels, any real dtype. NaN and infinite pixels are missing. It is not modified.
    task : Task
        What is to be undone, such as ``Denoise()``.
    method : Method
        How, such as ``DIP()``.
    missing : array_like, optional
        Non-zero where a pixel is missing; of the image's shape, or without channel and looped axes.
        What such a pixel holds has no influence.
    saturation_level : float, optional
        Grey level from which on values are missing, each channel's by itself.
    guide : array_like, optional
        Another image of the same scene that shows its structures better: with flash, of a brighter channel.
        It has the spatial shape of the restored image, with or without channels last, or all of its axes.
        Grey levels that are not finite are replaced by the mean.
    psf : array_like, optional
        The measured point spread function, for a task that needs one: as many axes as the image has spatial
        ones, in pixels of the image, with its centre (of what is above half of the maximum) where the point
        was.
    parameter_maps : mapping of str to array_like, optional
        Parameters to apply in place of those that the method would find, by name, where it has such: each of
        the restored image's shape without its channels, or of its spatial shape.
    axes : str, optional
        One letter per axis: Z, Y, X spatial; C or S channels; all others are looped, frame after frame.
        By default the last two axes are the image, or those before a last axis of 3 or 4 (RGB).
    channels : {"together", "separate"}
        Fit channels together, or each as an image of its own.
    series : {"warm_start", "drift", "independent"}
        Each frame starts from what the method learnt of the last one of its channel and position; the same,
        with the drift between them measured (phase correlation) and made up for by whole pixels; or each
        starts afresh.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    seed : int
        The same seed gives the same pixels on the same machine.
    initial_state : dict, optional
        What an earlier ``solve`` with the same method returned: a warm start.
    stopping_rule : StoppingRule, optional
        Stops a run as well as the method's own rules do, such as ``StopRequested(event)`` or
        ``MaxIterations(500)``.

    Yields
    ------
    Iterate
        Its ``x`` is a tensor with the axes of one frame. The last iterate of each frame has an outcome,
        and is the answer for that frame.

    Returns
    -------
    dict
        Weights after the last frame.

    Raises
    ------
    ValueError
        An argument is unusable; raised by the call itself, before the first iterate.
    RestorationError
        The run failed.
    """
    seed = checked_seed(seed)
    place = choose(device)
    with translated_errors():
        frames = Series.of(
            image,
            task,
            method,
            missing=missing,
            saturation_level=saturation_level,
            guide=guide,
            psf=psf,
            axes=axes,
            channels=channels,
            series=series,
            parameter_maps=parameter_maps,
        )
    return _solve(
        frames,
        method.resolved(place),
        place,
        seed=seed,
        initial_state=initial_state,
        stopping_rule=stopping_rule,
    )


def checked_seed(seed: Any) -> int:
    """Return a seed that generators take, or refuse it."""
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or not 0 <= index(seed) < 2**63:
        raise ValueError(f"seed must be a whole number from 0 to 2**63 - 1, got {seed!r}")
    return index(seed)


def restore(
    image: "ArrayLike",
    task: "Task",
    method: "Method",
    *,
    callback: Callable[[Iterate], object] | None = None,
    return_maps: bool = False,
    **options: Any,
) -> Restoration:
    """Restore an image.

    Parameters
    ----------
    image, task, method
        As for `solve`.
    callback : callable, optional
        Is shown each iterate, for a progress bar.
    return_maps : bool
        Return the maps of the parameters too, where the method has such.
    **options
        The keyword arguments of `solve`.

    Returns
    -------
    Restoration
        The image as float32 in the source's grey levels and shape, and how it came about.

    Raises
    ------
    ValueError
        An argument is unusable.
    RestorationError
        The run failed.
    """
    stream = restoring(image, task, method, return_maps=return_maps, **options)
    try:
        while True:
            iterate = next(stream)
            if callback is not None:
                callback(iterate)
    except StopIteration as end:
        return end.value
    finally:
        stream.close()


def restoring(
    image: "ArrayLike", task: "Task", method: "Method", *, return_maps: bool = False, **options: Any
) -> Generator[Iterate, None, Restoration]:
    """Restore an image and show each step, as `solve` does; return what `restore` returns.

    Parameters
    ----------
    image, task, method, **options
        As for `solve`; they are checked before the first iterate.
    return_maps : bool
        Return the maps of the parameters too, where the method has such.
    """
    stream = solve(image, task, method, **options)
    shape = np.shape(image)
    axes = laid_out(shape, options.get("axes"), options.get("channels", "together"), method)
    with translated_errors():
        restored = np.full(restored_shape(shape, axes, task), np.nan, np.float32)
    place = choose(options.get("device", "auto"))
    reports: list[FrameReport] = []
    began = time.monotonic()
    answer: Iterate | None = None
    maps: dict[str, RestoredMap] = {}
    states: dict[tuple[int, ...], Any] = {}
    first = np.full_like(restored, np.nan) if method.yields_network_output else None

    def finish(answer: Iterate) -> None:
        reports.append(_finish(answer, restored, axes, began))
        if answer.state is not None:
            states[answer.frame] = answer.state
        for name, one in answer.maps.items() if return_maps else ():
            if name not in maps:
                whole = [n for axis, n in enumerate(restored.shape) if axis != axes.channel]
                values = np.full(whole, np.nan, np.float32)
                maps[name] = RestoredMap(values, one.meaning, one.unit, one.low, one.high, one.neutral)
            at = axes.at(answer.frame)
            place = tuple(n for axis, n in enumerate(at) if axis != axes.channel)
            maps[name].values[place] = one.compute().cpu().numpy()

    try:
        for iterate in stream:
            if answer is not None and iterate.frame != answer.frame:
                finish(answer)
                began = time.monotonic()
            if first is not None and (answer is None or iterate.frame != answer.frame):
                first[axes.at(iterate.frame)] = iterate.x.cpu().numpy()
            answer = iterate
            yield iterate
        if answer is None:
            raise RestorationError("The method gave no image.")
        finish(answer)
    finally:
        stream.close()
        answer = iterate = None  # type: ignore[assignment]  # they hold tensors of the device
        release(place)
    origin = provenance(task, method.resolved(place), axes, checked_seed(options.get("seed", 0)), place)
    saturation_level, stopping_rule = options.get("saturation_level"), options.get("stopping_rule")
    origin |= {
        "shape": list(shape),
        "saturation_level": None if saturation_level is None else float(saturation_level),
        "series": options.get("series", "warm_start"),
        "stop_after": stopping_rule.iterations if isinstance(stopping_rule, MaxIterations) else None,
        "frames": [report.record() for report in reports],
    }
    return Restoration(restored, tuple(reports), origin, maps, first, states)


def residual(image: "ArrayLike", restored: "ArrayLike", task: "Task", **source: Any) -> "NDArray[np.float32]":
    """Return y − A x, what a restored image does not explain of the data: noise alone, where it is good.

    Parameters
    ----------
    image : array_like
        The data y.
    restored : array_like
        What `restore` gave for them.
    task : Task
        Names A.
    **source
        What else `solve` was told of the image: missing, saturation_level, psf, axes, channels.

    Returns
    -------
    ndarray of float32
        In the shape of the data; NaN where a pixel is missing. Within the width of a point spread function
        from the border it is approximate, since the image goes on there.
    """
    series = Series.of(image, task, None, **source)
    array, wanted = np.asarray(restored), restored_shape(np.shape(image), series.axes, task)
    if array.shape != wanted:
        raise InputError("restored", f"restored must have the shape {wanted}, got {array.shape}")
    return series.residual(array)


def provenance(task: "Task", method: "Method", axes: Axes, seed: int, device: str) -> dict[str, Any]:
    """Return settings, seed and versions as plain JSON values."""
    import torch

    from napari_dip._version import __version__

    return {
        "napari-dip": __version__,
        "torch": str(torch.__version__),
        "task": to_dict(task),
        "method": to_dict(method),
        "axes": axes.letters,
        "channels": axes.channels,
        "device": device,
        "seed": seed,
    }


def _finish(answer: Iterate, restored: np.ndarray, axes: Axes, began: float) -> FrameReport:
    restored[axes.at(answer.frame)] = answer.x.cpu().numpy()
    if answer.outcome is None:
        raise RestorationError("The run ended before its first answer.")
    seconds = round(time.monotonic() - began, 3)
    return FrameReport(
        answer.frame, answer.outcome, answer.index, answer.score, seconds, answer.criterion, answer.note
    )


def _solve(
    series: Series,
    method: "Method",
    device: str,
    *,
    seed: int,
    initial_state: "State | None",
    stopping_rule: "StoppingRule | None",
) -> Generator[Iterate, None, "State"]:
    from napari_dip.image.registration import Drift
    from napari_dip.problem import rolled

    state = beginning = initial_state or {}
    # Each channel or position by itself is a scene that goes on in time.
    states: dict[tuple[int, ...], State] = {}
    drifts: defaultdict[tuple[int, ...], Drift] = defaultdict(Drift)
    for frame in series.frames:
        answer: Iterate | None = None
        with translated_errors():
            problem = series.problem(frame, device)
            guide = series.guide_of(frame, problem)
            scene = series.axes.scene(frame)
            state = beginning if series.following == "independent" else states.get(scene, beginning)
            # Moved to where the first frame had it, what the network has learnt is in place.
            follows = series.following == "drift"
            offset = drifts[scene].next(problem.data, problem.weights) if follows else ()
            home = tuple(-n for n in offset)
            placed = problem.rolled(home)
            # A guide of its own has moved with the frame; one for all lies where the first frame does.
            moved = rolled(guide, home) if guide is not None and series.guide_moves else guide
            run = method.solve(
                placed,
                seed=seed,
                guide=moved,
                initial_state=state or None,
                parameter_maps=series.maps_of(frame) or None,
                stopping_rule=stopping_rule,
            )
            try:
                while True:
                    iterate = next(run)
                    asked = iterate.outcome is Outcome.STOPPED and iterate.index == 0
                    if asked and answer is None and frame != series.frames[0]:
                        return state  # asked between two frames: this one has not begun
                    # Their sum tells whether all pixels are numbers, in a tenth of the time.
                    if iterate.outcome is not None and not iterate.x.sum().isfinite():
                        continue  # the best one until then follows, if there is one
                    x = series.task.finish(rolled(iterate.x, offset), problem)
                    answer = replace(iterate, x=series.axes.from_batch(x), frame=frame)
                    yield answer
            except StopIteration as end:
                state = states[scene] = end.value
            finally:
                run.close()
        if answer is None or answer.outcome is None:
            raise DivergenceError
        if answer.outcome is Outcome.STOPPED:
            break
    return state

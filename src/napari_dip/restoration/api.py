"""The public functions: ``solve`` gives a stream of iterates, ``restore`` an image."""

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_dip.device import Device
from napari_dip.errors import InputError
from napari_dip.image.axes import Channels
from napari_dip.optim.iterate import Iterate
from napari_dip.restoration.collect import restoring
from napari_dip.restoration.environment import own_environment
from napari_dip.restoration.measurement import Measurement
from napari_dip.restoration.result import Restoration
from napari_dip.restoration.run import SeriesRun
from napari_dip.restoration.series import Following, Series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_dip.methods import Method
    from napari_dip.methods.base import State
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.tasks import Task


def solve(
    measurement: "Measurement | ArrayLike",
    task: "Task",
    method: "Method",
    *,
    series: Following = "warm_start",
    parameter_maps: "Mapping[str, ArrayLike] | None" = None,
    device: Device = "auto",
    seed: int = 0,
    threads: int | None = None,
    initial_state: "State | None" = None,
    stopping_rule: "StoppingRule | None" = None,
    uncertainty: bool = False,
) -> Generator[Iterate, None, "State"]:
    """Restore an image and show each step.

    Parameters
    ----------
    measurement : Measurement or array_like
        What was measured. An array alone stands for ``Measurement(array)``.
    task : Task
        What is to be undone, such as ``Denoise()``.
    method : Method
        How, such as ``DIP()``.
    series : {"warm_start", "drift", "independent"}
        How a frame follows the one before. With "warm_start" each frame starts from what the method learnt
        from the last frame of its channel and position. With "drift" the same, and the drift between frames
        (phase correlation) is corrected by whole pixels. With "independent" each frame starts afresh.
    parameter_maps : mapping of str to array_like, optional
        Parameters to apply in place of those that the method would find, by name, where the method has any:
        each of the restored image's shape without channels, or of its spatial shape.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    seed : int
        The same seed gives the same pixels on the same machine, with the same number of threads.
    threads : int, optional
        Number of CPU threads in which torch computes the run. By default torch's present number is used.
        Another number rounds differently, which changes the result of a fit by about a tenth of the noise.
        Torch's own setting is restored at each iterate. Torch has one number for the whole process, so runs
        in several Python threads at once repeat exactly only if that number is never changed: leave `threads`
        out, or use processes.
    initial_state : dict, optional
        What an earlier `solve` with the same method returned: a warm start.
    stopping_rule : StoppingRule, optional
        Stops a run as well as the method's own rules do, such as ``StopRequested(event)`` or
        ``MaxIterations(500)``.
    uncertainty : bool
        For denoising: measure how far each pixel may be wrong. Data are simulated twice from the answer and
        restored in the same way, so a run takes three times as long. One pixel in twenty is kept from the run
        to calibrate the standard errors, which makes the answer slightly worse.

    Yields
    ------
    Iterate
        Its ``x`` is a tensor with the axes of one frame. The last iterate of each frame has an outcome, and
        is the answer for that frame. A frame of a series that fails is one iterate of NaN whose outcome is
        ``Outcome.FAILED`` and whose ``error`` says why.

    Returns
    -------
    dict
        What the method learnt, after the last frame.

    Raises
    ------
    ValueError
        An argument is unusable. This is raised by the call itself, before the first iterate.
    RestorationError
        The image can't be restored, or no frame of a series.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Denoise, solve
    >>> image = np.random.default_rng(0).normal(100, 5, (32, 32))
    >>> iterates = list(solve(image, Denoise(), DIP(iterations=5, stopping="max-iterations")))
    >>> iterates[-1].outcome.name, tuple(iterates[-1].x.shape)
    ('MAX_ITERATIONS', (32, 32))
    """
    run = SeriesRun.of(
        measurement,
        task,
        method,
        series=series,
        parameter_maps=parameter_maps,
        device=device,
        seed=seed,
        threads=threads,
        initial_state=initial_state,
        stopping_rule=stopping_rule,
        uncertainty=uncertainty,
    )
    return run.solve()


def restore(
    image: "Measurement | ArrayLike",
    task: "Task",
    method: "Method",
    *,
    axes: str | None = None,
    channels: Channels = "together",
    missing: "ArrayLike | None" = None,
    saturation_level: float | None = None,
    noise_std: "ArrayLike | None" = None,
    guide: "ArrayLike | None" = None,
    psf: "ArrayLike | None" = None,
    series: Following = "warm_start",
    parameter_maps: "Mapping[str, ArrayLike] | None" = None,
    device: Device = "auto",
    seed: int = 0,
    threads: int | None = None,
    initial_state: "State | None" = None,
    stopping_rule: "StoppingRule | None" = None,
    uncertainty: bool = False,
    callback: Callable[[Iterate], object] | None = None,
    return_maps: bool = False,
    on_error: Literal["record", "raise"] = "record",
) -> Restoration:
    """Restore an image.

    Parameters
    ----------
    image : array_like or Measurement
        Grey levels, any real dtype, or a measurement that says all that is known of them.
    task : Task
        What is to be undone, such as ``Denoise()``.
    method : Method
        How, such as ``DIP()``.
    axes, channels, missing, saturation_level, noise_std, guide, psf
        What is known of the image, as for `Measurement`.
    series, parameter_maps, device, seed, threads, initial_state, stopping_rule, uncertainty
        How to run, as for `solve`.
    callback : callable, optional
        Is called with each iterate, for example to show progress. What it does to the iterate's image has no
        influence on the result.
    return_maps : bool
        Return the maps of the parameters too, where the method has any.
    on_error : {"record", "raise"}
        What to do when a frame of a series fails: record the reason in the frame's report, leave NaN in the
        result and go on, with one warning at the end; or raise at once. A single image that fails, and a
        series of which no frame can be restored, always raise.

    Returns
    -------
    Restoration
        The image in the source's grey levels and shape, and how it came about. It is float32, or float64
        where the steps of float32 would be more than a hundredth of the noise, or would change a pixel that
        is left as it was measured. It can be used as an array.

    Raises
    ------
    ValueError
        An argument is unusable.
    RestorationError
        The image can't be restored. Where frames were finished before, its ``finished`` is the `Restoration`
        that holds them.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import PKN, Denoise, GaussianNoise, restore
    >>> image = np.random.default_rng(0).normal(100, 5, (32, 32))
    >>> restored = restore(image, Denoise(GaussianNoise(5.0)), PKN())
    >>> restored.shape, restored.dtype
    ((32, 32), dtype('float32'))
    >>> bool(np.std(restored) < np.std(image))
    True
    """
    if callback is not None and not callable(callback):
        raise InputError("callback", f"callback must be a function that takes an iterate, got {callback!r}")
    if on_error not in ("record", "raise"):
        raise InputError("on_error", f"on_error must be 'record' or 'raise', got {on_error!r}")
    measurement = Measurement.of(
        image,
        axes=axes,
        channels=channels,
        missing=missing,
        saturation_level=saturation_level,
        noise_std=noise_std,
        guide=guide,
        psf=psf,
    )
    run = SeriesRun.of(
        measurement,
        task,
        method,
        series=series,
        parameter_maps=parameter_maps,
        device=device,
        seed=seed,
        threads=threads,
        initial_state=initial_state,
        stopping_rule=stopping_rule,
        uncertainty=uncertainty,
    )
    with closing(restoring(run, return_maps=return_maps, on_error=on_error)) as stream:
        while True:
            try:
                iterate = next(stream)
            except StopIteration as end:
                restoration: Restoration = end.value
                return restoration
            if callback is not None:
                callback(iterate)


def residual(
    measurement: "Measurement | ArrayLike", restored: "ArrayLike", task: "Task"
) -> "NDArray[np.float32]":
    """Return y − A x, what a restored image does not explain of the data: noise alone, if it is good.

    Parameters
    ----------
    measurement : Measurement or array_like
        The data y.
    restored : array_like
        The restored image x, of the shape that `restore` gives.
    task : Task
        Names A.

    Returns
    -------
    ndarray of float32
        In the shape of the data; NaN where a pixel is missing or a frame was not restored. Within the width
        of a point spread function from the border it is approximate, since the image goes on there.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import Denoise, residual
    >>> residual(np.eye(4), np.zeros((4, 4)), Denoise()).sum()
    np.float32(4.0)
    """
    with own_environment():
        return _residual(measurement, restored, task)


def _residual(
    measurement: "Measurement | ArrayLike", restored: "ArrayLike", task: "Task"
) -> "NDArray[np.float32]":
    import torch

    series = Series.of(measurement, task, None)
    array, wanted = np.asarray(restored), series.restored_shape
    if array.shape != wanted:
        raise InputError("restored", f"restored must have the shape {wanted}, got {array.shape}")
    left = np.full(series.measurement.shape, np.nan, np.float32)
    for frame in series.frames:
        at = series.axes.at(frame)
        if not np.isfinite(array[at]).any():
            continue
        problem = series.read(frame).whole
        x = series.axes.to_batch(torch.from_numpy(problem.units.to_working(array[at])))
        with torch.no_grad():
            rest = problem.data - problem.operator(problem.widened(x))
        rest = (rest * problem.units.scale).where(problem.weights > 0, torch.nan)
        left[at] = series.axes.from_batch(rest).numpy()
    return left

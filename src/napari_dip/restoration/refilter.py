"""The filter of a restored image once more: further or less far, or at one pixel to look at."""

import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.device import Device, choose
from napari_dip.errors import translated_errors
from napari_dip.restoration.measurement import Series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

    from napari_dip.methods import PKN
    from napari_dip.noise.models import NoiseModel
    from napari_dip.pkn.filtering import Filtering
    from napari_dip.problem import Problem
    from napari_dip.tasks import Task

Frame = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LocalKernel:
    """What a pixel of a restored image was made of.

    Parameters
    ----------
    weights : ndarray, shape ``(n, n)``
        What each pixel of the image counts, with the one where the restored pixel lies in the middle. Their
        sum is 1.
    parameters : mapping of str to (float, str)
        What was applied there, by name, with its unit.
    """

    weights: np.ndarray
    parameters: Mapping[str, tuple[float, str]]

    @property
    def noise_left(self) -> float:
        """Share of the noise's standard deviation that is left, by the weights alone."""
        return math.sqrt(float(np.square(self.weights, dtype=float).sum()))


class Refilter:
    """What a run with a filter needs to be done again in a moment: the noise of each frame is measured once.

    Parameters
    ----------
    image, task, method, device
        As for `solve`. Nothing is read before it is needed.
    **source
        What else `solve` is told of the image: missing, saturation_level, guide, psf, maps, axes, channels.
    """

    def __init__(
        self, image: "ArrayLike", task: "Task", method: "PKN", *, device: Device = "auto", **source: Any
    ) -> None:
        self._image, self._task, self._method, self._source = image, task, method, source
        self._device = device
        self._noise: dict[Frame, NoiseModel] = {}
        self._last: tuple[Frame, Filtering] | None = None
        self._lock = threading.Lock()

    def restored(self, strength: float) -> Iterator[tuple[Frame, np.ndarray]]:
        """Yield each frame as it is with parameters so many times as far from those that change nothing."""
        method = replace(self._method, strength=strength)
        for frame in self._series.frames:
            with translated_errors():
                problem, guide = self._problem(frame)
                maps = self._series.maps_of(frame) or None
                (answer,) = method.solve(problem, guide=guide, parameter_maps=maps)
                x = self._task.finish(answer.x, problem)
            yield frame, self._series.axes.from_batch(x).cpu().numpy()

    def kernel_at(self, place: tuple[int, ...], strength: float) -> LocalKernel:
        """Return the kernel of a pixel; the first one in a frame takes as long as predicting its parameters.

        Parameters
        ----------
        place : tuple of int
            Index into the restored image.
        strength : float
            As for `restored`.
        """
        axes = self._series.axes
        frame = tuple(place[axis] for axis in axes.frame_axes)
        row, column = (place[axis] for axis in axes.spatial)
        with translated_errors():
            filtering = replace(self._filtering(frame), strength=strength)
            values = filtering.parameters(slice(row, row + 1), slice(column, column + 1)).flatten().tolist()
            weights = filtering.weights_at(row, column).cpu().numpy()
        pairs = zip(filtering.kernel.parameters, values, strict=True)
        return LocalKernel(weights, {one.name: (value, one.unit) for one, value in pairs})

    @cached_property
    def _series(self) -> Series:
        with translated_errors():
            return Series.of(self._image, self._task, self._method, **self._source)

    def _problem(self, frame: Frame) -> "tuple[Problem, Tensor | None]":
        """Return what a frame has to explain, its noise known, and its guide."""
        from napari_dip.pkn.observe import measured_noise as measured

        problem = self._series.problem(frame, choose(self._device))
        if frame not in self._noise:
            self._noise[frame] = measured(problem)
        problem = replace(problem, noise=self._noise[frame])
        return problem, self._series.guide_of(frame, problem)

    def _filtering(self, frame: Frame) -> "Filtering":
        with self._lock:
            if self._last is None or self._last[0] != frame:
                self._last = None  # two frames at a time would be one too many
                filtering = self._method.filtering(*self._problem(frame), self._series.maps_of(frame) or None)
                self._last = frame, filtering
            return self._last[1]

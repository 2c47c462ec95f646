"""Applies the filter of a restored image again, with another strength or at a single pixel."""

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.device import Device, choose
from napari_dip.errors import RestorationError, translated_errors
from napari_dip.restoration.environment import own_environment
from napari_dip.restoration.series import Series
from napari_dip.steps import unless

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

    from napari_dip.methods import PKN
    from napari_dip.noise.models import NoiseModel
    from napari_dip.pkn.filtering import Filtering
    from napari_dip.problem import Problem
    from napari_dip.restoration.measurement import Measurement
    from napari_dip.tasks import Task

Frame = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class LocalKernel:
    """The filter kernel that made one pixel of a restored image.

    Parameters
    ----------
    weights : ndarray, shape ``(n, n)``
        The weight of each pixel of the image. The restored pixel lies in the middle. Their sum is 1.
    parameters : mapping of str to (float, str)
        The value of each parameter there, with its unit.

    Notes
    -----
    Where brightness and colours are filtered apart, it is the kernel of the brightness.
    """

    weights: np.ndarray
    parameters: Mapping[str, tuple[float, str]]

    @property
    def noise_gain(self) -> float:
        """Standard deviation of the noise after the filter, as a share of that before, √Σw²."""
        return math.sqrt(float(np.square(self.weights, dtype=float).sum()))


class Refilter:
    """A run with a filter that can be repeated at once, since the noise of each frame is measured once.

    Parameters
    ----------
    measurement, task, method, parameter_maps, device
        As for `solve`. Nothing is read before it is needed.
    """

    def __init__(
        self,
        measurement: "Measurement | ArrayLike",
        task: "Task",
        method: "PKN",
        *,
        parameter_maps: "Mapping[str, ArrayLike] | None" = None,
        device: Device = "auto",
    ) -> None:
        self._measurement, self._task, self._method = measurement, task, method
        self._parameter_maps = parameter_maps
        self._device = device
        self._noise: dict[Frame, NoiseModel] = {}
        self._measurable: dict[Frame, bool] = {}  # whether faint sources can be measured
        self._last: tuple[Frame, Filtering] | None = None
        self._lock = threading.Lock()

    def restored(
        self, strength: float, outdated: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[Frame, np.ndarray]]:
        """Yield each frame, filtered with another strength.

        Parameters
        ----------
        strength : float
            How far the parameters are taken from those that leave the image as it is, as for `PKN`.
        outdated : callable
            Tells whether another strength is wanted meanwhile. Then faint sources are not put back, since
            that takes longer than the filter.
        """
        # Sources are measured with the noise as the task tells it, as in a run.
        method = replace(self._method, strength=strength, recover_sources=False)
        for frame in self._series.frames:
            with translated_errors(), own_environment():
                found = self._series.frame(frame, choose(self._device))
                x = None
                if found.channels:
                    problem, guide = self._known(frame, found.problem)
                    maps = self._series.maps_of(frame) or None
                    *_, answer = method.solve(problem, guide=guide, parameter_maps=maps)
                    x = self._with_sources(frame, found.problem, answer.x, outdated)
                restored = found.restored(x)
            yield frame, restored.cpu().numpy()

    def kernel_at(self, place: tuple[int, ...], strength: float) -> LocalKernel:
        """Return the kernel of a pixel. The first call for a frame predicts its parameters.

        Parameters
        ----------
        place : tuple of int
            Index of the pixel in the restored image.
        strength : float
            As for `restored`.
        """
        axes = self._series.axes
        frame = tuple(place[axis] for axis in axes.frame_axes)
        row, column = (place[axis] for axis in axes.spatial)
        with translated_errors(), own_environment():
            filtering = replace(self._filtering(frame), strength=strength)
            values = (
                filtering.parameters(slice(row, row + 1), slice(column, column + 1))[0].flatten().tolist()
            )
            weights = filtering.weights_at(row, column).cpu().numpy()
        pairs = zip(filtering.kernel.parameters, values, strict=True)
        return LocalKernel(weights, {one.name: (value, one.unit) for one, value in pairs})

    @cached_property
    def _series(self) -> Series:
        with translated_errors(), own_environment():
            return Series.of(self._measurement, self._task, self._method, parameter_maps=self._parameter_maps)

    def _known(self, frame: Frame, problem: "Problem") -> "tuple[Problem, Tensor | None]":
        """Return the problem of a frame with its noise known, and its guide."""
        from napari_dip.pkn.observe import measured_noise

        if frame not in self._noise:
            self._noise[frame] = measured_noise(problem)
        problem = replace(problem, noise=self._noise[frame])
        return problem, self._series.guide_of(frame, problem)

    def _with_sources(
        self, frame: Frame, problem: "Problem", x: "Tensor", outdated: Callable[[], bool]
    ) -> "Tensor":
        """Return an image with its faint sources, where a run puts them back."""
        from napari_dip.filters.faint_sources import faint_sources
        from napari_dip.filters.recovery import sources_measurable

        if not self._method.recover_sources or outdated():
            return x
        if frame not in self._measurable:
            self._measurable[frame] = sources_measurable(problem)
        found = unless(outdated, faint_sources(problem, x)) if self._measurable[frame] else None
        return x if found is None else x + found.image

    def _filtering(self, frame: Frame) -> "Filtering":
        with self._lock:
            if self._last is None or self._last[0] != frame:
                self._last = None  # two frames at a time would be one too many
                found = self._series.frame(frame, choose(self._device))
                if not found.channels:
                    raise RestorationError(f"There is no filter to show: {found.note}")
                known = self._known(frame, found.problem)
                filtering = self._method.filtering(*known, self._series.maps_of(frame) or None)
                self._last = frame, filtering
            return self._last[1]

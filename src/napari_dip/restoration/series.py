"""A measurement as the restoration problems of its frames."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self, get_args

import numpy as np

from napari_dip.errors import InputError
from napari_dip.image.axes import Axes
from napari_dip.image.grid import Grid
from napari_dip.methods.auto import Auto
from napari_dip.restoration.checks import (
    checked_maps,
    nothing_missing,
    nothing_to_restore,
    refuse_other_kinds,
    refuse_values,
    with_psf,
)
from napari_dip.restoration.guide import Guide
from napari_dip.restoration.measurement import Measurement
from napari_dip.restoration.point_spread import point_spread_function

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

    from napari_dip.methods import Method
    from napari_dip.operators import Operator
    from napari_dip.problem import Problem
    from napari_dip.restoration.frame import Frame
    from napari_dip.tasks import Task

#: Largest change of a constant 1 that is rounding.
_CONSTANT = 1e-3
#: How a frame follows the one before: from its weights, from its weights moved with the drift, or not at all.
Following = Literal["warm_start", "drift", "independent"]


def restored_shape(shape: tuple[int, ...], axes: Axes, task: "Task") -> tuple[int, ...]:
    """Return the shape of the restored array for an image of this shape."""
    grid = task.grid(tuple(shape[axis] for axis in axes.spatial))
    restored = list(shape)
    for axis, n in zip(axes.spatial, grid.shape, strict=True):
        restored[axis] = n
    return tuple(restored)


def layout_for(axes: Axes, method: "Method | None") -> Axes:
    """Return the axes as a method goes through them: some methods take volumes plane by plane."""
    return axes.plane_by_plane() if method is not None and method.slicewise else axes


@dataclass(frozen=True, eq=False)
class Series:
    """A measurement with a task and a method, ready to be restored frame by frame.

    A single image is a series of one frame. Shapes are checked when it is made; the pixels of a frame are
    checked when they are read.

    Parameters
    ----------
    measurement : Measurement
        What was measured.
    task : Task
        What is to be undone.
    method : Method or None
        How; None where nothing is restored.
    axes : Axes
        The axes of the image as the method goes through them.
    operator : Operator
        A, the same for all frames. If channels are frames, each may have a point spread function of its own.
    guide : Guide, optional
        The guide of the frames.
    following : {"warm_start", "drift", "independent"}
        How a frame follows the one before.
    parameter_maps : mapping of str to ndarray
        Given parameters, each of the restored image's shape without channels, or of its spatial shape.
    choice : str
        Why this method was chosen, in a sentence; empty if the user named it.
    """

    measurement: Measurement
    task: "Task"
    method: "Method | None"
    axes: Axes
    operator: "Operator"
    guide: Guide | None = None
    following: Following = "warm_start"
    parameter_maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    choice: str = ""

    @classmethod
    def of(
        cls,
        measurement: "Measurement | ArrayLike",
        task: "Task",
        method: "Method | None",
        *,
        series: Following = "warm_start",
        parameter_maps: "Mapping[str, ArrayLike] | None" = None,
    ) -> Self:
        """Check what depends on both the measurement and the task.

        No pixel of a series is read, unless the method is `Auto`: it is replaced by the one that suits the
        first frame that can be restored.

        Raises
        ------
        ValueError
            Names the argument, what was wanted and what came.
        """
        measurement = Measurement.of(measurement)
        refuse_other_kinds(task, method)
        if isinstance(method, Auto):
            plain = cls.of(measurement, task, None, series=series)
            chosen = method.choice(plain.first_problem(), guided=plain.guide is not None)
            made = cls.of(measurement, task, chosen.method, series=series, parameter_maps=parameter_maps)
            return replace(made, choice=chosen.reason)
        axes, shape = layout_for(measurement.layout, method), measurement.shape
        task = with_psf(task, measurement)
        if series not in get_args(Following):
            raise InputError(
                "series", f"series must be one of {', '.join(get_args(Following))}, got {series!r}"
            )
        spatial = tuple(shape[axis] for axis in axes.spatial)
        operator = task.operator(spatial, point_spread_function(measurement, axes))
        restored = restored_shape(shape, axes, task)
        if series == "drift" and operator.grid(spatial) != Grid.of_data(spatial):
            raise InputError(
                "series",
                f"drift can be corrected where the restored image has the pixels of the data, and "
                f'{type(task).__name__} gives it others: register the frames first, or choose "warm_start"',
            )
        guide = None if measurement.guide is None else Guide.of(measurement.guide, axes, restored)
        maps = checked_maps({} if parameter_maps is None else parameter_maps, axes, restored, method)
        made = cls(measurement, task, method, axes, operator, guide, series, maps)
        made._refuse_arguments()
        return made

    @property
    def frames(self) -> list[tuple[int, ...]]:
        """The index of each frame along the frame axes."""
        return list(self.axes.frames(self.measurement.shape))

    @property
    def restored_shape(self) -> tuple[int, ...]:
        """The shape of the restored array."""
        return restored_shape(self.measurement.shape, self.axes, self.task)

    @property
    def blank(self) -> "Problem":
        """A frame without any structure, to ask what holds for all frames without reading one."""
        import torch

        shape = self.measurement.shape
        size = (self._channels, *(shape[axis] for axis in self.axes.spatial))
        data, weights = (torch.tensor(n, dtype=torch.float32).expand(1, *size) for n in (0, 1))
        return self.task.problem(data, self._operator(self.frames[0]), weights)

    def read(self, index: tuple[int, ...], device: str = "cpu") -> "Frame":
        """Read a frame.

        Raises
        ------
        InputError
            The noise does not fit the image.
        """
        from napari_dip.restoration.frame import Frame

        return Frame.read(
            self.measurement,
            index,
            self.axes,
            self.task,
            self._operator(index),
            with_offset=self._keeps_constants,
            device=device,
        )

    def frame(self, index: tuple[int, ...], device: str = "cpu") -> "Frame":
        """Read a frame, and check that its channels can be restored, unless there is nothing to restore.

        Raises
        ------
        InputError
            The frame can't be restored, with the reason.
        """
        frame = self.read(index, device)
        if frame.channels:
            refuse_values(frame)
            if self.method is not None:
                reason = self.method.unsupported_reason(frame.problem, guided=self.guide is not None)
                if reason:
                    raise InputError("image", reason)
        elif len(self.frames) == 1 and frame.blank is not None:
            raise nothing_to_restore(frame.blank, frame.whole)
        return frame

    def first_problem(self) -> "Problem":
        """Return the problem of the first frame that can be restored; if none can, raise the first reason.

        Frames without noise go through, and take less than they would if they had any.
        """
        reason: InputError | None = None
        noiseless: Problem | None = None
        for index in self.frames:
            try:
                found = self.frame(index)
                if found.channels:
                    return found.problem
                if found.blank is None:
                    noiseless = noiseless or found.whole
                else:
                    reason = reason or nothing_to_restore(found.blank, found.whole)
            except InputError as error:
                reason = reason or error
        if noiseless is not None:
            return noiseless
        assert reason is not None
        raise reason

    @cached_property
    def _keeps_constants(self) -> bool:
        """Whether A leaves a constant as it is. A sum of light, such as a projection, does not."""
        import torch

        spatial = tuple(self.measurement.shape[axis] for axis in self.axes.spatial)
        with torch.no_grad():
            operator = self._operator(self.frames[0])
            shape = (1, self._channels, *operator.grid(spatial).shape)
            image = operator(torch.ones(shape, dtype=torch.float32))
        return bool((image - 1).abs().max() < _CONSTANT)

    @property
    def _channels(self) -> int:
        return 1 if self.axes.channel is None else self.measurement.shape[self.axes.channel]

    def guide_of(self, frame: tuple[int, ...], problem: "Problem") -> "Tensor | None":
        """Return the guide of a frame, on the grid of the problem's x, shape ``(1, G, *spatial)``."""
        if self.guide is None:
            return None
        return problem.widened(self.guide.of_frame(frame)).to(problem.data.device)

    @property
    def guide_moves(self) -> bool:
        """Whether each frame has a guide of its own."""
        return self.guide is not None and self.guide.has_all_axes and bool(self.axes.frame_axes)

    def maps_of(self, frame: tuple[int, ...]) -> "dict[str, Tensor]":
        """Return the given parameters of a frame, each of the restored image's spatial shape."""
        import torch

        spatial, maps = len(self.axes.spatial), {}
        for name, values in self.parameter_maps.items():
            part = values
            if values.ndim > spatial:
                at = self.axes.at(frame)
                part = values[tuple(n for axis, n in enumerate(at) if axis != self.axes.channel)]
            maps[name] = torch.from_numpy(np.array(part, np.float32))
        return maps

    def _operator(self, frame: tuple[int, ...]) -> "Operator":
        """Return A of a frame."""
        channel = self.axes.channel_of(frame)
        return self.operator if channel is None else self.operator.of_channels([channel])

    def _refuse_arguments(self) -> None:
        """Refuse what can be told to be impossible for every frame."""
        if self.task.needs_missing and not self.measurement.may_miss_pixels():
            raise nothing_missing(self.task)
        if self.method is not None:
            reason = self.method.unsupported_reason(self.blank, guided=self.guide is not None)
            if reason:
                raise InputError("image", reason)

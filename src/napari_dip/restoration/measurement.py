"""An array as the restoration problems of its frames."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from napari_dip.errors import InputError
from napari_dip.image.axes import Axes, Channels
from napari_dip.image.grid import Grid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

    from napari_dip.methods import Method
    from napari_dip.operators import Operator
    from napari_dip.problem import Problem
    from napari_dip.tasks import Task

#: How a frame follows the one before: from its weights, from its weights and moved with the drift, or not.
Following = Literal["warm_start", "drift", "independent"]

#: Grey levels beyond these overflow, or vanish, when float32 squares them.
_SMALLEST_RANGE, _LARGEST_VALUE = 1e-15, 1e15


def restored_shape(shape: tuple[int, ...], axes: Axes, task: "Task") -> tuple[int, ...]:
    """Return the shape of the restored array of an image of this shape."""
    grid = task.grid(tuple(shape[axis] for axis in axes.spatial))
    restored = list(shape)
    for axis, n in zip(axes.spatial, grid.shape, strict=True):
        restored[axis] = n
    return tuple(restored)


def laid_out(shape: tuple[int, ...], axes: str | None, channels: Channels, method: "Method | None") -> Axes:
    """Return the axes of an array as a method goes through it."""
    layout = Axes.of(shape, axes, channels)
    return layout.plane_by_plane() if method is not None and method.slicewise else layout


@dataclass(frozen=True, eq=False)
class Guide:
    """An image that shows where the structures are, whatever its grey levels.

    Parameters
    ----------
    array : ndarray
        With the axes of the image, or only the spatial ones, or those and channels last.
    axes : Axes
        Of the image.
    whole : bool
        The array has all the axes of the image.
    """

    array: np.ndarray
    axes: Axes
    whole: bool

    @classmethod
    def of(cls, array: np.ndarray, axes: Axes, shape: tuple[int, ...]) -> "Guide":
        """Check a guide against the shape of the restored image."""
        spatial = tuple(shape[axis] for axis in axes.spatial)
        if array.dtype.kind not in "buif":
            raise InputError("guide", f"guide must hold real numbers, got dtype {array.dtype}")
        if array.shape not in (shape, spatial) and (array.shape[:-1] != spatial or 0 in array.shape):
            raise InputError(
                "guide",
                f"guide must have the shape {spatial}, with or without channels last"
                f"{'' if shape == spatial else f', or {shape}'}, as the restored image has; "
                f"got {array.shape}: resample it to that grid",
            )
        return cls(array, axes, array.shape == shape)

    def of_frame(self, frame: tuple[int, ...]) -> "Tensor":
        """Return what guides a frame: finite float32, shape ``(1, G, *spatial)``."""
        import torch

        with np.errstate(over="ignore"):  # what float32 can't hold becomes infinite, and so unknown
            array = np.array(self.array[self.axes.at(frame)] if self.whole else self.array, np.float32)
        if self.whole:
            part = self.axes.to_batch(torch.from_numpy(array))
        else:
            channels_last = array.ndim > len(self.axes.spatial)
            part = torch.from_numpy(np.moveaxis(array, -1, 0) if channels_last else array[None])[None]
        seen = part.isfinite()
        mean = part.where(seen, 0).sum() / seen.sum().clamp_min(1)
        return part.where(seen, mean)


@dataclass(frozen=True, eq=False)
class Series:
    """An image, or many along the looped axes, checked and ready to be restored frame by frame.

    Parameters
    ----------
    image : array
        Grey levels; anything that has a shape and a dtype and can be sliced.
    missing : ndarray of bool, optional
        Of the image's shape.
    axes : Axes
        Of the image.
    task : Task
        Names the noise.
    operator : Operator
        A, of all frames.
    saturation_level : float, optional
        Grey level from which on values are missing.
    guide : Guide, optional
        What guides the frames.
    following : {"warm_start", "drift", "independent"}
        How a frame follows the one before.
    maps : mapping of str to ndarray
        Parameters that are given and not to be found, each of the restored image's shape without channels, or
        of its spatial shape.
    """

    image: Any
    missing: np.ndarray | None
    axes: Axes
    task: "Task"
    operator: "Operator"
    saturation_level: float | None = None
    guide: "Guide | None" = None
    following: Following = "warm_start"
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        image: "ArrayLike",
        task: "Task",
        method: "Method | None",
        *,
        missing: "ArrayLike | None" = None,
        saturation_level: float | None = None,
        guide: "ArrayLike | None" = None,
        psf: "ArrayLike | None" = None,
        axes: str | None = None,
        channels: Channels = "together",
        series: Following = "warm_start",
        parameter_maps: "Mapping[str, ArrayLike] | None" = None,
    ) -> "Series":
        """Check the arguments of `solve` and bring them together.

        Raises
        ------
        ValueError
            Names the argument, what was wanted and what came.
        """
        if hasattr(image, "detach"):  # a torch tensor, wherever it is
            image = image.detach().cpu().float()
        # Lazy arrays (dask, zarr) stay lazy until a frame is needed.
        array: Any = image if isinstance(getattr(image, "dtype", None), np.dtype) else np.asarray(image)
        shape = tuple(array.shape)
        if array.dtype.kind not in "buif":
            raise InputError("image", f"image must hold real numbers, got dtype {array.dtype}")
        if 0 in shape:
            raise InputError("image", f"image must not be empty, got shape {shape}")
        if saturation_level is not None and not math.isfinite(saturation_level):
            raise InputError("saturation_level", f"saturation_level must be finite, got {saturation_level}")
        layout = laid_out(shape, axes, channels, method)
        mask = None if missing is None else layout.broadcast("missing", np.asarray(missing) != 0, shape)
        if psf is not None and not task.needs_psf:
            raise InputError(
                "psf",
                f"{type(task).__name__} with these settings takes no measured point spread function: "
                "its psf must be a MeasuredPSF()",
            )
        if series not in get_args(Following):
            raise InputError(
                "series", f"series must be one of {', '.join(get_args(Following))}, got {series!r}"
            )
        spatial = tuple(shape[axis] for axis in layout.spatial)
        operator = task.operator(spatial, None if psf is None else np.asarray(psf))
        result = restored_shape(shape, layout, task)
        if series == "drift" and operator.grid(spatial) != Grid.of_data(spatial):
            raise InputError(
                "series",
                f"drift can be made up for where the restored image has the pixels of the data, and "
                f'{type(task).__name__} gives it others: register the frames first, or choose "warm_start"',
            )
        beside = None if guide is None else Guide.of(np.asarray(guide), layout, result)
        given = {} if parameter_maps is None else _checked_maps(parameter_maps, layout, result, method)
        checked = cls(array, mask, layout, task, operator, saturation_level, beside, series, given)
        checked._check(method)
        return checked

    @property
    def frames(self) -> list[tuple[int, ...]]:
        """Index of each frame along the looped axes."""
        return list(self.axes.frames(tuple(self.image.shape)))

    def values(self, frame: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return a frame's grey levels as float32, 0 where missing, and where they are missing."""
        at = self.axes.at(frame)
        with np.errstate(over="ignore"):  # what float32 can't hold becomes infinite, and so missing
            part = self.image[at]
            values = np.array(part, dtype=np.float32)
            highest = np.float32(np.inf if self.saturation_level is None else self.saturation_level)
        hidden = np.ma.getmaskarray(part)
        # Two looks at most images spare them five; one value that is no number makes both of them so.
        if not (values.min() > -np.inf and values.max() < highest):
            hidden = hidden | ~np.isfinite(values) | (values >= highest)
        if self.missing is not None:
            hidden = hidden | self.missing[at]
        if hidden.any():
            values[hidden] = 0
        return values, hidden

    def problem(self, frame: tuple[int, ...], device: str = "cpu") -> "Problem":
        """Return what the restored frame has to explain."""
        return self._problem(*self.values(frame), device)

    def _problem(self, values: np.ndarray, hidden: np.ndarray, device: str) -> "Problem":
        import torch

        data = self.axes.to_batch(torch.from_numpy(values)).contiguous()
        weights = torch.ones_like(data)
        if hidden.any():
            weights[self.axes.to_batch(torch.from_numpy(hidden))] = 0
        return self.task.problem(data.to(device), self.operator.to(device), weights.to(device))

    def guide_of(self, frame: tuple[int, ...], problem: "Problem") -> "Tensor | None":
        """Return what guides a frame, on the grid of the problem's x, shape ``(1, G, *spatial)``."""
        if self.guide is None:
            return None
        return problem.widened(self.guide.of_frame(frame)).to(problem.data.device)

    @property
    def guide_moves(self) -> bool:
        """Whether each frame has a guide of its own."""
        return self.guide is not None and self.guide.whole and bool(self.axes.frame_axes)

    def maps_of(self, frame: tuple[int, ...]) -> "dict[str, Tensor]":
        """Return the given parameters of a frame, each of the restored image's spatial shape."""
        import torch

        spatial, maps = len(self.axes.spatial), {}
        for name, values in self.maps.items():
            part = values
            if values.ndim > spatial:
                at = self.axes.at(frame)
                part = values[tuple(n for axis, n in enumerate(at) if axis != self.axes.channel)]
            maps[name] = torch.from_numpy(np.array(part, np.float32))
        return maps

    def residual(self, restored: np.ndarray) -> np.ndarray:
        """Return y − A x of all frames, float32, NaN where a pixel is missing or a frame not restored."""
        import torch

        left = np.empty(self.image.shape, np.float32)
        for frame in self.frames:
            problem, at = self.problem(frame), self.axes.at(frame)
            x = self.axes.to_batch(torch.from_numpy(np.array(restored[at], np.float32)))
            with torch.no_grad():
                rest = problem.data - problem.operator(problem.widened(x))
            left[at] = self.axes.from_batch(rest.where(problem.weights > 0, torch.nan)).numpy()
        return left

    def _check(self, method: "Method | None") -> None:
        any_missing = False
        for frame in self.frames:
            values, hidden = self.values(frame)
            any_missing |= bool(hidden.any())
            where = f" in frame {frame}" if frame else ""
            seen = values[~hidden] if hidden.any() else values
            if not seen.size:
                raise InputError(
                    "missing", f"every pixel is missing{where}: there is nothing to restore from"
                )
            low, high = float(seen.min()), float(seen.max())
            if low == high:
                raise InputError(
                    "image", f"the image is constant{where} ({low:g}): there is nothing to restore"
                )
            if max(-low, high) > _LARGEST_VALUE or high - low < _SMALLEST_RANGE:
                raise InputError(
                    "image",
                    f"the image's values{where} lie between {low:g} and {high:g}, which float32 arithmetic "
                    "can't square: multiply the image by a suitable power of ten",
                )
            problem = self._problem(values, hidden, "cpu")
            empty = (problem.weights.flatten(2).sum(2)[0] == 0).nonzero().flatten().tolist()
            if empty:
                raise InputError(
                    "missing", f"every pixel of channel {empty[0]} is missing{where}: leave the channel out"
                )
            reason = method and method.unsupported_reason(problem, guided=self.guide is not None)
            if reason:
                raise InputError("image", f"{reason}{where}")
        if self.task.needs_missing and not any_missing:
            raise InputError(
                "missing",
                f"{type(self.task).__name__} needs missing pixels, and none are: mark them in a mask, "
                "name the grey level from which on they are saturated, or set them to NaN",
            )


def _checked_maps(
    maps: "Mapping[str, ArrayLike]", axes: Axes, shape: tuple[int, ...], method: "Method | None"
) -> dict[str, np.ndarray]:
    """Return given parameters as arrays, if the method takes them and they fit the restored image."""
    if method is not None and not method.takes_maps:
        raise InputError("parameter_maps", f"{type(method).__name__} has no maps of parameters to be given")
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

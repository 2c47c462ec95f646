"""An array as the restoration problems of its frames."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.axes import Axes, Channels
from napari_dip.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_dip.methods import Method
    from napari_dip.problem import Problem
    from napari_dip.tasks import Task

#: Grey levels beyond these overflow, or vanish, when float32 squares them.
_SMALLEST_RANGE, _LARGEST_VALUE = 1e-15, 1e15


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
        Names operator and noise.
    saturated : float, optional
        Grey level from which on values are missing.
    """

    image: Any
    missing: np.ndarray | None
    axes: Axes
    task: "Task"
    saturated: float | None = None

    @classmethod
    def of(
        cls,
        image: "ArrayLike",
        task: "Task",
        *,
        missing: "ArrayLike | None",
        saturated: float | None = None,
        axes: str | None,
        channels: Channels,
        method: "Method",
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
        if saturated is not None and not math.isfinite(saturated):
            raise InputError("saturated", f"saturated must be finite, got {saturated}")
        layout = Axes.of(shape, axes, channels)
        mask = None if missing is None else layout.broadcast("missing", np.asarray(missing) != 0, shape)
        series = cls(array, mask, layout, task, saturated)
        series._check(method)
        return series

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
            highest = np.float32(np.inf if self.saturated is None else self.saturated)
        hidden = ~np.isfinite(values) | np.ma.getmaskarray(part) | (values >= highest)
        if self.missing is not None:
            hidden |= self.missing[at]
        values[hidden] = 0
        return values, hidden

    def problem(self, frame: tuple[int, ...], device: str = "cpu") -> "Problem":
        """Return what the restored frame has to explain."""
        return self._problem(*self.values(frame), device)

    def _problem(self, values: np.ndarray, hidden: np.ndarray, device: str) -> "Problem":
        import torch

        from napari_dip.problem import Problem

        data = self.axes.to_batch(torch.from_numpy(values)).contiguous()
        weights = self.axes.to_batch(torch.from_numpy(~hidden)).to(torch.float32).contiguous()
        return Problem(data.to(device), self.task.operator(), self.task.noise, weights.to(device))

    def _check(self, method: "Method") -> None:
        any_missing = False
        for frame in self.frames:
            values, hidden = self.values(frame)
            any_missing |= bool(hidden.any())
            where = f" in frame {frame}" if frame else ""
            seen = values[~hidden]
            if not len(seen):
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
            if reason := method.refuses(problem):
                raise InputError("image", f"{reason}{where}")
        if self.task.needs_missing and not any_missing:
            raise InputError(
                "missing",
                f"{type(self.task).__name__} needs missing pixels, and none are: mark them in a mask, "
                "name the grey level from which on they are saturated, or set them to NaN",
            )

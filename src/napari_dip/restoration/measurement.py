"""What was measured: an image, and what is known of it."""

import math
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from napari_dip.errors import InputError
from napari_dip.image.axes import Axes, Channels

_REAL = "buif"  # kinds of dtypes that hold real numbers
_NUMBERS = (int, float, np.integer, np.floating)


@dataclass(frozen=True, eq=False)
class Measurement:
    """An image with its axes, and with what is known of its pixels, checked once.

    Shapes and dtypes are checked when it is made. Pixels are read one frame at a time, when a frame's turn
    comes, so that lazy arrays (dask, zarr, memory maps) stay lazy.

    Parameters
    ----------
    image : array_like
        Grey levels, any real dtype. NaN and infinite pixels are missing. It is not modified.
    axes : str, optional
        One letter for each axis: Z, Y, X are spatial; C or S holds channels; any other letter holds frames,
        which are restored one after another. By default the last two axes are the image, or those before a
        last axis of 3 or 4 (RGB).
    channels : {"together", "separate"}
        Restore channels together, or each as an image of its own.
    missing : array_like, optional
        Non-zero where a pixel is missing. It has the image's shape, or leaves out channels, frames and Z.
        The value of a missing pixel has no influence.
    saturation_level : float, optional
        Pixels at or above this grey level are missing, in each channel separately.
    guide : array_like, optional
        Another image of the same scene that shows its structures better, such as one with flash or a brighter
        channel. It has the spatial shape of the restored image, with or without channels last, or all axes
        of the restored image. Grey levels that are not finite are replaced by the mean.
    psf : array_like, optional
        The measured point spread function, in pixels of the image. It has as many axes as the image has
        spatial ones, or one more for channels. Its centre is the centroid of its light.

    Raises
    ------
    ValueError
        Names the argument, what was wanted and what came.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import Measurement
    >>> stack = np.random.default_rng(0).normal(100, 5, (4, 32, 32))
    >>> measurement = Measurement(stack, axes="TYX", saturation_level=4095)
    >>> measurement.shape, measurement.frames
    ((4, 32, 32), [(0,), (1,), (2,), (3,)])
    """

    image: Any
    _: KW_ONLY
    axes: str | None = None
    channels: Channels = "together"
    missing: Any = None
    saturation_level: float | None = None
    guide: Any = None
    psf: Any = None

    def __post_init__(self) -> None:
        for name in ("image", "missing", "guide"):
            if name == "image" or getattr(self, name) is not None:
                object.__setattr__(self, name, _as_array(name, getattr(self, name)))
        if self.psf is not None:
            object.__setattr__(self, "psf", _measured_psf(self.psf))
        if self.image.dtype.kind not in _REAL:
            raise InputError("image", f"image must hold real numbers, got dtype {self.image.dtype}")
        if 0 in self.shape:
            raise InputError("image", f"image must not be empty, got shape {self.shape}")
        level: Any = self.saturation_level
        if level is not None and not (isinstance(level, _NUMBERS) and math.isfinite(level)):
            raise InputError("saturation_level", f"saturation_level must be a finite number, got {level!r}")
        letters: Any = self.axes
        if letters is not None and not isinstance(letters, str):
            raise InputError("axes", f'axes must be letters, such as "TYX", got {letters!r}')
        if self.missing is not None and self.missing.dtype.kind not in _REAL:
            raise InputError("missing", f"missing must be a mask, or numbers, got dtype {self.missing.dtype}")
        if self.guide is not None and self.guide.dtype.kind not in _REAL:
            raise InputError("guide", f"guide must hold real numbers, got dtype {self.guide.dtype}")
        _ = self.layout, self._mask_axes  # they refuse what doesn't fit

    @classmethod
    def of(cls, image: Any, **known: Any) -> Self:
        """Return an image with what is known of it, or a measurement as it is.

        Raises
        ------
        ValueError
            Something is said of a measurement a second time.
        """
        if not isinstance(image, cls):
            return cls(image, **known)
        usual = {"channels": "together"}
        if again := [name for name, value in known.items() if value is not usual.get(name)]:
            raise InputError(
                again[0],
                f"{again[0]} belongs to the measurement: give it as Measurement(image, {again[0]}=...)",
            )
        return image

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the image."""
        return tuple(self.image.shape)

    @cached_property
    def layout(self) -> Axes:
        """The role of each axis."""
        return Axes.of(self.shape, self.axes, self.channels)

    @property
    def frames(self) -> list[tuple[int, ...]]:
        """The index of each frame along the frame axes."""
        return list(self.layout.frames(self.shape))

    def may_miss_pixels(self) -> bool:
        """Return whether any pixel can be missing, as far as is known without reading the image."""
        if self.saturation_level is not None or self.image.dtype.kind == "f":
            return True
        if isinstance(self.image, np.ma.MaskedArray):
            return True
        lazy = not isinstance(self.missing, np.ndarray)
        return self.missing is not None and (lazy or bool(self.missing.any()))

    def read(self, at: tuple[int | slice, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return a frame's grey levels as float32, 0 where they are missing, and where that is.

        Parameters
        ----------
        at : tuple of int and slice
            Index of the frame, with an entry for each axis of the image.
        """
        with np.errstate(over="ignore"):  # what float32 can't hold becomes infinite, and so missing
            part = self.image[at]
            values = np.array(part, dtype=np.float32)
            highest = np.float32(np.inf if self.saturation_level is None else self.saturation_level)
        hidden = (
            np.ma.getmaskarray(part) if isinstance(part, np.ma.MaskedArray) else np.zeros(values.shape, bool)
        )
        # Looking at the extremes spares most images the mask; NaN makes both comparisons false.
        if not (values.min() > -np.inf and values.max() < highest):
            hidden = hidden | ~np.isfinite(values) | (values >= highest)
        if self.missing is not None:
            hidden = hidden | self._masked(at)
        if hidden.any():
            values[hidden] = 0
        return values, hidden

    @cached_property
    def _mask_axes(self) -> tuple[int, ...]:
        """Axes of the image that the mask has."""
        if self.missing is None:
            return ()
        return self.layout.axes_of("missing", tuple(self.missing.shape), self.shape)

    @cached_property
    def _shared_mask(self) -> np.ndarray | None:
        """The mask that all frames share, where they do: a lazy one is read once, not once a frame."""
        shared = self.layout.frame_axes and set(self._mask_axes) <= set(self.layout.spatial)
        return np.asarray(self.missing) if shared else None

    def _masked(self, at: tuple[int | slice, ...]) -> np.ndarray:
        """Return the mask of a frame, with an axis of length 1 for each axis that it leaves out."""
        source = self.missing if self._shared_mask is None else self._shared_mask
        mask = np.asarray(source[tuple(at[axis] for axis in self._mask_axes)]) != 0
        kept = [axis for axis, place in enumerate(at) if isinstance(place, slice)]
        absent = tuple(n for n, axis in enumerate(kept) if axis not in self._mask_axes)
        return np.expand_dims(mask, absent)


def _as_array(name: str, values: Any) -> Any:
    """Return an array that has a shape and a NumPy dtype; a lazy one stays lazy."""
    if hasattr(values, "detach"):  # a torch tensor, on any device
        values = values.detach().cpu()
        values = values if values.is_complex() else values.float()
    if isinstance(getattr(values, "dtype", None), np.dtype):
        return values
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(name, f"{name} must be an array: {error}") from error


def _measured_psf(values: Any) -> np.ndarray:
    """Return a measured point spread function as an array; a model of one belongs to the task."""
    psf: np.ndarray = _as_array("psf", values)
    if psf.dtype.kind == "O":
        raise InputError(
            "psf",
            f"psf must be an array of numbers, got {values!r}: the task takes a model of the point spread "
            "function, as in Deconvolve(psf=GaussianPSF(fwhm=3.0))",
        )
    return np.asarray(psf)

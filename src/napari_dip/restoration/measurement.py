"""What was measured: an image, and what is known of it."""

import math
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from napari_dip.errors import InputError
from napari_dip.image.axes import Axes, Channels
from napari_dip.restoration.companion import Companion

_REAL = "buif"  # kinds of dtypes that hold real numbers
_NUMBERS = (int, float, np.integer, np.floating)
#: Arrays that come with an image, and what they must be.
_BESIDE = {
    "missing": "be a mask, or numbers",
    "noise_std": "hold real numbers",
    "guide": "hold real numbers",
}


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
        which are restored one after another. By default the last two axes are the image, and the others
        frames. With three axes or more, a last axis of length 1 is a channel, and one of 3 or 4 beside two
        longer axes holds RGB or RGBA. Another last axis that is much shorter than the two before it is
        refused, since it may hold channels or be part of the image.
    channels : {"together", "separate"}
        Restore channels together, or each as an image of its own.
    missing : array_like, optional
        Non-zero where a pixel is missing. It has the image's shape, or leaves out channels, frames and Z.
        The value of a missing pixel has no influence.
    saturation_level : float, optional
        Pixels at or above this grey level are missing, in each channel separately.
    noise_std : array_like, optional
        Standard deviation of the noise of each pixel in grey levels, such as the uncertainty plane of a
        pipeline. It has the image's shape, or leaves out channels, frames and Z. Pixels where it is NaN or
        infinite are missing. The noise of the task must then be left unknown.
    guide : array_like, optional
        Another image of the same scene that shows its structures better, such as one with flash or a brighter
        channel. It has the spatial shape of the restored image, with or without channels last, or all axes
        of the restored image. Grey levels that are not finite are replaced by the mean.
    psf : array_like, optional
        The measured point spread function, in pixels of the image. It has the spatial axes of the image, or
        one more for channels; in a volume, Z may be absent. Its centre is the centroid of its light.

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
    noise_std: Any = None
    guide: Any = None
    psf: Any = None

    def __post_init__(self) -> None:
        for name in ("image", *_BESIDE):
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
        for name, wanted in _BESIDE.items():
            array = getattr(self, name)
            if array is not None and array.dtype.kind not in _REAL:
                raise InputError(name, f"{name} must {wanted}, got dtype {array.dtype}")
        if self.noise_std is not None and self.noise_std.ndim == 0:
            raise InputError(
                "noise_std",
                "noise_std must be an array with a number for each pixel: give one number for all pixels as "
                f"the noise of the task, such as Denoise(GaussianNoise({float(self.noise_std):g}))",
            )
        _ = self.layout, self._mask, self._noise_std  # they refuse what doesn't fit

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
        if self.saturation_level is not None or self.noise_std is not None or self.image.dtype.kind == "f":
            return True
        if isinstance(self.image, np.ma.MaskedArray):
            return True
        lazy = not isinstance(self.missing, np.ndarray)
        return self.missing is not None and (lazy or bool(self.missing.any()))

    def read(self, at: tuple[int | slice, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return a frame's grey levels as they are stored, and where they are missing.

        Parameters
        ----------
        at : tuple of int and slice
            Index of the frame, with an entry for each axis of the image.

        Returns
        -------
        (ndarray, ndarray of bool)
            The grey levels, which are 0 where they are missing, in the image's dtype; and the mask.
        """
        part = self.image[at]
        values = np.asarray(part)
        hidden = np.zeros(values.shape, bool)
        if isinstance(part, np.ma.MaskedArray):
            hidden |= np.ma.getmaskarray(part)
        if values.dtype.kind == "f":
            hidden |= ~np.isfinite(values)
        if self.saturation_level is not None:
            hidden |= _at_or_above(values, self.saturation_level)
        if self._mask is not None:
            hidden |= self._mask.read(at) != 0
        if self._noise_std is not None:
            hidden |= ~np.isfinite(self._noise_std.read(at))
        return (np.where(hidden, values.dtype.type(0), values) if hidden.any() else values), hidden

    def read_noise_std(self, at: tuple[int | slice, ...]) -> np.ndarray | None:
        """Return the noise of a frame's pixels in grey levels, as float64; None if it is not known.

        Parameters
        ----------
        at : tuple of int and slice
            Index of the frame, with an entry for each axis of the image.
        """
        if self._noise_std is None:
            return None
        shape = [n for n, place in zip(self.shape, at, strict=True) if isinstance(place, slice)]
        return np.broadcast_to(self._noise_std.read(at).astype(np.float64), shape)

    @cached_property
    def _mask(self) -> Companion | None:
        return self._companion("missing")

    @cached_property
    def _noise_std(self) -> Companion | None:
        return self._companion("noise_std")

    def _companion(self, name: str) -> Companion | None:
        array = getattr(self, name)
        return None if array is None else Companion.of(name, array, self.layout, self.shape)


def _at_or_above(values: np.ndarray, level: float) -> np.ndarray:
    """Return where values reach a level; integers are compared as integers, since floats may round them."""
    if values.dtype.kind not in "iu":
        return np.asarray(values >= level)
    whole, limits = math.ceil(level), np.iinfo(values.dtype)
    if not limits.min <= whole <= limits.max:
        return np.full(values.shape, whole < limits.min)
    return np.asarray(values >= values.dtype.type(whole))


def _as_array(name: str, values: Any) -> Any:
    """Return an array that has a shape and a NumPy dtype; a lazy one stays lazy."""
    if hasattr(values, "detach"):  # a torch tensor, on any device
        values = values.detach().cpu()
        if values.dtype.is_floating_point and values.element_size() < 4:
            values = values.float()  # NumPy has no bfloat16
        values = values.numpy()
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

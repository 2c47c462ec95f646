"""An image with what its file states about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_dip.image.region import Region, index
from napari_dip.io.colours import Alpha
from napari_dip.io.metadata import Metadata

#: Values that are converted at a time.
_BLOCK = 2**16
_METRES = {"pm": 1e-12, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0}


@dataclass(frozen=True, eq=False)
class ImageFile:
    """The pixels of an image, and what its file states about them.

    Parameters
    ----------
    data : ndarray
        Pixels, in the dtype of the file. It is a masked array if the file says of some pixels that they hold
        no value.
    axes : str, optional
        One letter per axis, as in `napari_dip.image.axes.Axes`; None if the file does not state them.
    pixel_size : mapping of str to (float, str)
        Size of a pixel and its unit, along Z, Y and X.
    header : optional
        Contents that only the module of this format understands. It writes them back.
    origin : tuple of int
        Position of the first pixel in the image of the file, along each axis. Empty for the whole image.
    factors : tuple of int
        Number of pixels per pixel of the file, along each axis. Empty if the pixels are those of the file.
    alpha : Alpha, optional
        The opacity of the pixels. It is never restored, and copied to the output.
    metadata : Metadata
        What else the file says about the image.
    mosaic : str
        Says that neighbouring pixels lie behind filters of different colours, such as ``BAYERPAT is RGGB``.
        Empty if the file does not state it.
    indices : ndarray, optional
        Indices of a palette, whose colours the pixels are. Labels are stored in this way.
    notes : tuple of str
        What the user should know about how the file was understood.
    """

    data: np.ndarray
    axes: str | None = None
    pixel_size: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    header: Any = None
    origin: tuple[int, ...] = ()
    factors: tuple[int, ...] = ()
    alpha: Alpha | None = None
    metadata: Metadata = field(default_factory=Metadata)
    mosaic: str = ""
    indices: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> np.ndarray | None:
        """Where the file says that a pixel holds no value; None if it says so of no pixel."""
        mask = np.ma.getmaskarray(self.data) if isinstance(self.data, np.ma.MaskedArray) else None
        return mask if mask is not None and mask.any() else None

    @property
    def with_nan(self) -> np.ndarray:
        """The pixels, as floats with NaN where the file says that they hold no value."""
        if self.missing is None:
            return np.ma.getdata(self.data)
        values = self.data.astype(np.result_type(self.data.dtype, np.float32))
        return np.ma.filled(values, np.nan)

    def part(self, roi: Region) -> "ImageFile":
        """Return a region of a whole image."""
        alpha, metadata = self.alpha, self.metadata
        if alpha is not None:
            alpha = replace(alpha, values=alpha.values[index(roi[: alpha.values.ndim])])
        if self.axes is not None:
            sizes = {axis: size for axis, (size, unit) in self.pixel_size.items() if unit == "µm"}
            metadata = metadata.part(self.axes, roi, sizes)
        origin = tuple(start for start, _ in roi)
        data = self.data[index(roi)]
        return replace(self, data=data, origin=origin, alpha=alpha, metadata=metadata, indices=None)

    def refined(self, axes: str, factors: tuple[int, ...]) -> "ImageFile":
        """Return a blank image of the same scene with finer pixels.

        Parameters
        ----------
        axes : str
            One letter per axis.
        factors : tuple of int
            Number of fine pixels per pixel, along each axis.
        """
        shape = tuple(n * f for n, f in zip(self.data.shape, factors, strict=True))
        times = dict(zip(axes, factors, strict=True))
        sizes = {
            letter: (size / times.get(letter, 1), unit) for letter, (size, unit) in self.pixel_size.items()
        }
        blank = np.broadcast_to(self.data.dtype.type(0), shape)  # a view without memory of its own
        alpha = self.alpha
        if alpha is not None and any(f > 1 for f in factors):
            alpha = replace(alpha, values=_finer(alpha.values, factors[: alpha.values.ndim]))
        metadata = self.metadata.refined(axes, factors)
        return replace(self, data=blank, pixel_size=sizes, factors=factors, alpha=alpha, metadata=metadata)

    def pixel_ratio(self, other: "ImageFile", letters: Sequence[str]) -> tuple[float, ...] | None:
        """Return its pixel size divided by another's along some axes; None if a size is not known."""
        if not (set(letters) <= self.pixel_size.keys() and set(letters) <= other.pixel_size.keys()):
            return None
        ratios = []
        for letter in letters:
            (own, unit), (size, other_unit) = self.pixel_size[letter], other.pixel_size[letter]
            if unit != other_unit:
                if not {unit, other_unit} <= _METRES.keys():
                    return None
                own, size = own * _METRES[unit], size * _METRES[other_unit]
            if not (own > 0 and size > 0):
                return None
            ratios.append(own / size)
        return tuple(ratios)


def _finer(values: np.ndarray, factors: tuple[int, ...]) -> np.ndarray:
    """Return values interpolated linearly at the centres of finer pixels."""
    from scipy.ndimage import zoom

    return zoom(values, factors, order=1, mode="nearest", grid_mode=True)


def as_dtype(data: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """Return data rounded to a dtype, and the number of values that were clipped to its range.

    NaN becomes 0 in dtypes of integers, and infinity is clipped. Apart from the result, this takes a few
    megabytes of memory, whatever the size of the data. Data that have the dtype already are returned as they
    are.
    """
    if data.dtype == dtype:
        return data, 0
    if dtype.kind == "b":
        return data >= 0.5, 0
    convert = _to_float if dtype.kind == "f" else _to_integer if data.dtype.kind == "f" else _between_integers
    converted, clipped = np.empty(data.shape, dtype), 0
    if data.size:
        blocks: Any = np.nditer(
            [data, converted],
            flags=["external_loop", "buffered"],
            op_flags=[["readonly"], ["writeonly"]],
            buffersize=_BLOCK,
        )
        with blocks:
            for values, into in blocks:
                clipped += convert(values, into)
    return converted, clipped


def _to_float(values: np.ndarray, into: np.ndarray) -> int:
    """Write values of any dtype as floating-point numbers of another one; return how many were clipped."""
    limit = np.finfo(into.dtype).max
    beyond = np.isfinite(values) & ((values > limit) | (values < -limit))
    with np.errstate(over="ignore"):
        into[...] = values
    into[beyond] = np.where(values[beyond] > 0, limit, -limit)
    return int(np.count_nonzero(beyond))


def _to_integer(values: np.ndarray, into: np.ndarray) -> int:
    """Round floating-point numbers to integers; return how many were clipped."""
    limits = np.iinfo(into.dtype)
    rounded = np.rint(values.astype(np.float64))
    # The largest int64 and uint64 have no float64 of their own, but the integers after them have.
    above, below = rounded >= float(limits.max + 1), rounded < float(limits.min)
    rounded[above | below | np.isnan(rounded)] = 0
    into[...] = rounded
    into[above], into[below] = limits.max, limits.min
    return int(np.count_nonzero(above) + np.count_nonzero(below))


def _between_integers(values: np.ndarray, into: np.ndarray) -> int:
    """Write integers, or truth values, as integers of another dtype; return how many were clipped."""
    limits = np.iinfo(into.dtype)
    own = np.iinfo(np.uint8 if values.dtype.kind == "b" else values.dtype)
    low, high = max(limits.min, own.min), min(limits.max, own.max)
    kept = values if values.dtype.kind == "b" else np.clip(values, low, high)
    into[...] = kept
    return int(np.count_nonzero(kept != values))

"""Working units: grey levels without their offset, in a range that suits float32."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

#: The range of working values is at least 2 to this power, and less than twice as much, as in 8-bit images.
_BITS = 7
#: Share of the pixels below the lower end of the range, and share above its upper end.
_QUANTILE = 0.005
#: Number of pixels that are enough to find the range.
_SAMPLE = 2**18
#: Powers of two that float64 holds exactly, together with their inverse.
_LEAST, _LARGEST = -1022, 1022
#: Share of the standard deviation of the noise below which a step between two numbers does not matter.
_FINE = 0.01


@dataclass(frozen=True, slots=True)
class Units:
    """Working units, in which the value v stands for the grey level y = offset + scale · v.

    float32 has 24 bits. If grey levels lie on a high pedestal, these bits hold the pedestal and not the
    image. Very large and very small grey levels overflow or vanish when they are squared. Working values have
    neither a pedestal nor an extreme range. Both conversions are exact where float32 holds the result,
    because the offset is a grey level of the image itself and the scale is a power of two.

    Parameters
    ----------
    offset : int or float
        Grey level of the working value 0.
    scale : float
        Grey levels per working unit, a power of two.
    """

    offset: int | float = 0
    scale: float = 1.0

    @classmethod
    def of(cls, values: np.ndarray, *, with_offset: bool = True) -> Self:
        """Return the units that suit some grey levels: their range is about that of an 8-bit image.

        The range lies between two quantiles, so that single hot or dead pixels do not change it.

        Parameters
        ----------
        values : ndarray of real numbers, 1-D
            Grey levels of the observed pixels, all finite. If there are none, the units are grey levels.
        with_offset : bool
            Take off an offset. Without one, the working value 0 is the grey level 0.
        """
        if not values.size:
            return cls()
        low, high = _ends(values)
        if not with_offset:
            low, high = 0, max(abs(low), abs(high))
        # Halves, because the difference of two numbers of float64 can overflow.
        half = float(high / 2 - low / 2) if isinstance(high - low, float) else float(high - low) / 2
        if half <= 0:
            return cls(low)
        _, exponent = math.frexp(half)  # half < 2 ** exponent <= range
        return cls(low, math.ldexp(1.0, min(max(exponent - _BITS, _LEAST), _LARGEST)))

    @property
    def range(self) -> float:
        """The range of the grey levels, rounded down to a power of two."""
        return self.scale * 2.0**_BITS

    def to_working(self, values: np.ndarray) -> np.ndarray:
        """Return grey levels as working values in float32; what float32 can't hold becomes infinite."""
        if values.dtype.kind == "f":
            wide = np.result_type(values.dtype, np.float64).type
            difference = values.astype(wide) - wide(self.offset)
        else:
            difference = _integer_difference(values, int(self.offset))
        with np.errstate(over="ignore"):
            return np.asarray(difference / self.scale, np.float32)

    def to_grey(self, x: "Tensor") -> "Tensor":
        """Return working values as grey levels, in float64."""
        import torch

        x = x.cpu() if x.device.type == "mps" else x  # which has no float64
        return x.to(torch.float64, copy=True).mul_(self.scale).add_(float(self.offset))

    def to_grey_level(self, value: float) -> float:
        """Return the grey level of a working value."""
        return float(value * self.scale + self.offset)

    def level(self, grey: float) -> float:
        """Return the working value of a grey level."""
        return float((grey - self.offset) / self.scale)


def float32_suffices(largest: float, sigma: float) -> bool:
    """Return whether the steps between the numbers of float32 are fine enough for an image.

    Parameters
    ----------
    largest : float
        Largest magnitude of a grey level.
    sigma : float
        Standard deviation of the noise in grey levels.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        step = float(np.spacing(np.float32(largest)))
    return math.isfinite(step) and step <= _FINE * sigma


def _ends(values: np.ndarray) -> tuple[int | float, int | float]:
    """Return the grey levels between which nearly all values lie, or between which all lie."""
    sample = np.sort(values[:: -(-values.size // _SAMPLE)])
    beyond = min(math.ceil(_QUANTILE * sample.size), (sample.size - 1) // 2)
    low, high = sample[beyond], sample[-1 - beyond]
    if low == high:
        low, high = values.min(), values.max()
    kind = float if values.dtype.kind == "f" else int
    return kind(low), kind(high)


def _integer_difference(values: np.ndarray, offset: int) -> np.ndarray:
    """Return integers less an offset, as float64, rounded once.

    The difference of two 64-bit integers may need 65 bits. Its magnitude fits into 64.
    """
    if values.dtype.itemsize < 8:
        return (values.astype(np.int64) - offset).astype(np.float64)
    own = values.astype(np.uint64, copy=False)  # modulo 2 ** 64, as the differences below
    base = np.uint64(offset % 2**64)
    above = values >= values.dtype.type(offset)
    return np.where(above, own - base, base - own).astype(np.float64) * np.where(above, 1.0, -1.0)

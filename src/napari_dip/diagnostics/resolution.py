"""Fourier ring correlation: up to which frequency two images of the same scene agree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_dip.diagnostics.windows import centred, window
from napari_dip.errors import InputError
from napari_dip.image.grid import format_shape

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Criterion = Literal["1/7", "3-sigma"]

#: Width of a ring, in steps of the shortest axis's discrete frequencies.
_WIDTH = 2
#: Fewest pixels along each axis: with fewer, no ring holds enough frequencies.
FEWEST = 16
#: Standard deviations of the correlation of independent noise that count as significant.
_SIGNIFICANT = 3.0
#: Value of 3σ from which on a ring has too few frequencies to end a curve.
_TOO_FEW = 2 / 3
#: Share of the strongest ring's power below which a ring may hold what others have leaked.
_LEAKED = 1e-3


@dataclass(frozen=True, eq=False)
class FourierRingCorrelation:
    """How well two images agree at each spatial frequency: 1 if they are the same, 0 if they are unrelated.

    Parameters
    ----------
    frequency : ndarray, shape ``(R,)``
        Mean frequency of each ring (each shell, in a volume), in cycles per unit of the pixel size.
    correlation : ndarray, shape ``(R,)``
        The correlation in each ring, for two images that each have all of the light.
    three_sigma : ndarray, shape ``(R,)``
        What images without common structure exceed in hardly any ring, on the same scale.
    significant : ndarray of bool, shape ``(R,)``
        Whether all rings up to this one together exceed what images without common structure do.
    finest : float
        Smallest resolution that the pixels allow: two pixels.

    Notes
    -----
    With the Fourier transforms F₁ and F₂ of the two images::

        FRC(q) = Re Σ F₁ F₂* / √(Σ |F₁|² · Σ |F₂|²),

    where the sums run over the frequencies of ring q [1]_. The resolution is one over the frequency where the
    curve falls below a criterion, and stays below it in the mean of three rings. The fixed criterion 1/7 is
    that of [2]_. The 3σ criterion is 3 / √(n/2) for n independent frequencies in the ring [1]_. Both show a
    resolution only if the mean correlation of all rings up to there is above 3σ for all of their frequencies.
    So two images of nothing show none.

    References
    ----------
    .. [1] M. van Heel and M. Schatz, Fourier shell correlation threshold criteria, Journal of Structural
       Biology 151, 2005.
    .. [2] R. P. J. Nieuwenhuizen et al., Measuring image resolution in optical nanoscopy, Nature Methods 10,
       2013.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import fourier_ring_correlation
    >>> random = np.random.default_rng(0)
    >>> scene = np.cumsum(random.normal(size=(64, 64)), axis=1)
    >>> curve = fourier_ring_correlation(*(scene + random.normal(size=(2, 64, 64))))
    >>> bool(curve.correlation[0] > 0.9 > curve.correlation[-1])
    True
    """

    frequency: "NDArray[np.float64]"
    correlation: "NDArray[np.float64]"
    three_sigma: "NDArray[np.float64]"
    significant: "NDArray[np.bool_]"
    finest: float

    def resolution(self, criterion: Criterion = "1/7") -> float | None:
        """Return the finest period at which the two images agree, or None if they agree nowhere.

        Parameters
        ----------
        criterion : {"1/7", "3-sigma"}
            What the correlation has to exceed.

        Returns
        -------
        float or None
            In units of the pixel size. It is `finest` if the curve stays above the criterion.
        """
        if criterion not in ("1/7", "3-sigma"):
            raise InputError("criterion", f"criterion must be '1/7' or '3-sigma', got {criterion!r}")
        least = np.full(len(self.frequency), 1 / 7) if criterion == "1/7" else self.three_sigma
        above = self.correlation - least
        low = (above <= 0) & (_ahead(above) <= 0)  # a single ring may be low by chance
        ends = np.flatnonzero(low & (self.three_sigma < _TOO_FEW))
        end = int(ends[0]) if len(ends) else len(self.frequency)
        if end == 0 or not self.significant[end - 1]:
            return None
        if end == len(self.frequency):
            return self.finest
        share = above[end - 1] / (above[end - 1] - above[end]) if above[end - 1] > 0 else 1.0
        crossing = self.frequency[end - 1] + share * (self.frequency[end] - self.frequency[end - 1])
        return max(1 / float(crossing), self.finest)


@dataclass(frozen=True, eq=False)
class RingSums:
    """Sums over the frequencies of each ring; those of several frames or channels are added up.

    Parameters
    ----------
    frequency, number : ndarray, shape ``(R,)``
        Sum of the frequencies, and how many there are, of which `independent` is the share that the window
        leaves independent.
    cross, first, second : ndarray, shape ``(R,)``
        Sums of Re F₁ F₂*, |F₁|² and |F₂|².
    chance : ndarray, shape ``(R,)``
        Variance of `cross` if the two images are unrelated and all frequencies independent: `first` times
        `second` divided by `number`, for each frame. Bright frames count for more.
    finest : float
        Smallest resolution that the pixels allow.
    """

    frequency: "NDArray[np.float64]"
    number: "NDArray[np.float64]"
    independent: float
    cross: "NDArray[np.float64]"
    first: "NDArray[np.float64]"
    second: "NDArray[np.float64]"
    chance: "NDArray[np.float64]"
    finest: float

    @classmethod
    def of(
        cls, first: "ArrayLike", second: "ArrayLike", spacing: Sequence[float] | None = None
    ) -> "RingSums":
        """Return the sums for two images or volumes.

        Parameters
        ----------
        first, second : array_like, shape ``(*spatial)``
            Grey levels, 2-D or 3-D, of the same shape. Pixels that are not finite are replaced by the mean.
        spacing : sequence of float, optional
            Pixel size along each axis; 1 by default.
        """
        from scipy.fft import fftn

        arrays = [np.asarray(one, np.float64) for one in (first, second)]
        shape = arrays[0].shape
        if arrays[1].shape != shape:
            sizes = " and ".join(format_shape(one.shape) for one in arrays)
            raise InputError("second", f"both images must have the same shape, got {sizes}")
        if len(shape) not in (2, 3) or min(shape) < FEWEST:
            raise InputError(
                "first",
                f"the resolution is measured on images of two or three axes with at least {FEWEST} pixels "
                f"along each, got {format_shape(shape)}",
            )
        steps = (1.0,) * len(shape) if spacing is None else tuple(spacing)
        if len(steps) != len(shape) or not all(step > 0 and math.isfinite(step) for step in steps):
            raise InputError("spacing", f"spacing must hold a positive number for each axis, got {spacing}")
        weights = window(shape)
        transforms = [fftn(centred(one, weights)) for one in arrays]
        axes = [np.fft.fftfreq(n, step) for n, step in zip(shape, steps, strict=True)]
        frequency = np.sqrt(sum(one**2 for one in np.meshgrid(*axes, indexing="ij", sparse=True)))
        # The longest period that the image holds along each of its axes sets the width of a ring.
        extent = min(n * step for n, step in zip(shape, steps, strict=True))
        nyquist = 0.5 / min(steps)
        ring = np.floor(((frequency * extent).round(6) - 0.5) / _WIDTH).astype(np.intp)
        rings = int((nyquist * extent - 0.5) // _WIDTH)
        inside = (ring >= 0) & (ring < rings)
        where = ring[inside]

        def summed(values: np.ndarray) -> "NDArray[np.float64]":
            return np.bincount(where, values[inside], rings).astype(np.float64)

        one, other = transforms
        number = np.bincount(where, minlength=rings).astype(np.float64)
        first_power, second_power = (summed(np.abs(transform) ** 2) for transform in transforms)
        return cls(
            summed(frequency),
            number,
            float(np.mean(weights**2) ** 2 / np.mean(weights**4)),
            summed((one * other.conj()).real),
            first_power,
            second_power,
            first_power * second_power / number.clip(min=1),
            2 * min(steps),
        )

    def __add__(self, other: "RingSums") -> "RingSums":
        """Return the sums for two pairs of images together."""
        names = ("frequency", "number", "cross", "first", "second", "chance")
        totals = {name: getattr(self, name) + getattr(other, name) for name in names}
        return RingSums(**totals, independent=self.independent, finest=self.finest)

    def correlation(self, *, halves: bool = False) -> FourierRingCorrelation:
        """Return the correlation in each ring.

        Parameters
        ----------
        halves : bool
            Each image has half the light of the one whose resolution is wanted.
        """
        there = self.number > 0
        frequency = self.frequency[there] / self.number[there]
        powers = np.stack([self.first[there], self.second[there]])
        product, chance = powers.prod(0), self.chance[there]
        known = chance > 0
        found = np.divide(self.cross[there], np.sqrt(product), out=np.zeros(len(chance)), where=known)
        # Frames of different brightness count as fewer.
        number = np.divide(product, chance, out=self.number[there], where=known) * self.independent / 2
        mean = powers / self.number[there]
        counts = number * (mean >= _LEAKED * mean.max(1, initial=0, keepdims=True)).all(0)
        significant = (counts * found).cumsum() > _SIGNIFICANT * np.sqrt(counts.cumsum())
        noise = _SIGNIFICANT / np.sqrt(number)
        if halves:
            found, noise = doubled_light(found), doubled_light(noise)
        return FourierRingCorrelation(frequency, found, noise, significant, self.finest)


def fourier_ring_correlation(
    first: "ArrayLike",
    second: "ArrayLike",
    *,
    spacing: Sequence[float] | None = None,
    halves: bool = False,
) -> FourierRingCorrelation:
    """Compare two images of the same scene that share no noise, frequency by frequency.

    Two results made from the same measurement share its noise, and agree at all frequencies whether or not
    they show the scene. So do the pixels of a checkerboard of one restored image. Both say nothing about the
    resolution.

    Parameters
    ----------
    first, second : array_like, shape ``(*spatial)``
        Grey levels, 2-D or 3-D (shells in place of rings). Pixels that are not finite are replaced by the
        mean.
    spacing : sequence of float, optional
        Pixel size along each axis; 1 by default.
    halves : bool
        The two images are halves of one measurement, each with half of its light. The correlation F of the
        halves is then turned into that of two whole measurements, 2F / (1 + F).

    Returns
    -------
    FourierRingCorrelation
        The curve, from which `resolution` reads off the resolution.

    Raises
    ------
    ValueError
        The images differ in shape, or are too small.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import fourier_ring_correlation
    >>> random = np.random.default_rng(0)
    >>> fourier_ring_correlation(*random.normal(size=(2, 64, 64))).resolution() is None
    True
    """
    return RingSums.of(first, second, spacing).correlation(halves=halves)


def _ahead(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return the mean of each value and the next two, as far as there are any."""
    kernel = np.ones(3)
    return np.convolve(values, kernel)[2:] / np.convolve(np.ones(len(values)), kernel)[2:]


def doubled_light(correlation: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return the correlation of two whole measurements from that of two halves, 2F / (1 + |F|).

    If the halves hold the power S of the scene and N of the noise, F = S / (S + N), and twice the light
    halves N. This is exact for data and for linear filters. Negative values are chance, and are treated as
    positive ones are, so that the mean of chance stays 0.

    Parameters
    ----------
    correlation : ndarray
        F in each ring.
    """
    return 2 * correlation / (1 + np.abs(correlation))

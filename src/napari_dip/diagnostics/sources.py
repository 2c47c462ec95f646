"""Sources that stand out from the noise: matched filters of several widths."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial, reduce

import numpy as np

from napari_dip.diagnostics.separable import Sums, around, correlated

_Values = np.ndarray | float

#: Widths of the filters: standard deviations of Gaussians, in pixels.
WIDTHS = (1.0, 1.3, 1.7, 2.3, 3.2, 4.5, 6.4)
#: Largest mean number of false sources in an image, over all its pixels, both signs and all widths.
FALSE_SOURCES = 0.1
#: Half of a filter's window, in standard deviations of its Gaussian.
_REACH = 4.0
#: Least share of a filter's information that has to be observed.
_OBSERVED = 0.5
#: Least weight of the pixel in the middle, as a share of the mean weight in the window.
_MIDDLE = 0.1
#: Largest skewness of a filtered image for which its distribution is known well enough.
_SKEWED = 0.8
#: Radius in standard deviations within which a peak hides all weaker ones, and the share of its height that
#: others need elsewhere in its window, where it leaves echoes.
_CORE, _ECHO = 1.5, 0.3
#: Side of the place in which a peak has to be the highest, in pixels.
_APART = 5
#: Share of pixels with a weight of their own up to which each is taken into account by itself.
_FEW = 2**-12


@dataclass(frozen=True, eq=False)
class Peaks:
    """Places where an image stands out from its surroundings.

    Parameters
    ----------
    places : ndarray of int, shape ``(number, axes)``
        Pixel of each.
    width : ndarray of int, shape ``(number,)``
        Number of the filter that it stands out in most.
    significance : ndarray, shape ``(number,)``
        Height in standard errors; negative for dark peaks.
    """

    places: np.ndarray
    width: np.ndarray
    significance: np.ndarray

    @classmethod
    def none(cls, axes: int) -> "Peaks":
        """Return no peaks, in an image with so many axes."""
        return cls(np.zeros((0, axes), int), np.zeros(0, int), np.zeros(0))

    @classmethod
    def together(cls, parts: "Sequence[Peaks]") -> "Peaks":
        """Return the peaks of several parts of an image as one."""
        fields = zip(*((part.places, part.width, part.significance) for part in parts), strict=True)
        return cls(*map(np.concatenate, fields))

    def __len__(self) -> int:
        return len(self.places)

    def where(self, chosen: np.ndarray) -> "Peaks":
        """Return some of them."""
        return Peaks(self.places[chosen], self.width[chosen], self.significance[chosen])


@dataclass(frozen=True, eq=False)
class MatchedFilters:
    """Filters that measure the flux of a source above its surroundings, and its significance.

    At each pixel, a Gaussian g and a constant are fitted to the image r within a window, by least squares
    with the weights w = 1 / variance. If S is the sum over the window, the flux a and its variance are

        a = (S(w g r) − S(w g) S(w r) / S(w)) / D,   var a = 1 / D,   D = S(w g²) − S(w g)² / S(w).

    The constant makes the filter blind to the brightness of the surroundings. The significance is a / √var a.
    Photon noise is skewed: its significance is translated to that of a normal variable with the same
    probability (Wilson and Hilferty, PNAS 17, 1931).

    Parameters
    ----------
    weights : ndarray, shape ``(*spatial)``
        1 / variance of the noise of each pixel, 0 where a pixel is missing.
    skewness : ndarray, shape ``(*spatial)`` or ``()``
        Skewness of the noise of each pixel, or of all.
    widths : sequence of float
        Standard deviations of the Gaussians, in pixels.
    """

    weights: np.ndarray
    skewness: np.ndarray
    widths: Sequence[float] = WIDTHS

    @cached_property
    def usable(self) -> list[float]:
        """The widths whose window fits into the image."""
        return [width for width in self.widths if len(profile(width)) <= min(self.weights.shape)]

    @cached_property
    def threshold(self) -> float:
        """The significance that noise alone exceeds at less than 0.1 places of an image, on average."""
        return threshold(int(np.count_nonzero(self.weights)), len(self.usable))

    @property
    def margin(self) -> int:
        """The number of pixels around a place that decide on what is found there."""
        return max((_reach(width) for width in self.usable), default=0) + _APART // 2

    @cached_property
    def _known(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each width, S(w g) / S(w), 1 / √D or 0 where it is unusable, and the skewness of the result."""
        found = []
        for width in self.usable:
            g = profile(width)
            sums, complete = zip(*map(self._over_window, (np.ones_like(g), g, g * g)), strict=True)
            template = kernel(width, self.weights.ndim)
            template = template - template.mean()
            power = float((template**2).sum())
            fitted = partial(_fitted, pixels=template.size, power=power)
            if self._uneven[1] is None:
                mean, scale = fitted(sums, self.weights)
            else:
                # Most windows are complete and even, and all that is known is the same for them.
                usual = fitted(complete, self._uneven[0])
                mean, scale = (np.full(self.weights.shape, one) for one in usual)
                other = sums[0] != complete[0]
                mean[other], scale[other] = fitted([one[other] for one in sums], self.weights[other])
            skewness = float((template**3).sum()) / power**1.5 * self.skewness
            unknown = np.abs(skewness) >= _SKEWED
            if unknown.any():
                np.copyto(scale, 0, where=unknown)
            found.append((mean, scale, skewness))
        return found

    def _over_window(self, g: np.ndarray) -> tuple[np.ndarray, float]:
        """Return S(w g) at each pixel for a filter that is g along each axis, and where all is observed."""
        usual, others = self._uneven
        if others is None:
            return correlated(self.weights.astype(np.float64), g), np.nan
        # Where the noise is even and few pixels are missing, one line along each axis tells nearly all.
        lines = [np.convolve(np.ones(n), g, "same") for n in self.weights.shape]
        sums = reduce(np.multiply.outer, lines, np.asarray(usual))
        complete = float(sums[tuple(n // 2 for n in sums.shape)])
        for place in others:
            inside, own = around(self.weights.shape, place, len(g) // 2)
            part = reduce(np.multiply.outer, [g[one] for one in own])
            sums[inside] += (float(self.weights[tuple(place)]) - usual) * part
        return sums, complete

    @cached_property
    def _uneven(self) -> tuple[float, np.ndarray | None]:
        """The largest weight, and the places of pixels with another; None if there are many."""
        usual = self.weights.max()
        others = self.weights != usual
        few = np.count_nonzero(others) <= _FEW * others.size
        return float(usual), np.argwhere(others) if few else None

    def significance(self, image: np.ndarray) -> Generator[None, None, np.ndarray]:
        """Return the significance at each width and pixel, shape ``(widths, *spatial)``, in steps."""
        weighted = np.multiply(self.weights, image, dtype=np.float64)
        sums = Sums(weighted, max((_reach(width) for width in self.usable), default=0))
        found = np.empty((len(self.usable), *image.shape))
        for width, z, (mean, scale, skewness) in zip(self.usable, found, self._known, strict=True):
            yield
            surroundings = sums.over(_reach(width))
            surroundings *= mean
            np.subtract(correlated(weighted, profile(width)), surroundings, out=z)
            z *= scale
            _to_normal(z, skewness)
        return found

    def information(self, number: int) -> np.ndarray:
        """Return D of a filter at each pixel, 1 / variance of the flux; 0 where nothing can be measured."""
        scale = self._known[number][1]
        return np.divide(1, np.square(scale), where=scale > 0, out=np.zeros_like(scale))

    def peaks(self, significance: np.ndarray, least: float | None = None) -> Peaks:
        """Return the peaks beyond a significance, among all widths and both signs.

        Parameters
        ----------
        significance : ndarray, shape ``(widths, *spatial)``
            What `significance` returned.
        least : float, optional
            By default `threshold`.
        """
        found = self.highest(significance, self.threshold if least is None else least)
        return found.where(self.foremost(found))

    def highest(self, significance: np.ndarray, least: float) -> Peaks:
        """Return the peaks beyond a significance, among them parts and echoes of others."""
        from scipy.ndimage import maximum_filter

        if not len(significance):
            return Peaks.none(self.weights.ndim)
        height = np.maximum(significance.max(0), -significance.min(0))
        if height.max() <= least:
            return Peaks.none(self.weights.ndim)
        places = np.argwhere((height > least) & (height == maximum_filter(height, _APART)))
        at = tuple(places.T)
        width = np.abs([image[at] for image in significance]).argmax(0)
        return Peaks(places, width, significance[(width, *at)])

    def foremost(self, peaks: Peaks) -> np.ndarray:
        """Return which peaks are no parts or echoes of a stronger one."""
        limit, heights = np.zeros(self.weights.shape), np.abs(peaks.significance)
        for place, number, height in zip(peaks.places, peaks.width, heights, strict=True):
            width = self.usable[number]
            for reach, share in ((int(np.ceil(_CORE * width)), 1.0), (_reach(width), _ECHO)):
                inside, _ = around(limit.shape, place, reach)
                np.maximum(limit[inside], share * height, out=limit[inside])
        found: np.ndarray = heights >= limit[tuple(peaks.places.T)]
        return found


def _fitted(
    sums: Sequence[_Values], weights: _Values, *, pixels: int, power: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return S(w g) / S(w), and 1 / √D or 0 where too little is observed.

    Parameters
    ----------
    sums : sequence of ndarray or float
        S(w), S(w g) and S(w g²) of some windows.
    weights : ndarray or float, of the same shape
        Weight of the pixel in the middle of each.
    pixels : int
        Number of pixels in a window.
    power : float
        D of a complete window of weight 1.
    """
    total, first, second = sums
    mean = np.asarray(first / np.maximum(total, 1e-300))
    information = second - first * mean
    # A flux must not be extrapolated from the rim of a source whose middle is hardly observed.
    usable = (weights > _MIDDLE / pixels * total) & (information > _OBSERVED * power * weights)
    scale = np.sqrt(np.where(usable, information, np.inf))
    return mean, 1 / scale


def threshold(pixels: int, widths: int) -> float:
    """Return the significance that noise exceeds at less than 0.1 places, over all widths and signs."""
    from scipy.stats import norm

    return float(norm.isf(FALSE_SOURCES / (2 * max(pixels, 1) * max(widths, 1))))


def profile(width: float) -> np.ndarray:
    """Return a Gaussian of sum 1 along one axis, in the window of its filter."""
    reach = _reach(width)
    values = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * width**2))
    return values / values.sum()


def _reach(width: float) -> int:
    """Return half of a filter's window, in pixels."""
    return int(np.ceil(_REACH * width)) + 1


def kernel(width: float, axes: int) -> np.ndarray:
    """Return a Gaussian of sum 1 along so many axes, in the window of its filter."""
    one = values = profile(width)
    for _ in range(axes - 1):
        values = np.multiply.outer(values, one)
    return values


def _to_normal(z: np.ndarray, skewness: np.ndarray) -> None:
    """Replace a gamma variable z of mean 0 and variance 1 by the normal one that is as improbable.

    Away from the long tail, z is more improbable than a normal variable, and stays as it is. So does z
    between -1 and 1, where both are about equal.
    """
    skewed = np.abs(skewness) > 1e-4
    if not skewed.any():
        return
    long_tail = skewed & (z * np.sign(skewness) > 1)
    s, tail = np.broadcast_to(skewness, z.shape)[long_tail], z[long_tail]
    z[long_tail] = 6 / s * (np.cbrt(s * tail / 2 + 1) - 1) + s / 6

"""Sources that stand out from the noise: matched filters of several widths."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

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
    skewness : ndarray, shape ``(*spatial)``
        Skewness of the noise of each pixel.
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

    @cached_property
    def _known(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each width, S(w g) / S(w), D, and the skewness of the filtered image."""
        found = []
        for width in self.usable:
            g = profile(width)
            total, first, second = (self._over_window(part) for part in (np.ones_like(g), g, g * g))
            mean = first / np.maximum(total, 1e-300)
            information = second - mean**2 * total
            template = kernel(width, self.weights.ndim)
            template = template - template.mean()
            lopsided = float((template**3).sum() / (template**2).sum() ** 1.5)
            # The information that there would be without missing pixels.
            complete = self.weights * float((template**2).sum())
            # A flux must not be extrapolated from the rim of a source whose middle is hardly observed.
            usual = total / len(g) ** self.weights.ndim
            observed = (self.weights > _MIDDLE * usual) & (information > _OBSERVED * complete)
            skewness = lopsided * self.skewness
            information = np.where(observed & (np.abs(skewness) < _SKEWED), information, 0.0)
            found.append((mean, information, skewness))
        return found

    def _over_window(self, g: np.ndarray) -> np.ndarray:
        """Return S(w g) at each pixel for a filter that is g along each axis."""
        if np.ptp(self.weights) > 0:
            return _filtered(self.weights, g)
        # Without missing pixels and where the noise is even, one line along each axis tells all.
        sums = self.weights.flat[0] * np.ones(())
        for n in self.weights.shape:
            sums = np.multiply.outer(sums, _filtered(np.ones(n), g))
        return sums

    def significance(self, image: np.ndarray) -> Generator[None, None, np.ndarray]:
        """Return the significance at each width and pixel, shape ``(widths, *spatial)``, in steps."""
        weighted = self.weights * image
        significance = []
        for width, (mean, information, skewness) in zip(self.usable, self._known, strict=True):
            yield
            g = profile(width)
            above = _filtered(weighted, g) - mean * _summed(weighted, len(g))
            z = above * np.sqrt(1 / np.where(information > 0, information, np.inf))
            significance.append(_of_normal(z, skewness))
        if not significance:
            return np.zeros((0, *image.shape))
        return np.stack(significance)

    def information(self, number: int) -> np.ndarray:
        """Return D of a filter at each pixel, 1 / variance of the flux; 0 where nothing can be measured."""
        return self._known[number][1]

    def peaks(self, significance: np.ndarray, least: float | None = None) -> Peaks:
        """Return the peaks beyond a significance, among all widths and both signs.

        Parameters
        ----------
        significance : ndarray, shape ``(widths, *spatial)``
            What `significance` returned.
        least : float, optional
            By default `threshold`.
        """
        from scipy.ndimage import maximum_filter

        if not len(significance):
            axes = self.weights.ndim
            return Peaks(np.zeros((0, axes), int), np.zeros(0, int), np.zeros(0))
        best, width = significance[0], np.zeros(significance.shape[1:], int)
        height = np.abs(best)
        for number, other in enumerate(significance[1:], 1):
            higher = np.abs(other) > height
            best, width = np.where(higher, other, best), np.where(higher, number, width)
            height = np.abs(best)
        least = self.threshold if least is None else least
        chosen = (height == maximum_filter(height, _APART)) & (height > least)
        found = Peaks(np.argwhere(chosen), width[chosen], best[chosen])
        return found.where(np.abs(found.significance) >= self._outshone(found))

    def _outshone(self, peaks: Peaks) -> np.ndarray:
        """Return the height below which each peak is taken for a part or an echo of a stronger one."""
        limit = np.zeros(self.weights.shape)
        for place, number, height in zip(peaks.places, peaks.width, np.abs(peaks.significance), strict=True):
            width = self.usable[number]
            for reach, share in ((int(np.ceil(_CORE * width)), 1.0), (_reach(width), _ECHO)):
                around = limit[tuple(slice(max(0, at - reach), at + reach + 1) for at in place)]
                np.maximum(around, share * height, out=around)
        found: np.ndarray = limit[tuple(peaks.places.T)]
        return found


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


def _filtered(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the sum over the window of each pixel, with weights along each axis; beyond the border is 0."""
    from scipy.ndimage import correlate1d

    for axis in range(image.ndim):
        image = correlate1d(image, weights, axis, mode="constant")
    return image


def _summed(image: np.ndarray, size: int) -> np.ndarray:
    """Return the sum over the window of each pixel, all weights 1; beyond the border is 0."""
    from scipy.ndimage import uniform_filter1d

    for axis in range(image.ndim):
        image = uniform_filter1d(image, size, axis, mode="constant")
    return image * float(size**image.ndim)


def _of_normal(z: np.ndarray, skewness: np.ndarray) -> np.ndarray:
    """Return the normal variable that is as improbable as a gamma variable z of mean 0 and variance 1.

    Away from the long tail, z is more improbable than a normal variable, and is returned as it is. So is z
    between -1 and 1, where both are about equal.
    """
    long_tail = (np.abs(skewness) > 1e-4) & (z * np.sign(skewness) > 1)
    s, tail = skewness[long_tail], z[long_tail]
    moved = z.copy()
    moved[long_tail] = 6 / s * (np.cbrt(s * tail / 2 + 1) - 1) + s / 6
    return moved

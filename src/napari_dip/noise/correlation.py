"""Do neighbouring pixels have the same noise? The spectrum of the noise in places with little structure."""

import math
from dataclasses import dataclass

import numpy as np

#: Side of a block, and distance of blocks, which overlap by half.
SIZE, _STEP = 8, 4
#: Share of the blocks that counts as the flattest, and the smallest number of blocks.
_FLATTEST, FEWEST = 0.1, 32
#: Largest share of a block's pixels that may have the image's lowest value, or its highest.
_CLIPPED = 0.25
#: Middle frequencies, the highest ones, and the high ones along the other axis.
_MIDDLE, _HIGHEST, _ACROSS = slice(2, 5), slice(6, 8), slice(5, 8)
#: Share of the blocks whose ratio is the least: little of it comes from structure.
_LEAST = 0.08
#: Standard error of that ratio's logarithm, times the root of the number of blocks without overlap.
_SPREAD = 1.6
#: Structure at middle frequencies along both axes that is seen along one axis, as a share, and the most of
#: the former that counts. With texture everywhere (gravel, grass) the share was at most 0.15.
_LEAK, _MOST = 0.15, 8.0
#: Least decline of correlated noise, and the standard errors by which it has to differ from 1. White noise on
#: 12 images of 256 x 256 pixels gave at most 1.3, and the weakest of correlated noise 1.42.
_DECLINE, _SIGNIFICANT = 1.37, 4.0
#: The same for a decline along one axis, as after a shift along it. Structure often has one direction.
_ONE_AXIS = 2.2
#: Ratio along both axes in the flattest blocks above which noise is correlated. White noise on 18 images gave
#: at most 3.3 (sigma 5 on gravel).
_RATIO = 4.0
#: Largest ratio of the median to the lowest tenth of the power of noise, by the multiple of what chance makes
#: of it. Where structure reaches everywhere, and there is no noise, this ratio is far larger.
_EVEN = 20.0
#: Median of the square of a normal variable.
_MEDIAN = 0.4549


@dataclass(frozen=True, eq=False)
class Correlation:
    """How much weaker noise is at the highest frequencies than at middle ones.

    Parameters
    ----------
    decline : float
        Power at middle frequencies along one axis divided by that at the highest ones; the geometric mean of
        both axes. It is 1 for white noise. NaN if it can't be measured.
    largest : float
        The same along the axis where the noise declines more.
    error : float
        Standard error of `decline`.
    ratio : float
        The same along both axes at once, in the flattest blocks.
    even : bool
        Whether the power is about the same everywhere, as that of noise is. If not, it is that of structure.
    spectrum : ndarray, shape ``(8, 8)``
        Power of the noise in the flattest blocks at i/16 and j/16 cycles per pixel, in grey levels². At
        frequency 0 it can't be told from the image, and is 0. NaN if it can't be measured.
    """

    decline: float
    largest: float
    error: float
    ratio: float
    even: bool
    spectrum: np.ndarray

    @property
    def variance(self) -> float:
        """Variance of the noise in the flattest blocks, in grey levels²."""
        return float(self.spectrum.sum()) / (SIZE**2 - 1)

    @property
    def significant(self) -> bool:
        """Whether neighbouring pixels have noise in common."""
        if not self.even or not self.variance > 0:
            return False
        clear = _SIGNIFICANT * self.error
        declines = self.decline > max(_DECLINE, 1 + clear) or self.largest > max(_ONE_AXIS, 1 + 2 * clear)
        return declines or self.coarse

    @property
    def coarse(self) -> bool:
        """Whether the flattest blocks have little power at the highest frequencies, as after strong JPEG."""
        return self.ratio > _RATIO


def correlation(values: np.ndarray, seen: np.ndarray) -> Correlation:
    """Measure the spectrum of the noise in the blocks of an image that have the least structure.

    Parameters
    ----------
    values : ndarray of float, shape ``(planes, H, W)``
        Grey levels of one channel.
    seen : ndarray of bool, the same shape
        False where a pixel is missing.

    Notes
    -----
    The spectrum is measured with the cosine transform of 8 x 8 blocks without missing pixels, as in [1]_. Let
    E(i, j) be a coefficient's square; i and j stand for i/16 and j/16 cycles per pixel. In each block the
    ratio

        R = mean of E over i in {2, 3, 4}, j in {5, 6, 7}  /  mean of E over i in {6, 7}, j in {5, 6, 7}

    compares frequencies along the first axis that are high along the second. White noise of any strength,
    also if that depends on the brightness, gives R an F distribution with 9 and 6 degrees of freedom. Edges
    and texture have little energy at such frequencies. They only increase R, so the decline along an axis is
    the ratio of R's lower quantile of 8 % to that of the F distribution. A part of what (i, j) in
    {2, 3, 4} x {2, 3, 4} has in excess is taken off, since fine texture is found there first. Every filter
    that correlates noise removes most from the highest frequencies.

    Noise of large grains under a sharp image declines at lower frequencies. It is found by `ratio`, which
    compares {3, 4} x {3, 4} with {6, 7} x {6, 7} in the flattest tenth of the blocks. A block is flat if it
    has little energy at frequencies that are middle along one axis and low along the other.

    With fewer than 32 whole blocks, for example if every other pixel is missing, nothing can be measured.

    References
    ----------
    .. [1] N. Ponomarenko et al., An automatic approach to lossy compression of AVIRIS images, IGARSS 2007,
       section 2.
    """
    power = _power(values, seen)
    if len(power) < FEWEST:
        return Correlation(*(math.nan,) * 4, even=False, spectrum=np.full((SIZE, SIZE), math.nan))
    along = _lower_ratio(power[:, _MIDDLE, _ACROSS], power[:, _HIGHEST, _ACROSS])
    across = _lower_ratio(power[:, _ACROSS, _MIDDLE], power[:, _ACROSS, _HIGHEST])
    both = _lower_ratio(power[:, _MIDDLE, _MIDDLE], power[:, _HIGHEST, _HIGHEST])
    product = along * across
    structure = _LEAK * min(max(both - product, 0.0), _MOST) if math.isfinite(product) else 0.0
    spectrum = _flattest(power)
    high = spectrum[6:, 6:].mean()
    return Correlation(
        decline=product**0.5 - structure,
        largest=max(along, across) - structure,
        error=_SPREAD / (len(power) * _STEP**2 / SIZE**2) ** 0.5,
        ratio=float(spectrum[3:5, 3:5].mean() / high) if high > 0 else math.inf,
        even=_even(power[:, _MIDDLE, _ACROSS]),
        spectrum=spectrum,
    )


def _power(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the squares of the coefficients of all blocks with noise, shape ``(blocks, 8, 8)``."""
    from scipy.fft import dctn

    if min(values.shape[-2:]) < SIZE:
        return np.empty((0, SIZE, SIZE))
    blocks, whole = (_blocks(part) for part in (values, seen))
    blocks = blocks[whole.all((1, 2))]
    if len(blocks):
        # Leave out blocks whose noise is cut off. Other constant blocks stay: compression produces them.
        at_an_end = [(blocks == end).mean((1, 2)) > _CLIPPED for end in (blocks.min(), blocks.max())]
        blocks = blocks[~(at_an_end[0] | at_an_end[1])]
    blocks = blocks - blocks.mean((1, 2), keepdims=True)
    coefficients: np.ndarray = dctn(blocks, axes=(1, 2), norm="ortho")
    return np.square(coefficients)


def _blocks(planes: np.ndarray) -> np.ndarray:
    """Return overlapping blocks, shape ``(number, 8, 8)``."""
    windows = np.lib.stride_tricks.sliding_window_view(planes, (SIZE, SIZE), (1, 2))
    return windows[:, ::_STEP, ::_STEP].reshape(-1, SIZE, SIZE)


def _lower_ratio(power: np.ndarray, other: np.ndarray) -> float:
    """Return the lower quantile of the blocks' ratios, divided by that of white noise."""
    from scipy.special import fdtri

    first, second = power.mean((1, 2)), other.mean((1, 2))
    there = first + second > 0
    if not there.any():
        return math.nan
    with np.errstate(divide="ignore"):
        ratio = first[there] / second[there]
    found = float(np.quantile(ratio, _LEAST, method="lower"))
    return found / float(fdtri(power[0].size, other[0].size, _LEAST))


def _even(power: np.ndarray) -> bool:
    """Whether the median of the blocks' power is not much above its lowest tenth."""
    from scipy.special import gammaincinv

    low, median = np.quantile(power.mean((1, 2)), (0.1, 0.5))
    half = power[0].size / 2
    return bool(median <= _EVEN * gammaincinv(half, 0.5) / gammaincinv(half, 0.1) * low)


def _flattest(power: np.ndarray) -> np.ndarray:
    """Return the spectrum of the flattest blocks, shape ``(8, 8)``: the medians of their coefficients."""
    k = np.arange(SIZE)
    along, across = np.maximum(k[:, None], k), np.minimum(k[:, None], k)
    edges = power[:, (along >= 3) & (along <= 6) & (across <= 2)].sum(1)
    flat = edges.argsort(kind="stable")[: max(FEWEST, int(_FLATTEST * len(edges)))]
    spectrum: np.ndarray = np.median(power[flat], axis=0) / _MEDIAN
    return spectrum

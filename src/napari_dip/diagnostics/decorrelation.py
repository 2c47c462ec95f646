"""Decorrelation analysis: the resolution of one image as it was measured, from its Fourier phases."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.diagnostics.windows import centred, window
from napari_dip.errors import InputError
from napari_dip.image.grid import format_shape

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Number of radii and of high-pass filters, and of rounds in which both are refined.
_RADII, _FILTERS, _ROUNDS = 50, 10, 2
#: Width of the strongest high-pass filter in pixels, and of the weakest one as a share of the image.
_NARROW, _WIDE = 0.15, 0.25
#: Height that a peak must have, and how far the curve must fall behind it.
_LEAST, _FALL = 0.05, 1e-3
#: How far beyond the best peak of the first round the radii of the second one reach.
_BEYOND = 0.4
#: Fewest pixels along each axis.
_FEWEST = 32


@dataclass(frozen=True, eq=False)
class Decorrelation:
    """What decorrelation analysis says of an image.

    Parameters
    ----------
    resolution : float or None
        The finest period that the image holds, in pixels; None if there is none above the noise.
    height : float
        Height of the curve's peak without a filter, between 0 and 1: the more signal, the higher.
    radius : ndarray, shape ``(R,)``
        Radii as a share of the highest frequency, half a cycle per pixel.
    curve : ndarray, shape ``(R,)``
        The curve d(r) without a filter.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import decorrelation_analysis
    >>> image = np.random.default_rng(0).normal(size=(64, 64))
    >>> decorrelation_analysis(image).curve.shape
    (50,)
    """

    resolution: float | None
    height: float
    radius: "NDArray[np.float64]"
    curve: "NDArray[np.float64]"


def decorrelation_analysis(image: "ArrayLike") -> Decorrelation:
    """Estimate the resolution of an image as it was measured, without a second one.

    It needs noise that is independent from pixel to pixel. It says nothing of a restored image, in which the
    noise has been smoothed: use `measure_resolution` for that.

    Parameters
    ----------
    image : array_like, shape ``(H, W)``
        Grey levels. Pixels that are not finite are replaced by the mean.

    Returns
    -------
    Decorrelation
        The resolution and the curve.

    Raises
    ------
    ValueError
        The image has other than two axes, or is too small.

    Notes
    -----
    Let I be the Fourier transform of the image, Iₙ the same with all amplitudes set to 1, and M the mask of
    the frequencies below r. Their correlation is (equation 1 of [1]_)::

        d(r) = Σ Re(I Iₙ* M) / √(Σ |I|² · Σ |Iₙ M|²) = Σ_{|k| < r} |I| / √(Σ |I|² · n(r))

    for n(r) frequencies below r. As r grows, signal raises the curve, and noise, whose amplitudes are small,
    lowers it. The peak is therefore where signal ends. High-pass filters ``1 − exp(−2 π² s² |k|²)`` of widths
    s from a quarter of the image to 0.15 pixels remove more and more of the strong low frequencies. The
    resolution is that of the peak at the highest frequency over all filters, in two rounds, the second with
    radii and widths that lie closer together.

    References
    ----------
    .. [1] A. Descloux, K. S. Grußmayer and A. Radenovic, Parameter-free image resolution estimation based on
       decorrelation analysis, Nature Methods 16, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import decorrelation_analysis
    >>> noise = np.random.default_rng(0).normal(size=(64, 64))
    >>> decorrelation_analysis(noise).resolution is None
    True
    """
    values = np.asarray(image, np.float64)
    if values.ndim != 2 or min(values.shape) < _FEWEST:
        raise InputError(
            "image",
            f"decorrelation analysis needs an image of two axes with at least {_FEWEST} pixels along each, "
            f"got {format_shape(values.shape)}",
        )
    spectrum = _Spectrum.of(values)
    radii = np.linspace(0, 1, _RADII)
    plain = spectrum.curve(radii, None)
    first, height = _peak(radii, plain)
    widest = max(values.shape) * _WIDE
    start = 2 / first if first else widest
    widths = np.array([widest, *np.geomspace(max(start, 2 * _NARROW), _NARROW, _FILTERS)])
    best = first if height >= _LEAST else 0.0
    for _ in range(_ROUNDS):
        peaks = [_peak(radii, spectrum.curve(radii, width)) for width in widths]
        places = np.array([place if high >= _LEAST else 0.0 for place, high in peaks])
        if not places.any():
            break
        at = len(places) - 1 - int(places[::-1].argmax())  # of several filters the strongest
        best = max(best, float(places[at]))
        step = radii[1] - radii[0]
        radii = np.linspace(max(places[at] - step, 0.0), min(places[at] + _BEYOND, 1.0), _RADII)
        widths = np.geomspace(widths[max(at - 1, 0)], widths[min(at + 1, len(widths) - 1)], _FILTERS)
    return Decorrelation(2 / best if best else None, height, np.linspace(0, 1, _RADII), plain)


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """The amplitudes of an image's Fourier transform, in the order of their radii."""

    radius: "NDArray[np.float64]"
    amplitude: "NDArray[np.float64]"

    @classmethod
    def of(cls, image: np.ndarray) -> "_Spectrum":
        from scipy.fft import fftn

        amplitude = np.abs(fftn(centred(image, window(image.shape))))
        rows, columns = (2 * np.fft.fftfreq(n) for n in image.shape)
        radius = np.hypot(rows[:, None], columns)
        inside = (radius < 1) & (radius > 0)
        order = radius[inside].argsort()
        return cls(radius[inside][order], amplitude[inside][order])

    def curve(self, radii: "NDArray[np.float64]", width: float | None) -> "NDArray[np.float64]":
        """Return d(r) after a high-pass filter of this width in pixels; None stands for no filter."""
        amplitude = self.amplitude
        if width is not None:  # the radius 1 is half a cycle per pixel
            amplitude = amplitude * -np.expm1(-(np.pi**2) / 2 * width**2 * self.radius**2)
        number = self.radius.searchsorted(radii)
        below = np.append(0.0, amplitude.cumsum())[number]
        return below / np.sqrt(np.square(amplitude).sum() * number.clip(min=1)).clip(min=1e-300)


def _peak(radii: "NDArray[np.float64]", curve: "NDArray[np.float64]") -> tuple[float, float]:
    """Return the place and the height of the highest peak that the curve falls from; 0 and 0 without one."""
    end = len(curve)
    while end > 1:
        at = int(curve[:end].argmax())
        if at == 0:
            break
        if curve[at] - curve[at:end].min() >= _FALL:
            return float(radii[at]), float(curve[at])
        end = at
    return 0.0, 0.0

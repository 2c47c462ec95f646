"""Splits one measurement into two that show the same scene and share no noise."""

import math
from dataclasses import dataclass, replace

import numpy as np

from napari_dip.errors import InputError
from napari_dip.noise.models import GaussianNoise, NoiseModel, PoissonGaussianNoise, PoissonNoise

#: Distance from a whole number, in photons, that the rounding of grey levels explains.
_WHOLE = 1e-3
#: Share of the pixels whose grey level may lie so low that it states no variance of the noise.
_DARK = 0.1


@dataclass(frozen=True, eq=False)
class Part:
    """One of two parts of a measurement.

    Parameters
    ----------
    image : ndarray of float64
        Grey levels with the same mean as the whole measurement, and with more noise.
    noise : NoiseModel
        The noise of these grey levels.
    """

    image: np.ndarray
    noise: NoiseModel


@dataclass(frozen=True, eq=False)
class Split:
    """Two parts of a measurement, and how they were made.

    Parameters
    ----------
    parts : (Part, Part)
        The parts.
    how : str
        What was done, as a sentence.
    """

    parts: tuple[Part, Part]
    how: str


def split(image: np.ndarray, noise: NoiseModel, random: np.random.Generator, *, share: float = 0.5) -> Split:
    """Return two parts of a measurement whose noise is independent, or at least uncorrelated.

    Parameters
    ----------
    image : ndarray of real numbers
        Grey levels; NaN where a pixel is missing.
    noise : NoiseModel
        Noise of the image, which must be independent in each pixel.
    random : numpy.random.Generator
        Draws the numbers.
    share : float
        Share of the light in the first part; the second has the rest.

    Raises
    ------
    InputError
        Noise of this kind can't be split, or there are too few photons. The message says what to do.

    Notes
    -----
    **Photon counts.** Let k = (y − offset) / gain be whole numbers without read noise. If each photon goes to
    the first part with probability p, the parts are independent Poisson counts with the means p and 1 − p
    times that of k [1]_. The grey levels offset + (gain / p) · k₁ have the mean of y and the noise
    ``PoissonNoise(gain / p, offset)``.

    **Gaussian noise.** With n drawn from the noise's distribution and a² = 1/p − 1, the parts are y + a n and
    y − n / a. Their covariance is σ² − σ² = 0, and since both are normal, they are independent [2]_. Their
    variances are σ² / p and σ² / (1 − p).

    **Photons and read noise.** As for Gaussian noise, with the variance that the pixel's own grey level
    states, gain · (y − offset) + read_noise². Its mean is the variance of the noise, so that the parts are
    uncorrelated; but they are independent only approximately, the better the more photons there are.

    References
    ----------
    .. [1] J. F. C. Kingman, Poisson Processes, Oxford University Press 1993, section 5.1.
    .. [2] A. Neufeld et al., Data thinning for convolution-closed distributions, Journal of Machine Learning
       Research 25, 2024, section 2.
    """
    values = np.asarray(image, np.float64)
    shares = (share, 1 - share)
    photons = split_photons(values, noise, random, share=share) if isinstance(noise, PoissonNoise) else None
    if photons is not None:
        images = photons
        how = "Each photon was given to one half or the other at random."
    else:
        images = split_normal(values, _sigma(values, noise), random, share=share)
        how = "Noise as strong as that of the data was added to one half and subtracted from the other."
        if not isinstance(noise, GaussianNoise):
            how += " With photon noise, the noise of the halves is uncorrelated, but not quite independent."
    one, other = (Part(part, _with_share(noise, of)) for part, of in zip(images, shares, strict=True))
    return Split((one, other), how)


def split_photons(
    image: np.ndarray, noise: PoissonNoise, random: np.random.Generator, *, share: float = 0.5
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return two parts of photon counts, or None if the grey levels are no whole counts.

    Parameters
    ----------
    image : ndarray of float64
        Grey levels; NaN where a pixel is missing.
    noise : PoissonNoise
        Gain and offset.
    random : numpy.random.Generator
        Draws the part of each photon.
    share : float
        Share of the light in the first part.
    """
    counts = _photons(image, noise)
    if counts is None:
        return None
    known = np.isfinite(counts)
    first = random.binomial(np.where(known, counts, 0).astype(np.int64), share)
    one, other = (
        np.where(known, noise.offset + noise.gain / of * part, np.nan)
        for part, of in ((first, share), (counts - first, 1 - share))
    )
    return one, other


def split_normal(
    image: np.ndarray, sigma: np.ndarray, random: np.random.Generator, *, share: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Return y + a n and y − n / a with a² = 1 / share − 1, for normal noise of known strength in each pixel.

    Parameters
    ----------
    image : ndarray of float64
        Grey levels y.
    sigma : ndarray of float64
        Standard deviation of the noise in each pixel, in grey levels. That of the parts is larger by
        1 / √share and 1 / √(1 − share).
    random : numpy.random.Generator
        Draws n.
    share : float
        Share of the light in the first part.
    """
    added, a = sigma * random.standard_normal(image.shape), math.sqrt(1 / share - 1)
    return image + a * added, image - added / a


def _with_share(noise: NoiseModel, share: float) -> NoiseModel:
    """Return the noise of a part with this share of the light, in the grey levels of the whole."""
    match noise:
        case GaussianNoise():
            return replace(noise, sigma=noise.sigma / math.sqrt(share))
        case PoissonGaussianNoise():
            return replace(noise, gain=noise.gain / share, read_noise=noise.read_noise / math.sqrt(share))
        case PoissonNoise():
            return replace(noise, gain=noise.gain / share)
    raise _unsplittable(noise)


def _sigma(image: np.ndarray, noise: NoiseModel) -> np.ndarray:
    """Return the standard deviation of the noise that each grey level states."""
    match noise:
        case GaussianNoise():
            return np.full(image.shape, noise.sigma)
        case PoissonNoise() | PoissonGaussianNoise():
            read = noise.read_noise if isinstance(noise, PoissonGaussianNoise) else 0.0
            variance = noise.gain * (image - noise.offset) + read**2
            known = np.isfinite(variance)
            if known.any() and float((variance[known] <= 0).mean()) > _DARK:
                raise InputError(
                    "noise",
                    "there are too few photons to split the measurement in two: the grey levels are no whole "
                    "photon counts, and many are so low that they don't state the strength of their noise. "
                    "Measure a second exposure, and compare the two",
                )
            return np.sqrt(variance.clip(min=0))
    raise _unsplittable(noise)


def _unsplittable(noise: NoiseModel) -> InputError:
    kind = {"UnknownNoise": "noise of unknown strength", "LaplaceNoise": "heavy-tailed noise"}
    return InputError(
        "noise",
        f"{kind.get(type(noise).__name__, 'noise of this kind')} can't be split in two independent parts: "
        "measure a second exposure and compare the two, or describe the noise as Gaussian or photon noise",
    )


def _photons(image: np.ndarray, noise: PoissonNoise) -> np.ndarray | None:
    """Return the photon counts, NaN where a pixel is missing; None if the grey levels are no counts."""
    counts = (image - noise.offset) / noise.gain
    whole = np.rint(counts)
    known = np.isfinite(counts)
    if not (np.abs(counts - whole)[known] < _WHOLE).all() or (whole[known] < 0).any():
        return None
    return whole

"""The parameters of the noise, measured from one noisy image, with their standard errors."""

import contextlib
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.image.planes import Plane, sampled_planes
from napari_dip.noise.clipping import clipping_levels
from napari_dip.noise.models import (
    GaussianNoise,
    LaplaceNoise,
    NoiseModel,
    PoissonGaussianNoise,
    PoissonNoise,
    UnknownNoise,
)
from napari_dip.noise.neighbourhoods import CLIPPED, SMALL, Levels, Neighbourhoods
from napari_dip.noise.photon_transfer import SIGNIFICANT, PhotonTransfer
from napari_dip.steps import Steps, finished

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

#: Largest number of planes that are measured, and the side of their middle.
PLANES, SIDE = 8, 1024
#: Variance that is found where Laplace noise has the variance 1, in large and in small neighbourhoods: many
#: outliers count as structure. Relative error of this number.
_LAPLACE, _LAPLACE_SMALL, _LAPLACE_ERROR = 0.9, 0.7, 0.05
#: Largest relative standard error of a variance or a gain.
_VAGUE = 0.25


@dataclass(frozen=True)
class EstimatedNoise:
    """A noise model with measured parameters, and how far to trust them.

    Parameters
    ----------
    model : NoiseModel
        The model. This is what a task takes.
    standard_errors : mapping of str to float
        Standard error of each measured parameter, in its unit. It contains what structure of the scene may
        have added.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import Denoise, GaussianNoise, estimate_noise
    >>> image = np.random.default_rng(0).normal(100, 5, (256, 256))
    >>> found = estimate_noise(GaussianNoise(1.0), image)
    >>> found.in_words
    'σ = 5.05 ± 0.07'
    >>> task = Denoise(found.model)
    """

    model: NoiseModel
    standard_errors: Mapping[str, float]

    @property
    def in_words(self) -> str:
        """The parameters with their standard errors, such as "σ = 12.3 ± 0.4"."""
        return ", ".join(
            f"{'σ' if name == 'sigma' else name.replace('_', ' ')} = "
            f"{_with_error(getattr(self.model, name), error)}"
            for name, error in self.standard_errors.items()
        )


def estimate_noise(
    model: NoiseModel, image: "ArrayLike", *, missing: "ArrayLike | None" = None, axes: str | None = None
) -> EstimatedNoise:
    """Return the noise model with its parameters measured from one image, and their standard errors.

    The parameters are `sigma` for Gaussian and Laplace noise, `gain` and `offset` for Poisson noise, and
    `gain` and `read_noise` for Poisson-Gaussian noise. The latter keeps the `offset` of the given model:
    one image can't tell a higher offset from less read noise, so measure it with the shutter closed. If the
    variance of the noise would be negative there, the offset is raised to where it is 0. Unknown noise turns
    out to be Poisson noise if it grows with brightness, and Gaussian noise otherwise.

    Parameters
    ----------
    model : NoiseModel
        Which parameters to measure. Its values are ignored, except for the offset of Poisson-Gaussian noise.
    image : array of real numbers
        Grey levels. The noise has to be independent in each pixel, so measure it before any filter,
        resampling or lossy compression. Of a lazy array (dask, zarr), at most eight planes are read.
    missing : array, optional
        Pixels that don't count, as in `restore`. NaN and infinite pixels don't count either.
    axes : str, optional
        One letter per axis, as in `restore`. By default the axes are guessed from the shape.

    Returns
    -------
    EstimatedNoise
        Its `model` is of the same class as the given one, unless that is unknown noise.

    Raises
    ------
    ValueError
        The noise can't be measured from this image: the image is too small or constant, the noise is cut off
        in most of it, structure is everywhere, or the noise does not grow with brightness where photon noise
        is asked for. The message says why, and what to do.

    Warns
    -----
    UserWarning
        The noise is correlated between neighbouring pixels, so it is stronger than what was measured; or the
        given offset is too low.

    Notes
    -----
    Products of discrete orthogonal polynomials measure each neighbourhood of 5 x 5 pixels. Noise has the same
    variance v at all orders. Structure adds s at middle orders and less, r s, at the highest ones, as the
    second difference of [1]_ exploits. Neighbourhoods are sorted by brightness into levels of equal count,
    and those of a level by their energy at low orders. Comparing calm and less calm neighbourhoods of a level
    gives r; the calmest eighth, and more where there is no structure, then gives v, by an estimate that is
    robust against outliers [2]_. Gaussian noise has the same variance at every level. Photon noise lies on a
    line, the photon transfer curve:

        variance = gain · (mean − offset) + read_noise².

    It is fitted to all levels. Each has a weight from its own error, to which half of the excess s belongs;
    levels that lie far from the line have less weight [2]_. The standard errors contain the scatter of the
    levels and half of what the excess would change. Above a quarter of the variance or the gain, the result
    is refused.

    The polynomials and the ring by which levels are sorted are orthogonal. So their noise is uncorrelated,
    and a choice by one of them does not bias the others. For Laplace noise they are still dependent, which
    may change `sigma` by 3 %. Where missing pixels leave few whole neighbourhoods, those of 3 x 3 pixels are
    used. Channels, frames and planes are pooled, eight at most, evenly spread: their noise is taken to be the
    same.

    References
    ----------
    .. [1] J. Immerkær, Fast noise variance estimation, Computer Vision and Image Understanding 64, 1996.
    .. [2] P. J. Huber, Robust Statistics, Wiley 1981, sections 6.4 (proposal 2) and 7.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import GaussianNoise, PoissonNoise, estimate_noise
    >>> random = np.random.default_rng(0)
    >>> scene = np.tile(np.linspace(20, 200, 256), (256, 1))
    >>> noise = estimate_noise(GaussianNoise(1.0), random.normal(scene, 5)).model
    >>> round(noise.sigma, 1)
    5.0

    Photon noise, with 4 grey levels per photon:

    >>> found = estimate_noise(PoissonNoise(), 4 * random.poisson(scene / 4))
    >>> abs(found.model.gain - 4) < 3 * found.standard_errors["gain"] < 0.3
    True
    """
    planes = sampled_planes(image, missing, axes, count=PLANES, side=SIDE)
    fit = finished(_fitting(model, planes))
    if fit.refusal is not None:
        raise ValueError(fit.refusal)
    for warning in (fit.warning, _correlation(planes)):
        if warning is not None:
            warnings.warn(warning, stacklevel=2)
    return fit.found


def estimating(
    model: NoiseModel,
    image: "ArrayLike",
    *,
    missing: "ArrayLike | None" = None,
    axes: str | None = None,
    strict: bool = False,
) -> Steps[EstimatedNoise]:
    """Do what `estimate_noise` does in steps and without warnings; unless strict, with errors of any size."""
    planes = sampled_planes(image, missing, axes, count=PLANES, side=SIDE)
    fit = yield from _fitting(model, planes)
    if strict and fit.refusal is not None:
        raise ValueError(fit.refusal)
    return fit.found


def photon_transfer(
    image: "ArrayLike", *, missing: "ArrayLike | None" = None, axes: str | None = None
) -> Steps[PhotonTransfer]:
    """Return, in steps, how the variance of the noise depends on brightness, clearly or not.

    Parameters
    ----------
    image, missing, axes
        As for `estimate_noise`.

    Raises
    ------
    ValueError
        There are too few pixels or too few levels of brightness, or there is no noise.
    """
    planes = sampled_planes(image, missing, axes, count=PLANES, side=SIDE)
    found = yield from Neighbourhoods.measuring(planes, counts=True)
    return PhotonTransfer.through((yield from Levels.measuring(found)))


@dataclass(frozen=True)
class _Fit:
    """Measured noise, why it should be refused, and what the user should know otherwise."""

    found: EstimatedNoise
    refusal: str | None
    warning: str | None = None


def _fitting(model: NoiseModel, planes: Sequence[Plane]) -> Steps[_Fit]:
    """Return, in steps, the noise model with parameters measured from some planes."""
    found = yield from Neighbourhoods.measuring(planes, counts=isinstance(model, PoissonNoise | UnknownNoise))
    levels = yield from Levels.measuring(found)
    if not isinstance(model, UnknownNoise):
        return _fitted(model, found, levels)
    with contextlib.suppress(ValueError):
        fit = _fitted(PoissonNoise(), found, levels)
        if fit.refusal is None:
            return fit
    seen = np.concatenate([values[valid] for values, valid in planes])
    if clipping_levels(seen, counts=True) != clipping_levels(seen):
        return (yield from _fitting(GaussianNoise(1.0), planes))
    return _fitted(GaussianNoise(1.0), found, levels)


def _fitted(model: NoiseModel, found: Neighbourhoods, levels: Levels) -> _Fit:
    """Return the noise model with parameters measured from the levels of some neighbourhoods."""
    match model:
        case GaussianNoise() | LaplaceNoise():
            variance, error = PhotonTransfer.flat(levels).at(0)
            if isinstance(model, LaplaceNoise):
                variance /= _LAPLACE_SMALL if found.window is SMALL else _LAPLACE
                error = math.hypot(error, _LAPLACE_ERROR * variance)
            measured = {"sigma": _root(variance, error)}
            return _fit(model, measured, error / variance, levels)
        case PoissonNoise():
            line = PhotonTransfer.of_photons(levels)
            gain = (line.slope, line.slope_error)
            measured = {"gain": gain, "offset": (line.root, line.root_error)}
            return _fit(model, measured, gain[1] / gain[0], levels)
        case PoissonGaussianNoise():
            line = PhotonTransfer.of_photons(levels)
            gain, (variance, error) = (line.slope, line.slope_error), line.at(model.offset)
            measured = {"gain": gain, "read_noise": _root(variance, error)}
            if variance < 0:  # light without noise does not exist: the offset is higher
                measured["offset"] = (line.root, line.root_error)
            fit = _fit(model, measured, gain[1] / gain[0], levels)
            if variance < -SIGNIFICANT * error:
                return replace(
                    fit,
                    warning=f"at the offset {model.offset:g}, the variance of the noise would be negative. "
                    f"The offset was raised to {line.root:.4g}, where it is 0; the read noise is set to 0",
                )
            return fit
    raise ValueError(f"model must be one of the noise models, got {model!r}")


def _fit(
    model: NoiseModel, measured: Mapping[str, tuple[float, float]], relative_error: float, levels: Levels
) -> _Fit:
    """Return a model with measured parameters, given as pairs of value and error."""
    own = "give the noise's parameters yourself, or leave the noise unknown"
    refusal = None
    if levels.clipped > CLIPPED:
        refusal = (
            f"the noise is cut off at an end of the range in {levels.clipped:.0%} of the image, where it "
            f"looks weaker than it is: use an image with a higher offset or less saturation, {own}"
        )
    elif relative_error > _VAGUE:
        refusal = (
            "the noise can't be told from the image's own structure, which is nearly everywhere, or it is "
            f"correlated between neighbouring pixels: use an image with smoother parts, {own}"
        )
    values = {
        name: _rounded(value, max(4, _places(value, error) + 2)) for name, (value, error) in measured.items()
    }
    errors = {name: _rounded(error, 2) for name, (_, error) in measured.items()}
    return _Fit(EstimatedNoise(replace(model, **values), errors), refusal)


def _root(variance: float, error: float) -> tuple[float, float]:
    """Return the standard deviation for a variance, and its error, from both ends of the variance's."""
    sigma = math.sqrt(max(variance, 0.0))
    low, high = (math.sqrt(max(variance + sign * error, 0.0)) for sign in (-2, 2))
    return sigma, max(sigma - low, high - sigma) / 2


def _correlation(planes: Sequence[Plane]) -> str | None:
    """Return what to say if the noise is correlated between neighbouring pixels, or None."""
    import torch

    from napari_dip.noise.whiteness import whiteness

    data, seen = (np.stack(part)[None] for part in zip(*planes, strict=True))
    ends = clipping_levels(data[seen])  # which hide the noise, and have sharp borders
    if whiteness(torch.from_numpy(data), torch.from_numpy(seen & ~np.isin(data, ends))).white:
        return None
    return (
        "the noise is correlated between neighbouring pixels, as it is after a filter, a rotation or lossy "
        "compression. Only its finest part was measured, so the noise is stronger than that"
    )


def _rounded(value: float, digits: int) -> float:
    """Return a value with so many digits."""
    return float(f"{value:.{digits}g}")


def _places(value: float, error: float) -> int:
    """Return the number of digits of a value down to the first digit of its error."""
    if not (value and 0 < error < math.inf):
        return 0
    return math.floor(math.log10(abs(value))) - math.floor(math.log10(error)) + 1


def _with_error(value: float, error: float) -> str:
    """Return a value and its standard error, both to the place of the first digit of the error."""
    if not (0 < error < math.inf):
        return f"{value:.4g}"
    place = -math.floor(math.log10(error))
    if place < 0 or max(abs(value), error) < 1e-3:
        return f"{value:.4g} ± {float(f'{error:.1g}'):g}"
    return f"{value:.{place}f} ± {error:.{place}f}"

"""The parameters of the noise, measured from one noisy image."""

import contextlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.image.planes import Plane, sampled_planes
from napari_dip.noise.models import (
    GaussianNoise,
    LaplaceNoise,
    NoiseModel,
    PoissonGaussianNoise,
    PoissonNoise,
    UnknownNoise,
)
from napari_dip.noise.neighbourhoods import Levels, Neighbourhoods
from napari_dip.noise.photon_transfer import SIGNIFICANT, PhotonTransfer
from napari_dip.steps import Steps, finished

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

#: Largest number of planes that are measured, and the side of their middle.
PLANES, SIDE = 8, 1024
#: Mean of min(n², 4) for the second difference n of noise of variance 1, in calm neighbourhoods. For normal
#: noise it has a closed form. For Laplace noise it lies between 0.875, where structure decides which
#: neighbourhoods are calm, and 0.811, where noise does, since then most of the outliers lie elsewhere.
_CLIPPED_NORMAL, _CLIPPED_LAPLACE = 0.9205, 0.84


def estimate_noise(
    model: NoiseModel, image: "ArrayLike", *, missing: "ArrayLike | None" = None, axes: str | None = None
) -> NoiseModel:
    """Return the noise model with its parameters measured from one image.

    The parameters are `sigma` for Gaussian and Laplace noise, `gain` and `offset` for Poisson noise, and
    `gain` and `read_noise` for Poisson-Gaussian noise. The latter keeps the `offset` of the given model:
    one image can't tell a higher offset from less read noise, so measure it with the shutter closed. Unknown
    noise has no parameters.

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
    NoiseModel
        Of the same class as `model`.

    Raises
    ------
    ValueError
        The noise can't be measured from this image. The message says why, and what to do.

    Notes
    -----
    The second difference along both axes, [1, −2, 1] ⊗ [1, −2, 1] / 6, removes constant and linear structure
    and keeps the noise's variance [1]_. Neighbourhoods are sorted by brightness into levels of equal count.
    In each level, the quarter with the smallest gradient gives one variance, by an estimate that is robust
    against the structure that remains [2]_. Gaussian noise has the same variance at every level. Photon noise
    lies on a line, the photon transfer curve:

        variance = gain · (mean − offset) + read_noise².

    The filters for brightness (the ring around 3 x 3 pixels to sort by, and the 3 x 3 pixels for the line),
    gradient and second difference are orthogonal. So their noise is uncorrelated, and a choice by one of them
    does not bias the others. For Laplace noise they are still dependent, which may change `sigma` by 2 %.
    Channels, frames and planes are pooled, eight at most, evenly spread: their noise is taken to be the same.

    References
    ----------
    .. [1] J. Immerkær, Fast noise variance estimation, Computer Vision and Image Understanding 64, 1996.
    .. [2] P. J. Huber, Robust Statistics, Wiley 1981, section 6.4 (proposal 2).

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import GaussianNoise, PoissonNoise, estimate_noise
    >>> random = np.random.default_rng(0)
    >>> scene = np.tile(np.linspace(20, 200, 256), (256, 1))
    >>> noise = estimate_noise(GaussianNoise(1.0), random.normal(scene, 5))
    >>> round(noise.sigma, 1)
    5.0

    Photon noise, with 4 grey levels per photon:

    >>> noise = estimate_noise(PoissonNoise(), 4 * random.poisson(scene / 4))
    >>> round(noise.gain, 1)
    4.0
    """
    return finished(estimating(model, image, missing=missing, axes=axes))


def estimating(
    model: NoiseModel, image: "ArrayLike", *, missing: "ArrayLike | None" = None, axes: str | None = None
) -> Steps[NoiseModel]:
    """Do what `estimate_noise` does, in steps."""
    if isinstance(model, UnknownNoise):
        return model
    planes = sampled_planes(image, missing, axes, count=PLANES, side=SIDE)
    return (yield from _fitting(model, planes))


def finding(
    image: "ArrayLike", *, missing: "ArrayLike | None" = None, axes: str | None = None
) -> Steps[NoiseModel]:
    """Return photon noise if the noise of an image grows with brightness, and Gaussian noise otherwise.

    Parameters
    ----------
    image, missing, axes
        As for `estimate_noise`.

    Returns
    -------
    PoissonNoise or GaussianNoise
        With measured parameters. The offset of Poisson noise accounts for the read noise too.

    Raises
    ------
    ValueError
        The noise can't be measured from this image, or there is none.
    """
    planes = sampled_planes(image, missing, axes, count=PLANES, side=SIDE)
    with contextlib.suppress(ValueError):
        return (yield from _fitting(PoissonNoise(), planes))
    return (yield from _fitting(GaussianNoise(1.0), planes))


def _fitting(model: NoiseModel, planes: Sequence[Plane]) -> Steps[NoiseModel]:
    """Return, in steps, the noise model with parameters measured from some planes."""
    found = yield from Neighbourhoods.measuring(planes, counts=isinstance(model, PoissonNoise))
    heavy = isinstance(model, LaplaceNoise)
    levels = yield from Levels.measuring(found, _CLIPPED_LAPLACE if heavy else _CLIPPED_NORMAL)
    match model:
        case GaussianNoise() | LaplaceNoise():
            return replace(model, sigma=_rounded(np.sqrt(np.median(levels.variance))))
        case PoissonNoise():
            line = PhotonTransfer.through(levels)
            return replace(model, gain=_rounded(line.slope), offset=_rounded(line.root))
        case PoissonGaussianNoise():
            line = PhotonTransfer.through(levels)
            read_variance, error = line.at(model.offset)
            if read_variance < -SIGNIFICANT * error:
                warnings.warn(
                    f"the variance of the noise would be 0 at grey level {line.root:.4g}, above the offset "
                    f"{model.offset:g}: the read noise is set to 0, but the offset is probably higher",
                    stacklevel=5,  # the caller of `estimate_noise`
                )
            return replace(
                model, gain=_rounded(line.slope), read_noise=_rounded(math.sqrt(max(read_variance, 0)))
            )
    raise ValueError(f"model must be one of the noise models, got {model!r}")


def _rounded(value: float) -> float:
    """Return four digits, which is more than the estimate is worth."""
    return float(f"{value:.4g}")

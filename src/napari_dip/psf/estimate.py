"""The width of an unknown blur, measured from the image alone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.image.fill import filled
from napari_dip.image.planes import sampled_planes
from napari_dip.psf.edges import edges
from napari_dip.psf.models import GaussianPSF, MoffatPSF
from napari_dip.psf.points import FWHM, points

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

#: Largest number of planes that are measured, and the side of their middle.
_PLANES, _SIDE = 8, 1024
#: Least standard error as a share of the width: no instrument is a Gaussian to better than that.
_LEAST_ERROR = 0.02
#: Standard deviation, in pixels, of the narrowest blur that edges can show.
_NARROWEST = 0.65
#: Variance of a pixel's own width, in pixels²: point spread functions by formula contain it.
_PIXEL = 1 / 12


@dataclass(frozen=True)
class EstimatedPSF:
    """A point spread function that was measured in an image, and how far to trust it.

    Parameters
    ----------
    model : GaussianPSF or MoffatPSF
        The point spread function. This is what a task takes.
    standard_errors : mapping of str to float
        Standard error of each measured parameter, in its unit.
    count : int
        Number of places where it was measured.
    source : {"points", "edges"}
        What was measured.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> from napari_dip import Deconvolve, estimate_psf
    >>> sky = np.zeros((160, 160))
    >>> sky[20::40, 20::40] = 1000
    >>> found = estimate_psf(gaussian_filter(sky, 2.0))
    >>> found.in_words
    'FWHM 4.66 ± 0.09 pixels, measured at 16 points'
    >>> task = Deconvolve(psf=found.model)
    """

    model: GaussianPSF | MoffatPSF
    standard_errors: Mapping[str, float]
    count: int
    source: str

    @property
    def in_words(self) -> str:
        """The width, its standard error and where it comes from, for the user."""
        fwhm, error = self.model.fwhm, self.standard_errors["fwhm"]
        places = "points" if self.source == "points" else "places on edges"
        kind = (
            f", a Moffat profile with β = {self.model.beta:.3g}" if isinstance(self.model, MoffatPSF) else ""
        )
        return f"FWHM {fwhm:.3g} ± {error:.1g} pixels{kind}, measured at {self.count} {places}"


def estimate_psf(
    image: "ArrayLike", *, missing: "ArrayLike | None" = None, axes: str | None = None
) -> EstimatedPSF:
    """Return the blur that points of light in an image show, or its sharp edges where there are no points.

    Parameters
    ----------
    image : array of real numbers
        Grey levels, with some stars or beads that lie apart from each other, or with sharp edges. Of a lazy
        array (dask, zarr), at most eight planes are read.
    missing : array, optional
        Pixels that don't count, as in `restore`. NaN and infinite pixels don't count either.
    axes : str, optional
        One letter per axis, as in `restore`. By default the axes are guessed from the shape.

    Returns
    -------
    EstimatedPSF
        The point spread function, equally wide in all directions, with its standard error. In a volume it
        describes the blur within the planes.

    Raises
    ------
    ValueError
        The image has neither points of one width nor sharp edges of one width, or its edges are not blurred.

    Notes
    -----
    Points are peaks eight standard deviations above the noise, without a neighbour, that an oval Gaussian
    fits within 6 % of their height. Those of one width count, if they are at least four and not a few among
    many others. The median of their widths is the result. If a Moffat profile leaves a fifth less of them
    than a Gaussian, it is taken instead.

    At edges, a step that is blurred by a Gaussian is fitted across the edge, where both sides are flat. The
    widths of the sharpest edges have to agree, since edges that are soft in the scene differ. Even so, edges
    can only say how wide the blur is at most.

    Examples
    --------
    A chessboard, blurred by a Gaussian of standard deviation 3, whose full width at half maximum is 7 pixels:

    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> from napari_dip import estimate_psf
    >>> board = np.kron(np.indices((6, 6)).sum(0) % 2, np.full((32, 32), 100.0))
    >>> found = estimate_psf(gaussian_filter(board, 3))
    >>> round(found.model.fwhm)
    7
    """
    planes = [
        (whole := filled(np.where(seen, plane, 0), seen), seen, _noise(whole, seen))
        for plane, seen in sampled_planes(image, missing, axes, count=_PLANES, side=_SIDE)
        if seen.any() and min(plane.shape) > 2 and np.ptp(plane[seen]) > 0
    ]
    if not planes:
        raise ValueError("the image is constant: it has no points or edges to measure the blur from")
    if (found := points(planes)) is not None:
        errors = {"fwhm": _error(found.error, found.fwhm)}
        fwhm = _of_optics(found.fwhm)
        model = GaussianPSF(fwhm) if found.beta is None else MoffatPSF(fwhm, beta=_rounded(found.beta))
        return EstimatedPSF(model, errors, found.count, "points")
    if (sharp := edges(planes)) is not None:
        if sharp.sigma < _NARROWEST:
            raise ValueError("the image's edges are as sharp as edges can be: it shows no blur to correct")
        errors = {"fwhm": _error(FWHM * sharp.error, FWHM * sharp.sigma)}
        return EstimatedPSF(GaussianPSF(_of_optics(FWHM * sharp.sigma)), errors, sharp.count, "edges")
    raise ValueError(
        "the blur can't be measured: the image has neither at least four isolated points of one width, such "
        "as stars or beads, nor straight edges of one width between flat areas. Give the width of the point "
        "spread function, or an image of beads or stars"
    )


def _noise(plane: np.ndarray, seen: np.ndarray) -> float:
    """Return the standard deviation of the noise, from the median second difference; never 0."""
    from scipy.ndimage import convolve

    line = np.array([1.0, -2.0, 1.0])
    difference = convolve(plane, np.outer(line, line) / 6)
    sigma = float(np.median(np.abs(difference[seen]))) / 0.6745
    return max(sigma, 1e-6 * float(np.ptp(plane)))


def _error(error: float, width: float) -> float:
    return float(f"{max(error, _LEAST_ERROR * width):.2g}")


def _of_optics(fwhm: float) -> float:
    """Return the width without that of a pixel, which the kernels of `GaussianPSF` and others add."""
    return _rounded(math.sqrt(max(fwhm**2 - _PIXEL * FWHM**2, (fwhm / 2) ** 2)))


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")

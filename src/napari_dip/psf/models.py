"""Point spread functions: by formula, or as measured.

Widths are in pixels of the image. A kernel has an odd size along each axis, its centre at ``n // 2``, and
sum 1.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from annotated_types import Gt, Unit
from numpy.typing import ArrayLike, NDArray

from napari_dip.errors import InputError
from napari_dip.image.grid import format_shape
from napari_dip.settings import check

_ENERGY = 0.999  # of a kernel is kept where that is possible within
_REACH = 5.0  # FWHM


@dataclass(frozen=True)
class PSF(ABC):
    """What the image of a single point looks like."""

    measured: ClassVar[bool] = False  #: whether it is an array that has to be given

    def __post_init__(self) -> None:
        check(self)

    @abstractmethod
    def kernel(self, ndim: int) -> NDArray[np.float64]:
        """Return it on pixels, for images of 2 or 3 spatial axes."""

    def refined(self, factors: tuple[int, ...]) -> Self:
        """Return it with its widths in pixels so many times finer along each spatial axis."""
        return self


@dataclass(frozen=True)
class _Formula(PSF):
    """A radial profile in the plane; in volumes times a Gaussian along z.

    Small widths are integrated over the pixels, as a camera does: samples of a peak that is narrower
    than a few pixels would depend on where they happen to fall.
    """

    fwhm: Annotated[float, Gt(0), Unit("px")] = 3.0
    axial_fwhm: Annotated[float | None, Gt(0), Unit("px")] = None

    @property
    @abstractmethod
    def reach(self) -> float:
        """Radius at which it is cut off, in FWHM."""

    @abstractmethod
    def profile(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the intensity at distances r from the centre, in FWHM."""

    def refined(self, factors: tuple[int, ...]) -> Self:
        """Return it with its widths in pixels so many times finer; along y and x the factor is the same."""
        axial = self.axial_fwhm or self.fwhm
        return replace(self, fwhm=factors[-1] * self.fwhm, axial_fwhm=factors[0] * axial)

    def kernel(self, ndim: int) -> NDArray[np.float64]:
        """Return it on pixels, for images of 2 or 3 spatial axes."""
        if ndim not in (2, 3):
            raise ValueError(f"ndim must be 2 or 3, got {ndim}")
        t = _places(self.fwhm, self.reach)
        kernel = self.profile(np.hypot(t[:, :, None, None], t)).mean((1, 3))
        if ndim == 3:
            axial = _gaussian(_places(self.axial_fwhm or self.fwhm, _GAUSSIAN_REACH)).mean(1)
            kernel = axial[:, None, None] * kernel
        return kernel / kernel.sum()


def _places(fwhm: float, reach: float) -> NDArray[np.float64]:
    """Return distances from the centre in FWHM; shape ``(pixels, samples within each)``, both odd."""
    half = max(1, math.ceil(reach * fwhm - 0.5))
    within = min(2 * math.ceil(4 / fwhm) - 1, 101)
    offsets = (np.arange(within) - within // 2) / within
    return (np.arange(-half, half + 1)[:, None] + offsets) / fwhm


def _gaussian(r: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-4 * math.log(2) * r**2)


_GAUSSIAN_REACH = math.sqrt(-math.log(1 - _ENERGY) / math.log(2)) / 2  # in the plane; along z it holds more


@dataclass(frozen=True)
class GaussianPSF(_Formula):
    """A Gaussian: close to the centre of most microscopes, and to motion or defocus that nobody knows.

    It is cut off where it holds 99.9 % of the light.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum, in pixels.
    axial_fwhm : float, optional
        The same along z, in planes, for volumes; by default as many as `fwhm` has pixels.
    """

    @property
    def reach(self) -> float:
        """Radius at which it is cut off, in FWHM."""
        return _GAUSSIAN_REACH

    def profile(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return exp(−4 ln 2 r²)."""
        return _gaussian(r)


@dataclass(frozen=True)
class AiryPSF(_Formula):
    """The diffraction pattern of a circular aperture, (2 J₁(v) / v)²: a perfect lens or telescope.

    It is cut off at 5 FWHM, where it holds 96 % of the light: its rings have no end.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum, in pixels: about 0.51 wavelengths / numerical aperture.
    axial_fwhm : float, optional
        In volumes, the width of a Gaussian along z, in planes, that the pattern is multiplied with (an
        approximation: true rings widen away from the focus); by default as many as `fwhm` has pixels.
    """

    @property
    def reach(self) -> float:
        """Radius at which it is cut off, in FWHM."""
        return _REACH

    def profile(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (2 J₁(v) / v)², which is 1/2 at v = 1.61634."""
        from scipy.special import j1

        v = np.maximum(2 * 1.61633995 * r, 1e-9)  # the limit at v = 0 is 1
        return (2 * j1(v) / v) ** 2


@dataclass(frozen=True)
class MoffatPSF(_Formula):
    """A Moffat profile, (1 + (r / α)²)^−β: a star seen through the atmosphere (Moffat 1969).

    It is cut off where it holds 99.9 % of the light, at the most at 5 FWHM.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum, in pixels.
    axial_fwhm : float, optional
        In volumes, the width of a Gaussian along z, in planes, that the profile is multiplied with; by
        default as many as `fwhm` has pixels.
    beta : float
        How fast the wings fall: 2.5 to 4.8 for most telescopes; large values come close to a Gaussian.
    """

    beta: Annotated[float, Gt(1)] = 3.0

    @property
    def reach(self) -> float:
        """Radius at which it is cut off, in FWHM."""
        log_wing = -math.log(1 - _ENERGY) / (self.beta - 1)  # 1 + (r/α)² = exp(log_wing) there
        if log_wing > math.log1p(self._steepness * _REACH**2):
            return _REACH
        return math.sqrt(math.expm1(log_wing) / self._steepness)

    def profile(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (1 + 4 (2^(1/β) − 1) r²)^−β."""
        return np.exp(-self.beta * np.log1p(self._steepness * r**2))

    @property
    def _steepness(self) -> float:
        return 4 * math.expm1(math.log(2) / self.beta)  # (FWHM / α)²


@dataclass(frozen=True)
class MeasuredPSF(PSF):
    """The image of a single point: beads or stars, averaged; it comes as an array, a layer or a file."""

    measured: ClassVar[bool] = True

    def kernel(self, ndim: int) -> NDArray[np.float64]:
        """Refuse: there is no formula.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            "psf", "A measured point spread function has to be given: as an array, a layer or a file."
        )


#: The names that the command line and the forms use.
PSFS: dict[str, type[PSF]] = {
    "gaussian": GaussianPSF,
    "airy": AiryPSF,
    "moffat": MoffatPSF,
    "measured": MeasuredPSF,
}


def checked(psf: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the kernel that a measured point spread function is, for data of a spatial shape.

    The centroid of what is above half the maximum becomes the central pixel, since an off-centre kernel
    would shift the image. Empty margins are cut off; where the centring needs it, zeros are added, but no
    kernel grows larger than the data.

    Parameters
    ----------
    psf : array_like, shape ``(*kernel)``, real
        Not negative, background subtracted; leading axes of length 1 may come before it.
    shape : tuple of int
        Of the data's spatial axes.

    Raises
    ------
    InputError
        It can't be a point spread function of these data, and why.
    """
    values = _light(psf, len(shape))
    above = np.argwhere(values >= values.max() / 2)
    weights = values[tuple(above.T)]
    centroid = (weights @ above) / weights.sum()
    centre = np.floor(centroid + 0.5).astype(int)
    if values.flat[0] == values.max() > 2 * values[tuple(centre)]:
        raise InputError(
            "psf",
            "The centre of the point spread function lies in the corner of its array: move it to the "
            "middle, with numpy.fft.fftshift.",
        )
    lit = np.argwhere(values)
    first, last = lit.min(0), lit.max(0)
    if (last - first + 1 > shape).any():
        raise InputError(
            "psf",
            "The point spread function must not be larger than the image: it has "
            f"{format_shape(last - first + 1)} pixels, the image {format_shape(shape)}. Cut off its margins.",
        )
    half = np.minimum(np.maximum(centre - first, last - centre), (np.array(shape) - 1) // 2)
    # Zeros all around, so that any box around the centre lies within.
    wide = np.pad(values, [(h, h) for h in half])
    kernel = wide[tuple(slice(c, c + 2 * h + 1) for c, h in zip(centre, half, strict=True))]
    return kernel / kernel.sum()


def resampled(psf: ArrayLike, ratio: tuple[float, ...]) -> NDArray[np.float64]:
    """Return a point spread function that was measured with another pixel size, on the image's pixels.

    Along each axis the light up to a pixel's edge is interpolated by a monotone cubic, so no light is lost,
    none becomes negative, and a coarse pixel holds all the light that falls on it.

    Parameters
    ----------
    psf : array_like, shape ``(*kernel)``, real
        Not negative; leading axes of length 1 may come before it.
    ratio : tuple of float
        Its pixel size divided by the image's, along each axis.

    Returns
    -------
    ndarray, shape ``(*kernel)``
        Of odd sizes; its middle is the middle of `psf`.

    Raises
    ------
    InputError
        It can't be a point spread function, and why.
    """
    from scipy.interpolate import PchipInterpolator

    if not all(r > 0 and math.isfinite(r) for r in ratio):
        raise InputError("psf", f"The ratios of pixel sizes must be positive numbers, got {ratio}.")
    values = _light(psf, len(ratio))
    for axis, r in enumerate(ratio):
        n = values.shape[axis]
        half = max(0, math.ceil(n * r / 2 - 0.5))
        edges = n / 2 + (np.arange(2 * half + 2) - half - 0.5) / r  # the image's, in pixels of the PSF
        light = np.insert(values.cumsum(axis), 0, 0, axis)
        values = np.diff(PchipInterpolator(np.arange(n + 1), light, axis)(edges.clip(0, n)), axis=axis)
    return values.clip(0)  # rounding


def _light(psf: ArrayLike, ndim: int) -> NDArray[np.float64]:
    """Return float64 values of so many axes, finite, not negative, and not all zero."""
    values: NDArray[Any] = np.asarray(psf)
    if values.dtype.kind not in "buif":
        raise InputError("psf", f"The point spread function must be real numbers, got {values.dtype}.")
    while values.ndim > ndim and values.shape[0] == 1:
        values = values[0]
    if values.ndim != ndim:
        raise InputError(
            "psf",
            f"The point spread function must have {ndim} axes, as the image has, got {values.ndim} "
            f"({format_shape(values.shape)}).",
        )
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError(
            "psf", "The point spread function must be finite, got NaN or infinite values: set them to 0."
        )
    if values.min(initial=0) < 0:
        raise InputError(
            "psf",
            f"The point spread function must not be negative, got {values.min():g}: subtract the background "
            "first, and set what is still negative to 0.",
        )
    if not values.any():
        raise InputError("psf", "The point spread function is zero everywhere.")
    return values

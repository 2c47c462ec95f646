"""Point spread functions (PSFs): given by a formula, or measured.

Widths are in pixels of the image. A kernel has an odd size along each axis, its centre at ``n // 2``, and
sum 1.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import numpy as np
from annotated_types import Gt, Unit
from numpy.typing import NDArray

from napari_dip.errors import InputError
from napari_dip.psf.background import Treatment
from napari_dip.settings import check

#: A kernel keeps this share of the light, unless it would have to be larger than this radius in FWHM.
_ENERGY, _REACH = 0.999, 5.0


@dataclass(frozen=True)
class PSF(ABC):
    """The image of a single point of light."""

    measured: ClassVar[bool] = False  #: True if the user has to supply it as an array

    def __post_init__(self) -> None:
        check(self)

    @abstractmethod
    def kernel(self, ndim: int) -> NDArray[np.float64]:
        """Return the kernel on pixels, for images with 2 or 3 spatial axes."""

    def refined(self, factors: tuple[int, ...]) -> Self:
        """Return the same PSF on finer pixels.

        Parameters
        ----------
        factors : tuple of int
            Number of fine pixels per pixel, along each spatial axis.
        """
        return self


@dataclass(frozen=True)
class _Formula(PSF):
    """A radial profile in the plane. In volumes it is multiplied by a Gaussian along Z.

    The profile is integrated over each pixel, as a camera does. Point samples of a peak that is narrower than
    a few pixels would depend on where they happen to fall.
    """

    fwhm: Annotated[float, Gt(0), Unit("px")] = 3.0
    axial_fwhm: Annotated[float | None, Gt(0), Unit("px")] = None

    @property
    @abstractmethod
    def reach(self) -> float:
        """Radius at which the kernel is cut off, in FWHM."""

    @abstractmethod
    def profile(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the intensity at distances r from the centre, in FWHM."""

    def refined(self, factors: tuple[int, ...]) -> Self:
        """Return the same PSF on finer pixels. The factors along Y and X are equal."""
        axial = self.axial_fwhm or self.fwhm
        return replace(self, fwhm=factors[-1] * self.fwhm, axial_fwhm=factors[0] * axial)

    def kernel(self, ndim: int) -> NDArray[np.float64]:
        """Return the kernel on pixels, for images with 2 or 3 spatial axes."""
        if ndim not in (2, 3):
            raise ValueError(f"ndim must be 2 or 3, got {ndim}")
        t = _sample_positions(self.fwhm, self.reach)
        kernel = self.profile(np.hypot(t[:, :, None, None], t)).mean((1, 3))
        if ndim == 3:
            axial = _gaussian(_sample_positions(self.axial_fwhm or self.fwhm, _GAUSSIAN_REACH)).mean(1)
            kernel = axial[:, None, None] * kernel
        return kernel / kernel.sum()


def _sample_positions(fwhm: float, reach: float) -> NDArray[np.float64]:
    """Return distances from the centre in FWHM, shape ``(pixels, samples per pixel)``; both are odd."""
    half = max(1, math.ceil(reach * fwhm - 0.5))
    per_pixel = min(2 * math.ceil(4 / fwhm) - 1, 101)
    offsets = (np.arange(per_pixel) - per_pixel // 2) / per_pixel
    return (np.arange(-half, half + 1)[:, None] + offsets) / fwhm


def _gaussian(r: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-4 * math.log(2) * r**2)


#: Radius that holds this share of the light in the plane; along Z it holds more.
_GAUSSIAN_REACH = math.sqrt(-math.log(1 - _ENERGY) / math.log(2)) / 2


@dataclass(frozen=True)
class GaussianPSF(_Formula):
    """A Gaussian: close to the centre of most microscopes' PSF, and a fair model of unknown blur.

    The kernel is cut off where it holds 99.9 % of the light.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum, in pixels.
    axial_fwhm : float, optional
        Full width at half maximum along Z, in planes, for volumes. The default is the value of `fwhm`.

    Examples
    --------
    >>> from napari_dip import GaussianPSF
    >>> kernel = GaussianPSF(fwhm=3.0).kernel(2)
    >>> kernel.shape, round(float(kernel.sum()), 6)
    ((11, 11), 1.0)
    """

    @property
    def reach(self) -> float:
        """Radius at which the kernel is cut off, in FWHM."""
        return _GAUSSIAN_REACH

    def profile(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return exp(−4 ln 2 r²)."""
        return _gaussian(r)


@dataclass(frozen=True)
class AiryPSF(_Formula):
    """The diffraction pattern of a circular aperture, (2 J₁(v) / v)²: a perfect lens or telescope.

    The kernel is cut off at 5 FWHM, where it holds 96 % of the light, because the rings extend without end.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum, in pixels: about 0.51 wavelengths / numerical aperture.
    axial_fwhm : float, optional
        Full width at half maximum along Z, in planes, for volumes: the pattern is multiplied by a Gaussian of
        this width. This is an approximation, since true rings widen away from the focus. The default is the
        value of `fwhm`.

    Examples
    --------
    A lens of numerical aperture 0.8, light of 520 nm, and pixels of 100 nm:

    >>> from napari_dip import AiryPSF
    >>> AiryPSF(fwhm=round(0.51 * 520 / 0.8 / 100, 2))
    AiryPSF(fwhm=3.31, axial_fwhm=None)
    """

    @property
    def reach(self) -> float:
        """Radius at which the kernel is cut off, in FWHM."""
        return _REACH

    def profile(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (2 J₁(v) / v)², which is 1/2 at v = 1.61634."""
        from scipy.special import j1

        v = np.maximum(2 * 1.61633995 * r, 1e-9)  # the limit at v = 0 is 1
        return (2 * j1(v) / v) ** 2


@dataclass(frozen=True)
class MoffatPSF(_Formula):
    """A Moffat profile, (1 + (r / α)²)^−β: a star seen through the atmosphere (Moffat 1969).

    The kernel is cut off where it holds 99.9 % of the light, or at 5 FWHM if that is less.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum, in pixels.
    axial_fwhm : float, optional
        Full width at half maximum along Z, in planes, for volumes: the profile is multiplied by a Gaussian of
        this width. The default is the value of `fwhm`.
    beta : float
        How fast the wings fall: 2.5 to 4.8 for most telescopes. Large values approach a Gaussian.

    Examples
    --------
    A smaller beta has wider wings:

    >>> from napari_dip import MoffatPSF
    >>> MoffatPSF(fwhm=3.0, beta=2.5).kernel(2).shape, MoffatPSF(fwhm=3.0, beta=4.8).kernel(2).shape
    ((31, 31), (19, 19))
    """

    beta: Annotated[float, Gt(1)] = 3.0

    @property
    def reach(self) -> float:
        """Radius at which the kernel is cut off, in FWHM."""
        log_wing = -math.log(1 - _ENERGY) / (self.beta - 1)  # 1 + (r/α)² = exp(log_wing) at that radius
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
    """The averaged image of beads or stars: an array, a layer or a file.

    Its centre is the centroid of its light, so that the result is not shifted. A centre between pixels is
    moved to a pixel by cubic splines.

    Parameters
    ----------
    background : {"keep", "subtract"}
        Whether to subtract the background, the level in the corners of the array. If it is kept, it counts as
        light, and a warning says how much there is.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Deconvolve, MeasuredPSF, restore
    >>> bead = np.outer([1, 2, 1], [1, 2, 1])
    >>> image = np.random.default_rng(0).poisson(50.0, (32, 32))
    >>> restore(image, Deconvolve(psf=MeasuredPSF()), DIP(iterations=5), psf=bead).image.shape
    (32, 32)
    """

    measured: ClassVar[bool] = True
    background: Treatment = "keep"

    def kernel(self, ndim: int) -> NDArray[np.float64]:
        """Refuse, since there is no formula.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            "psf", "A measured point spread function must be given as an array, a layer or a file."
        )


#: The names that the command line and the forms use.
PSFS: dict[str, type[PSF]] = {
    "gaussian": GaussianPSF,
    "airy": AiryPSF,
    "moffat": MoffatPSF,
    "measured": MeasuredPSF,
}

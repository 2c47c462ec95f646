"""Tasks: settings that say what is to be undone, by an operator and a noise model."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from annotated_types import Interval

from napari_dip.errors import InputError
from napari_dip.image.grid import Grid, cut, format_shape
from napari_dip.image.units import Units
from napari_dip.noise.models import NoiseModel, UnknownNoise
from napari_dip.psf.arrays import checked, resampled
from napari_dip.psf.models import PSF, GaussianPSF, MeasuredPSF
from napari_dip.settings import check

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from napari_dip.operators import Operator
    from napari_dip.problem import Problem

#: Fewest pixels of a point spread function by formula, along each axis.
_NARROWEST = 3


@dataclass(frozen=True)
class Task(ABC):
    """Settings that name the operator A and the noise; the base class of all tasks.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.

    Examples
    --------
    >>> from napari_dip import Denoise, Task
    >>> isinstance(Denoise(), Task)
    True
    """

    needs_missing: ClassVar[bool] = False  #: whether there is nothing to do if no pixel is missing
    needs_noise: ClassVar[bool] = False  #: whether there is nothing to do if there is no noise
    noise: NoiseModel = UnknownNoise()

    def __post_init__(self) -> None:
        check(self)

    @property
    def chooses_floor(self) -> bool:
        """Whether the lower bound of the image is chosen for each frame."""
        return False

    @property
    def needs_psf(self) -> bool:
        """Whether a measured point spread function is needed."""
        return isinstance(getattr(self, "psf", None), MeasuredPSF)

    @abstractmethod
    def operator(self, shape: tuple[int, ...], psf: "np.ndarray | None" = None) -> "Operator":
        """Return A for data of a spatial shape.

        Parameters
        ----------
        shape : tuple of int
            Spatial shape of the data.
        psf : ndarray, shape ``(*kernel)`` or ``(C, *kernel)``, optional
            The measured point spread function, if the task needs one; with one axis more than the data, that
            of each channel.

        Raises
        ------
        InputError
            The task can't be done with data of this shape or with this point spread function.
        """

    def grid(self, shape: tuple[int, ...]) -> Grid:
        """Return the grid of the restored image, for data of a spatial shape."""
        return Grid.of_data(shape)

    def in_units(self, units: Units) -> Self:
        """Return the task for data in working units."""
        return replace(self, noise=self.noise.rescaled(units.offset, units.scale))

    def problem(self, data: "Tensor", operator: "Operator", weights: "Tensor") -> "Problem":
        """Return what the restored image has to explain."""
        from napari_dip.problem import Problem

        return Problem(data, operator, self.noise, weights)

    def part(self, x: "Tensor", problem: "Problem") -> "Tensor":
        """Return the part of x that lies on the grid of the restored image; x may reach beyond the data."""
        return cut(x, self.grid(tuple(problem.data.shape[2:])).part_of(problem.grid))

    def finish(self, x: "Tensor", problem: "Problem") -> "Tensor":
        """Return what the user asked for of x."""
        return self.part(x, problem)


@dataclass(frozen=True)
class Denoise(Task):
    """Remove noise from an image, and fill in missing pixels if there are any.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Denoise, GaussianNoise, restore
    >>> image = np.random.default_rng(0).normal(100, 10, (32, 32))
    >>> restore(image, Denoise(GaussianNoise(10.0)), DIP(iterations=5)).image.shape
    (32, 32)
    """

    needs_noise: ClassVar[bool] = True

    def operator(self, shape: tuple[int, ...], psf: "np.ndarray | None" = None) -> "Operator":
        """Return the identity."""
        from napari_dip.operators import Identity

        return Identity()


@dataclass(frozen=True)
class Inpaint(Denoise):
    """Fill in missing pixels, such as scratches, text, dead lines or holes, and leave all others unchanged.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.
    keep_observed : bool
        Leave observed pixels as they were measured. Otherwise noise is removed from them, as in `Denoise`.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Inpaint, restore
    >>> image = np.random.default_rng(0).normal(100, 10, (32, 32))
    >>> missing = np.zeros((32, 32), bool)
    >>> missing[10:12] = True
    >>> filled = restore(image, Inpaint(), DIP(iterations=5), missing=missing).image
    >>> np.allclose(filled[~missing], image[~missing])
    True
    """

    needs_missing: ClassVar[bool] = True
    needs_noise: ClassVar[bool] = False
    keep_observed: bool = True

    def problem(self, data: "Tensor", operator: "Operator", weights: "Tensor") -> "Problem":
        """Return what the restored image has to explain, and whether only its missing pixels are wanted."""
        return replace(super().problem(data, operator, weights), only_missing=self.keep_observed)

    def finish(self, x: "Tensor", problem: "Problem") -> "Tensor":
        """Return x with the observed pixels put back."""
        return problem.data.where(problem.weights > 0, x) if self.keep_observed else x


@dataclass(frozen=True)
class SuperResolve(Task):
    """Restore an image with finer pixels than those of the data.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.
    factor : int
        Number of pixels of the result per pixel of the data, along each refined axis.
    downsampling : {"lanczos3", "lanczos2", "bicubic", "area"}
        How fine pixels form a pixel of the data. "area" is their mean, as on a camera; the others are filters
        that programs use to shrink images.
    along : {"all", "axial", "lateral"}
        Axes to refine: all, only Z (for planes that lie far apart), or only Y and X.
    psf : PSF, optional
        Point spread function of an instrument that blurred the image before it was sampled. Its widths are in
        pixels of the data.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, SuperResolve, restore
    >>> image = np.random.default_rng(0).normal(100, 1, (16, 16))
    >>> restore(image, SuperResolve(factor=2), DIP(iterations=5)).image.shape
    (32, 32)
    """

    factor: Annotated[int, Interval(ge=2, le=8)] = 2
    downsampling: Literal["lanczos3", "lanczos2", "bicubic", "area"] = "lanczos3"
    along: Literal["all", "axial", "lateral"] = "all"
    psf: PSF | None = None

    def factors(self, ndim: int) -> tuple[int, ...]:
        """Return the factor along each of two or three spatial axes."""
        if self.along == "axial" and ndim < 3:
            raise InputError(
                "axes",
                "super-resolution along Z needs a volume, and the image has two spatial axes: "
                'make its planes the axis Z, or refine "all" axes',
            )
        axial = 1 if self.along == "lateral" else self.factor
        lateral = 1 if self.along == "axial" else self.factor
        return ((axial,) if ndim == 3 else ()) + (lateral,) * 2

    def operator(self, shape: tuple[int, ...], psf: "np.ndarray | None" = None) -> "Operator":
        """Return the downsampling from fine pixels, after the blur if there is one."""
        from napari_dip.operators import Resample

        factors = self.factors(len(shape))
        coarser = Resample(factors, self.downsampling)
        return coarser if self.psf is None else coarser @ _blur(self.psf, psf, shape, factors)

    def grid(self, shape: tuple[int, ...]) -> Grid:
        """Return the finer grid."""
        return Grid.refined(shape, self.factors(len(shape)))


@dataclass(frozen=True)
class Deconvolve(Task):
    """Remove the blur of an instrument, and the noise, from an image.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.
    psf : PSF
        Point spread function: the image that the instrument forms of a point of light.
    floor : float, optional
        Lower bound of the restored image, in grey levels. By default, the offset of photon noise: that of the
        noise model, or three standard errors below the one that the data show. There is none with other
        noise, or if many pixels lie far below it, because a background was subtracted.
    positivity : bool
        Keep the restored image above the floor. Otherwise there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Deconvolve, GaussianPSF, restore
    >>> image = np.random.default_rng(0).normal(100, 1, (32, 32))
    >>> restore(image, Deconvolve(psf=GaussianPSF(fwhm=2.0)), DIP(iterations=5)).image.shape
    (32, 32)
    """

    psf: PSF = GaussianPSF()
    floor: float | None = None
    positivity: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.floor is not None and not self.positivity:
            raise ValueError(f"Deconvolve.floor needs positivity, got {self.floor:g} without it")

    @property
    def chooses_floor(self) -> bool:
        """Whether the lower bound of the image is chosen for each frame."""
        return self.positivity and self.floor is None

    def in_units(self, units: Units) -> Self:
        """Return the task for data in working units."""
        floor = None if self.floor is None else units.level(self.floor)
        return replace(super().in_units(units), floor=floor)

    def operator(self, shape: tuple[int, ...], psf: "np.ndarray | None" = None) -> "Operator":
        """Return the convolution; x reaches beyond the border of the data."""
        return _blur(self.psf, psf, shape, (1,) * len(shape))

    def problem(self, data: "Tensor", operator: "Operator", weights: "Tensor") -> "Problem":
        """Return what the restored image has to explain, with its lower bound."""
        return replace(super().problem(data, operator, weights), floor=self.floor)


def _blur(
    psf: PSF, measured: "np.ndarray | None", shape: tuple[int, ...], factors: tuple[int, ...]
) -> "Operator":
    """Return the convolution on pixels that are finer than those of data of a spatial shape, by factors."""
    import torch

    from napari_dip.operators import Blur

    fine = tuple(n * f for n, f in zip(shape, factors, strict=True))
    if isinstance(psf, MeasuredPSF):
        if measured is None:
            raise InputError(
                "psf",
                "a measured point spread function is needed, but none is given: give one, "
                "or choose a shape and its width",
            )
        kernel = measured if max(factors) == 1 else resampled(measured, factors)
        kernel = checked(kernel, fine, psf.background)
    else:
        kernel = psf.refined(factors).kernel(len(shape))
        if any(k > n for k, n in zip(kernel.shape, fine, strict=True)):
            advice = "give a smaller width, or restore a larger part"
            if min(fine) < _NARROWEST:
                advice = "give a measured one that has a single pixel along the short axis"
            raise InputError(
                "psf",
                f"a point spread function of this width has {format_shape(kernel.shape)} pixels, and the "
                f"restored image only {format_shape(fine)}: {advice}",
            )
    return Blur(torch.from_numpy(kernel).to(torch.float32), per_channel=kernel.ndim > len(shape))


#: All tasks, in the order in which they are offered to the user.
TASKS: tuple[type[Task], ...] = (Denoise, Inpaint, SuperResolve, Deconvolve)

"""What is to be undone: an operator, a noise model, and what has to be given."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from annotated_types import Interval

from napari_dip.errors import InputError
from napari_dip.image.grid import Grid, cut, format_shape
from napari_dip.noise.models import NoiseModel, UnknownNoise
from napari_dip.psf.arrays import checked, resampled
from napari_dip.psf.models import PSF, GaussianPSF, MeasuredPSF
from napari_dip.settings import check

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from napari_dip.operators import Operator
    from napari_dip.problem import Problem


@dataclass(frozen=True)
class Task(ABC):
    """Plain settings that name the operator A and the noise.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.
    """

    needs_missing: ClassVar[bool] = False
    noise: NoiseModel = UnknownNoise()

    def __post_init__(self) -> None:
        check(self)

    @property
    def needs_psf(self) -> bool:
        """Whether a point spread function has to be given."""
        return isinstance(getattr(self, "psf", None), MeasuredPSF)

    @abstractmethod
    def operator(self, shape: tuple[int, ...], psf: "np.ndarray | None" = None) -> "Operator":
        """Return A for data of a spatial shape.

        Parameters
        ----------
        shape : tuple of int
            Spatial shape of the data.
        psf : ndarray, optional
            The measured point spread function, where the task needs one.

        Raises
        ------
        InputError
            It can't be done with data of this shape, or with this point spread function.
        """

    def grid(self, shape: tuple[int, ...]) -> Grid:
        """Return where the samples of the restored image lie, for data of a spatial shape."""
        return Grid.of_data(shape)

    def problem(self, data: "Tensor", operator: "Operator", weights: "Tensor") -> "Problem":
        """Return what the restored image has to explain."""
        from napari_dip.problem import Problem

        return Problem(data, operator, self.noise, weights)

    def finish(self, x: "Tensor", problem: "Problem") -> "Tensor":
        """Return what the user gets of an x that explains the problem: the part of it that was asked for."""
        return cut(x, self.grid(tuple(problem.data.shape[2:])).part_of(problem.grid))


@dataclass(frozen=True)
class Denoise(Task):
    """Take noise out of an image; missing pixels, where there are any, are filled in too.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.
    """

    def operator(self, shape: tuple[int, ...], psf: "np.ndarray | None" = None) -> "Operator":
        """Return the identity."""
        from napari_dip.operators import Identity

        return Identity()


@dataclass(frozen=True)
class Inpaint(Denoise):
    """Fill in missing pixels: scratches, text, dead lines, holes; leave all others as they were measured.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.
    keep_observed : bool
        Leave observed pixels as they were measured. Otherwise noise is taken out of them, as `Denoise` does.
    """

    needs_missing: ClassVar[bool] = True
    keep_observed: bool = True

    def problem(self, data: "Tensor", operator: "Operator", weights: "Tensor") -> "Problem":
        """Return what the restored image has to explain, nothing but its missing pixels where that is so."""
        return replace(super().problem(data, operator, weights), only_missing=self.keep_observed)

    def finish(self, x: "Tensor", problem: "Problem") -> "Tensor":
        """Return x with the observed pixels put back."""
        return problem.data.where(problem.weights > 0, x) if self.keep_observed else x


@dataclass(frozen=True)
class SuperResolve(Task):
    """Restore an image with finer pixels than it was measured with.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.
    factor : int
        Pixels of the result for one of the data, along each refined axis.
    downsampling : {"lanczos3", "lanczos2", "bicubic", "area"}
        How fine pixels make a measured one. "area" is their mean, as on a camera; the others are the filters
        with which programs shrink images.
    along : {"all", "axial", "lateral"}
        Which axes are refined: all, Z alone (planes that lie far apart), or Y and X alone.
    psf : PSF, optional
        The point spread function, where the instrument has blurred the image before it fell on its pixels;
        widths are in pixels of the data.
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
        """Return what makes coarse pixels of fine ones: the pixels' filter, after a blur if there is one."""
        from napari_dip.operators import Resample

        factors = self.factors(len(shape))
        coarser = Resample(factors, self.downsampling)
        return coarser if self.psf is None else coarser @ _blur(self.psf, psf, shape, factors)

    def grid(self, shape: tuple[int, ...]) -> Grid:
        """Return the finer grid."""
        return Grid.refined(shape, self.factors(len(shape)))


@dataclass(frozen=True)
class Deconvolve(Task):
    """Take the blur of an instrument out of an image, and its noise.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.
    psf : PSF
        The point spread function: what the instrument makes of a point of light.
    floor : float, optional
        Grey level that the restored image does not fall below, such as the camera's offset (positivity).
    """

    psf: PSF = GaussianPSF()
    floor: float | None = None

    def operator(self, shape: tuple[int, ...], psf: "np.ndarray | None" = None) -> "Operator":
        """Return the convolution; beyond the border there is image that is not known."""
        return _blur(self.psf, psf, shape, (1,) * len(shape))

    def problem(self, data: "Tensor", operator: "Operator", weights: "Tensor") -> "Problem":
        """Return what the restored image has to explain, and what it does not fall below."""
        return replace(super().problem(data, operator, weights), floor=self.floor)


def _blur(
    psf: PSF, measured: "np.ndarray | None", shape: tuple[int, ...], factors: tuple[int, ...]
) -> "Operator":
    """Return the convolution on pixels so many times finer than those of data of a spatial shape."""
    import torch

    from napari_dip.operators import Blur

    fine = tuple(n * f for n, f in zip(shape, factors, strict=True))
    if isinstance(psf, MeasuredPSF):
        if measured is None:
            raise InputError(
                "psf",
                "the point spread function is to be a measured one, and none is given: give one, "
                "or choose a shape and its width",
            )
        kernel = measured if max(factors) == 1 else resampled(measured, factors)
    else:
        kernel = psf.refined(factors).kernel(len(shape))
        if any(k > n for k, n in zip(kernel.shape, fine, strict=True)):
            raise InputError(
                "psf",
                f"a point spread function of this width has {format_shape(kernel.shape)} pixels, and the "
                f"restored image only {format_shape(fine)}: give a smaller width, or restore a larger part",
            )
    return Blur(torch.from_numpy(checked(kernel, fine)).to(torch.float32))


#: All tasks, in the order in which they are offered.
TASKS: tuple[type[Task], ...] = (Denoise, Inpaint, SuperResolve, Deconvolve)

"""Settings of kernels and of their training; importing them loads no torch."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

from napari_dip.settings import check

KernelName = Literal[
    "isotropic", "anisotropic", "bilateral", "nlm", "reblur", "anisotropic-reblur", "upsample"
]


@dataclass(frozen=True)
class Training:
    """Train your own network, which predicts the parameters of a filter.

    Parameters
    ----------
    kernel : str
        The filter. For denoising: a round (isotropic) or stretched (anisotropic) Gaussian, a bilateral filter
        or non-local means (nlm). For deconvolution: reblurring, by a round or a stretched Gaussian. For
        super-resolution: upsampling.
    factor : int
        For upsampling: number of pixels of the result per pixel of the data, along each axis.
    iterations : int
        Number of iterations. More of them take longer and give a better network: 5000 take some minutes, or a
        quarter of an hour for reblurring.
    weakest : float, optional
        Smallest standard deviation of the noise that is added to clean images, in grey levels of images from
        0 to 255. Each example has a noise level of its own. The default is 5, or 1 for reblurring and
        upsampling.
    strongest : float, optional
        Largest standard deviation of this noise. The default is 60, or 12 for reblurring and 25 for
        upsampling.
    seed : int
        The same seed gives the same weights on the same machine.
    """

    kernel: KernelName = "anisotropic"
    factor: Annotated[int, Interval(ge=2, le=4)] = 2
    iterations: Annotated[int, Interval(ge=1, le=1_000_000)] = 5000
    weakest: Annotated[float | None, Gt(0)] = None
    strongest: Annotated[float | None, Gt(0)] = None
    seed: Annotated[int, Ge(0)] = 0

    def __post_init__(self) -> None:
        check(self)
        if self.weakest and self.strongest and self.weakest > self.strongest:
            raise ValueError(
                f"Training.weakest must not be above strongest, got {self.weakest} and {self.strongest}"
            )

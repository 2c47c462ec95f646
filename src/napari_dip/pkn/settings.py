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
        Factor of upsampling: pixels of the result per pixel of the data, along each axis.
    iterations : int
        Number of updates. More take longer and give a better network: 5000 take some minutes, or a quarter of
        an hour for reblurring.
    weakest, strongest : float, optional
        Range of the noise's standard deviation, in grey levels of images from 0 to 255. Noise is added to
        clean images; each example has its own. The default is 5 to 60, for reblurring 1 to 12, for upsampling
        1 to 25.
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

"""What can be chosen of filters and their training; loads no torch."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

from napari_dip.settings import check

KernelName = Literal[
    "isotropic", "anisotropic", "bilateral", "nlm", "reblur", "anisotropic-reblur", "upsample"
]


@dataclass(frozen=True)
class Training:
    """Train a network of your own, for a filter whose parameters it predicts.

    Parameters
    ----------
    kernel : str
        The filter: a round or a stretched Gaussian, bilateral, non-local means (nlm); to deconvolve,
        reblurring by a round or a stretched Gaussian; to super-resolve, upsampling.
    factor : int
        Of upsampling: pixels of the result for one of the data.
    iterations : int
        More take longer and are better: 5000 take some minutes, of reblurring a quarter of an hour.
    weakest, strongest : float, optional
        Standard deviation of the noise that is added to clean images, in grey levels when the image's range
        is 255; each example has one between these. By default 5 to 60, for reblurring 1 to 12 and for
        upsampling 1 to 25.
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

"""Non-local Bayes: a quick method that needs no training."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from annotated_types import Interval

from napari_dip.methods.base import State
from napari_dip.settings import check
from napari_dip.tasks import Deconvolve, Denoise, SuperResolve, Task

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.problem import Problem


@dataclass(frozen=True)
class NonLocalBayes:
    """Restore patches together with others of the same image that look like them.

    It takes seconds, and needs neither training nor a fit: small patches with similar content form a group,
    and what they have in common is told from noise by their covariance. A first step gives a pilot image. In
    a second one, the pilot tells more exactly which patches are alike and what they have in common. Source:
    Lebrun, Buades, Morel, *A Nonlocal Bayesian Image Denoising Algorithm*, SIAM J. Imaging Sciences 6, 2013.

    Deconvolution takes eight rounds, and super-resolution twelve: the image is drawn to the data and denoised
    in turn, each time more weakly. Source: Zhang et al., *Plug-and-Play Image Restoration with Deep Denoiser
    Prior*, IEEE Trans. Pattern Analysis and Machine Intelligence 44, 2022, section 3.

    Parameters
    ----------
    strength : float
        What the strength of the noise is multiplied by: more than 1 gives a smoother image, less keeps more
        of the data.
    recover_sources : bool
        Put back faint stars, spots and blobs, bright or dark, that stand out from the noise of the data but
        are weaker in the filtered image, or absent. It is used only for denoising, if the noise is
        independent from pixel to pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import Denoise, GaussianNoise, NonLocalBayes, restore
    >>> noisy = 100 + np.random.default_rng(0).normal(0, 20, (32, 32))
    >>> restored = restore(noisy, Denoise(GaussianNoise(20.0)), NonLocalBayes())
    >>> bool(np.std(restored.image) < 10)
    True
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Denoise, SuperResolve, Deconvolve)
    slicewise: ClassVar[bool] = False
    takes_maps: ClassVar[bool] = False
    yields_network_output: ClassVar[bool] = False
    max_iterations: ClassVar[int] = 1
    time_limit: ClassVar[float | None] = None

    strength: Annotated[float, Interval(gt=0, le=3)] = 1.0
    recover_sources: bool = True

    def __post_init__(self) -> None:
        check(self)

    def probe(self, iterations: int) -> Self:
        """Return these settings: there is only one pass to measure."""
        return self

    def resolved(self, device: str) -> Self:
        """Return these settings: nothing in them depends on the machine."""
        return self

    def unsupported_reason(self, problem: "Problem", *, guided: bool = False) -> str | None:
        """Return why the method can't restore a problem's data, in words for the user, or None."""
        from napari_dip.filters.bayes_run import unsupported_reason

        return unsupported_reason(problem, guided=guided)

    def remarks(self, problem: "Problem") -> tuple[str, ...]:
        """Return what the user should know before the run, in sentences."""
        from napari_dip.filters.bayes_run import remarks

        return remarks(problem)

    def solve(
        self,
        problem: "Problem",
        *,
        seed: int = 0,
        guide: "Tensor | None" = None,
        initial_state: State | None = None,
        parameter_maps: "Mapping[str, Tensor] | None" = None,
        stopping_rule: "StoppingRule | None" = None,
    ) -> Generator["Iterate", None, State]:
        """Yield the best image so far while the filter works, then the answer; only the rule is used."""
        from napari_dip.filters.bayes_run import restoring

        yield from restoring(
            problem, stopping_rule, strength=self.strength, recover_sources=self.recover_sources
        )
        return {}

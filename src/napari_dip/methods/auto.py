"""The method that suits the task and the data, of those with their default settings."""

from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from napari_dip.methods.base import Method, State
from napari_dip.methods.dip import DIP
from napari_dip.methods.finetune import FineTune
from napari_dip.methods.nonlocal_bayes import NonLocalBayes
from napari_dip.tasks import Deconvolve, Denoise, Inpaint, SuperResolve, Task

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.noise.models import NoiseModel
    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.problem import Problem

#: Brightness from which non-local Bayes loses more of the faint stars around than Deep Image Prior does.
_BRIGHT = 1000.0
#: Largest share of missing pixels that non-local Bayes fills in beside denoising.
_SOME_MISSING = 0.01


@dataclass(frozen=True)
class Choice:
    """A method that was chosen.

    Parameters
    ----------
    method : Method
        The method, with its settings.
    reason : str
        Why it was chosen, as a sentence for the user.
    """

    method: Method
    reason: str


@dataclass(frozen=True)
class Auto:
    """Take the method that was best for this kind of task and data in our measurements.

    Non-local Bayes denoises and deconvolves where it can measure the noise, and the noise is independent from
    pixel to pixel: it was as good there as Deep Image Prior, and takes seconds. A pretrained network
    super-resolves planes if one fits the factor. Deep Image Prior does all else. The note on the result, its
    provenance and the remarks before the run say which method was chosen and why. All frames of a series are
    restored by the method that suits the first one.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import Auto, Denoise, restore
    >>> noisy = 100 + np.random.default_rng(0).normal(0, 20, (32, 32))
    >>> restore(noisy, Denoise(), Auto()).provenance["method"]["type"]
    'NonLocalBayes'
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Denoise, Inpaint, SuperResolve, Deconvolve)
    slicewise: ClassVar[bool] = False
    takes_maps: ClassVar[bool] = False
    yields_network_output: ClassVar[bool] = False
    time_limit: ClassVar[float | None] = None
    #: Of the slowest method that may be chosen.
    max_iterations: ClassVar[int] = DIP().max_iterations

    def choice(self, problem: "Problem", *, guided: bool = False) -> Choice:
        """Return the method for a problem, and why.

        Parameters
        ----------
        problem : Problem
            What the image has to explain.
        guided : bool
            Whether there is a guide.
        """
        from napari_dip.operators import Blur, Identity

        if guided:
            return Choice(DIP(), "Deep Image Prior was chosen, because it can use a guide.")
        if problem.only_missing:
            return Choice(DIP(), "Deep Image Prior was chosen, because it fills in missing pixels best.")
        if isinstance(problem.operator, Identity | Blur):
            return _by_noise(problem)
        with suppress(ValueError):  # none has this factor
            if FineTune().unsupported_reason(problem) is None:
                return Choice(FineTune(), "A pretrained network was chosen, because one fits these data.")
        return Choice(DIP(), "Deep Image Prior was chosen, because no pretrained network fits these data.")

    def probe(self, iterations: int) -> Self:
        """Return these settings: what a run costs depends on the data."""
        return self

    def resolved(self, device: str) -> Self:
        """Return these settings: the choice depends on the data alone."""
        return self

    def unsupported_reason(self, problem: "Problem", *, guided: bool = False) -> str | None:
        """Return why no method can solve this problem, in words for the user, or None."""
        return self.choice(problem, guided=guided).method.unsupported_reason(problem, guided=guided)

    def remarks(self, problem: "Problem") -> tuple[str, ...]:
        """Return what the user should know of the method that suits a problem without a guide."""
        return self.choice(problem).method.remarks(problem)

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
        """Yield the iterates of the chosen method."""
        method = self.choice(problem, guided=guide is not None).method
        return (
            yield from method.solve(
                problem,
                seed=seed,
                guide=guide,
                initial_state=initial_state,
                parameter_maps=parameter_maps,
                stopping_rule=stopping_rule,
            )
        )


def _by_noise(problem: "Problem") -> Choice:
    """Return the method that removes the noise of an image, sharp or blurred."""
    from napari_dip.diagnostics.noise import measured_noise
    from napari_dip.noise.models import CorrelatedNoise, LaplaceNoise
    from napari_dip.noise.whiteness import whiteness

    def dip(why: str) -> Choice:
        return Choice(DIP(), f"Deep Image Prior was chosen, because {why}.")

    if isinstance(problem.noise, LaplaceNoise):
        return dip("outliers are expected")
    if isinstance(problem.noise, CorrelatedNoise) or whiteness(problem.data, problem.weights).smooth:
        return dip("the noise is correlated between neighbouring pixels")
    if float((problem.weights == 0).float().mean()) > _SOME_MISSING:
        return dip("many pixels are missing")
    noise = problem.noise if problem.noise.known else measured_noise(problem)
    if noise is None:
        return dip("the noise can't be measured")
    if _brightness(problem, noise) > _BRIGHT:
        return dip("very bright places would hide faint sources from non-local Bayes")
    if reason := NonLocalBayes().unsupported_reason(problem):
        return dip(f"non-local Bayes can't restore these data: {reason.rstrip('.')}")
    white = "the noise is independent from pixel to pixel, and it takes seconds"
    return Choice(NonLocalBayes(), f"Non-local Bayes was chosen, because {white}.")


def _brightness(problem: "Problem", noise: "NoiseModel") -> float:
    """Return how far the brightest pixel lies above the median, in standard deviations of the noise there."""
    data = problem.complete_data
    axes = tuple(range(2, data.ndim))
    level = data.flatten(2).median(-1).values.view(*data.shape[:2], *(1,) * len(axes))
    sigma = noise.variance(level.expand_as(data)).sqrt().expand_as(data)
    return float(((data - level) / sigma).amax())

"""Settings of classic deconvolution: quick results to compare with."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from annotated_types import Gt, Interval

from napari_dip.methods.base import State
from napari_dip.settings import check
from napari_dip.tasks import Deconvolve, Task

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.filters.deconvolution import ChannelFilter
    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.problem import Problem


@dataclass(frozen=True)
class _Deconvolution(ABC):
    """A filter of one channel by its point spread function, after missing pixels have been filled in."""

    tasks: ClassVar[tuple[type[Task], ...]] = (Deconvolve,)
    slicewise: ClassVar[bool] = False
    takes_maps: ClassVar[bool] = False
    yields_network_output: ClassVar[bool] = False
    time_limit: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        check(self)

    @property
    def max_iterations(self) -> int:
        """Number of iterations; by default the filter is applied once."""
        return 1

    def probe(self, iterations: int) -> Self:
        """Return the settings themselves: there is one step to measure."""
        return self

    def resolved(self, device: str) -> Self:
        """Return the settings themselves: nothing in them depends on the machine."""
        return self

    def unsupported_reason(self, problem: "Problem", *, guided: bool = False) -> str | None:
        """Return why the method can't solve this problem, in words for the user, or None."""
        from napari_dip.operators.blur import Blur

        if not isinstance(problem.operator, Blur):
            return f"{type(self).__name__} only undoes blur by a point spread function."
        if not problem.observed.any():
            return f"{type(self).__name__} needs at least one observed pixel."
        return None

    def remarks(self, problem: "Problem") -> tuple[str, ...]:
        """Return no remarks."""
        return ()

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
        """Yield the data while the filter works, then the answer; only the stopping rule is used."""
        from napari_dip.filters.deconvolution import deconvolution

        yield from deconvolution(problem, self._filter(problem), self.max_iterations, stopping_rule)
        return {}

    @abstractmethod
    def _filter(self, problem: "Problem") -> "ChannelFilter":
        """Return the function that deconvolves one channel by the point spread function."""


@dataclass(frozen=True)
class RichardsonLucy(_Deconvolution):
    """Sharpen by Richardson-Lucy iterations, which keep the image above its floor.

    The iterations approach the maximum of the Poisson likelihood. Too many of them fit the noise, so limit
    their number. Source: Richardson 1972, Lucy 1974.

    Parameters
    ----------
    iterations : int
        Number of iterations. More of them give a sharper but noisier image: 10 suit dim images, 30 to 100
        suit bright ones.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import Deconvolve, GaussianPSF, RichardsonLucy, restore
    >>> image = np.random.default_rng(0).poisson(100, (32, 32))
    >>> restore(image, Deconvolve(psf=GaussianPSF(fwhm=2.0)), RichardsonLucy(iterations=5)).image.shape
    (32, 32)
    """

    iterations: Annotated[int, Interval(ge=1, le=10_000)] = 10

    @property
    def max_iterations(self) -> int:
        """Number of iterations."""
        return self.iterations

    def probe(self, iterations: int) -> Self:
        """Return settings with this number of iterations."""
        return replace(self, iterations=iterations)

    def _filter(self, problem: "Problem") -> "ChannelFilter":
        from napari_dip.filters.deconvolution import level_without_light, richardson_lucy
        from napari_dip.noise.models import PoissonGaussianNoise

        noise = problem.noise
        read = noise.read_noise**2 / noise.gain if isinstance(noise, PoissonGaussianNoise) else 0.0
        floor = level_without_light(problem)
        return partial(richardson_lucy, iterations=self.iterations, floor=floor, background=read)


@dataclass(frozen=True)
class Wiener(_Deconvolution):
    """Sharpen by one linear filter, which divides by the blur where the signal is above the noise.

    Source: Hunt 1973; computed by scikit-image.

    Parameters
    ----------
    balance : float, optional
        Weight of smoothness against sharpness. By default, the value for which the data are most likely, with
        white noise and an image with Gaussian second derivatives (Orieux, Giovannelli, Rodet, JOSA A, 2010).

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import Deconvolve, GaussianPSF, Wiener, restore
    >>> image = np.random.default_rng(0).normal(100, 10, (32, 32))
    >>> restore(image, Deconvolve(psf=GaussianPSF(fwhm=2.0)), Wiener()).image.shape
    (32, 32)
    """

    balance: Annotated[float | None, Gt(0)] = None

    def _filter(self, problem: "Problem") -> "ChannelFilter":
        from napari_dip.filters.deconvolution import wiener

        return partial(wiener, balance=self.balance)

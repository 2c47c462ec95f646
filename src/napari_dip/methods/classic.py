"""Settings of classic deconvolution: quick results to compare with."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from annotated_types import Gt, Interval

from napari_dip.methods.base import State
from napari_dip.settings import check
from napari_dip.tasks import Deconvolve, Task

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.filters.deconvolution import ChannelFilter, Choice, Image
    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.problem import Problem


#: Largest number of iterations that is found from the data, which bounds the harm that noise does if it was
#: measured too weak; and the number where none can be found.
_MOST, _USUAL = 200, 10
#: What is said where none can be found.
NO_NUMBER = (
    f"The noise can't be measured, so there are {_USUAL} iterations, which suit dim images. Say how strong "
    "the noise is, or how many iterations there should be."
)


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
        """Yield the data while the filter works, then the answer; only the seed and the rule are used."""
        from napari_dip.filters.deconvolution import deconvolution

        yield from deconvolution(problem, self._choice(problem, seed), stopping_rule)
        return {}

    @abstractmethod
    def _choice(self, problem: "Problem", seed: int) -> "Choice":
        """Return, in steps, the filter that deconvolves one channel by the point spread function."""


@dataclass(frozen=True)
class RichardsonLucy(_Deconvolution):
    """Sharpen by Richardson-Lucy iterations, which keep the image above its floor.

    The iterations approach the maximum of the Poisson likelihood. Too many of them fit the noise. Source:
    Richardson 1972, Lucy 1974.

    Parameters
    ----------
    iterations : int, optional
        Number of iterations. More of them give a sharper but noisier image. By default a fifth of the light
        is set aside, and the number is the one after which the rest best predicts it: a few for dim images,
        up to 200 for bright ones.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import Deconvolve, GaussianPSF, RichardsonLucy, restore
    >>> image = np.random.default_rng(0).poisson(100, (32, 32))
    >>> restore(image, Deconvolve(psf=GaussianPSF(fwhm=2.0)), RichardsonLucy(iterations=5)).image.shape
    (32, 32)
    """

    iterations: Annotated[int | None, Interval(ge=1, le=10_000)] = None

    @property
    def max_iterations(self) -> int:
        """Largest number of iterations."""
        return self.iterations or _MOST

    def probe(self, iterations: int) -> Self:
        """Return settings with this number of iterations."""
        return replace(self, iterations=iterations)

    def remarks(self, problem: "Problem") -> tuple[str, ...]:
        """Return that the number of iterations can't be found, if it is to be found and can't be."""
        from napari_dip.filters.unseen_light import separable_noise

        return (NO_NUMBER,) if self.iterations is None and separable_noise(problem) is None else ()

    def _choice(self, problem: "Problem", seed: int) -> "Choice":
        from napari_dip.filters.deconvolution import Deconvolution, point_spread_functions
        from napari_dip.filters.unseen_light import best_number, separable_noise

        yield
        if self.iterations is not None:
            return Deconvolution(self._filter(problem, self.iterations), self.iterations)
        noise = separable_noise(problem)
        if noise is None:
            return Deconvolution(self._filter(problem, _USUAL), _USUAL, NO_NUMBER)
        psfs, longest = point_spread_functions(problem), self._filter(problem, _MOST)

        def iterations(channel: "Image", number: int) -> "Iterator[Image]":
            return longest(channel, psfs[number])

        found = yield from best_number(problem, noise, iterations, most=_MOST, seed=seed)
        note = f"Light that was set aside was predicted best after {found} iteration{'s' * (found > 1)}."
        return Deconvolution(self._filter(problem, found), found, note)

    @staticmethod
    def _filter(problem: "Problem", iterations: int) -> "ChannelFilter":
        from napari_dip.filters.deconvolution import level_without_light, richardson_lucy
        from napari_dip.noise.models import PoissonGaussianNoise

        noise = problem.noise
        read = noise.read_noise**2 / noise.gain if isinstance(noise, PoissonGaussianNoise) else 0.0
        floor = level_without_light(problem)
        return partial(richardson_lucy, iterations=iterations, floor=floor, background=read)


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

    def _choice(self, problem: "Problem", seed: int) -> "Choice":
        from napari_dip.filters.deconvolution import Deconvolution, wiener

        yield
        return Deconvolution(partial(wiener, balance=self.balance))

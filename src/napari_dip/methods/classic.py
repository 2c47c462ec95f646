"""Classic deconvolution by scikit-image: the instant baselines."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import numpy as np
from annotated_types import Gt, Interval
from numpy.typing import NDArray

from napari_dip.image.fill import filled
from napari_dip.methods.base import State
from napari_dip.noise.models import PoissonGaussianNoise, PoissonNoise
from napari_dip.settings import check
from napari_dip.tasks import Deconvolve, Task

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.problem import Problem

Image = NDArray[np.float64]


@dataclass(frozen=True)
class _Deconvolution(ABC):
    """A function of one channel and its point spread function; missing pixels are filled in before.

    scikit-image knows no missing pixels and no border: what it sees is filled in, and widened by reflection.
    """

    tasks: ClassVar[tuple[type[Task], ...]] = (Deconvolve,)
    slicewise: ClassVar[bool] = False
    takes_maps: ClassVar[bool] = False
    yields_network_output: ClassVar[bool] = False
    time_limit: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        check(self)

    @property
    @abstractmethod
    def max_iterations(self) -> int:
        """Steps that it takes."""

    def probe(self, updates: int) -> Self:
        """Return the settings themselves: there is one step to measure."""
        return self

    def resolved(self, device: str) -> Self:
        """Return the settings themselves: they leave nothing open."""
        return self

    def unsupported_reason(self, problem: "Problem", *, guided: bool = False) -> str | None:
        """Return why it can't do this one, in words for the user, or None."""
        from napari_dip.operators.blur import Blur

        if not isinstance(problem.operator, Blur):
            return f"{type(self).__name__} undoes blur by a point spread function, and nothing else."
        if not problem.observed.any():
            return f"{type(self).__name__} needs at least one observed pixel."
        return None

    def remarks(self, problem: "Problem") -> tuple[str, ...]:
        """Return nothing."""
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
        """Yield one iterate, the answer: it comes in one piece, whatever the other arguments say.

        Parameters
        ----------
        problem : Problem
            What the image has to explain, with a `Blur`.
        seed, guide, initial_state, parameter_maps, stopping_rule
            As for other methods; unused.

        Returns
        -------
        dict
            Nothing: the next frame starts from its own data.
        """
        import torch

        from napari_dip.optim.iterate import Iterate, Outcome

        psf = np.asarray(problem.operator.psf.cpu(), np.float64)
        observed = problem.weights.expand_as(problem.data) > 0
        data = problem.data[0].double().cpu().numpy()
        channels = zip(data, observed[0].cpu().numpy(), strict=True)
        images = [self._deconvolved(filled(image, seen), psf, problem) for image, seen in channels]
        x = torch.as_tensor(np.stack(images)[None], dtype=torch.float32).to(problem.data.device)
        yield Iterate(self.max_iterations, x, problem(x), outcome=Outcome.COMPUTED)
        return {}

    @abstractmethod
    def _deconvolved(self, image: Image, psf: Image, problem: "Problem") -> Image:
        """Return one channel, ``k // 2`` pixels wider than the data at each end, k the size of the PSF."""


@dataclass(frozen=True)
class RichardsonLucy(_Deconvolution):
    """Sharpen by Richardson-Lucy iterations, which keep the image above its floor.

    They climb to the maximum of the Poisson likelihood. Too many of them fit the noise: their number is
    what holds it down. Source: Richardson 1972, Lucy 1974; computed by scikit-image.

    Parameters
    ----------
    iterations : int
        More are sharper, and noisier: 10 suit dim images, 30 to 100 bright ones.
    """

    iterations: Annotated[int, Interval(ge=1, le=10_000)] = 10

    @property
    def max_iterations(self) -> int:
        """Iterations."""
        return self.iterations

    def probe(self, updates: int) -> Self:
        """Return settings of just so many iterations."""
        return replace(self, iterations=updates)

    def _deconvolved(self, image: Image, psf: Image, problem: "Problem") -> Image:
        from skimage.restoration import richardson_lucy

        floor = _floor(problem)
        light = (image - floor).clip(0)
        scale = light.mean() or 1.0  # scikit-image's own small constants are for values of about 1
        # It sees zeros around the image, which should not be felt in what is kept.
        margins = _margins(psf)
        wide = np.pad(light / scale, [(m, m) for m in margins], mode="reflect")
        x = richardson_lucy(wide, psf, num_iter=self.iterations, clip=False, filter_epsilon=1e-6)
        return floor + scale * _cropped(x, margins, psf)


@dataclass(frozen=True)
class Wiener(_Deconvolution):
    """Sharpen by one linear filter that divides by the blur where the signal is above the noise.

    Source: Hunt 1973; computed by scikit-image.

    Parameters
    ----------
    balance : float, optional
        Weight of smoothness against sharpness. By default the one under which the data are most likely,
        for white noise and an image with Gaussian second derivatives: what the sampling of Orieux,
        Giovannelli and Rodet (2010) finds on average, without the chance.
    """

    balance: Annotated[float | None, Gt(0)] = None

    @property
    def max_iterations(self) -> int:
        """1."""
        return 1

    def _deconvolved(self, image: Image, psf: Image, problem: "Problem") -> Image:
        from skimage.restoration import wiener

        margins = _margins(psf)
        wide = _periodic(image, margins)
        balance = self.balance or _likeliest_balance(wide, psf)
        x = wiener(wide, psf, balance, clip=False)
        return _cropped(x, margins, psf)


def _margins(psf: Image) -> list[int]:
    """Return by how much to widen the data: what sharpens reaches further than what blurs, 16 px at least."""
    return [max(2 * (k // 2), 16) for k in psf.shape]


def _cropped(image: Image, margins: list[int], psf: Image) -> Image:
    """Return what a `Blur` reaches: the data and ``k // 2`` pixels at each end."""
    cuts = [margin - k // 2 for margin, k in zip(margins, psf.shape, strict=True)]
    return image[tuple(slice(cut, n - cut) for cut, n in zip(cuts, image.shape, strict=True))]


def _floor(problem: "Problem") -> float:
    """Return the grey level that stands for no light."""
    if problem.floor is not None:
        return problem.floor
    if isinstance(problem.noise, (PoissonNoise, PoissonGaussianNoise)):
        return problem.noise.offset
    return min(0.0, float(problem.data[problem.weights.expand_as(problem.data) > 0].min()))


def _periodic(image: Image, margins: list[int]) -> Image:
    """Return the image widened by reflection, its opposite ends faded into each other.

    A Fourier transform joins them, and a filter that sharpens would make a step there ring far inwards.
    """
    wide = np.pad(image, [(m, m) for m in margins], mode="reflect")
    for axis, margin in enumerate(margins):
        places = np.arange(wide.shape[axis]) + 0.5
        depth = np.minimum(places, places[::-1]).clip(max=margin) / margin  # 0 at the seam, 1 in the data
        own = np.expand_dims(np.sin(np.pi / 4 * (1 + depth)) ** 2, [a for a in range(wide.ndim) if a != axis])
        wide = own * wide + (1 - own) * np.flip(wide, axis)
    return wide


def _likeliest_balance(image: Image, psf: Image) -> float:
    """Return the balance λ of scikit-image's `wiener` under which a periodic image is most likely.

    With x ~ N(0, σ² / λ (DᵀD)⁻¹), D the Laplacian, and white noise of variance σ², the image's spectrum is
    normal with the variances σ² / s, s = λ |D|² / (|H|² + λ |D|²); σ² is profiled out. Generalised
    cross-validation comes as close where noise is strong, but fails by many decibels where it is weak.
    λ is at least 10⁻³: below, the unknown light from beyond the border grows faster than detail does.
    """
    from scipy.optimize import minimize_scalar
    from skimage.restoration import uft

    power = np.abs(uft.urfftn(image)) ** 2
    blur = np.abs(uft.ir2tf(psf, image.shape)) ** 2
    smoothness = np.abs(uft.laplacian(image.ndim, image.shape)[0]) ** 2
    counts = np.full(power.shape, 2.0)  # half the spectrum stands for all of it
    counts[..., 0] = 1
    if image.shape[-1] % 2 == 0:
        counts[..., -1] = 1
    curved = smoothness > 1e-12 * smoothness.max()  # nothing is known of the mean
    power, blur, smoothness, counts = (a[curved] for a in (power, blur, smoothness, counts))

    def nll(log_balance: float) -> float:
        shrinkage = (rough := np.exp(log_balance) * smoothness) / (blur + rough)
        residual = (counts * shrinkage * power).sum() / counts.sum()
        return np.log(residual + 1e-300) - (counts * np.log(shrinkage)).sum() / counts.sum()

    found = minimize_scalar(nll, bounds=(np.log(1e-3), np.log(1e4)), method="bounded")
    return float(np.exp(found.x))

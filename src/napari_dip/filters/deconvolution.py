"""Classic deconvolution, with missing pixels and borders taken care of."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_dip.image.fill import filled
from napari_dip.noise.models import PoissonGaussianNoise, PoissonNoise

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.problem import Problem

Image = NDArray[np.float64]
#: Takes a channel and the point spread function; yields the image so far, and returns it in the end.
ChannelFilter = Callable[[Image, Image], Generator[Image, None, Image]]

#: Fewest pixels by which the data are widened at each end: sharpening reaches further than the blur does.
_LEAST_MARGIN = 16
#: Interval of the balance. Below it, the unknown light from beyond the border grows faster than detail does.
_BALANCE = (1e-3, 1e4)
#: Added to blurred light, and the blurred light below which a pixel counts as dark, for a mean of 1.
_TINY, _DARK = 1e-12, 1e-6
#: Least light to start from, for data and background with a mean of 1.
_LEAST_LIGHT = 1e-3


@dataclass(frozen=True)
class Deconvolution:
    """A filter with its settings, as they are for one image.

    Parameters
    ----------
    deconvolve : callable
        Takes a channel and the point spread function, such as `richardson_lucy` or `wiener`.
    iterations : int
        Index of the answer.
    note : str
        What the user should know about the settings, as a sentence.
    """

    deconvolve: ChannelFilter
    iterations: int = 1
    note: str = ""


#: Chooses the filter for an image, in steps.
Choice = Generator[None, None, Deconvolution]


def deconvolution(
    problem: "Problem", choice: Choice, rule: "StoppingRule | None" = None
) -> Generator["Iterate", None, None]:
    """Yield the deconvolved image as the last iterate, and before it what the filter has reached so far.

    Each channel is deconvolved by itself, after its missing pixels have been filled in.

    Parameters
    ----------
    problem : Problem
        Its operator is a `Blur`.
    choice : Choice
        Returns the filter.
    rule : StoppingRule, optional
        Can end the run while the filter works.
    """
    from napari_dip.optim.stages import interrupted
    from napari_dip.optim.stopping import Never

    with closing(_iterates(problem, choice)) as iterates:
        yield from interrupted(iterates, rule or Never())


def _iterates(problem: "Problem", choice: Choice) -> Generator["Iterate", None, None]:
    import torch

    from napari_dip.optim.background import in_background
    from napari_dip.optim.iterate import Iterate, Outcome

    def tensor(channels: list[Image]) -> "Tensor":
        return torch.as_tensor(np.stack(channels)[None], dtype=torch.float32).to(problem.data.device)

    def waiting(channels: list[Image] | None) -> "Iterate":
        x = problem.widened(problem.complete_data) if channels is None else tensor(channels)
        return Iterate(0, x, x.new_full((), np.nan), preparing=True)

    yield waiting(None)  # a quick filter can be stopped too, between two frames of a series
    chosen = yield from in_background(choice, waiting)
    x = tensor((yield from in_background(_deconvolved(problem, chosen.deconvolve), waiting)))
    yield Iterate(chosen.iterations, x, problem(x), outcome=Outcome.COMPUTED, note=chosen.note)


def _deconvolved(
    problem: "Problem", deconvolve: ChannelFilter
) -> Generator[list[Image] | None, None, list[Image]]:
    """Return the channels on the grid of x; yield them as they are so far."""
    kernels = point_spread_functions(problem)
    observed = (problem.weights.expand_as(problem.data) > 0)[0].cpu().numpy()
    channels = list(problem.widened(problem.complete_data)[0].double().cpu().numpy())
    for number, (channel, seen) in enumerate(zip(problem.data[0].double().cpu(), observed, strict=True)):
        steps = deconvolve(filled(channel.numpy(), seen), kernels[number])
        try:
            while True:
                channels[number] = next(steps)
                yield list(channels)
        except StopIteration as end:
            channels[number] = end.value
        yield list(channels)
    return channels


def point_spread_functions(problem: "Problem") -> Image:
    """Return the point spread function of each channel, shape ``(C, *spatial)``."""
    kernels = np.asarray(problem.operator.kernels.cpu(), np.float64)
    return np.broadcast_to(kernels, (problem.data.shape[1], *kernels.shape[1:]))


def level_without_light(problem: "Problem") -> float:
    """Return the value that stands for no light: the floor, the camera's offset, or at most grey level 0."""
    if problem.floor is not None:
        return problem.floor
    if isinstance(problem.noise, (PoissonNoise, PoissonGaussianNoise)):
        return problem.noise.offset
    return min(problem.units.level(0), float(problem.data[problem.weights.expand_as(problem.data) > 0].min()))


def richardson_lucy(
    image: Image, psf: Image, *, iterations: int, floor: float, background: float = 0.0
) -> Generator[Image, None, Image]:
    """Deconvolve light above a floor by Richardson-Lucy iterations x ← x · Hᵀ ((y + b) / (H x + b)).

    Parameters
    ----------
    image : ndarray of float64, 2-D or 3-D
        One channel y in grey levels, without missing pixels.
    psf : ndarray of float64
        Point spread function of H, of sum 1 and with as many axes as the image.
    iterations : int
        Number of iterations.
    floor : float
        Grey level that stands for no light.
    background : float
        What is added to data and blurred light, b: with read noise, its variance divided by the gain, since
        y + b then has the mean and the variance of photon counts (Snyder et al., JOSA A 10, 1993). Without
        it, values below the floor would count as no light, and an empty sky would become brighter.

    Yields
    ------
    ndarray of float64
        The image after each iteration.

    Returns
    -------
    ndarray of float64
        The image, wider than y by ``k // 2`` pixels at each end, where k is the size of the PSF.
    """
    from scipy.signal import convolve

    light = (image - floor + background).clip(0)
    scale = light.mean() or 1.0  # for the small constants, which are meant for values of about 1
    background /= scale
    # The light beyond the image is taken to be 0; wide margins keep that out of the result.
    margins, mirrored = _margins(psf), np.flip(psf)
    y = np.pad(light / scale, [(m, m) for m in margins], mode="reflect")
    # Without a background the first iteration finds the level. With one, that would take many.
    inside = tuple(slice(m, -m) for m in margins)
    x = np.full(y.shape, max(1 - background, _LEAST_LIGHT) if background else 0.5)
    for _ in range(iterations):
        blurred = convolve(x, psf, mode="same")
        if background:  # without one, each iteration keeps the sum of light
            factor = max(y[inside].mean() - background, _LEAST_LIGHT) / blurred[inside].mean()
            x, blurred = factor * x, factor * blurred + background
        blurred += _TINY
        x = x * convolve(np.where(blurred < _DARK, 0, y / blurred), mirrored, mode="same")
        restored = floor + scale * _cropped(x, margins, psf)
        yield restored
    return restored


def wiener(image: Image, psf: Image, *, balance: float | None = None) -> Generator[Image, None, Image]:
    """Deconvolve by the Wiener-Hunt filter of scikit-image.

    Parameters
    ----------
    image, psf : ndarray of float64
        As for `richardson_lucy`.
    balance : float, optional
        Weight λ of smoothness against sharpness; by default the most likely one.

    Yields
    ------
    ndarray of float64
        The data, widened by reflection, of the shape of the result.

    Returns
    -------
    ndarray of float64
        The image, of the shape that `richardson_lucy` returns.
    """
    from skimage.restoration import wiener

    yield np.pad(image, [(k // 2, k // 2) for k in psf.shape], mode="reflect")
    margins = _margins(psf)
    wide = _periodic(image, margins)
    x = wiener(wide, psf, balance or _likeliest_balance(wide, psf), clip=False)
    return _cropped(x, margins, psf)


def _margins(psf: Image) -> list[int]:
    """Return by how many pixels to widen the data at each end, along each axis."""
    return [max(2 * (k // 2), _LEAST_MARGIN) for k in psf.shape]


def _cropped(image: Image, margins: list[int], psf: Image) -> Image:
    """Return what a `Blur` reaches: the data, and ``k // 2`` pixels more at each end."""
    cuts = [margin - k // 2 for margin, k in zip(margins, psf.shape, strict=True)]
    return image[tuple(slice(cut, n - cut) for cut, n in zip(cuts, image.shape, strict=True))]


def _periodic(image: Image, margins: list[int]) -> Image:
    """Return the image widened by reflection, with opposite ends faded into each other.

    A Fourier transform joins opposite ends. A step there would ring far into the image once it is sharpened.
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
    """
    from scipy.optimize import minimize_scalar
    from skimage.restoration import uft

    power = np.abs(uft.urfftn(image)) ** 2
    blur = np.abs(uft.ir2tf(psf, image.shape)) ** 2
    smoothness = np.abs(uft.laplacian(image.ndim, image.shape)[0]) ** 2
    counts = np.full(power.shape, 2.0)  # half of the spectrum stands for all of it
    counts[..., 0] = 1
    if image.shape[-1] % 2 == 0:
        counts[..., -1] = 1
    curved = smoothness > 1e-12 * smoothness.max()  # the model says nothing about the mean
    power, blur, smoothness, counts = (a[curved] for a in (power, blur, smoothness, counts))

    def nll(log_balance: float) -> float:
        shrinkage = (rough := np.exp(log_balance) * smoothness) / (blur + rough)
        residual = (counts * shrinkage * power).sum() / counts.sum()
        return np.log(residual + 1e-300) - (counts * np.log(shrinkage)).sum() / counts.sum()

    low, high = _BALANCE
    found = minimize_scalar(nll, bounds=(np.log(low), np.log(high)), method="bounded")
    return float(np.exp(found.x))

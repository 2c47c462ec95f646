"""What a network is fitted to: what it should explain of the data, and how much of their noise."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from napari_dip.finetuning.patches import Patch
from napari_dip.noise.models import weighted_mean
from napari_dip.noise.sure import perturbation, sure
from napari_dip.optim.fit import Sample

Loss = Callable[[Patch, Generator], Sample]


def consistency(part: Patch, generator: Generator) -> Sample:
    """Return what a network is shown, and the mean of (A f(y) − y)² (Lucas et al., ICIP 2019)."""

    def energy(outputs: Tensor) -> Tensor:
        return weighted_mean((part.explained(outputs) - part.data).square(), part.weights)

    return (part.shown,), energy


def risk(part: Patch, generator: Generator) -> Sample:
    """Return data twice, once moved, and Stein's unbiased estimate of the error of A f(y).

    Missing pixels are not moved.
    """
    moved = perturbation(part.sigma, part.data, generator)
    shown = part.moved(moved * part.weights)

    def energy(outputs: Tensor) -> Tensor:
        first, second = outputs.chunk(2)
        explained = part.explained(first), part.explained(second)
        return weighted_mean(sure(*explained, part.data, part.sigma, moved), part.weights)

    return (torch.cat([part.shown, shown]),), energy


def masked(part: Patch, generator: Generator) -> Sample:
    """Return what a network is shown, and the misfit where x is smooth, for adversarially trained networks.

    ‖(1 − S(x)) ((A f(y))↑ − y↑)‖², ↑ bicubic, S the magnitude of Sobel's gradient scaled from 0 to 1, held
    constant: what such networks invent along edges is left to them (Lucas et al., ICIP 2019).
    """

    def energy(outputs: Tensor) -> Tensor:
        misfit = (part.explained(outputs) - part.data) * part.weights
        size = [part.factor * n for n in misfit.shape[2:]]
        with torch.no_grad():
            edges = part.on_data(_sobel(part.x(outputs)))
        return ((1 - edges) * F.interpolate(misfit, size, mode="bicubic")).square().mean()

    return (part.shown,), energy


def pair(part: Patch, truth: Tensor) -> Sample:
    """Return what an image would be measured as, and the mean of (f(A x + noise) − x)².

    Of made pictures, and of the data y themselves in place of x: an image may resemble itself at other scales
    (Shocher, Cohen and Irani, CVPR 2018).

    Parameters
    ----------
    part : Part
        A x + noise.
    truth : Tensor
        x.
    """
    inside = part.on_data(truth)
    return (part.shown,), lambda outputs: (part.on_data(part.x(outputs)) - inside).square().mean()


def _sobel(x: Tensor) -> Tensor:
    """Return the magnitude of the gradient, from 0 to 1, shape ``(N, 1, H, W)``."""
    image = x.mean(1, keepdim=True)
    along = x.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    filters = torch.stack([along, along.T])[:, None]
    gradient = (
        F.conv2d(F.pad(image, (1,) * 4, mode="replicate"), filters).square().sum(1, keepdim=True).sqrt()
    )
    low, high = gradient.amin((2, 3), keepdim=True), gradient.amax((2, 3), keepdim=True)
    return (gradient - low) / (high - low).clamp_min(1e-12)

"""The losses of fine-tuning: the misfit of the data, Stein's estimate of the error, and known truths."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from napari_dip.finetuning.patches import Patch
from napari_dip.noise.models import weighted_mean
from napari_dip.noise.sure import perturbation, sure
from napari_dip.optim.fit import Sample

Loss = Callable[[Patch, Generator], Sample]


def plain_loss(patch: Patch, generator: Generator) -> Sample:
    """Return the network's input, and the mean of (A f(y) − y)² (Lucas et al., ICIP 2019)."""

    def energy(outputs: Tensor) -> Tensor:
        return weighted_mean((patch.predicted(outputs) - patch.data).square(), patch.weights)

    return (patch.shown,), energy


def sure_loss(patch: Patch, generator: Generator) -> Sample:
    """Return the data as they are and perturbed, and Stein's unbiased estimate of the error of A f(y).

    Missing pixels are not perturbed.
    """
    shift = perturbation(patch.sigma, patch.data, generator)
    shown = patch.perturbed(shift * patch.weights)

    def energy(outputs: Tensor) -> Tensor:
        first, second = outputs.chunk(2)
        predicted = patch.predicted(first), patch.predicted(second)
        return weighted_mean(sure(*predicted, patch.data, patch.sigma, shift), patch.weights)

    return (torch.cat([patch.shown, shown]),), energy


def masked_loss(patch: Patch, generator: Generator) -> Sample:
    """Return the network's input, and the misfit where x is smooth, for adversarially trained networks.

    ‖(1 − S(x)) ((A f(y))↑ − y↑)‖². Here ↑ is bicubic interpolation, and S is the magnitude of Sobel's
    gradient, scaled to the range from 0 to 1 and held constant. So the detail that such networks invent along
    edges is left to them (Lucas et al., ICIP 2019).
    """

    def energy(outputs: Tensor) -> Tensor:
        misfit = (patch.predicted(outputs) - patch.data) * patch.weights
        size = [patch.factor * n for n in misfit.shape[2:]]
        with torch.no_grad():
            edges = patch.on_data(_sobel(patch.x(outputs)))
        return ((1 - edges) * F.interpolate(misfit, size, mode="bicubic")).square().mean()

    return (patch.shown,), energy


def supervised_loss(patch: Patch, truth: Tensor) -> Sample:
    """Return the network's input, and the mean of (f(A x + noise) − x)².

    x is a synthetic image, or the data y themselves, since an image may resemble itself at other scales
    (Shocher, Cohen and Irani, CVPR 2018).

    Parameters
    ----------
    patch : Patch
        A x + noise.
    truth : Tensor
        x.
    """
    inside = patch.on_data(truth)
    return (patch.shown,), lambda outputs: (patch.on_data(patch.x(outputs)) - inside).square().mean()


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

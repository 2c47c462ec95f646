"""The noise with which a residual is compared."""

from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor

from napari_dip.noise.absence import positive_sigma
from napari_dip.noise.estimate import finding
from napari_dip.noise.models import NoiseModel
from napari_dip.noise.residual import residual_sigma
from napari_dip.problem import Problem
from napari_dip.steps import finished

#: Number of pixels of a plane, over all channels, in which the noise is measured.
_PIXELS = 2**17


@dataclass(frozen=True, eq=False)
class ComparedNoise:
    """The noise with which a residual is compared.

    Parameters
    ----------
    sigma : Tensor, shape ``(1, C, *spatial)``
        Its standard deviation in each pixel, above 0. If it is unknown, that of the residual.
    skewness : Tensor, the same shape
        Its skewness in each pixel; 0 if it is unknown.
    origin : {"task", "data", "nothing"}
        Whether it was told, measured in the data, or is unknown.
    in_words : str
        A description for the user, in grey levels.
    """

    sigma: Tensor
    skewness: Tensor
    origin: Literal["task", "data", "nothing"]
    in_words: str

    @classmethod
    def of(cls, problem: Problem, explained: Tensor) -> Self:
        """Return the noise of a problem's data.

        Parameters
        ----------
        problem : Problem
            Has the data and the noise model.
        explained : Tensor, shape ``(1, C, *spatial)``
            A x.
        """
        if problem.noise.known:
            return cls(*_of_model(problem.noise, explained), "task", problem.described(problem.noise))
        channels = explained.split(1, 1)
        models = [_measured(problem, channel) for channel in range(len(channels))]
        found = [model for model in models if model is not None]
        if len(found) == len(models):
            each = [_of_model(model, u) for model, u in zip(found, channels, strict=True)]
            sigma, skewness = (torch.cat(one, 1) for one in zip(*each, strict=True))
            words = dict.fromkeys(problem.described(model) for model in found)
            return cls(sigma, skewness, "data", "; ".join(words))
        sigma = _of_residual(problem, explained).expand_as(explained)
        return cls(sigma, torch.zeros_like(sigma), "nothing", "unknown")


def _of_model(noise: NoiseModel, u: Tensor) -> tuple[Tensor, Tensor]:
    """Return the standard deviation and the skewness of noise around u."""
    return noise.variance(u).sqrt().expand_as(u), noise.skewness(u).expand_as(u)


def middle(image: Tensor) -> Tensor:
    """Return the middle of the planes of an image, which is enough to measure the noise."""
    side = int((_PIXELS // image.shape[1]) ** 0.5)
    begins = [max(0, n - side) // 2 for n in image.shape[-2:]]
    return image[(..., *(slice(at, at + side) for at in begins))]


def _measured(problem: Problem, channel: int) -> NoiseModel | None:
    """Return the noise as measured in the middle of a channel, or None if it can't be measured."""
    seen = (problem.weights > 0).expand_as(problem.data)
    image, seen = (middle(one)[0, channel].cpu().numpy() for one in (problem.data, seen))
    try:
        return finished(finding(image, missing=~seen, axes="ZYX"[-image.ndim :]))
    except ValueError:  # there is no noise, or structure hides it
        return None


def _of_residual(problem: Problem, explained: Tensor) -> Tensor:
    """Return the standard deviation of the residual of each channel, never 0; shape ``(1, C, 1, ...)``."""
    seen = (problem.weights > 0).expand_as(explained)[0]
    sigma = residual_sigma((problem.data - explained)[0], seen)
    values = zip(sigma.flatten().tolist(), problem.data[0], seen, strict=True)
    positive = [positive_sigma(one, data[there].double().cpu().numpy()) for one, data, there in values]
    return sigma.new_tensor(positive).view_as(sigma)[None]

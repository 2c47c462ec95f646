"""Noise whose channels have models of their own."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from napari_dip.noise.models import NoiseModel

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class PerChannelNoise(NoiseModel):
    """Noise that has a model of its own in each channel, because it was measured in each.

    Parameters
    ----------
    models : tuple of NoiseModel
        One for each channel.
    """

    grows: ClassVar[bool] = True
    models: tuple[NoiseModel, ...] = field(metadata={"plain": False})

    @classmethod
    def of(cls, models: tuple[NoiseModel, ...]) -> NoiseModel:
        """Return the noise of channels with these models, as simply as possible."""
        return models[0] if len(set(models)) == 1 else cls(models)

    @property
    def in_words(self) -> str:
        """A description for the user."""
        return "; ".join(dict.fromkeys(model.in_words for model in self.models))

    def rescaled(self, offset: float, scale: float) -> "PerChannelNoise":
        """Return the noise of (y − offset) / scale."""
        return PerChannelNoise(tuple(model.rescaled(offset, scale) for model in self.models))

    def sample(self, u: "Tensor", generator: "Generator | None" = None) -> "Tensor":
        """Draw data y around u."""
        import torch

        return torch.cat([model.sample(part, generator) for model, part in self._each(u)], 1)

    def variance(self, u: "Tensor") -> "Tensor":
        """Return the variance of y around u, of the shape of u."""
        import torch

        return torch.cat([model.variance(part).expand_as(part) for model, part in self._each(u)], 1)

    def skewness(self, u: "Tensor") -> "Tensor":
        """Return the skewness of y around u, of the shape of u."""
        import torch

        return torch.cat([model.skewness(part).expand_as(part) for model, part in self._each(u)], 1)

    def nll(self, u: "Tensor", y: "Tensor", weights: "Tensor") -> "Tensor":
        """Return the weighted mean of −log p(y | u) over the pixels of all channels."""
        import torch

        weights = weights.expand_as(y)
        parts = zip(self._each(u), y.split(1, 1), weights.split(1, 1), strict=True)
        means = torch.stack([model.nll(one, data, part) for (model, one), data, part in parts])
        totals = torch.stack([part.sum() for part in weights.split(1, 1)])
        return (means * totals).sum() / totals.sum().clamp_min(1e-12)

    def _each(self, u: "Tensor") -> "Iterator[tuple[NoiseModel, Tensor]]":
        return zip(self.models, u.split(1, 1), strict=True)

"""Upsampling by a Gaussian of a shape of its own at each fine pixel."""

from collections.abc import Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_dip.pkn.gaussian import SHAPE, precision
from napari_dip.pkn.kernel import ProceduralKernel
from napari_dip.pkn.observation import Observation, reflected, shifted


class Upsample(ProceduralKernel):
    """w ∝ exp(−½ dᵀ Q d), p a fine pixel, q a measured one, in measured pixels.

    Q is that of the anisotropic Gaussian. A narrow one takes the nearest pixel, a long one follows an edge.
    After Wronski et al., *Handheld Multi-Frame Super-Resolution*, SIGGRAPH 2019, section 5.1.

    Parameters
    ----------
    factor : int
        Fine pixels for a measured one, along each axis.
    """

    name = "upsample"
    title = "Anisotropic upsampling"
    parameters = SHAPE
    radius = 3
    coarse = 2
    purpose = "refine"

    def __init__(self, factor: int = 2) -> None:
        self.factor = factor

    def apply(self, observation: Observation, maps: Tensor) -> Tensor:
        """Return the finer image."""
        image, seen = observation.image, observation.seen
        if seen is not None:
            if seen.shape[1] > 1:  # each channel has weights of its own
                channels = zip(image.split(1, 1), seen.split(1, 1), strict=True)
                parts = [replace(observation, image=one, seen=its) for one, its in channels]
                return torch.cat([self.apply(part, maps) for part in parts], 1)
            image = image * seen
        around = reflected(image, self.radius)
        phases = []
        for weights in self._weights(observation, maps):
            total = torch.zeros_like(image)
            for weight, (ky, kx) in zip(weights.split(1, 1), self._offsets, strict=True):
                total.addcmul_(weight, shifted(around, self.radius, ky, kx))
            phases.append(total)
        return F.pixel_shuffle(torch.stack(phases, 2).flatten(1, 2), self.factor)

    def noise_left(self, observation: Observation, maps: Tensor) -> Tensor:
        """Return √Σ_q w²."""
        phases = [weights.square().sum(1).sqrt() for weights in self._weights(observation, maps)]
        return F.pixel_shuffle(torch.stack(phases, 1), self.factor)

    @property
    def _offsets(self) -> list[tuple[int, int]]:
        reach = range(-self.radius, self.radius + 1)
        return [(ky, kx) for ky in reach for kx in reach]

    def _weights(self, observation: Observation, maps: Tensor) -> Iterator[Tensor]:
        """Yield for each fine pixel in a measured one the window's weights, shape ``(N, offsets, H, W)``."""
        f = self.factor
        seen = None if observation.seen is None else reflected(observation.seen[:, :1].float(), self.radius)
        for phase in range(f * f):
            y, x = divmod(phase, f)
            width, a, b = maps[:, :, y::f, x::f].split(1, 1)
            yy, yx, xx = precision(-2 * width.log(), a, b)
            exponents = []
            for ky, kx in self._offsets:
                dy, dx = ky - ((y + 0.5) / f - 0.5), kx - ((x + 0.5) / f - 0.5)
                exponent = yy * (-0.5 * dy * dy) + yx * (-dy * dx) + xx * (-0.5 * dx * dx)
                if seen is not None:
                    exponent = exponent.where(shifted(seen, self.radius, ky, kx) > 0, -torch.inf)
                exponents.append(exponent)
            # The largest exponent is subtracted in it: of a narrow Gaussian all weights would be 0.
            yield torch.cat(exponents, 1).softmax(1)

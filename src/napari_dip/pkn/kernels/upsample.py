"""Upsampling by a windowed sinc whose shape differs from pixel to pixel."""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.kernels.gaussian import SHAPE, precision
from napari_dip.pkn.kernels.parameters import Parameter
from napari_dip.pkn.kernels.window import LOG2E
from napari_dip.pkn.observation import Observation, reflected

#: Standard deviation of the narrowest window, in pixels, for a sharpness of 1. In a narrower one positive and
#: negative weights could cancel; this keeps their sum above a quarter of the sum of their magnitudes.
_LEAST = 0.4
_SHARPNESS = Parameter(
    "sharpness",
    "Cut-off frequency, relative to the Nyquist frequency of the data.",
    "",
    0.0,
    1.2,
    0.8,
    0.0,
    positive=False,
)


class Upsample(ProceduralKernel):
    """w ∝ exp(−½ dᵀ (Q⁻¹ + 0.16 diag(s₁², s₂²))⁻¹ d) sinc(s₁ d₁) sinc(s₂ d₂), d = q − p in measured pixels.

    p is a fine pixel and q a measured one. Q is that of the anisotropic Gaussian: a narrow one takes the
    nearest pixel, a long one follows an edge (after Wronski et al., *Handheld Multi-Frame Super-Resolution*,
    SIGGRAPH 2019, section 5.1). The sharpness s adds negative lobes: with s = 0 the filter only smooths, with
    s = 1 in a wide window it interpolates as Lanczos' filter does. A stretched filter stays smooth along its
    longer axis: s₁² = s² Q₁₁ / λ and s₂² = s² Q₂₂ / λ, where λ is the larger eigenvalue of Q. Where a pixel
    of the window is missing, s is taken to be 0.

    Parameters
    ----------
    factor : int
        Fine pixels per measured pixel, along each axis.
    """

    name = "upsample"
    title = "Anisotropic upsampling"
    parameters = (*SHAPE, _SHARPNESS)
    radius = 3
    stride = 1
    purpose = "refine"

    def __init__(self, factor: int = 2) -> None:
        self.factor = factor

    def apply(self, observation: Observation, maps: Tensor) -> Tensor:
        """Return the finer image."""
        image, seen = observation.image, observation.seen
        if seen is not None:
            if seen.shape[1] > 1:  # each channel has its own weights
                channels = zip(image.split(1, 1), seen.split(1, 1), strict=True)
                parts = [replace(observation, image=one, seen=its) for one, its in channels]
                return torch.cat([self.apply(part, maps) for part in parts], 1)
            image = image * seen
        windows = self._windows(image)
        phases = [
            (weights[:, None] * windows).sum(2) / weights.sum(1, keepdim=True)
            for weights in self._weights(observation, maps)
        ]
        return F.pixel_shuffle(torch.stack(phases, 2).flatten(1, 2), self.factor)

    def noise_gain(self, observation: Observation, maps: Tensor) -> Tensor:
        """Return √Σ_q w²."""
        phases = [
            weights.square().sum(1).sqrt() / weights.sum(1) for weights in self._weights(observation, maps)
        ]
        return F.pixel_shuffle(torch.stack(phases, 1), self.factor)

    def _windows(self, x: Tensor) -> Tensor:
        """Return the window around each pixel, shape ``(N, C, offsets, H, W)``."""
        n, channels, *size = x.shape
        return F.unfold(reflected(x, self.radius), 2 * self.radius + 1).view(n, channels, -1, *size)

    def _weights(self, observation: Observation, maps: Tensor) -> Iterator[Tensor]:
        """Yield the window's weights, not normalised, for each fine pixel within a measured one.

        Each has the shape ``(N, offsets, H, W)``. The Gaussian's largest value in a window is scaled to 1,
        since all of them may be too small for float32.
        """
        f, hidden = self.factor, None
        if observation.seen is not None:
            hidden = self._windows((observation.seen <= 0).to(maps.dtype))[:, 0]
        offsets = torch.arange(-self.radius, self.radius + 1, dtype=maps.dtype, device=maps.device)
        for phase in range(f * f):
            y, x = divmod(phase, f)
            width, a, b, sharpness = maps[:, :, y::f, x::f].split(1, 1)
            if hidden is not None:
                sharpness = sharpness * (1 - hidden.amax(1, keepdim=True))
            sharp = [sharpness * share for share in _across(a, b)]  # along both axes
            covariance = precision(2 * width.log(), -a, -b)
            q = torch.cat(_inverse(covariance, *((_LEAST * one).square() for one in sharp)), 1)
            rows, columns = (offsets - ((at + 0.5) / f - 0.5) for at in (y, x))
            dy, dx = (one.flatten() for one in torch.meshgrid(rows, columns, indexing="ij"))
            products = torch.stack([dy * dy, 2 * dy * dx, dx * dx], 1)
            exponents = F.conv2d(q, -0.5 * LOG2E * products[:, :, None, None])
            if hidden is not None:
                exponents = exponents.where(hidden == 0, -torch.inf)
            down, across = (
                _sinc(s * one.view(-1, 1, 1)) for s, one in zip(sharp, (rows, columns), strict=True)
            )
            lobes = (down[:, :, None] * across[:, None]).flatten(1, 2)
            yield (exponents - exponents.detach().amax(1, keepdim=True)).exp2() * lobes


def _across(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return √(Q₁₁ / λ) and √(Q₂₂ / λ), λ the larger eigenvalue of Q."""
    stretch = (a.square() + b.square() + 1e-12).sqrt()
    down, ratio = (1 + a / stretch) / 2, (-2 * stretch).exp()
    return (down + (1 - down) * ratio).sqrt(), (1 - down + down * ratio).sqrt()


def _inverse(
    covariance: tuple[Tensor, Tensor, Tensor], down: Tensor, across: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the entries (yy, yx, xx) of the inverse of covariance + diag(down, across)."""
    yy, yx, xx = covariance[0] + down, covariance[1], covariance[2] + across
    determinant = yy * xx - yx.square()
    return xx / determinant, -yx / determinant, yy / determinant


def _sinc(x: Tensor) -> Tensor:
    """Return sin πx / πx, ten times as fast as `torch.sinc`."""
    z = math.pi * x + 1e-12  # 1 at 0
    return z.sin() / z

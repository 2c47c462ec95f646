"""Predictors of a filter's parameters that need no network: a constant, and the structure tensor."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.strips import in_strips

#: Returns encoded parameters for an observation, shape ``(N, P, ⌈H / stride⌉, ⌈W / stride⌉)``.
Predictor = Callable[[Observation], Tensor]

#: Standard deviation, in pixels, of the Gaussian that averages the structure tensor.
_AROUND = 2.0
#: Radius, in pixels, at which this Gaussian is cut off.
_RADIUS = round(3 * _AROUND)
#: Gradient, in standard deviations of the noise, at which the width is halfway between that of flat regions
#: and that of edges.
_HALF = 0.7
#: What is subtracted from squared gradients, relative to the mean contribution of the noise. It exceeds 1,
#: since the contribution varies from place to place.
_NOISE = 1.3
#: Position in the range of widths in flat regions and at edges, and share of the largest stretch at an edge.
_WIDE, _NARROW, _STRETCH = 0.9, 0.15, 0.85


class Constant(nn.Module):
    """Predicts the same parameters everywhere. They can be fitted.

    Parameters
    ----------
    kernel : ProceduralKernel
        The filter.
    setting : Tensor, shape ``(P,)``, optional
        The parameters in their units; by default the kernel's.
    """

    def __init__(self, kernel: ProceduralKernel, setting: Tensor | None = None) -> None:
        super().__init__()
        self._kernel, self._stride = kernel, kernel.stride
        setting = kernel.default() if setting is None else setting
        self.raw = nn.Parameter(kernel.encode(setting[None])[0])

    @property
    def setting(self) -> Tensor:
        """The parameters in their units, shape ``(P,)``."""
        return self._kernel.decode(self.raw.detach()[None])[0]

    def forward(self, observation: Observation) -> Tensor:
        """Return the encoded parameters."""
        n, _, *size = observation.image.shape
        coarse = (-(-length // self._stride) for length in size)
        return self.raw[None, :, None, None].expand(n, -1, *coarse)


class StructureTensor(nn.Module):
    """Derives width and stretch from the gradients around a pixel, without training.

    λ₁ >= λ₂ are the eigenvalues of the averaged products of gradients, less the contribution of the noise.
    The filter is narrow where λ₁ is large, and stretched along an edge in proportion to
    (λ₁ − λ₂) / (λ₁ + λ₂). After Wronski et al., *Handheld Multi-Frame Super-Resolution*, SIGGRAPH 2019,
    section 5.1.1.

    Parameters
    ----------
    kernel : ProceduralKernel
        A filter with the parameter width, and possibly a and b; others keep their defaults.

    Raises
    ------
    ValueError
        The kernel has no width.
    """

    def __init__(self, kernel: ProceduralKernel) -> None:
        super().__init__()
        if not self.suits(kernel):
            raise ValueError(
                f"the structure tensor can't predict the parameters of {kernel.title}: "
                'choose the predictor "network" or "constant"'
            )
        self._kernel, self._stride = kernel, kernel.stride

    @staticmethod
    def suits(kernel: ProceduralKernel) -> bool:
        """Return whether gradients determine a kernel's parameters."""
        return kernel.parameters[0].name == "width" and kernel.purpose != "deblur"

    def forward(self, observation: Observation) -> Tensor:
        """Return the encoded parameters."""
        return torch.cat(list(self.strips(observation)), 2)

    def strips(self, observation: Observation) -> Iterator[Tensor]:
        """Yield the result of `forward` strip by strip."""
        whole = replace(observation, image=observation.filled(), seen=None)
        # The Gaussian, and one pixel more for the differences.
        reach = -(-(_RADIUS + 1) // self._stride)
        return in_strips(self._predicted, whole, self._stride, reach)

    def _predicted(self, observation: Observation) -> Tensor:
        z = (observation.image / observation.sigma).mean(1, keepdim=True)
        # Derivatives of Gaussians would contain less noise, but blur thin lines.
        z = F.pad(z, (1, 1, 1, 1), mode="reflect")
        dy, dx = (z[:, :, 2:, 1:-1] - z[:, :, :-2, 1:-1]) / 2, (z[:, :, 1:-1, 2:] - z[:, :, 1:-1, :-2]) / 2
        products = _averaged(torch.cat([dy * dy, dy * dx, dx * dx], 1), self._stride)
        yy, yx, xx = products.split(1, 1)
        # Half the difference of two independent pixels, each of variance 1 / C, has the variance 1 / 2C.
        noise = _NOISE * 0.5 / observation.image.shape[1]
        yy, xx = (yy - noise).clamp_min(0), (xx - noise).clamp_min(0)
        half, spread = (yy + xx) / 2, ((yy - xx).square() / 4 + yx.square()).sqrt()
        edge = (half + spread).sqrt()
        structure = edge / (edge + _HALF)
        coherence = spread / (half + spread + 0.1)  # flat regions have no direction
        maps = self._kernel.default().to(z)[None, :, None, None].expand(len(z), -1, *yy.shape[2:]).clone()
        width = self._kernel.parameters[0]
        share = _WIDE + (_NARROW - _WIDE) * structure
        maps[:, :1] = width.low * (width.high / width.low) ** share
        names = [parameter.name for parameter in self._kernel.parameters]
        if "a" in names:
            scale = (
                _STRETCH * self._kernel.parameters[names.index("a")].high * coherence / spread.clamp_min(1e-9)
            )
            maps[:, names.index("a"), None] = scale * (yy - xx) / 2
            maps[:, names.index("b"), None] = scale * yx
        return self._kernel.encode(maps)


def _averaged(x: Tensor, step: int) -> Tensor:
    """Return a Gaussian mean around each block of `step` pixels; blocks at the border may be incomplete."""
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, dtype=x.dtype, device=x.device)
    weights = (-0.5 * (offsets / _AROUND).square()).exp()
    weights = (weights / weights.sum()).repeat(x.shape[1], 1, 1, 1)
    x = F.pad(x, (_RADIUS,) * 4, mode="replicate")
    x = F.conv2d(F.conv2d(x, weights, groups=x.shape[1]), weights.mT, groups=x.shape[1])
    x = F.pad(x, (0, -x.shape[3] % step, 0, -x.shape[2] % step), mode="replicate")
    return F.avg_pool2d(x, step)

"""Who says what a filter's parameters are: one setting for all pixels, the structure tensor, or a network."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.observation import Observation

#: Encoded parameters of an observation, shape ``(N, P, ⌈H / coarse⌉, ⌈W / coarse⌉)``.
Predictor = Callable[[Observation], Tensor]

#: Of the structure tensor: standard deviation, in pixels, of the Gaussian that it is averaged with.
_AROUND = 2.0
#: Gradient, in standard deviations of the noise, at which the filter is half as wide as it gets.
_HALF = 0.7
#: How much is taken from the squares of gradients, in what noise adds on average: in flat parts it varies.
_NOISE = 1.3
#: Share of the filter's range of widths between flat parts and edges, and of its stretch at an edge.
_WIDE, _NARROW, _STRETCH = 0.9, 0.15, 0.85


class Constant(nn.Module):
    """The same parameters everywhere, which can be fitted.

    Parameters
    ----------
    kernel : ProceduralKernel
        Whose parameters.
    setting : Tensor, shape ``(P,)``, optional
        In their units; by default those of the kernel.
    """

    def __init__(self, kernel: ProceduralKernel, setting: Tensor | None = None) -> None:
        super().__init__()
        self._kernel, self._step = kernel, kernel.coarse
        setting = kernel.default() if setting is None else setting
        self.raw = nn.Parameter(kernel.encode(setting[None])[0])

    @property
    def setting(self) -> Tensor:
        """The parameters in their units, shape ``(P,)``."""
        return self._kernel.decode(self.raw.detach()[None])[0]

    def forward(self, observation: Observation) -> Tensor:
        """Return the encoded parameters."""
        n, _, *size = observation.image.shape
        coarse = (-(-length // self._step) for length in size)
        return self.raw[None, :, None, None].expand(n, -1, *coarse)


class StructureTensor(nn.Module):
    """Widths and stretch from how grey levels change around a pixel, without training.

    With the eigenvalues λ₁ >= λ₂ of the averaged products of gradients, from which what the noise adds is
    taken, the filter is narrow where λ₁ is large, and stretched along the edge as (λ₁ − λ₂) / (λ₁ + λ₂) is.
    After Wronski et al., *Handheld Multi-Frame Super-Resolution*, SIGGRAPH 2019, section 5.1.1.

    Parameters
    ----------
    kernel : ProceduralKernel
        With the parameter width, and a and b or not; others have their defaults.

    Raises
    ------
    ValueError
        The kernel has no width.
    """

    def __init__(self, kernel: ProceduralKernel) -> None:
        super().__init__()
        if not self.suits(kernel):
            raise ValueError(
                f"the structure tensor says nothing of the parameters of {kernel.title}: "
                "take the network, or a constant"
            )
        self._kernel, self._step = kernel, kernel.coarse

    @staticmethod
    def suits(kernel: ProceduralKernel) -> bool:
        """Return whether gradients say anything of a kernel's parameters."""
        return kernel.parameters[0].name == "width" and kernel.purpose != "deblur"

    def forward(self, observation: Observation) -> Tensor:
        """Return the encoded parameters."""
        z = (observation.filled() / observation.sigma).mean(1, keepdim=True)
        # Central differences of Gaussian derivatives would see less noise, and thin lines less well.
        z = F.pad(z, (1, 1, 1, 1), mode="reflect")
        dy, dx = (z[:, :, 2:, 1:-1] - z[:, :, :-2, 1:-1]) / 2, (z[:, :, 1:-1, 2:] - z[:, :, 1:-1, :-2]) / 2
        products = _averaged(torch.cat([dy * dy, dy * dx, dx * dx], 1), self._step)
        yy, yx, xx = products.split(1, 1)
        # Of the difference of two independent pixels, each of variance 1 / C, over 2 it is 1 / 2C.
        noise = _NOISE * 0.5 / observation.image.shape[1]
        yy, xx = (yy - noise).clamp_min(0), (xx - noise).clamp_min(0)
        half, spread = (yy + xx) / 2, ((yy - xx).square() / 4 + yx.square()).sqrt()
        edge = (half + spread).sqrt()
        structure = edge / (edge + _HALF)
        coherence = spread / (half + spread + 0.1)  # flat parts have no direction
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


class Filter(nn.Module):
    """A kernel with the parameters that a predictor gives it; differentiable by its weights.

    Parameters
    ----------
    kernel : ProceduralKernel
        The filter.
    predictor : Predictor
        Its parameters.
    """

    def __init__(self, kernel: ProceduralKernel, predictor: Predictor) -> None:
        super().__init__()
        self.kernel, self.predictor = kernel, predictor

    def forward(self, observation: Observation) -> Tensor:
        """Return the filtered images, shape ``(N, C, factor H, factor W)``."""
        raw = self.predictor(observation)
        height, width = (n * self.kernel.factor for n in observation.image.shape[2:])
        return self.kernel.apply(observation, decoded(self.kernel, raw, slice(0, height), slice(0, width)))


def decoded(kernel: ProceduralKernel, raw: Tensor, rows: slice, columns: slice) -> Tensor:
    """Return the parameters of a part of the result in their units.

    Parameters
    ----------
    kernel : ProceduralKernel
        Whose parameters.
    raw : Tensor, shape ``(N, P, h, w)``
        Encoded, of the whole image.
    rows, columns : slice
        Of the result, with both ends.

    Returns
    -------
    Tensor, shape ``(N, P, rows, columns)``
    """
    return kernel.decode(_interpolated(raw, kernel.coarse * kernel.factor, (rows, columns)))


def _interpolated(raw: Tensor, step: int, part: tuple[slice, slice]) -> Tensor:
    """Return a part of a coarse map at every pixel, linear between the centres of the coarse ones."""
    spans = [
        (max(0, one.start // step - 1), min(n, -(-one.stop // step) + 1))
        for one, n in zip(part, raw.shape[2:], strict=True)
    ]
    coarse = raw[:, :, *(slice(first, last) for first, last in spans)]
    fine = F.interpolate(coarse, scale_factor=step, mode="bilinear", align_corners=False)
    inner = (
        slice(one.start - first * step, one.stop - first * step)
        for one, (first, _) in zip(part, spans, strict=True)
    )
    return fine[:, :, *inner]


def _averaged(x: Tensor, step: int) -> Tensor:
    """Return a Gaussian mean at the middle of each coarse pixel, also of those that the border cuts off."""
    radius = round(3 * _AROUND)
    offsets = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    weights = (-0.5 * (offsets / _AROUND).square()).exp()
    weights = (weights / weights.sum()).repeat(x.shape[1], 1, 1, 1)
    x = F.pad(x, (radius,) * 4, mode="replicate")
    x = F.conv2d(F.conv2d(x, weights, groups=x.shape[1]), weights.mT, groups=x.shape[1])
    x = F.pad(x, (0, -x.shape[3] % step, 0, -x.shape[2] % step), mode="replicate")
    return F.avg_pool2d(x, step)

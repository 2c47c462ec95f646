"""Who says what a filter's parameters are: one setting for all pixels, the structure tensor, or a network."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_dip.pkn.kernel import ProceduralKernel
from napari_dip.pkn.observation import Observation

#: Encoded parameters of an observation, shape ``(N, P, ⌈H / coarse⌉, ⌈W / coarse⌉)``.
Predictor = Callable[[Observation], Tensor]

#: Of the structure tensor: standard deviation, in pixels, of the Gaussian that it is averaged with.
_AROUND = 2.0
#: Gradient, in standard deviations of the noise, at which the filter is half as wide as it gets.
_HALF = 1.0
#: Share of the filter's range of widths between flat parts and edges, and of its stretch at an edge.
_WIDE, _NARROW, _STRETCH = 0.8, 0.25, 0.7


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
        # Two independent pixels of variance 1 / C each, over 2.
        noise = 0.5 / observation.image.shape[1]
        yy, xx = (yy - noise).clamp_min(0), (xx - noise).clamp_min(0)
        half, spread = (yy + xx) / 2, ((yy - xx).square() / 4 + yx.square()).sqrt()
        edge = (half + spread).sqrt()
        structure = edge / (edge + _HALF)
        coherence = spread / (half + spread + 0.1)  # flat parts have no direction
        maps = self._kernel.default()[None, :, None, None].expand(len(z), -1, *yy.shape[2:]).clone()
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
        return self.kernel.apply(observation, decoded(self.kernel, raw, (0, height), width))


def decoded(kernel: ProceduralKernel, raw: Tensor, rows: tuple[int, int], width: int) -> Tensor:
    """Return the parameters of some rows of the result in their units.

    Parameters
    ----------
    kernel : ProceduralKernel
        Whose parameters.
    raw : Tensor, shape ``(N, P, h, w)``
        Encoded, of the whole image.
    rows : (int, int)
        The first row, and the one after the last.
    width : int
        Columns of the result.

    Returns
    -------
    Tensor, shape ``(N, P, rows, width)``
    """
    return kernel.decode(_interpolated(raw, kernel.coarse * kernel.factor, rows, width))


def _interpolated(raw: Tensor, step: int, rows: tuple[int, int], width: int) -> Tensor:
    """Return some rows of a coarse map at every pixel, linear between the centres of the coarse ones."""
    start, stop = rows
    first, last = max(0, start // step - 1), min(raw.shape[2], -(-stop // step) + 1)
    fine = F.interpolate(raw[:, :, first:last], scale_factor=step, mode="bilinear", align_corners=False)
    return fine[:, :, start - first * step : stop - first * step, :width]


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

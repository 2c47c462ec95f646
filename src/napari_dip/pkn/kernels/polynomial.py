"""Polynomial reblurring: deconvolution by what an image loses when it is blurred once more."""

import math
from abc import abstractmethod
from dataclasses import replace

import torch
from torch import Tensor

from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.kernels.gaussian import STRETCH, oval_weights, precision
from napari_dip.pkn.kernels.parameters import Parameter
from napari_dip.pkn.kernels.window import averaged
from napari_dip.pkn.observation import Observation

_WIDTH = Parameter("width", "Width of the reblurring, in that of the blur.", "blur", 0.4, 2.5, 1.0)
_BANDS = (
    Parameter(
        "fine",
        "How much fine details count.",
        "",
        -4.0,
        12.0,
        1.0,
        1.0,
        positive=False,
    ),
    Parameter("middle", "How much details of a middle size count.", "", -4.0, 8.0, 1.0, 1.0, positive=False),
    Parameter("coarse", "How much coarse details count.", "", -4.0, 4.0, 1.0, 1.0, positive=False),
)

#: Enough that six Gaussians folded with each other, at their widest, don't reach round to themselves.
_FREQUENCIES = 32


class _Reblur(ProceduralKernel):
    """y = u₃ + fine (u₀ − u₁) + middle (u₁ − u₂) + coarse (u₂ − u₃), u₀ = x, u_k+1 = A u_k.

    A blurs as the instrument does, or a little less or more. (1, 1, 1) is the identity, (0, 0, 0) blurs three
    times, (4, −2, 2) are four terms of the Neumann series of A⁻¹, and (1, 6, −3) is Polyblur with α = 6 and
    β = 1 (Delbracio et al., IEEE Trans. Computational Imaging 7, 2021, section III).
    """

    radius = 6
    coarse = 2
    purpose = "deblur"

    @property
    def reach(self) -> int:
        """Three windows."""
        return 3 * self.radius

    @property
    def margin(self) -> int:
        """One window: each step mirrors what the one before has left."""
        return self.radius

    @abstractmethod
    def shape(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what is added to (m, a, b) of the blur's precision."""

    def precision(self, observation: Observation, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the precision Q of A."""
        if observation.blur is None:
            raise ValueError(f"{self.title} has to know the blur: give its width, or a point spread function")
        m, a, b = observation.blur.split(1, 1)
        dm, da, db = self.shape(maps)
        return precision(m + dm, a + da, b + db)

    def apply(self, observation: Observation, maps: Tensor) -> Tensor:
        """Return the sharpened image; missing pixels have to be filled in before."""
        weights = oval_weights(self.precision(observation, maps), self.radius)
        u = [observation.image]
        for _ in range(3):
            u.append(averaged(replace(observation, image=u[-1], seen=None), weights, self.radius))
        fine, middle, coarse = maps[:, -3:].split(1, 1)
        return u[3] + fine * (u[0] - u[1]) + middle * (u[1] - u[2]) + coarse * (u[2] - u[3])

    def noise_left(self, observation: Observation, maps: Tensor) -> Tensor:
        """Return √Σ_q w², w the weights of all steps together where the parameters hardly change.

        y = Σ_k a_k Aᵏ x, and A^j and A^k have as scalar product what A^(j + k) has at 0. Of a Gaussian that
        is the product of two sums, each over a line of pixels along one of its axes: exact where these are
        rows and columns, within 3 % elsewhere, and within 30 % for narrow ovals along diagonals.
        """
        yy, yx, xx = self.precision(observation, maps)
        half, spread = (yy + xx) / 2, ((yy - xx).square() / 4 + yx.square()).sqrt()
        across, along = _folded(half + spread, self.radius), _folded(half - spread, self.radius)
        overlaps = [1, *(one * other for one, other in zip(across, along, strict=True))]
        fine, middle, coarse = maps[:, -3:].split(1, 1)
        steps = fine, middle - fine, coarse - middle, 1 - coarse
        total = torch.zeros_like(fine)
        for j, first in enumerate(steps):
            for k, second in enumerate(steps):
                total = total + first * second * overlaps[j + k]
        return total.clamp_min(0).sqrt()


def _folded(precision: Tensor, radius: int) -> list[Tensor]:
    """Return what one to six Gaussians on a line of pixels, each folded with the last, have at 0.

    It is the mean over all frequencies of a power of their Fourier transform.
    """
    weights = [(precision * (-0.5 * d * d)).exp() for d in range(1, radius + 1)]
    whole = 1 + 2 * sum(weights)
    folded = [torch.zeros_like(precision) for _ in range(6)]
    for frequency in range(_FREQUENCIES // 2 + 1):
        waves = (2 * math.cos(2 * math.pi * frequency * d / _FREQUENCIES) for d in range(1, radius + 1))
        transform = (1 + sum(w * wave for w, wave in zip(weights, waves, strict=True))) / whole
        counts = 1 if frequency in (0, _FREQUENCIES // 2) else 2
        power = torch.full_like(precision, counts / _FREQUENCIES)
        for one in folded:
            power = power * transform
            one.add_(power)
    return folded


class Reblur(_Reblur):
    """Polynomial reblurring by the blur itself, wider or narrower."""

    name = "reblur"
    title = "Polynomial reblurring"
    parameters = (_WIDTH, *_BANDS)

    def shape(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what is added to (m, a, b) of the blur's precision."""
        m = -2 * maps[:, :1].log()
        return m, m.new_zeros(()), m.new_zeros(())


class AnisotropicReblur(_Reblur):
    """Polynomial reblurring by the blur, stretched along edges."""

    name = "anisotropic-reblur"
    title = "Anisotropic polynomial reblurring"
    parameters = (_WIDTH, *STRETCH, *_BANDS)

    def shape(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what is added to (m, a, b) of the blur's precision."""
        return -2 * maps[:, :1].log(), maps[:, 1:2], maps[:, 2:3]

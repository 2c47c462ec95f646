"""Gaussian filters whose width, or whole shape, differs from pixel to pixel."""

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_dip.pkn.kernels.parameters import Parameter
from napari_dip.pkn.kernels.window import LOG2E, Weights, WindowKernel
from napari_dip.pkn.observation import Observation

#: The stretch of a Gaussian.
STRETCH = (
    Parameter(
        "a", "Stretch along rows (above 0) or columns (below 0).", "", -2.0, 2.0, 0.0, 0.0, positive=False
    ),
    Parameter("b", "Stretch along / (above 0) or \\ (below 0).", "", -2.0, 2.0, 0.0, 0.0, positive=False),
)
#: The width and the stretch of a Gaussian.
SHAPE = (
    Parameter("width", "Geometric mean of the two standard deviations.", "px", 0.2, 4.0, 1.1, identity=0.2),
    *STRETCH,
)


class Isotropic(WindowKernel):
    """w ∝ exp(−|d|² / 2 width²): a round Gaussian."""

    name = "isotropic"
    title = "Isotropic Gaussian"
    parameters = (
        Parameter("width", "Standard deviation of the Gaussian.", "px", 0.2, 4.0, 1.1, identity=0.2),
    )
    radius = 5

    def weights(self, observation: Observation, maps: Tensor) -> Weights:
        """Return the weights as a function of d."""
        return round_weights(maps[:, :1])


class Anisotropic(WindowKernel):
    """w ∝ exp(−½ dᵀ Q d): a Gaussian that is stretched along edges.

    Q = exp [[m + a, b], [b, m − a]], row axis first, with m = −2 log width. It is positive definite for all
    parameters. `width` is the geometric mean of the two standard deviations, and e^√(a² + b²) is their ratio.
    """

    name = "anisotropic"
    title = "Anisotropic Gaussian"
    parameters = SHAPE
    radius = 4

    def weights(self, observation: Observation, maps: Tensor) -> Weights:
        """Return the weights as a function of d."""
        width, a, b = maps.split(1, 1)
        return oval_weights(precision(-2 * width.log(), a, b), self.radius)


def precision(m: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the entries (yy, yx, xx) of exp [[m + a, b], [b, m − a]]."""
    stretch = (a.square() + b.square() + 1e-12).sqrt()
    scale = m.exp()
    even, odd = scale * stretch.cosh(), scale * stretch.sinh() / stretch
    return even + odd * a, odd * b, even - odd * a


def log_precision(covariance: Tensor) -> Tensor:
    """Return (m, a, b) of the precision Q = covariance⁻¹, shape ``(1, 3, 1, 1)``.

    Parameters
    ----------
    covariance : Tensor, shape ``(2, 2)``
        Row axis first, in pixels².
    """
    values, vectors = torch.linalg.eigh(covariance)
    (p, q), (_, r) = vectors @ (-values.log()).diag() @ vectors.T
    return torch.stack([(p + r) / 2, (p - r) / 2, q]).reshape(1, 3, 1, 1)


def covariance_of(psf: Tensor) -> Tensor:
    """Return the covariance, in pixels², of the Gaussian that fits a point spread function best.

    A parabola is fitted to its logarithm; each pixel is weighted by the square of its value (Guo, IEEE
    Signal Processing Magazine 28, 2011). Only pixels of at least a fifth of the maximum and their neighbours
    count, so that tails have no influence and even a width of half a pixel is found. The widths are limited
    to between 0.2 and 6 pixels.

    Parameters
    ----------
    psf : Tensor, shape ``(h, w)``

    Returns
    -------
    Tensor, shape ``(2, 2)``
        Row axis first.
    """
    values = F.pad(psf.double().cpu() / psf.max().cpu(), (1, 1, 1, 1)).clamp_min(1e-4)
    y, x = torch.meshgrid(*(torch.arange(n).double() - n // 2 for n in values.shape), indexing="ij")
    parabola = torch.stack([torch.ones_like(y), y, x, -0.5 * y * y, -y * x, -0.5 * x * x], -1).flatten(0, 1)
    core = F.max_pool2d(values[None], 3, 1, 1)[0].flatten() >= 0.2
    weights = values.reshape(-1, 1)[core]
    fitted = torch.linalg.lstsq(weights * parabola[core], weights * weights.log()).solution[3:, 0]
    precisions, vectors = torch.linalg.eigh(fitted[[0, 1, 1, 2]].reshape(2, 2))
    return vectors @ (1 / precisions.clamp(6.0**-2, 0.2**-2)).diag() @ vectors.T


def round_weights(width: Tensor) -> Weights:
    """Return exp(−|d|² / 2 width²)."""
    exponent = -0.5 * LOG2E / width.square()

    def weights(dy: int, dx: int) -> tuple[Tensor, Tensor]:
        w = (exponent * (dy * dy + dx * dx)).exp2_()
        return w, w

    return weights


def oval_weights(q: tuple[Tensor, Tensor, Tensor], radius: int) -> Weights:
    """Return exp(−½ dᵀ Q d)."""
    yy, yx, xx = (LOG2E * one for one in q)
    rows = [yy * (-0.5 * d * d) for d in range(radius + 1)]
    columns = [xx * (-0.5 * d * d) for d in range(radius + 1)]

    def weights(dy: int, dx: int) -> tuple[Tensor, Tensor]:
        w = torch.add(rows[dy], columns[abs(dx)]).add_(yx, alpha=-dy * dx).exp2_()
        return w, w

    return weights

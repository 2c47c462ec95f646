"""Projections along parallel rays: the example of adding-an-operator.md."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_dip.operators import Grid, Operator


class Radon(Operator):
    """u(t, θ) = Σ_s x(c − t sin θ + s cos θ, c + t cos θ + s sin θ): sums along parallel rays.

    Rows and columns are counted from the axis of rotation c = n // 2. The image x is square, bilinear between
    its samples and 0 outside. The result is the sinogram of ``skimage.transform.radon(x, angles)``.

    Parameters
    ----------
    angles : sequence of float
        θ in degrees, one for each column of the data. The rows of the data are the detectors.
    """

    def __init__(self, angles: Sequence[float]) -> None:
        super().__init__()
        self.angles = torch.deg2rad(torch.as_tensor(angles, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Return A x, shape ``(N, C, n, angles)``, for x of shape ``(N, C, n, n)``."""
        n = x.shape[-1]
        cos, sin = (f(self.angles).to(x) for f in (torch.cos, torch.sin))
        c = (1 - n % 2) / n  # the axis in half widths from the centre, which it misses if n is even
        columns = torch.stack([cos, sin, c * (1 - cos - sin)], 1)
        rows = torch.stack([-sin, cos, c * (1 + sin - cos)], 1)
        rays = F.affine_grid(torch.stack([columns, rows], 1), [len(cos), 1, n, n], align_corners=False)
        images = x.reshape(1, -1, n, n).expand(len(cos), -1, -1, -1)
        turned = F.grid_sample(images, rays, align_corners=False)  # (angles, N*C, n, n)
        return turned.sum(2).permute(1, 2, 0).reshape(*x.shape[:2], n, -1)

    def grid(self, data_shape: tuple[int, ...]) -> Grid:
        """Return a square grid whose samples are as far apart as the detectors."""
        if len(data_shape) != 2 or data_shape[1] != len(self.angles):
            raise ValueError(
                f"a sinogram must be (detectors, {len(self.angles)}), one column per angle; got {data_shape}"
            )
        return Grid.of_data((data_shape[0],) * 2)

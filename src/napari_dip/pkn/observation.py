"""What a filter sees: an image, its noise, and what goes with them."""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Observation:
    """Images of one size with all that a filter may ask of them.

    Parameters
    ----------
    image : Tensor, shape ``(N, C, H, W)``
        Grey levels, finite everywhere.
    sigma : Tensor, shape ``(N, 1, 1, 1)`` or ``(N, 1, H, W)``
        Standard deviation of the noise, in grey levels; above 0.
    seen : Tensor, shape ``(N, 1 or C, H, W)``, optional
        1 where a pixel was observed, 0 where it is missing. By default all were.
    guide : Tensor, shape ``(N, G, H, W)``, optional
        What grey-level distances are taken from, where it isn't the image itself.
    blur : Tensor, shape ``(N, 3, 1, 1)``, optional
        Of an image to be deblurred: the precision log Q = [[m + a, b], [b, m − a]] of the Gaussian point
        spread function, row axis first, as (m, a, b).
    """

    image: Tensor
    sigma: Tensor
    seen: Tensor | None = None
    guide: Tensor | None = None
    blur: Tensor | None = None

    def rows(self, start: int, stop: int) -> "Observation":
        """Return a strip of rows, or all of them where the strip has them all."""

        def cut(x: Tensor | None) -> Tensor | None:
            return x if x is None or x.shape[2] == 1 != self.image.shape[2] else x[:, :, start:stop]

        image, sigma = self.image[:, :, start:stop], cut(self.sigma)
        assert sigma is not None
        return replace(self, image=image, sigma=sigma, seen=cut(self.seen), guide=cut(self.guide))

    def filled(self) -> Tensor:
        """Return the image with the mean of the surroundings where pixels are missing."""
        if self.seen is None or bool(self.seen.all()):
            return self.image
        from napari_dip.filling import filled

        seen = (self.seen > 0).expand_as(self.image).cpu().numpy()
        images = self.image.cpu().double().numpy()
        planes = [filled(images[at], seen[at]) for at in np.ndindex(images.shape[:2])]
        return torch.from_numpy(np.reshape(planes, images.shape)).to(self.image)


def reflected(x: Tensor, margin: int) -> Tensor:
    """Return x with its border mirrored, the outermost pixels not repeated."""
    return F.pad(x, (margin,) * 4, mode="reflect")


def shifted(padded: Tensor, margin: int, dy: int, dx: int) -> Tensor:
    """Return the view x(p + d) of an image that was padded by a margin of |d| at the least."""
    height, width = padded.shape[2] - 2 * margin, padded.shape[3] - 2 * margin
    return padded[:, :, margin + dy : margin + dy + height, margin + dx : margin + dx + width]

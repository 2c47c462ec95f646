"""The input of a filter: an image, its noise, and what else a kernel may need."""

from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Observation:
    """Images of one size, with everything that a kernel may need to know about them.

    Parameters
    ----------
    image : Tensor, shape ``(N, C, H, W)``
        Grey levels, finite everywhere.
    sigma : Tensor, shape ``(N, 1, 1, 1)`` or ``(N, 1, H, W)``
        Standard deviation of the noise, in grey levels; above 0.
    seen : Tensor, shape ``(N, 1 or C, H, W)``, optional
        1 where a pixel was observed, 0 where it is missing. By default all were observed.
    guide : Tensor, shape ``(N, G, H, W)``, optional
        Image whose grey levels are compared instead of those of `image`.
    blur : Tensor, shape ``(N, 3, 1, 1)``, optional
        Blur of an image to be deconvolved: (m, a, b) of its Gaussian point spread function, whose precision
        is Q = exp [[m + a, b], [b, m − a]], row axis first.
    even : bool
        Whether the noise is about equally strong in all channels.
    """

    image: Tensor
    sigma: Tensor
    seen: Tensor | None = None
    guide: Tensor | None = None
    blur: Tensor | None = None
    even: bool = True

    @property
    def first(self) -> "Observation":
        """The first of the images."""
        seen = None if self.seen is None else self.seen[:1]
        return replace(self, image=self.image[:1], sigma=self.sigma[:1], seen=seen)

    def rows(self, start: int, stop: int) -> "Observation":
        """Return a strip of rows."""
        return self._cut(2, start, stop)

    def columns(self, start: int, stop: int) -> "Observation":
        """Return a strip of columns."""
        return self._cut(3, start, stop)

    def _cut(self, axis: int, start: int, stop: int) -> "Observation":
        length = self.image.shape[axis]

        def part(x: Tensor) -> Tensor:
            return x.narrow(axis, start, stop - start) if x.shape[axis] == length else x

        return replace(
            self,
            image=part(self.image),
            sigma=part(self.sigma),
            seen=None if self.seen is None else part(self.seen),
            guide=None if self.guide is None else part(self.guide),
        )

    def filled(self) -> Tensor:
        """Return the image with each missing pixel replaced by a mean of its surroundings."""
        if self.seen is None or bool(self.seen.all()):
            return self.image
        from napari_dip.image.fill import filled_planes

        return filled_planes(self.image, (self.seen > 0).expand_as(self.image))


def reflected(x: Tensor, margin: int) -> Tensor:
    """Return x, padded by its mirror image without repeating the outermost pixels."""
    return F.pad(x, (margin,) * 4, mode="reflect")


def shifted(padded: Tensor, margin: int, dy: int, dx: int) -> Tensor:
    """Return the view x(p + d) of an image that was padded by a margin of at least |d|."""
    height, width = padded.shape[2] - 2 * margin, padded.shape[3] - 2 * margin
    return padded[:, :, margin + dy : margin + dy + height, margin + dx : margin + dx + width]

"""The residual of a restored image, in blocks of the data."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from torch import Tensor

from napari_dip.diagnostics.background import Background
from napari_dip.diagnostics.blocks import blocks_of

#: Width of the Gaussian derivative that measures the gradient, and of the blur that fine structure lacks, in
#: pixels.
_GRADIENT, _FINE = 1.0, 2.0


@dataclass(frozen=True, eq=False)
class Block:
    """One channel of a block: the data, what the restored image says of them, and the noise.

    Parameters
    ----------
    data : ndarray of float, shape ``(*spatial)``
        Data y.
    explained : ndarray of float, the same shape
        A x for the restored image x.
    sigma : ndarray of float, the same shape
        Standard deviation of the noise in each pixel, above 0.
    observed : ndarray of bool, the same shape
        False where a pixel is missing.
    skewness : ndarray of float, the same shape
        Skewness of the noise in each pixel.
    power : ndarray of float, the same shape
        An unbiased estimate of the variance of the noise, divided by σ².
    channel : int
        Number of the channel among those that are measured.
    start : tuple of int
        The block's first pixel along each spatial axis.
    background : Background
        The background of A x in this channel.
    """

    data: np.ndarray
    explained: np.ndarray
    sigma: np.ndarray
    observed: np.ndarray
    skewness: np.ndarray
    power: np.ndarray
    channel: int
    start: tuple[int, ...]
    background: Background = field(default_factory=Background)

    @property
    def left(self) -> np.ndarray:
        """The residual y − A x, in grey levels."""
        return self.data - self.explained

    @cached_property
    def residual(self) -> np.ndarray:
        """(y − A x) / σ, and 0 where a pixel is missing."""
        return np.where(self.observed, self.left / self.sigma, 0.0)

    @cached_property
    def brightness(self) -> np.ndarray:
        """A x above its background, in σ."""
        return (self.explained - self.background.level) / self.sigma

    @cached_property
    def gradient(self) -> np.ndarray:
        """Magnitude of the gradient of A x, in σ per pixel."""
        from scipy.ndimage import gaussian_gradient_magnitude

        return gaussian_gradient_magnitude(self.explained, _GRADIENT, truncate=3) / self.sigma

    @cached_property
    def fine(self) -> np.ndarray:
        """A x less a blurred copy of it, in σ."""
        from scipy.ndimage import gaussian_filter

        return (self.explained - gaussian_filter(self.explained, _FINE)) / self.sigma


def observed_of(blocks: Sequence[Block], name: str) -> np.ndarray:
    """Return what blocks have by a name, at all observed pixels, as one 1-D array."""
    return np.concatenate([getattr(block, name)[block.observed] for block in blocks])


@dataclass(frozen=True, eq=False)
class Sample:
    """The part of some data in which residuals are measured.

    Parameters
    ----------
    data : Tensor, shape ``(C, *spatial)``
        The channels that are measured.
    observed : Tensor of bool, the same shape
        False where a pixel is missing.
    sigma, skewness, power : Tensor, the same shape
        Of the noise in each pixel, as `Block` has them.
    """

    data: Tensor
    observed: Tensor
    sigma: Tensor
    skewness: Tensor
    power: Tensor

    @cached_property
    def _places(self) -> list[tuple[slice, ...]]:
        return blocks_of(self.data.shape[1:], len(self.data))

    def blocks(self, explained: Tensor) -> list[Block]:
        """Return the blocks of each channel in turn for A x, shape ``(C, *spatial)``."""
        arrays = (self.data, explained, self.sigma, self.observed, self.skewness, self.power)
        cuts = [self._cut(one) for one in arrays]
        found = []
        for channel in range(len(self.data)):
            blocks = []
            for number, place in enumerate(self._places):
                data, u, sigma, observed, skewness, power = (cut[channel][number] for cut in cuts)
                start = tuple(one.start for one in place)
                blocks.append(Block(data, u, sigma, observed, skewness, power, channel, start))
            background = Background.of(observed_of(blocks, "explained"))
            found += [replace(block, background=background) for block in blocks]
        return found

    def at(self, mask: Tensor, blocks: Sequence[Block]) -> np.ndarray:
        """Return a mask, shape ``(C, *spatial)``, at the observed pixels of blocks, as a 1-D array."""
        parts = [part for channel in self._cut(mask) for part in channel]
        return np.concatenate([part[block.observed] for part, block in zip(parts, blocks, strict=True)])

    def _cut(self, image: Tensor) -> list[list[np.ndarray]]:
        """Return the blocks of each channel of an image."""
        return [[_array(channel[place]) for place in self._places] for channel in image]


def _array(part: Tensor) -> np.ndarray:
    array = part.cpu().numpy()
    return array if array.dtype == bool else array.astype(np.float64)

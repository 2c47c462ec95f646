"""A pretrained network between grey levels: data in, the restored image out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from napari_dip.image.grid import cut
from napari_dip.pretrained.degradation import pre_upsampled
from napari_dip.pretrained.model import Pretrained

#: Ranges that data of a computer's usual formats have: bytes, numbers from 0 to 1, words.
_USUAL = (1.0, 255.0, 65535.0)
#: Share of such a range that the brightest pixel has at the least, if the data are to be taken as of it.
_FILLED = 0.2
#: Sides of a tile and of what is around it that a network sees too, in pixels of its input; their sum is a
#: multiple of the windows that networks with attention cut their input into.
_TILE, _AROUND = 192, 32


@dataclass(frozen=True)
class IntensityMapping:
    """How a network reads grey levels.

    Parameters
    ----------
    low, high : float
        Grey levels that are its darkest and its brightest.
    scale : float
        What it calls its brightest: 1, or 255.
    swapped : bool
        Whether it wants blue, green, red instead of red, green, blue.
    """

    low: float
    high: float
    scale: float = 1.0
    swapped: bool = False

    @classmethod
    def of(cls, data: Tensor, observed: Tensor) -> Self:
        """Return the range of a computer's usual format that the data fill, or their own.

        Parameters
        ----------
        data : Tensor, shape ``(1, C, H, W)``
            Grey levels.
        observed : Tensor, shape ``(1, 1 or C, H, W)``
            Pixels that count.
        """
        seen = data[observed.expand_as(data)]
        low, high = float(seen.min()), float(seen.max())
        for end in _USUAL:
            # Noise may lead somewhat beyond the ends.
            if low >= -_FILLED * end and _FILLED * end <= high <= (1 + _FILLED) * end:
                return cls(0.0, end)
        return cls(low, high if high > low else low + 1)

    @property
    def span(self) -> float:
        """Grey levels from the darkest to the brightest."""
        return self.high - self.low

    def stretched(self, contrast: float, around: float) -> Self:
        """Return one that shows so many times the contrast, and a grey level as bright as before."""
        low, high = (around + (end - around) / contrast for end in (self.low, self.high))
        return replace(self, low=low, high=high)


class Restorer(nn.Module):
    """Takes data of any number of channels to the restored image, both in grey levels.

    Networks of one channel see each channel by itself; where the numbers of channels differ otherwise, each
    is shown as a grey image.

    Parameters
    ----------
    pretrained : Pretrained
        Its network is used as it is, and learns where the restorer is trained.
    factor : int
        Pixels of the restored image for one of the data, along both axes. Where it is not the network's own
        factor, its output is resampled.
    reading : Reading
        How it reads grey levels.
    """

    def __init__(self, pretrained: Pretrained, factor: int, reading: IntensityMapping) -> None:
        super().__init__()
        self.network = pretrained.network
        self.pretrained, self.factor, self.reading = pretrained, factor, reading
        learning(self.network)

    def forward(self, data: Tensor) -> Tensor:
        """Return x, shape ``(N, C, factor * H, factor * W)``, of data of shape ``(N, C, H, W)``."""
        n, c, height, width = data.shape
        reading, channels = self.reading, self.pretrained.channels
        unit = (data - reading.low) * (reading.scale / reading.span)
        together = c == channels
        if not together:
            unit = unit.reshape(n * c, 1, height, width).expand(-1, channels, -1, -1)
        elif reading.swapped:
            unit = unit.flip(1)
        if self.pretrained.pre_upsampled:
            unit = pre_upsampled(unit, self.factor)
        # A copy: some networks change what they are given.
        x = self.network(unit.clone(memory_format=torch.contiguous_format))
        size = self.factor * height, self.factor * width
        if x.shape[2:] != size:
            x = F.interpolate(x, size, mode="bicubic", antialias=True)
        if not together:
            x = x.mean(1).reshape(n, c, *size)
        elif reading.swapped:
            x = x.flip(1)
        return reading.low + x.float() * (reading.span / reading.scale)

    @property
    def weights(self) -> dict[str, Tensor]:
        """A copy of the network's weights, and of whatever else it remembers, on the processor."""
        return {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}


def learning(network: nn.Module) -> None:
    """Prepare a network to learn from one image.

    Some have no gradient in evaluation. But what normalises by statistics of a whole training set goes on
    doing so, and nothing is dropped.
    """
    network.train()
    for module in network.modules():
        if isinstance(module, _NormBase | _DropoutNd) or "drop" in type(module).__name__.lower():
            module.eval()


def in_tiles(restorer: Restorer, data: Tensor) -> Tensor:
    """Return what a restorer makes of data of any size, a tile at a time, so that memory stays flat.

    A tile is seen with what is around it. Where the network reaches no further, the result is that of the
    whole.
    """
    height, width = data.shape[2:]
    if max(height, width) <= _TILE + 2 * _AROUND:
        with torch.no_grad():
            return restorer(data)
    f = restorer.factor
    x = data.new_empty(*data.shape[:2], f * height, f * width)
    for rows, seen_rows in _tiles(height):
        for columns, seen_columns in _tiles(width):
            with torch.no_grad():
                part = restorer(data[:, :, slice(*seen_rows), slice(*seen_columns)])
            inside = [
                slice(f * (a - seen), f * (b - seen))
                for (a, b), (seen, _) in ((rows, seen_rows), (columns, seen_columns))
            ]
            x[:, :, f * rows[0] : f * rows[1], f * columns[0] : f * columns[1]] = cut(part, inside)
    return x


def _tiles(length: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield where each tile begins and ends, and what is seen of its surroundings."""
    for start in range(0, length, _TILE):
        stop = min(start + _TILE, length)
        yield (start, stop), (max(0, start - _AROUND), min(length, stop + _AROUND))


def all_ways(restorer: Restorer, data: Tensor) -> Tensor:
    """Return the mean over the eight ways to turn and mirror the data (Timofte et al., CVPR 2016)."""
    total: Tensor | float = 0.0
    for turns in range(4):
        for mirrored in (False, True):
            turned = data.rot90(turns, (2, 3))
            x = in_tiles(restorer, turned.flip(3) if mirrored else turned)
            total = total + (x.flip(3) if mirrored else x).rot90(-turns, (2, 3))
    assert isinstance(total, Tensor)
    return total / 8

"""Whether the noise is independent from pixel to pixel, and its strength, asked of the data before a run."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_dip.image.intensity import Range

#: Of a large image, so many planes and the middle of each are enough.
_PLANES, _SIDE = 4, 1024
#: Blocks of JPEG's own size, half overlapping; the share of them that is kept, and how many have to be.
_SIZE, _STEP, _QUIET, _FEWEST = 8, 4, 0.1, 32
#: Median of the square of a normal variable.
_MEDIAN = 0.4549
#: Share of a block's pixels that may have the image's lowest value, or its highest.
_CLIPPED = 0.25
#: Ratio from which noise counts as correlated. With noise added to 18 images of 256 x 256 pixels, white noise
#: gave 3.1 at the most (sigma 5 on gravel), and blurred noise 5.9 at the least.
_SMOOTH = 4.0
#: Noise of such a share of the image's range is too weak to matter: that of a good photograph.
_WEAK = 0.007
#: Blocking from which an image counts as compressed; 1.2 is left over from a good JPEG under noise.
_BLOCKY = 1.3


@dataclass(frozen=True, eq=False)
class Whiteness:
    """What the flattest parts of an image say about its noise.

    Parameters
    ----------
    ratio : float
        Power of the noise at a middle frequency over that at a high one. White noise: 1. Blurred, resampled
        or demosaicked noise: far above. NaN where the image doesn't tell.
    strength : float
        Standard deviation of the noise at the middle frequency, as a share of the image's range.
    blocking : float
        Roughness across the borders of 8 x 8 blocks over the roughness inside them. Images that were never
        compressed: 1.
    variance : Tensor, shape ``(1, C, 1, ...)``
        Of the noise, whatever its correlation, in grey levels². Low by a fifth or so, since it is that of the
        quietest parts; what compression does to structure is hardly in it. NaN where the image doesn't tell.
    """

    ratio: float
    strength: float
    blocking: float
    variance: Tensor

    @property
    def white(self) -> bool:
        """Whether held-out pixels can judge a fit: no sign that neighbours predict each other's noise."""
        smooth = self.ratio > _SMOOTH and self.strength > _WEAK
        return not (smooth or self.blocking > _BLOCKY)

    @property
    def measured(self) -> bool:
        """Whether there was noise to be measured, in all channels."""
        return bool(self.variance.isfinite().all() and (self.variance > 0).all())


def whiteness(data: Tensor, weights: Tensor) -> Whiteness:
    """Compare the noise at two frequencies, and the borders of blocks with their insides.

    Parameters
    ----------
    data : Tensor, shape ``(1, C, *spatial)``
        Grey levels, 2-D or 3-D. Of a volume, planes along its last two axes are looked at.
    weights : Tensor, shape ``(1, 1 or C, *spatial)``
        0 where a pixel is missing.

    Notes
    -----
    The noise's spectrum is read from the cosine transform of fully observed 8 x 8 blocks, as in [1]_: of the
    tenth of them that is flattest, for each coefficient the median of its square. Flat are blocks with little
    energy at frequencies that are middle along one axis and low along the other, where edges show; these are
    not compared, and hold little of what correlated noise has. With P(i, j) the power at i/16 and j/16 cycles
    per pixel, channels averaged,

        ratio = mean of P over i, j in {3, 4}  /  mean of P over i, j in {6, 7},
        variance = mean of P over (i, j) != (0, 0), in each channel.

    Structure in images has little energy at frequencies that are high along both axes, while each filter that
    correlates noise takes most from just these. Sharpened noise (a ratio below 1) is no obstacle: networks
    fit the highest frequencies last. Lossy compression leaves no noise at all in flat blocks, but the blocks
    themselves: third differences are larger across every eighth border, in both directions.

    Fewer than 32 whole blocks, as where every other pixel is missing, say nothing: the noise then counts as
    white.

    References
    ----------
    .. [1] N. Ponomarenko et al., An automatic approach to lossy compression of AVIRIS images, IGARSS 2007,
       section 2.
    """
    values, seen = _planes(data.float()), _planes((weights > 0).expand_as(data))
    range_ = Range.of(values[None], seen[None])
    values = range_.to_unit(values[None])[0]  # channels count alike
    blocking = torch.stack([_blocking(values.movedim(axis, -1), seen.movedim(axis, -1)) for axis in (-2, -1)])
    power = torch.stack([_spectrum(*channel) for channel in zip(values, seen, strict=True)])  # (C, 8, 8)
    power = power.where(power.isfinite(), power.nanmean(0))  # one channel may be empty
    middle, high = power[:, 3:5, 3:5].mean(), power[:, 6:, 6:].mean()
    shape = (1, -1, *(1,) * (data.ndim - 2))
    variance = power.sum((1, 2)).reshape(shape) / (_SIZE**2 - 1)
    return Whiteness(
        ratio=float(middle / high),
        strength=float(middle.sqrt()),
        blocking=float(blocking.amin()),
        variance=variance * (range_.high - range_.low).reshape(shape).square(),
    )


def _planes(image: Tensor) -> Tensor:
    """Return the middle of some planes spread evenly over an image, shape ``(C, planes, H, W)``."""
    planes = image[0].reshape(image.shape[1], -1, *image.shape[-2:])
    chosen = torch.linspace(0, planes.shape[1] - 1, min(_PLANES, planes.shape[1])).round().long()
    top, left = (max(0, (size - _SIDE) // 2) for size in image.shape[-2:])
    return planes[:, chosen.to(image.device), top : top + _SIDE, left : left + _SIDE]


def _spectrum(values: Tensor, seen: Tensor) -> Tensor:
    """Return the power of the noise at each coefficient, shape ``(8, 8)``; NaN where too little is seen."""
    blocks = _blocks(values)[_blocks(seen).flatten(1).all(1)].flatten(1)  # (blocks, 64)
    if len(blocks):
        # At the ends of the range noise is cut off. Other constant blocks stay: compression makes them.
        at_an_end = [(blocks == end).float().mean(1) > _CLIPPED for end in (blocks.min(), blocks.max())]
        blocks = blocks[~(at_an_end[0] | at_an_end[1])]
    if len(blocks) < _FEWEST:
        return values.new_full((_SIZE, _SIZE), math.nan)
    blocks = (blocks - blocks.mean(1, keepdim=True)).reshape(-1, _SIZE, _SIZE)
    k = torch.arange(_SIZE, device=values.device)
    cosines = (math.pi / _SIZE * k[:, None] * (k + 0.5)).cos() * (2 / _SIZE) ** 0.5
    cosines[0] /= 2**0.5
    power = (cosines @ blocks @ cosines.T).square()  # (blocks, 8, 8)
    along, across = torch.maximum(k[:, None], k), torch.minimum(k[:, None], k)
    edges = power[:, (along >= 3) & (along <= 6) & (across <= 2)].sum(1)
    flat = edges.argsort()[: max(_FEWEST, int(_QUIET * len(edges)))]
    return power[flat].median(0).values / _MEDIAN


def _blocks(image: Tensor) -> Tensor:
    """Return overlapping blocks, shape ``(number, 8, 8)``."""
    if min(image.shape[-2:]) < _SIZE:
        return image.new_empty(0, _SIZE, _SIZE)
    return image.unfold(-2, _SIZE, _STEP).unfold(-2, _SIZE, _STEP).reshape(-1, _SIZE, _SIZE)


def _blocking(values: Tensor, seen: Tensor) -> Tensor:
    """Return the mean third difference at the roughest of 8 phases along the last axis, over the median."""
    rough = values.diff(n=3).abs()
    known = seen.unfold(-1, 4, 1).all(-1) if seen.shape[-1] >= 4 else seen[..., :0]
    phases = torch.stack([rough[..., p::_SIZE][known[..., p::_SIZE]].mean() for p in range(_SIZE)])
    return phases.amax() / phases.median()

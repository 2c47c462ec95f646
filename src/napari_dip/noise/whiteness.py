"""Is the noise independent from pixel to pixel, and how strong is it? Measured in the data before a run."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_dip.image.intensity import Range

#: Largest number of planes that are measured, and the side of their middle.
_PLANES, _SIDE = 4, 1024
#: Side of a block, which is that of JPEG; distance of blocks, which overlap by half; share of the blocks that
#: is used, and the smallest number of them.
_SIZE, _STEP, _FLATTEST, _FEWEST = 8, 4, 0.1, 32
#: Median of the square of a normal variable.
_MEDIAN = 0.4549
#: Largest share of a block's pixels that may have the image's lowest value, or its highest.
_CLIPPED = 0.25
#: Ratio above which noise counts as correlated. With noise added to 18 images of 256 x 256 pixels, white
#: noise gave at most 3.1 (sigma 5 on gravel), and blurred noise at least 5.9.
_SMOOTH = 4.0
#: Strength up to which correlated noise does not matter: that of a good photograph.
_WEAK = 0.007
#: Blocking above which an image counts as compressed. A good JPEG under noise has 1.2.
_BLOCKY = 1.3


@dataclass(frozen=True, eq=False)
class Whiteness:
    """The noise in the flattest parts of an image.

    Parameters
    ----------
    ratio : float
        Power of the noise at middle frequencies divided by that at high frequencies. It is 1 for white noise,
        and much larger for blurred, resampled or demosaicked noise. NaN if it can't be measured.
    strength : float
        Standard deviation of the noise at middle frequencies, as a share of the image's range.
    blocking : float
        Roughness across the borders of 8 x 8 blocks divided by the roughness inside them. It is 1 for images
        that were never compressed.
    variance : Tensor, shape ``(1, C, 1, ...)``
        Variance of the noise, correlated or not, in grey levels². It is too low by about a fifth, since it is
        measured in the flattest parts, and hardly contains what compression does to structure. NaN if it
        can't be measured.
    """

    ratio: float
    strength: float
    blocking: float
    variance: Tensor

    @property
    def white(self) -> bool:
        """True if there is no sign that neighbours predict each other's noise: held-out pixels can judge."""
        smooth = self.ratio > _SMOOTH and self.strength > _WEAK
        return not (smooth or self.blocking > _BLOCKY)

    @property
    def measured(self) -> bool:
        """True if noise was found in all channels."""
        return bool(self.variance.isfinite().all() and (self.variance > 0).all())


def whiteness(data: Tensor, weights: Tensor) -> Whiteness:
    """Compare the noise at two frequencies, and the borders of 8 x 8 blocks with their interior.

    Parameters
    ----------
    data : Tensor, shape ``(1, C, *spatial)``
        Grey levels, 2-D or 3-D. In a volume, planes along the last two axes are measured.
    weights : Tensor, shape ``(1, 1 or C, *spatial)``
        0 where a pixel is missing.

    Notes
    -----
    The spectrum of the noise is measured with the cosine transform of 8 x 8 blocks without missing pixels, as
    in [1]_. Each coefficient's power is the median of its square in the flattest tenth of the blocks. A block
    is flat if it has little energy at frequencies that are middle along one axis and low along the other.
    Edges have much energy there, correlated noise has little, and these frequencies are not compared below.
    Let P(i, j) be the power at i/16 and j/16 cycles per pixel, averaged over channels. Then

        ratio = mean of P over i, j in {3, 4}  /  mean of P over i, j in {6, 7},
        variance = mean of P over (i, j) != (0, 0), in each channel.

    Structure has little energy at frequencies that are high along both axes, and every filter that correlates
    noise removes most from them. Sharpened noise, with a ratio below 1, does no harm, since networks fit the
    highest frequencies last. Lossy compression leaves no noise in flat blocks, but it leaves the blocks
    themselves: third differences are larger across every eighth border, in both directions.

    With fewer than 32 whole blocks, for example if every other pixel is missing, nothing can be measured. The
    noise then counts as white.

    References
    ----------
    .. [1] N. Ponomarenko et al., An automatic approach to lossy compression of AVIRIS images, IGARSS 2007,
       section 2.
    """
    values, seen = _planes(data.float()), _planes((weights > 0).expand_as(data))
    range_ = Range.of(values[None], seen[None])
    values = range_.to_unit(values[None])[0]  # so that all channels count equally
    blocking = torch.stack([_blocking(values.movedim(axis, -1), seen.movedim(axis, -1)) for axis in (-2, -1)])
    power = torch.stack([_spectrum(*channel) for channel in zip(values, seen, strict=True)])  # (C, 8, 8)
    power = power.where(power.isfinite(), power.nanmean(0))  # a channel may have no observed pixels
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
    """Return the middle of some planes, evenly spread over an image, shape ``(C, planes, H, W)``."""
    planes = image[0].reshape(image.shape[1], -1, *image.shape[-2:])
    chosen = (
        torch.linspace(0, planes.shape[1] - 1, min(_PLANES, planes.shape[1]), dtype=torch.float32)
        .round()
        .long()
    )
    top, left = (max(0, (size - _SIDE) // 2) for size in image.shape[-2:])
    return planes[:, chosen.to(image.device), top : top + _SIDE, left : left + _SIDE]


def _spectrum(values: Tensor, seen: Tensor) -> Tensor:
    """Return the power of the noise at each coefficient, shape ``(8, 8)``; NaN if too little is observed."""
    blocks = _blocks(values)[_blocks(seen).flatten(1).all(1)].flatten(1)  # (blocks, 64)
    if len(blocks):
        # Leave out blocks whose noise is cut off. Other constant blocks stay: compression produces them.
        at_an_end = [(blocks == end).float().mean(1) > _CLIPPED for end in (blocks.min(), blocks.max())]
        blocks = blocks[~(at_an_end[0] | at_an_end[1])]
    if len(blocks) < _FEWEST:
        return values.new_full((_SIZE, _SIZE), math.nan)
    blocks = (blocks - blocks.mean(1, keepdim=True)).reshape(-1, _SIZE, _SIZE)
    k = torch.arange(_SIZE, dtype=values.dtype, device=values.device)
    cosines = (math.pi / _SIZE * k[:, None] * (k + 0.5)).cos() * (2 / _SIZE) ** 0.5
    cosines[0] /= 2**0.5
    power = (cosines @ blocks @ cosines.T).square()  # (blocks, 8, 8)
    along, across = torch.maximum(k[:, None], k), torch.minimum(k[:, None], k)
    edges = power[:, (along >= 3) & (along <= 6) & (across <= 2)].sum(1)
    flat = edges.argsort()[: max(_FEWEST, int(_FLATTEST * len(edges)))]
    return power[flat].median(0).values / _MEDIAN


def _blocks(image: Tensor) -> Tensor:
    """Return overlapping blocks, shape ``(number, 8, 8)``."""
    if min(image.shape[-2:]) < _SIZE:
        return image.new_empty(0, _SIZE, _SIZE)
    return image.unfold(-2, _SIZE, _STEP).unfold(-2, _SIZE, _STEP).reshape(-1, _SIZE, _SIZE)


def _blocking(values: Tensor, seen: Tensor) -> Tensor:
    """Return the largest mean third difference of 8 phases along the last axis, divided by the median."""
    rough = values.diff(n=3).abs()
    known = seen.unfold(-1, 4, 1).all(-1) if seen.shape[-1] >= 4 else seen[..., :0]
    phases = torch.stack([rough[..., p::_SIZE][known[..., p::_SIZE]].mean() for p in range(_SIZE)])
    return phases.amax() / phases.median()

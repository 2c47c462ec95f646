"""The relation between the grey levels of the data and those of a network, and how to find it."""

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_dip.finetuning.losses import sure_loss
from napari_dip.finetuning.pieces import Pieces
from napari_dip.image.grid import middle

if TYPE_CHECKING:
    from napari_dip.finetuning.restorer import Restorer
    from napari_dip.finetuning.sampler import PatchSampler

#: Upper ends of the usual ranges: numbers from 0 to 1, 8 bits, 16 bits.
_USUAL = (1.0, 255.0, 65535.0)
#: Data are taken to have such a range if their brightest pixel reaches at least this share of it.
_FILLED = 0.2
#: Upper ends of the ranges that networks use. The first is taken unless another has an error that is smaller
#: by more than this factor.
_SCALES, _BETTER = (1.0, 255.0), 2.0
#: Side of the central part on which mappings are compared, in pixels of the data. Stein's estimate needs more
#: pixels to be reliable.
_SIDE, _SURE_SIDE = 96, 192
#: Contrasts to compare for a network whose noise level is unknown. If it is known, exponents of the contrast
#: that makes the noise as strong as that level: several with Stein's estimate, one without.
_CONTRASTS = (1.0, 0.5, 0.63, 0.8, 1.25, 1.6, 2.0)
_EXPONENTS, _EXACT = (0.0, 0.5, 1.0, 1.5), (1.0,)


@dataclass(frozen=True)
class IntensityMapping:
    """How grey levels of the data are mapped to those of a network.

    Parameters
    ----------
    low, high : float
        Grey levels that become the darkest and the brightest level of the network.
    scale : float
        The network's brightest level, 1 or 255.
    reversed_channels : bool
        Whether the network takes blue, green, red in place of red, green, blue.
    """

    low: float
    high: float
    scale: float = 1.0
    reversed_channels: bool = False

    @classmethod
    def of(cls, data: Tensor, observed: Tensor) -> Self:
        """Return the usual range that the data fill, or else the range of the data.

        Parameters
        ----------
        data : Tensor, shape ``(1, C, H, W)``
            Grey levels.
        observed : Tensor, shape ``(1, 1 or C, H, W)``
            Pixels that count.
        """
        values = data[observed.expand_as(data)]
        low, high = float(values.min()), float(values.max())
        for end in _USUAL:
            # Noise may lead somewhat beyond the ends.
            if low >= -_FILLED * end and _FILLED * end <= high <= (1 + _FILLED) * end:
                return cls(0.0, end)
        return cls(low, high if high > low else low + 1)

    @property
    def span(self) -> float:
        """Grey levels from the darkest to the brightest."""
        return self.high - self.low

    def with_contrast(self, contrast: float, around: float) -> Self:
        """Return a mapping that multiplies the contrast and keeps the brightness of one grey level."""
        low, high = (around + (end - around) / contrast for end in (self.low, self.high))
        return replace(self, low=low, high=high)


def find_mapping(restorer: "Restorer", sampler: "PatchSampler") -> Pieces[IntensityMapping]:
    """Return the range and the order of the channels with which a network restores best.

    The mapping of the restorer is kept unless another one is clearly better. Mappings are compared by how
    well the output explains the data, or, for noisy data without blur, by Stein's estimate of the error.
    """
    usual = restorer.mapping
    colours = sampler.data.shape[1] == 3 == restorer.pretrained.channels
    mappings = [
        replace(usual, scale=scale, reversed_channels=reverse)
        for scale, reverse in product(_SCALES, (False, True) if colours else (False,))
    ]
    errors = yield from _errors(restorer, sampler, mappings)
    least = min(errors)
    return mappings[errors.index(least) if _BETTER**2 * max(least, 0.0) < errors[0] else 0]


def match_contrast(restorer: "Restorer", sampler: "PatchSampler") -> Pieces[IntensityMapping]:
    """Return the mapping with the contrast at which a denoiser works best, by Stein's estimate of its error.

    A network that was trained for one noise level takes stronger noise for structure, and structure for noise
    if the noise is weaker. With the right contrast, the noise is as strong as the network expects. Structure
    then has less contrast than usual, or more, which harms the network less. If the noise level of the
    network is known, a few contrasts around that one are compared.
    """
    usual, level, expected = restorer.mapping, float(sampler.data.mean()), restorer.pretrained.sigma
    contrasts = _CONTRASTS
    if expected is not None:
        exact = expected / 255 * usual.span / sampler.sigma
        contrasts = tuple(exact**exponent for exponent in (_EXPONENTS if sampler.sure_applies else _EXACT))
    elif not sampler.sure_applies:  # nothing tells which contrast is best
        return usual
    mappings = [usual.with_contrast(contrast, level) for contrast in contrasts]
    errors = yield from _errors(restorer, sampler, mappings)
    return mappings[errors.index(min(errors))]


def _errors(
    restorer: "Restorer", sampler: "PatchSampler", mappings: list[IntensityMapping]
) -> Pieces[list[float]]:
    """Return for each mapping an estimate of the mean squared error. It may be negative."""
    errors = []
    for mapping in mappings:
        errors.append(_error(restorer.with_mapping(mapping), sampler))
        yield None
    return errors


def _error(restorer: "Restorer", sampler: "PatchSampler") -> float:
    with torch.no_grad():
        if sampler.only_noise and sampler.sure_applies:
            generator = torch.Generator().manual_seed(0)
            inputs, energy = sure_loss(sampler.central_patch(_SURE_SIDE), generator)
            square = energy(restorer(*inputs))
        else:
            part = middle(sampler.data, (_SIDE, _SIDE))
            square = (_coarse(restorer(part), restorer.factor) - part).square().mean()
            if sampler.only_noise:  # what the network removes should be as strong as the noise
                square = (square - sampler.sigma**2).abs()
    error = float(square)
    return error if math.isfinite(error) else math.inf


def _coarse(x: Tensor, factor: int) -> Tensor:
    """Return the means over the pixels of the data, which approximate any A."""
    return F.avg_pool2d(x, factor) if factor > 1 else x

"""Finds the intensity mapping with which a network restores best."""

import math
from dataclasses import replace
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_dip.finetuning.intensity_mapping import IntensityMapping
from napari_dip.finetuning.losses import sure_loss
from napari_dip.finetuning.pieces import Pieces
from napari_dip.finetuning.restorer import Restorer
from napari_dip.finetuning.sampler import PatchSampler
from napari_dip.image.grid import middle

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


def find_mapping(restorer: Restorer, sampler: PatchSampler) -> Pieces[IntensityMapping]:
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


def match_contrast(restorer: Restorer, sampler: PatchSampler) -> Pieces[IntensityMapping]:
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
    restorer: Restorer, sampler: PatchSampler, mappings: list[IntensityMapping]
) -> Pieces[list[float]]:
    """Return for each mapping an estimate of the mean squared error. It may be negative."""
    errors = []
    for mapping in mappings:
        errors.append(_error(restorer.with_mapping(mapping), sampler))
        yield None
    return errors


def _error(restorer: Restorer, sampler: PatchSampler) -> float:
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

"""Which pretrained network restores a problem's data, and how it reads them."""

import math
from dataclasses import replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_dip.finetuning.losses import risk
from napari_dip.finetuning.restorer import IntensityMapping, Restorer
from napari_dip.image.grid import middle
from napari_dip.operators import Blur, Identity
from napari_dip.pretrained.bundled import shipped
from napari_dip.pretrained.files import load
from napari_dip.pretrained.model import Pretrained

if TYPE_CHECKING:
    from napari_dip.finetuning.patches import PatchSampler
    from napari_dip.problem import Problem

#: Networks that come with the package, by name; of two of them there is one for each factor, or one for all.
NAMES = ("compact", "vdsr", "dncnn")
_ENLARGED = 4
#: What networks call their brightest grey level; the first one stays unless another is better by far.
_SCALES, _BETTER = (1.0, 255.0), 2.0
#: Side of the part of the image that tells, in pixels of the data; Stein's estimate takes more to be sure.
_SIDE, _ESTIMATED = 96, 192
#: Contrasts to try where nothing is known, and else shares of the way to the one that fits, in its logarithm.
_CONTRASTS = (1.0, 0.5, 0.63, 0.8, 1.25, 1.6, 2.0)
_SHARES, _FITTING = (0.0, 0.5, 1.0, 1.5), (1.0,)


def factor_of(problem: "Problem") -> int:
    """Return how many pixels of the restored image there are for one of the data.

    Raises
    ------
    ValueError
        The axes differ in this.
    """
    factors = set(problem.grid.factors)
    if len(factors) > 1:
        raise ValueError("pretrained networks super-resolve by the same factor along both axes")
    return factors.pop()


def chosen(weights: str | None, problem: "Problem") -> Pretrained:
    """Return the network of a file, or the one that comes with the package; it is not to be changed.

    Raises
    ------
    FileError
        The file is absent, broken, of an unknown architecture, or would run code.
    ValueError
        The network is for another task, or there is none; in words for the user.
    """
    factor = factor_of(problem)
    if weights is None and isinstance(problem.operator, Blur):
        raise ValueError(
            "no network that takes out blur comes with the package: name the file of one, or take another "
            "method"
        )
    if weights is None or weights in NAMES:
        name = weights or ("dncnn" if isinstance(problem.operator, Identity) else "compact")
        if name == "dncnn":
            found = shipped("denoise")
        else:
            pre_upsampled = name == "vdsr"
            found = shipped(
                "super-resolve", _ENLARGED if pre_upsampled else factor, pre_upsampled=pre_upsampled
            )
        if found is None:
            raise ValueError(
                f"no network {name} for a factor of {factor} comes with the package: take 2, 3 or 4, or name "
                "the file of another network"
            )
    else:
        path = Path(weights).expanduser()
        found = _opened(path, path.stat().st_mtime_ns if path.is_file() else 0)
    return suitable(found, problem)


@lru_cache(maxsize=2)
def _opened(path: Path, _modified: int) -> Pretrained:
    return load(path)


def suitable(found: Pretrained, problem: "Problem") -> Pretrained:
    """Return a network if it is for data like these.

    Raises
    ------
    ValueError
        Its factor or its channels are others; in words for the user.
    """
    factor, channels = factor_of(problem), problem.data.shape[1]
    if not found.pre_upsampled and (found.factor == 1) != (factor == 1):
        what = f"enlarges images {found.factor} times" if found.factor > 1 else "doesn't enlarge images"
        wanted = f"one that enlarges them {factor} times" if factor > 1 else "one that leaves their size"
        raise ValueError(
            f"{found.source} {what}, and {wanted} was wanted: name another file, or change the task"
        )
    if found.channels not in (1, 3, channels):
        raise ValueError(
            f"{found.source} is for images of {found.channels} channels, and this one has {channels}: name "
            "another file"
        )
    return found


def reading_of(restorer: Restorer, view: "PatchSampler") -> IntensityMapping:
    """Return how a network reads grey levels: what restores the middle of the data best, if clearly so.

    Best is what explains them; of a denoiser of noisy data, what has the least error by Stein's estimate.
    """
    usual = restorer.reading
    colours = view.data.shape[1] == 3 == restorer.pretrained.channels
    readings = [
        replace(usual, scale=scale, swapped=swapped)
        for scale, swapped in product(_SCALES, (False, True) if colours else (False,))
    ]
    errors = [_squared_error(restorer, view, reading) for reading in readings]
    least = min(errors)
    return readings[errors.index(least) if _BETTER**2 * max(least, 0.0) < errors[0] else 0]


def matched_reading(restorer: Restorer, view: "PatchSampler") -> IntensityMapping:
    """Return with how much contrast a denoiser does best, by Stein's estimate of its error.

    One that was trained for noise of one strength takes stronger noise for structure, and structure for noise
    where that is weaker. With so much contrast that the noise is as strong as what it knows, structure has
    less contrast than usual, or more, which it minds less. Where the network says what it knows, a few
    contrasts around that are tried.
    """
    usual, level, known = restorer.reading, float(view.data.mean()), restorer.pretrained.sigma
    contrasts = _CONTRASTS
    if known is not None:
        fits = known / 255 * usual.span / view.noise
        contrasts = tuple(fits**share for share in (_SHARES if view.fair else _FITTING))
    elif not view.fair:  # there is no such estimate
        return usual
    readings = [usual.stretched(contrast, level) for contrast in contrasts]
    errors = [_squared_error(restorer, view, reading) for reading in readings]
    return readings[errors.index(min(errors))]


def _squared_error(restorer: Restorer, view: "PatchSampler", reading: IntensityMapping) -> float:
    """Return the mean squared error of what is made of the middle of the data, as far as is known.

    An estimate of it may lie below 0.
    """
    restorer = Restorer(restorer.pretrained, restorer.factor, reading)
    with torch.no_grad():
        if view.only_noise and view.fair:
            inputs, energy = risk(view.middle(_ESTIMATED), torch.Generator().manual_seed(0))
            square = energy(restorer(*inputs))
        else:
            part = middle(view.data, (_SIDE, _SIDE))
            square = (_coarse(restorer(part), restorer.factor) - part).square().mean()
            if view.only_noise:  # what is taken out should be as strong as the noise
                square = (square - view.noise**2).abs()
    error = float(square)
    return error if math.isfinite(error) else math.inf


def _coarse(x: torch.Tensor, factor: int) -> torch.Tensor:
    """Return the means of pixels: about what data would be like, whatever their degradation is."""
    return torch.nn.functional.avg_pool2d(x, factor) if factor > 1 else x

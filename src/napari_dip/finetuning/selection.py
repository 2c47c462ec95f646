"""The pretrained network that suits a problem."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dip.errors import InputError
from napari_dip.image.grid import format_shape
from napari_dip.noise.models import LaplaceNoise
from napari_dip.operators import Blur, Identity
from napari_dip.pretrained.bundled import bundled
from napari_dip.pretrained.files import load_shared
from napari_dip.pretrained.model import Pretrained

if TYPE_CHECKING:
    from napari_dip.problem import Problem

#: Names of the bundled networks. There is one "compact" for each factor, and one "vdsr" for all of them.
NAMES = ("compact", "vdsr", "dncnn")
#: The factor that "vdsr" was trained for.
_VDSR_FACTOR = 4
#: Least number of pixels of the data along each axis.
_LEAST_SIDE = 16


def unsupported_reason(
    problem: "Problem", pretrained: Callable[["Problem"], Pretrained], *, guided: bool
) -> str | None:
    """Return why a pretrained network can't restore these data, in words for the user, or None.

    Parameters
    ----------
    problem : Problem
        The data.
    pretrained : callable
        Returns the network for a problem, or raises a ValueError.
    guided : bool
        Whether there is a guide.

    Raises
    ------
    InputError
        There is no network for the data.
    """
    shape, sides = problem.grid.shape, problem.data.shape[2:]
    if len(shape) != 2:
        return f"A pretrained network restores planes, but the image has {len(shape)} spatial axes."
    if isinstance(problem.noise, LaplaceNoise):
        return "A pretrained network does not remove outliers: use Deep Image Prior, or mark them as missing."
    if guided:
        return "A pretrained network takes no guide: use Deep Image Prior."
    if min(sides) < _LEAST_SIDE:
        return (
            f"A pretrained network needs at least {_LEAST_SIDE} pixels along each axis, got "
            f"{format_shape(sides)}: restore a larger region."
        )
    if reason := problem.too_sparse("A pretrained network"):
        return reason
    try:
        pretrained(problem)
    except ValueError as error:
        raise InputError("weights", str(error)) from error
    return None


def selected(weights: str | None, problem: "Problem") -> Pretrained:
    """Return the network of a file or of the package. Copy it before you change it.

    Parameters
    ----------
    weights : str or None
        Path of a file, or one of `NAMES`. None selects the bundled network for the task.
    problem : Problem
        The data.

    Raises
    ------
    FileError
        The file is missing or broken, contains code, or holds an unknown architecture.
    ValueError
        The network is for another task, or there is none; in words for the user.
    """
    factor = factor_of(problem)
    if weights is None and isinstance(problem.operator, Blur):
        raise ValueError(
            "no network that removes blur comes with the package: name a file, or choose another method"
        )
    if weights is not None and weights not in NAMES:
        return suitable(load_shared(Path(weights).expanduser()), problem)
    name = weights or ("dncnn" if isinstance(problem.operator, Identity) else "compact")
    if name == "dncnn":
        found = bundled("denoise")
    elif name == "vdsr":
        found = bundled("super-resolve", _VDSR_FACTOR, pre_upsampled=True)
    else:
        found = bundled("super-resolve", factor)
    if found is None:
        raise ValueError(
            f"no network {name} for a factor of {factor} comes with the package: choose 2, 3 or 4, or "
            "name the file of another network"
        )
    return suitable(found, problem)


def suitable(pretrained: Pretrained, problem: "Problem") -> Pretrained:
    """Return a network if it suits the data.

    Raises
    ------
    ValueError
        Its factor or its channels do not fit; in words for the user.
    """
    factor, channels = factor_of(problem), problem.data.shape[1]
    if not pretrained.pre_upsampled and (pretrained.factor == 1) != (factor == 1):
        what = f"upsamples by {pretrained.factor}" if pretrained.factor > 1 else "keeps the size of an image"
        wanted = f"upsamples by {factor}" if factor > 1 else "keeps the size"
        raise ValueError(
            f"{pretrained.source} {what}, but the task needs a network that {wanted}: name another file, or "
            "change the task"
        )
    if pretrained.channels not in (1, 3, channels):
        raise ValueError(
            f"{pretrained.source} is for images with {pretrained.channels} channels, but this one has "
            f"{channels}: name another file"
        )
    return pretrained


def factor_of(problem: "Problem") -> int:
    """Return the number of pixels of the restored image per pixel of the data, along each axis.

    Raises
    ------
    ValueError
        It differs between the axes.
    """
    factors = set(problem.grid.factors)
    if len(factors) > 1:
        raise ValueError("pretrained networks need the same factor of super-resolution along both axes")
    return factors.pop()

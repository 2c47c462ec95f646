"""The floor of a deconvolved image: the grey level without light, where the noise tells it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dip.image.planes import Plane, sampled_planes
from napari_dip.noise.estimate import PLANES, SIDE
from napari_dip.noise.models import PoissonGaussianNoise, PoissonNoise
from napari_dip.noise.neighbourhoods import Levels, Neighbourhoods
from napari_dip.noise.photon_transfer import PhotonTransfer
from napari_dip.steps import Steps, finished

if TYPE_CHECKING:
    from napari_dip.problem import Problem

#: Share of the pixels that may lie below the offset by chance, and standard deviations of the read noise.
_SOME, _FAR = 0.02, 4.0
#: Standard errors by which the floor lies below a measured offset, and by which noise has to grow with light.
_BELOW = 3.0
#: Mean of min(n², 4) for the second difference n of normal noise of variance 1.
_CLIPPED = 0.9205


@dataclass(frozen=True)
class Floor:
    """A chosen floor.

    Parameters
    ----------
    level : float, optional
        Lower bound of x in working units; None if there is none.
    note : str
        What was chosen and why, in a sentence for the user.
    """

    level: float | None
    note: str


def chosen_floor(problem: "Problem") -> Floor:
    """Choose the lower bound of an image of light.

    It is the offset of a noise model that the user has told, or three standard errors below an offset that
    the data show: the grey level at which photon noise would vanish. There is none if many pixels lie far
    below it, because a background was subtracted then.

    Parameters
    ----------
    problem : Problem
        What the image has to explain.
    """
    noise, units = problem.noise, problem.units
    if isinstance(noise, PoissonNoise | PoissonGaussianNoise):
        level, source = noise.offset, "the offset of the noise model"
        spread = noise.read_noise if isinstance(noise, PoissonGaussianNoise) else 0.0
    elif noise.known or (curve := _curve(problem)) is None:
        return Floor(None, "")
    else:
        level, error = _dark_level(curve)
        level -= _BELOW * error
        source = f"three standard errors ({error * units.scale:.2g}) below the offset that its noise shows"
        spread = 0.0
    if share_below(problem, level, spread) > _SOME:
        return Floor(
            None,
            f"The image has no floor, because {share_below(problem, level, spread):.0%} of the pixels lie "
            f"far below {source}: a background seems to have been subtracted.",
        )
    return Floor(level, f"The image lies above {units.to_grey_level(level):.4g}, {source}.")


def share_below(problem: "Problem", level: float, spread: float) -> float:
    """Return the share of observed pixels more than four standard deviations below a level."""
    seen = problem.data[(problem.weights > 0).expand_as(problem.data)]
    room = 1e-6 * getattr(problem.noise, "gain", 1.0)
    return float((seen < level - _FAR * spread - room).float().mean())


def _curve(problem: "Problem") -> PhotonTransfer | None:
    """Return how the noise grows with brightness; None where it doesn't clearly do."""
    data, seen = problem.data[0].cpu(), (problem.weights > 0).expand_as(problem.data)[0].cpu()
    axes = "CZYX" if data.ndim == 4 else "CYX"
    try:
        planes = sampled_planes(data.numpy(), ~seen.numpy(), axes, count=PLANES, side=SIDE)
        curve = finished(_measuring(planes))
    except ValueError:
        return None
    return curve if curve.slope > _BELOW * math.sqrt(curve.covariance[0, 0]) else None


def _measuring(planes: Sequence[Plane]) -> Steps[PhotonTransfer]:
    found = yield from Neighbourhoods.measuring(planes, counts=True)
    return PhotonTransfer.through((yield from Levels.measuring(found, _CLIPPED)))


def _dark_level(curve: PhotonTransfer) -> tuple[float, float]:
    """Return the mean grey level at which the variance vanishes, and its standard error."""
    _, error = curve.at(curve.root)  # of the variance, which changes by the slope with each grey level
    return curve.root, error / curve.slope

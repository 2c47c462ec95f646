"""The floor of a deconvolved image: the grey level without light, where the noise tells it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_dip.noise.estimate import photon_transfer
from napari_dip.noise.models import PoissonGaussianNoise, PoissonNoise
from napari_dip.noise.photon_transfer import SIGNIFICANT, PhotonTransfer
from napari_dip.steps import finished

if TYPE_CHECKING:
    from napari_dip.problem import Problem

#: Share of the pixels that may lie below the offset by chance, and standard deviations of the read noise.
SOME_BELOW, _FAR = 0.02, 4.0
#: Standard errors by which the floor lies below a measured offset.
_BELOW = 3.0


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
        error = curve.root_error
        level = curve.root - _BELOW * error
        source = f"three standard errors ({error * units.scale:.2g}) below the offset that its noise shows"
        spread = 0.0
    if (below := share_below(problem, level, spread)) > SOME_BELOW:
        return Floor(
            None,
            f"The image has no floor, because {below:.0%} of the pixels lie far below {source}: a background "
            "seems to have been subtracted.",
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
        curve = finished(photon_transfer(data.numpy(), missing=~seen.numpy(), axes=axes))
    except ValueError:
        return None
    return curve if curve.slope > SIGNIFICANT * curve.slope_error else None

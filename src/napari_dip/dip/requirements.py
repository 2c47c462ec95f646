"""What Deep Image Prior needs of a problem."""

from typing import TYPE_CHECKING

from napari_dip.image.grid import format_shape
from napari_dip.networks.settings import Architecture

if TYPE_CHECKING:
    from napari_dip.problem import Problem


def unmet_requirement(
    problem: "Problem", network: Architecture, *, guided: bool, guide_only: bool
) -> str | None:
    """Return why a problem can't be solved, in words for the user, or None.

    Parameters
    ----------
    problem : Problem
        What the image has to explain.
    network : Architecture
        Architecture of the network.
    guided : bool
        Whether there is a guide.
    guide_only : bool
        Whether the guide is the only input of the network.
    """
    shape = problem.grid.shape
    if len(shape) not in (2, 3):
        return f"Deep Image Prior needs 2 or 3 spatial axes, got {len(shape)}."
    if max(shape) < 8:
        return f"Deep Image Prior needs at least 8 pixels along one axis, got {format_shape(shape)}."
    if reason := problem.too_sparse("Deep Image Prior"):
        return reason
    if guide_only and not guided:
        return (
            'The setting input="guide" needs a guide, but none is given: give one, or choose input="noise".'
        )
    if guided and not network.sees_images(shape):
        name = type(network).__name__
        return f"{name} has no image as its input, so it can't use a guide: use an Hourglass."
    return None

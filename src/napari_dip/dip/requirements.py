"""What Deep Image Prior needs of a problem."""

from typing import TYPE_CHECKING

from napari_dip.image.grid import format_shape

if TYPE_CHECKING:
    from napari_dip.methods.dip import DIP
    from napari_dip.problem import Problem


def unmet_requirement(settings: "DIP", problem: "Problem", *, guided: bool) -> str | None:
    """Return why a problem can't be solved with these settings, in words for the user, or None."""
    shape = problem.grid.shape
    if len(shape) not in (2, 3):
        return f"Deep Image Prior needs 2 or 3 spatial axes, got {len(shape)}."
    if max(shape) < 8:
        return f"Deep Image Prior needs at least 8 pixels along one axis, got {format_shape(shape)}."
    if int(problem.observed.sum()) < 4:
        return "Deep Image Prior needs at least 4 observed pixels."
    if settings.input == "guide" and not guided:
        return (
            'The setting input="guide" needs a guide, but none is given: give one, or choose input="noise".'
        )
    if guided and settings.network.input_shape(shape) != shape:
        name = type(settings.network).__name__
        return f"{name} has no image as its input, so it can't use a guide: use an Hourglass."
    return None

"""Whether a result is that of a run that reached its end."""

import math
from collections.abc import Mapping
from typing import Any

from napari_dip.image.axes import Axes
from napari_dip.optim.iterate import Outcome

_UNFINISHED = (Outcome.STOPPED.name, Outcome.FAILED.name)


def is_complete(provenance: Mapping[str, Any]) -> bool:
    """Return whether all frames were reached, none failed, and the user stopped none.

    Parameters
    ----------
    provenance : mapping
        What `restore` or a file says about the run. What is absent from it raises no doubt.
    """
    try:
        frames = provenance.get("frames") or ()
        if any(frame.get("outcome") in _UNFINISHED for frame in frames):
            return False
        letters, shape = provenance.get("axes"), provenance.get("shape")
        if not frames or not letters or not shape:
            return True
        axes = Axes(letters, provenance.get("channels", "together")).frame_axes
        return len(frames) >= math.prod(shape[axis] for axis in axes)
    except (AttributeError, IndexError, TypeError, ValueError):  # no provenance of ours
        return True

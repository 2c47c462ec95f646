"""What a method began with, and what is left of the data before and after, as layers."""

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from napari_dip.optim.iterate import Outcome
from napari_dip.plugin.layers import KEY
from napari_dip.plugin.runs.run import Run

if TYPE_CHECKING:
    from napari_dip.plugin.runs.run import Residuals

_SHOWN = 99.5  # percent of the residual's absolute values


class BeginningLayers:
    """Three hidden layers, held by identity, to be compared with the restored one.

    Parameters
    ----------
    viewer : Viewer
        Where they are shown.
    run : Run
        Whose method began with something that is worth keeping, such as the output of a network.
    restored : Image
        What it came to; the beginning is put right below it, and looks alike.
    pixels : ndarray
        What the method began with, of the restored image's dtype.
    residuals : Residuals
        What both leave of the data.
    origin : dict
        How the restored image was made, as plain JSON values.
    """

    def __init__(
        self,
        viewer: Any,
        run: Run,
        restored: Image,
        pixels: np.ndarray,
        residuals: "Residuals",
        origin: dict[str, Any],
    ) -> None:
        self._viewer = viewer
        self.beginning = Image(
            pixels,
            name=f"{run.inputs.name} network output",
            rgb=run.inputs.rgb,
            multiscale=False,
            visible=False,
            metadata={KEY: _begun(origin)},
            **run.placement,
            **run.inputs.looks,
        )
        viewer.layers.insert(viewer.layers.index(restored), self.beginning)
        limit = span(residuals.before, residuals.after)  # one for both, so that they can be compared
        self.before, self.after = (
            viewer.add_image(
                left,
                name=f"{run.inputs.name}: residual {when}{residuals.remark}",
                visible=False,
                metadata={KEY: {"map": f"residual {when}", "of": restored.name, "run": origin}},
                **looks(limit),
                **run.inputs.placement,
            )
            for when, left in (("before", residuals.before), ("after", residuals.after))
        )

    @property
    def layers(self) -> tuple[Image, ...]:
        """All of them."""
        return self.beginning, self.before, self.after

    def renew(self, residual: np.ndarray) -> None:
        """Show what another restored image leaves of the data."""
        if self.after in self._viewer.layers:
            self.after.data = residual


def span(*residuals: np.ndarray) -> float:
    """Return how far the grey levels of residuals reach to both sides of 0, but for the outermost ones."""
    seen = np.concatenate([np.abs(left[np.isfinite(left)]) for left in residuals])
    return float(np.percentile(seen, _SHOWN)) if seen.any() else 1.0


def looks(limit: float) -> dict[str, Any]:
    """Return what a residual looks like that reaches so far to both sides of 0."""
    return {"colormap": "gray", "contrast_limits": (-limit, limit)}


def _begun(origin: dict[str, Any]) -> dict[str, Any]:
    """Return how to come to what a run began with."""
    none = {"outcome": Outcome.COMPUTED.name, "iterations": 0, "score": None, "criterion": None, "note": ""}
    return {
        **origin,
        "method": {**origin["method"], "action": "network"},
        "stop_after": None,
        "frames": [{**frame, **none} for frame in origin["frames"]],
    }

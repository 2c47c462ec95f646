"""The output of a pretrained network, and the residuals before and after its correction, as layers."""

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image

from napari_dip.optim.iterate import Outcome
from napari_dip.plugin.layers import KEY
from napari_dip.plugin.runs.run import Run

if TYPE_CHECKING:
    from napari_dip.plugin.runs.run import Residuals

_SHOWN = 99.5  # percent of the residual's absolute values


class BaselineLayers:
    """Three hidden layers to compare the restored image with. They are held by identity.

    Parameters
    ----------
    viewer : Viewer
        The viewer that shows them.
    run : Run
        The run of a pretrained network.
    restored : Image
        The layer of the restored image. The network's output lies right below it and has the same appearance.
    pixels : ndarray
        The network's output, in the dtype of the restored image.
    residuals : Residuals
        The residuals of the network's output and of the restored image.
    origin : dict
        The provenance of the restored image, as plain JSON values.
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
        self.output = Image(
            pixels,
            name=f"{run.inputs.name} network output",
            rgb=run.inputs.rgb,
            multiscale=False,
            visible=False,
            metadata={KEY: _provenance_of_output(origin)},
            **run.placement,
            **run.inputs.appearance,
        )
        viewer.layers.insert(viewer.layers.index(restored), self.output)
        limit = span(residuals.before, residuals.after)  # the same for both, so that they can be compared
        self.before, self.after = (
            viewer.add_image(
                left,
                name=f"{run.inputs.name}: residual {when}{residuals.remark}",
                visible=False,
                metadata={KEY: {"map": f"residual {when}", "of": restored.name, "run": origin}},
                **appearance(limit),
                **run.inputs.placement,
            )
            for when, left in (("before", residuals.before), ("after", residuals.after))
        )

    @property
    def layers(self) -> tuple[Image, ...]:
        """All three layers."""
        return self.output, self.before, self.after

    def update(self, residual: np.ndarray) -> None:
        """Show the residual of another restored image."""
        if self.after in self._viewer.layers:
            self.after.data = residual


def span(*residuals: np.ndarray) -> float:
    """Return the absolute value below which nearly all values of residuals lie."""
    seen = np.concatenate([np.abs(left[np.isfinite(left)]) for left in residuals])
    return float(np.percentile(seen, _SHOWN)) if seen.any() else 1.0


def appearance(limit: float) -> dict[str, Any]:
    """Return how a residual is shown whose values reach to this limit on both sides of 0."""
    return {"colormap": "gray", "contrast_limits": (-limit, limit)}


def _provenance_of_output(origin: dict[str, Any]) -> dict[str, Any]:
    """Return the provenance of a network's output, from that of the restored image."""
    none = {"outcome": Outcome.COMPUTED.name, "iterations": 0, "score": None, "criterion": None, "note": ""}
    return {
        **origin,
        "method": {**origin["method"], "action": "network"},
        "stop_after": None,
        "frames": [{**frame, **none} for frame in origin["frames"]],
    }

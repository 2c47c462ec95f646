"""The standard error of a restored image and the sources that were put back, as layers on its pixels."""

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import Colormap

from napari_dip.plugin.layers import KEY
from napari_dip.plugin.results.baseline import span

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_dip.plugin.runs.run import Run
    from napari_dip.restoration.result import Restoration

#: Black where nothing was put back, so that the layer can be added to the image below it.
_SIGNED = Colormap([[0, 0.6, 1], [0, 0, 0], [1, 0.6, 0]], name="blue-black-orange")


def add_details(
    viewer: Any, run: "Run", restoration: "Restoration", *, name: str, origin: dict[str, Any]
) -> "list[Image]":
    """Add what a restored image tells of its pixels as hidden layers, and return them.

    Parameters
    ----------
    viewer : Viewer
        The viewer that shows them.
    run : Run
        The run. Of an RGB image, the mean over its colours is shown.
    restoration : Restoration
        What the run returned.
    name : str
        Name of the restored image, with which the names of the layers begin.
    origin : dict
        The provenance of the restored image, as plain JSON values.
    """

    def added(what: str, values: np.ndarray, meaning: str, **appearance: Any) -> "Image":
        metadata = {"map": what, "meaning": meaning, "unit": "grey levels", "of": name, "run": origin}
        return viewer.add_image(
            values,
            name=f"{name}: {what}{run.residual_remark}",
            visible=False,
            metadata={KEY: metadata},
            **appearance,
            **run.placement,
        )

    layers = []
    if restoration.uncertainty is not None:
        errors = _shown(restoration.uncertainty.standard_error, run)
        meaning = "Standard error of each pixel."
        limits = (0, span(errors))
        layers.append(added("standard error", errors, meaning, colormap="magma", contrast_limits=limits))
    if restoration.recovered_sources is not None:
        sources = _shown(restoration.recovered_sources, run)
        limit = float(np.nanmax(np.abs(sources))) or 1.0
        appearance = {"colormap": _SIGNED, "contrast_limits": (-limit, limit), "blending": "additive"}
        meaning = "Faint sources that the run put back. Its restored image contains them."
        layers.append(added("recovered sources", sources, meaning, **appearance))
    return layers


def _shown(values: np.ndarray, run: "Run") -> np.ndarray:
    return values.mean(-1) if run.inputs.rgb else values

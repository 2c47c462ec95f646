"""A filter's parameters as maps to look at."""

from functools import partial

from torch import Tensor

from napari_dip.pkn.filtering import Filtering
from napari_dip.solver.iterate import Map

NOISE_LEFT = "noise left"


def maps_of(filtering: Filtering) -> dict[str, Map]:
    """Return the parameters by name, and the share of the noise that is left."""
    maps = {
        parameter.name: Map(
            parameter.meaning,
            parameter.unit,
            parameter.low,
            parameter.high,
            partial(_parameter, filtering, at),
        )
        for at, parameter in enumerate(filtering.kernel.parameters)
    }
    meaning = "Share of the noise's standard deviation that is left, by the weights alone."
    return {**maps, NOISE_LEFT: Map(meaning, "noise", 0.0, 1.0, filtering.noise_left)}


def _parameter(filtering: Filtering, at: int) -> Tensor:
    return filtering.parameters()[0, at]

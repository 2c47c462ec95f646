"""The maps of a filter's parameters, as layers on the pixels of the restored image."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.pkn.maps import NOISE_GAIN, elongations
from napari_dip.plugin.layers import KEY
from napari_dip.plugin.results.map_region import region_in

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Shapes, Vectors

    from napari_dip.restoration.result import RestoredMap

_UNITS = {"noise": "σ", "blur": "× blur"}
_SHOWN = (1, 99)  # percentiles of the values


class MapLayers:
    """One layer for each map, and vectors that show where the filter is elongated.

    Layers are held by identity.

    Parameters
    ----------
    viewer : Viewer
        The viewer that shows them.
    maps : mapping of str to RestoredMap
        The maps of a restored image.
    name : str
        Name of the source layer, with which the names of the layers begin.
    placement : dict
        Where the restored image lies, as napari's arguments.
    channel : int, optional
        The channel axis of the restored image, which the maps lack. Each channel shows the same map.
    channels : int
        The number of channels.
    origin : dict
        The restored image that the maps belong to, as plain JSON values for the metadata of the layers.
    """

    def __init__(
        self,
        viewer: Any,
        maps: "Mapping[str, RestoredMap]",
        *,
        name: str,
        placement: dict[str, Any],
        channel: int | None,
        channels: int,
        origin: dict[str, Any],
    ) -> None:
        self._viewer, self.maps, self._name = viewer, maps, name
        self._placement, self._channel, self._channels = placement, channel, channels
        self._origin = origin
        self.layers: dict[str, Image] = {key: self._added(key, one) for key, one in maps.items()}
        self.vectors: Vectors | None = None
        self.draw_vectors()

    @property
    def parameters(self) -> list[str]:
        """The names of the maps that can be applied again."""
        return [name for name in self.maps if name != NOISE_GAIN]

    def values(self, name: str) -> np.ndarray:
        """Return the pixels of a map's layer. If the layer was removed, return the map as predicted."""
        layer = self.layers[name]
        if layer not in self._viewer.layers:
            return self.maps[name].values
        data = np.asarray(layer.data, np.float32)
        if self._channel is not None and data.ndim > self._channel:
            return np.take(data, 0, self._channel)
        return data

    def region(self, layer: "Labels | Shapes | None", name: str) -> np.ndarray:
        """Return the pixels of a map that a layer marks.

        Raises
        ------
        ValueError
            No pixel of the map is marked.
        """
        region = region_in(layer, self.layers[name])
        return region if self._channel is None else np.take(region, 0, self._channel)

    def show(self, name: str | None) -> None:
        """Show one map and hide the others. Without a name, hide all."""
        for other, layer in self.layers.items():
            layer.visible = other == name
        if self.vectors is not None and name is None:
            self.vectors.visible = False

    def edit(self, name: str, values: np.ndarray) -> None:
        """Show other values. If the layer was removed, show them in a new one."""
        if self.layers[name] in self._viewer.layers:
            self.layers[name].data = self._spread(values)
        else:
            self.layers[name] = self._added(name, self.maps[name], values)
        if name in ("a", "b"):
            self.draw_vectors()

    def draw_vectors(self) -> None:
        """Show the direction and the elongation of the filter, if the maps a and b give them."""
        if not {"a", "b"} <= set(self.maps):
            return
        a, b = self.values("a"), self.values("b")
        vectors, ratios, side = [], [], 1
        for frame in np.ndindex(a.shape[:-2]):
            found = elongations(a[frame], b[frame])
            side = found.side
            halves = found.directions * side / 2
            ends = np.stack([found.positions - halves, 2 * halves], 1)  # (N, start and vector, axes)
            fixed = np.zeros((len(ends), 2, len(frame)))
            fixed[:, 0] = frame
            vectors.append(self._spread_vectors(np.concatenate([fixed, ends], -1)))
            ratios.append(np.tile(found.ratios, len(vectors[-1]) // max(len(ends), 1)))
        data, features = np.concatenate(vectors), {"ratio": np.concatenate(ratios)}
        if self.vectors is not None and self.vectors in self._viewer.layers:
            self.vectors.data, self.vectors.features = data, features
        elif self.vectors is None:
            self.vectors = self._viewer.add_vectors(
                data,
                name=f"{self._name}: elongation",
                features=features,
                edge_width=side / 8,
                vector_style="line",
                edge_color="#ffb000",
                visible=False,
                metadata={KEY: {"map": "elongation", **self._origin}},
                **self._placement,
            )

    def _added(self, name: str, one: "RestoredMap", values: np.ndarray | None = None) -> "Image":
        unit = f" ({_UNITS.get(one.unit, one.unit)})" if one.unit else ""
        return self._viewer.add_image(
            self._spread(one.values if values is None else values),
            name=f"{self._name}: {name}{unit}",
            visible=False,
            metadata={KEY: {"map": name, "meaning": one.meaning, "unit": one.unit, **self._origin}},
            **_appearance(name, one),
            **self._placement,
        )

    def _spread(self, values: np.ndarray) -> np.ndarray:
        """Return a map with a channel axis, along which it is the same."""
        if self._channel is None:
            return np.array(values, np.float32)
        whole = np.expand_dims(values, self._channel)
        shape = list(whole.shape)
        shape[self._channel] = self._channels
        return np.broadcast_to(whole, shape)

    def _spread_vectors(self, vectors: np.ndarray) -> np.ndarray:
        if self._channel is None:
            return vectors
        copies = []
        for channel in range(self._channels):
            whole = np.insert(vectors, self._channel, 0, axis=-1)
            whole[:, 0, self._channel] = channel
            copies.append(whole)
        return np.concatenate(copies)


def _appearance(name: str, one: "RestoredMap") -> dict[str, Any]:
    """Return colormap and contrast limits: the range of the values, centred on the neutral value if any."""
    if name == NOISE_GAIN:
        return {"colormap": "magma", "contrast_limits": (one.low, one.high)}
    seen = one.values[np.isfinite(one.values)]
    low, high = np.percentile(seen, _SHOWN) if seen.size else (one.low, one.high)
    if one.neutral is not None:
        limit = max(abs(low - one.neutral), abs(high - one.neutral), 1e-3)
        return {"colormap": "PiYG", "contrast_limits": (one.neutral - limit, one.neutral + limit)}
    if high <= low:
        low, high = one.low, one.high
    return {"colormap": "viridis", "contrast_limits": (low, high)}

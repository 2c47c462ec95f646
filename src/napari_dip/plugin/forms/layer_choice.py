"""A list of a viewer's layers, of which one is chosen. Layers are held by identity, not by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Layer


class LayerChoice(QComboBox):
    """The layers of one kind. The list follows layers that are added, removed, renamed and moved.

    Parameters
    ----------
    layers : LayerList
        The layers of a viewer.
    wanted : callable
        Tells whether a layer can be chosen.
    nothing : str
        What the first entry says, which stands for no layer.
    """

    chosen = Signal()
    #: The pixels of the chosen layer, or its axes, have changed.
    edited = Signal()

    def __init__(self, layers: "LayerList", wanted: Callable[[Any], bool], nothing: str) -> None:
        super().__init__()
        self._layers, self._wanted, self._nothing = layers, wanted, nothing
        self._shown: list[Layer] = []
        self._followed: list[Any] = []
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self._events = [getattr(layers.events, name) for name in ("inserted", "removed", "reordered")]
        for event in self._events:
            event.connect(self._update)
        self.activated.connect(self._choice_made)
        self._update()

    @property
    def layer(self) -> "Layer | None":
        """The chosen layer."""
        if not self._shown:  # also after release, when the widget may no longer exist
            return None
        at = self.currentIndex()
        return self._shown[at - 1] if at > 0 else None

    def choose(self, layer: "Layer | None") -> None:
        """Choose a layer, if it is in the list, or None."""
        if layer is not self.layer and (layer is None or layer in self._shown):
            self.setCurrentIndex(0 if layer is None else self._shown.index(layer) + 1)
            self._choice_made()

    def release(self) -> None:
        """Stop following the viewer."""
        for event in self._events:
            event.disconnect(self._update)
        for layer in self._shown:
            layer.events.name.disconnect(self._update)
        self._events, self._shown = [], []
        self._follow(None)

    def _choice_made(self, _: int = 0) -> None:
        self._follow(self.layer)
        self.chosen.emit()

    def _follow(self, layer: "Layer | None") -> None:
        """Listen to changes of a layer's pixels and axes."""
        for event in self._followed:
            event.disconnect(self._edit)
        names = ("data", "paint", "labels_update", "axis_labels", "scale", "units")
        found = [] if layer is None else [getattr(layer.events, name, None) for name in names]
        self._followed = [event for event in found if event is not None]
        for event in self._followed:
            event.connect(self._edit)

    def _edit(self, event: Any = None) -> None:
        self.edited.emit()

    def _update(self, event: Any = None) -> None:
        before = self.layer
        for layer in self._shown:
            layer.events.name.disconnect(self._update)
        self._shown = [layer for layer in reversed(self._layers) if self._wanted(layer)]
        for layer in self._shown:
            layer.events.name.connect(self._update)
        blocked = self.blockSignals(True)
        self.clear()
        self.addItems([self._nothing, *(layer.name for layer in self._shown)])
        self.setCurrentIndex(self._shown.index(before) + 1 if before in self._shown else 0)
        self.blockSignals(blocked)
        if self.layer is not before:
            self._choice_made()

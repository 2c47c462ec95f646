"""Edits the maps of a filter's parameters, and applies them again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels, Shapes
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_dip.io import read
from napari_dip.io.parameter_maps import read_maps
from napari_dip.pkn.editing import scaled, set_to, smoothed
from napari_dip.plugin.forms.fields import Entry
from napari_dip.plugin.forms.layer_choice import LayerChoice
from napari_dip.plugin.forms.layout import Rows, WrappedLabel, vertical
from napari_dip.plugin.results.maps import MapLayers
from napari_dip.restoration.text import sentence

_FILES = "Images (*.tif *.tiff *.npy *.png);;All files (*)"


class MapEditor(QWidget):
    """Shows the maps of a result, changes them inside a region, and applies them.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose Labels and Shapes layers can mark the region.
    """

    #: All maps by name, which are to be applied.
    applied = Signal(object)
    #: A sentence for the user.
    said = Signal(str)
    #: An error, as an exception.
    failed = Signal(object)

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._maps: MapLayers | None = None
        self.choice = QComboBox()
        self.choice.setPlaceholderText("choose a map")
        self.choice.setToolTip("The map to show and to change.")
        self._meaning = WrappedLabel()
        self.region = LayerChoice(
            viewer.layers, lambda layer: isinstance(layer, (Labels, Shapes)), "everywhere"
        )
        self.region.setToolTip(
            "<qt>The part of the map to change: inside the labels of a Labels layer, or inside the shapes of "
            "a Shapes layer.</qt>"
        )
        self.number = Entry(
            float, "The number for Set (a value), Scale (a factor) and Smooth (a width in pixels)."
        )
        self.number.set(1.0)
        self.set = _button("Set", "Set the map to this value, in the unit of the map.")
        self.scale = _button("Scale", "Multiply the map by this number.")
        self.smooth = _button(
            "Smooth", "Smooth the map with a Gaussian of this standard deviation, in pixels."
        )
        self.load = _button("Load…", "Replace this map, or all maps, by those in a file.")
        self.reset = _button("Reset", "Restore all maps as they were predicted.")
        self.apply = _button("Apply maps", "Add the image that the maps give as they are now.")

        rows = Rows()
        rows.add("Map", self.choice)
        rows.addRow(self._meaning)
        rows.add("Inside", self.region)
        change = QWidget()
        line = QHBoxLayout(change)
        line.setContentsMargins(0, 0, 0, 0)
        self.number.setMaximumWidth(70)
        for widget in (self.number, self.set, self.scale, self.smooth):
            line.addWidget(widget)
        rows.add("Number", change)
        column = vertical(self)
        column.addLayout(rows)
        buttons = QHBoxLayout()
        for button in (self.load, self.reset, self.apply):
            buttons.addWidget(button)
        column.addLayout(buttons)
        self.choice.activated.connect(self._chosen)
        self.number.changed.connect(self._enable)
        self.set.clicked.connect(lambda: self._change(set_to))
        self.scale.clicked.connect(lambda: self._change(scaled))
        self.smooth.clicked.connect(lambda: self._change(smoothed))
        self.load.clicked.connect(self._load)
        self.reset.clicked.connect(self._reset)
        self.apply.clicked.connect(self._apply)

    def show_maps(self, maps: MapLayers | None) -> None:
        """Offer the maps of another result."""
        if maps is self._maps:
            return
        self._maps = maps
        with QSignalBlocker(self.choice):
            self.choice.clear()
            for name in () if maps is None else maps.parameters:
                self.choice.addItem(name)
                meaning = maps.maps[name].meaning if maps is not None else ""
                self.choice.setItemData(self.choice.count() - 1, meaning, Qt.ItemDataRole.ToolTipRole)
            self.choice.setCurrentIndex(-1)
        self._describe()
        self._enable()

    def release(self) -> None:
        """Stop following the viewer."""
        self.region.release()
        self._maps = None

    @property
    def _name(self) -> str:
        return self.choice.currentText()

    def _chosen(self, _: int = 0) -> None:
        if self._maps is not None:
            self._maps.show(self._name)
        self._describe()
        self._enable()

    def _describe(self) -> None:
        text = ""
        if self._maps is not None and self._name:
            one = self._maps.maps[self._name]
            text = f"{one.meaning} From {one.low:g} to {one.high:g}{one.unit and f' {one.unit}'}."
        self._meaning.setText(text)
        self._meaning.setVisible(bool(text))

    def _enable(self) -> None:
        reason = ""
        try:
            _ = self.number.value
        except ValueError as error:
            reason = str(error)
        self.number.show_error(reason)
        for button in (self.set, self.scale, self.smooth):
            button.setEnabled(bool(self._name) and not reason)
        self.load.setEnabled(bool(self._name))

    def _change(self, how: Callable[[np.ndarray, np.ndarray, float], np.ndarray]) -> None:
        maps, name = self._maps, self._name
        if maps is None or not name:
            return
        try:
            values, wanted = maps.values(name), maps.maps[name].values.shape
            if values.shape != wanted:
                raise ValueError(f"the map {name} must have shape {wanted}, got {values.shape}: press Reset")
            changed = how(values, maps.region(self.region.layer, name), self.number.value)
        except ValueError as error:  # there is nothing to change
            self.said.emit(sentence(str(error)))
            return
        one = maps.maps[name]
        within = changed.clip(one.low, one.high)
        maps.edit(name, within)
        beyond = int(((within != changed) & np.isfinite(changed)).sum())
        limits = f"{one.low:g} and {one.high:g}"
        self.said.emit(f"{beyond} values were clipped to the limits {limits}." if beyond else "")

    def _load(self) -> None:
        maps = self._maps
        path, _ = QFileDialog.getOpenFileName(self, "Load a map", "", _FILES)
        if maps is None or not path:
            return
        try:
            data = read(Path(path)).data
            if data.shape == maps.values(self._name).shape:
                found = {self._name: data}
            else:
                found = read_maps(Path(path), maps.parameters)
        except (ValueError, OSError) as error:
            self.failed.emit(error)
            return
        for name, values in found.items():
            maps.edit(name, np.asarray(values, np.float32))
        self.said.emit(f"Loaded: {', '.join(found)}.")

    def _reset(self) -> None:
        maps = self._maps
        for name in () if maps is None else maps.parameters:
            maps.edit(name, maps.maps[name].values)  # type: ignore[union-attr]

    def _apply(self) -> None:
        maps = self._maps
        if maps is not None:
            maps.show(None)
            self.applied.emit({name: np.array(maps.values(name)) for name in maps.parameters})


def _button(title: str, tooltip: str) -> QPushButton:
    button = QPushButton(title)
    button.setToolTip(tooltip)
    return button

"""The part of the dock that says what is to be restored."""

from typing import Any

from napari.layers import Image, Labels, Shapes
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QSpinBox, QWidget

from napari_dip.area import Area, written
from napari_dip.axes import Axes
from napari_dip.plugin.fields import Entry, Field
from napari_dip.plugin.inputs import Inputs, captured, drawn_area, shape_of, visible_area
from napari_dip.plugin.layers import LayerChoice
from napari_dip.plugin.layout import Rows, fold

_ROLES = {
    "spatial": "spatial",
    "channel": "channel",
    "looped": "one after another",
}
_WHOLE, _VIEW, _SAME = "whole image", "current view", "as before"


class _Choice(Field):
    """A widget of a viewer's layers, with a place for what is wrong."""

    def __init__(self, tooltip: str, widget: QWidget) -> None:
        super().__init__(tooltip)
        self.row.addWidget(widget)


class SourceForm(QWidget):
    """Image, axes, area and missing pixels.

    Parameters
    ----------
    viewer : Viewer
        Whose layers are offered.
    """

    changed = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._axes: Axes | None = None
        self._same_area: Area | None = None
        self._expected: tuple[Axes, Area | None] | None = None
        self._drawn: list[tuple[Any, Any]] = []
        layers = viewer.layers
        self.image = LayerChoice(layers, lambda layer: isinstance(layer, Image), "choose an image")
        self.mask = LayerChoice(layers, lambda layer: isinstance(layer, Labels), "none")
        self.label = QSpinBox()
        self.label.setRange(0, 2**31 - 1)
        self.label.setSpecialValueText("all labels")
        self.saturated = Entry(float | None, "Grey level from which on pixels are missing, such as 65535.")
        self.area = QComboBox()
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.roles = fold("Axes")
        self._role_rows = Rows()
        self.roles.content().layout().addLayout(self._role_rows)
        self._roles: list[QComboBox] = []
        self.channels = QComboBox()

        self._image = _Choice("The layer to restore. It is never changed.", self.image)
        self._mask = _Choice(
            "Labels layer that marks missing pixels. It need not have the image's size: it is laid over the "
            "image as you see it, and a plane serves every plane and frame. NaN pixels are always missing.",
            self.mask,
        )
        self._area = _Choice(
            "What to restore: all of it, what the canvas shows now (of a series, the current frame), or the "
            "selected rectangle of a Shapes layer.",
            self.area,
        )
        self._axes_field = _Choice("What each axis of the layer is.", self.words)
        self._label = _Choice(
            "All labels are missing pixels, or only those with this number (down to 0 for all).", self.label
        )
        self._rows = rows = Rows(self)
        rows.add("Layer", self._image)
        rows.add("", self._axes_field)
        rows.addRow(self.roles)
        rows.add("Area", self._area)
        rows.add("Missing", self._mask)
        rows.add("Label", self._label)
        rows.add("Saturated ≥", self.saturated)
        self._offer_areas()

        self.image.chosen.connect(self._image_chosen)
        self.mask.chosen.connect(self._mask_chosen)
        self.image.edited.connect(self._image_edited)
        self.mask.edited.connect(self._tell)
        self.label.valueChanged.connect(self._tell)
        self.saturated.changed.connect(self._tell)
        self.area.activated.connect(self._tell)
        self._followed = [
            (layers.events.inserted, self._offer_areas),
            (layers.events.removed, self._offer_areas),
            (viewer.scene.camera.events, self._view_moved),
            (viewer.dims.events, self._view_moved),
        ]
        for event, slot in self._followed:
            event.connect(slot)
        self._image_chosen()
        self._mask_chosen()

    def release(self) -> None:
        """Stop following the viewer."""
        for event, slot in self._followed:
            event.disconnect(slot)
        self._followed = []
        self._follow_shapes([])
        for choice in (self.image, self.mask):
            choice.release()

    @property
    def saturation(self) -> float | None:
        """Grey level from which on pixels are missing."""
        value: float | None = self.saturated.value
        return value

    def problems(self) -> list[str]:
        """Mark the fields that are wrong, and return the reasons."""
        image, mask = self.image.layer, self.mask.layer
        reasons = {
            self._image: "" if image is not None else "choose an image layer",
            self._axes_field: "",
            self._mask: "",
            self._area: "",
            self.saturated: "",
        }
        if image is not None:
            try:
                self._assigned()
            except ValueError as error:
                reasons[self._axes_field] = str(error)
            if mask is not None and mask.ndim > image.ndim:
                reasons[self._mask] = f"it has {mask.ndim} axes, the image only {image.ndim}"
            try:
                self.region()
            except ValueError as error:
                reasons[self._area] = str(error)
        try:
            _ = self.saturation
        except ValueError as error:
            reasons[self.saturated] = str(error)
        for field, reason in reasons.items():
            field.complain(reason)
        return [reason for reason in reasons.values() if reason]

    def complain(self, argument: str, reason: str) -> None:
        """Mark the field of an argument of `solve` as wrong."""
        fields = {"missing": self._mask, "axes": self._axes_field, "saturated": self.saturated}
        fields.get(argument, self._image).complain(reason)

    def region(self) -> Area | None:
        """Return the chosen area, or None for all of the image."""
        image, axes = self.image.layer, self._axes
        chosen = self.area.currentData()
        if chosen is None or image is None or axes is None:
            return None
        if chosen == _SAME:
            return self._fitting(self._same_area, image)
        area = visible_area(image, axes, self._viewer) if chosen == _VIEW else drawn_area(image, chosen)
        return None if area == tuple((0, size) for size in shape_of(image)) else area

    def _fitting(self, area: Area | None, image: Image) -> Area | None:
        shape = shape_of(image)
        if area is not None and (
            len(area) != len(shape) or any(stop > size for (_, stop), size in zip(area, shape, strict=True))
        ):
            raise ValueError(f"the area {written(area)} doesn't fit the image's shape {shape}")
        return area

    def captured(self, *, copy: bool = True) -> Inputs:
        """Take a picture of what is to be restored, or a mere look at it where nothing is copied."""
        if self.image.layer is None or self._axes is None:
            raise ValueError("choose an image layer")
        return captured(
            self.image.layer,
            self._axes,
            area=self.region(),
            mask=self.mask.layer,
            label=self.label.value() or None,
            saturated=self.saturation,
            copy=copy,
        )

    def show_image(self, axes: Axes, area: Area | None, label: int | None, saturated: float | None) -> None:
        """Show what a recipe says of the image; axes and area wait until an image is chosen."""
        self.label.setValue(label or 0)
        self.saturated.set(saturated)
        self._expected = axes, area
        self._image_chosen()

    def _tell(self, *_: Any) -> None:
        self.changed.emit()

    def _mask_chosen(self) -> None:
        self._rows.setRowVisible(self._label, self.mask.layer is not None)
        self._tell()

    def _view_moved(self, event: Any = None) -> None:
        if self.area.currentData() == _VIEW:
            self._tell()

    def _image_chosen(self) -> None:
        layer = self.image.layer
        self._axes = None
        if layer is not None:
            try:
                self._axes = Axes.named(layer.axis_labels, colour=layer.rgb)
            except ValueError as error:
                self.words.setText(str(error))
        self._same_area = None
        if layer is not None and self._expected is not None:
            axes, self._same_area = self._expected
            self._expected = None
            if len(axes.letters) == len(shape_of(layer)):
                self._axes = axes
        self._offer_areas()
        self.area.setCurrentIndex(max(0, self.area.findData(_SAME)) if self._same_area else 0)
        self._offer_roles()
        self._tell()

    def _image_edited(self) -> None:
        """The layer has other data, or other axis labels."""
        layer = self.image.layer
        if layer is None or self._axes is None or len(self._axes.letters) != len(shape_of(layer)):
            self._image_chosen()
        else:
            self._offer_roles()
            self._tell()

    def _follow_shapes(self, layers: list[Shapes]) -> None:
        """Listen to what is drawn, and to new names."""
        for event, slot in self._drawn:
            event.disconnect(slot)
        self._drawn = [(layer.events.data, self._redrawn) for layer in layers]
        self._drawn += [(layer.events.name, self._offer_areas) for layer in layers]
        for event, slot in self._drawn:
            event.connect(slot)

    def _redrawn(self, event: Any = None) -> None:
        if isinstance(self.area.currentData(), Shapes):
            self._tell()

    def _offer_areas(self, event: Any = None) -> None:
        before = self.area.currentData()
        self.area.clear()
        self.area.addItem(_WHOLE, None)
        self.area.addItem(_VIEW, _VIEW)
        if self._same_area is not None:
            self.area.addItem(f"{_SAME}: {written(self._same_area)}", _SAME)
        shapes = [layer for layer in self._viewer.layers if isinstance(layer, Shapes)]
        self._follow_shapes(shapes)
        for layer in shapes:
            self.area.addItem(f"rectangle in {layer.name}", layer)
        for at in range(self.area.count()):
            if self.area.itemData(at) == before:
                self.area.setCurrentIndex(at)
        if self.area.currentData() != before:
            self._tell()

    def _offer_roles(self) -> None:
        while self._role_rows.rowCount():
            self._role_rows.removeRow(0)
        self._roles = []
        layer = self.image.layer
        self.roles.setVisible(layer is not None)
        if layer is None or self._axes is None:
            self.words.setText("" if layer is None else self.words.text())
            return
        names = [*layer.axis_labels, *(["colour"] if layer.rgb else [])]
        for name, size, role in zip(names, shape_of(layer), self._axes.roles, strict=True):
            choice = QComboBox()
            for value, text in _ROLES.items():
                choice.addItem(text, value)
            choice.setCurrentIndex(choice.findData(role))
            choice.activated.connect(self._roles_chosen)
            self._role_rows.add(f"{name} ({size})", choice)
            self._roles.append(choice)
        self.channels = QComboBox()
        for text, channels in (("fitted together", "together"), ("each alone", "alone")):
            self.channels.addItem(text, channels)
        self.channels.setCurrentIndex(self.channels.findData(self._axes.channels))
        self.channels.activated.connect(self._roles_chosen)
        self._role_rows.add("Channels", self.channels)
        self.roles.collapse(animate=False)
        self._describe()

    def _assigned(self) -> Axes:
        """Return the axes with the roles that are chosen."""
        if self._axes is None:
            raise ValueError("the axes can't be guessed: this needs an image with at least two")
        roles = [choice.currentData() for choice in self._roles]
        return self._axes.assigned(roles, self.channels.currentData())

    def _roles_chosen(self) -> None:
        try:
            self._axes = self._assigned()
        except ValueError:
            pass  # is shown by `problems`; the last possible axes stay
        else:
            self._describe()
        self._tell()

    def _describe(self) -> None:
        if self.image.layer is not None and self._axes is not None:
            described = self._axes.describe(shape_of(self.image.layer))
            self.words.setText(described)

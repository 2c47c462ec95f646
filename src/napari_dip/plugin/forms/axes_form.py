"""The part of the dock that says what each axis of a layer is."""

from typing import TYPE_CHECKING, get_args

from qtpy.QtWidgets import QComboBox

from napari_dip.image.axes import AmbiguousAxesError, Axes, Channels, Role
from napari_dip.plugin.forms.fields import Choice, Field
from napari_dip.plugin.forms.layout import Rows, WrappedLabel, fold
from napari_dip.plugin.layers import shape_of
from napari_dip.restoration.series import Following

if TYPE_CHECKING:
    from napari.layers import Image

_CHANNELS: dict[str, Channels] = {"together": "together", "separately": "separate"}
_SERIES: dict[str, Following] = {
    "from the previous frame": "warm_start",
    "same, drift corrected": "drift",
    "independently": "independent",
}


class AxesForm(Field):
    """The axes of a layer in words, and a fold in which they can be changed.

    If the shape does not tell what the last axis is, the user is asked. There are no axes before the answer.
    """

    def __init__(self) -> None:
        super().__init__("How the axes of the layer are restored. “Axes” changes their roles.")
        self._layer: Image | None = None
        self._axes: Axes | None = None
        self._asked: AmbiguousAxesError | None = None
        self.description = WrappedLabel()
        self.row.addWidget(self.description)
        self.answer = QComboBox()
        self.answer.setToolTip("What the last axis holds. Its length does not tell.")
        self.answer.activated.connect(self._answered)
        self.row.addWidget(self.answer)
        self.fold = fold("Axes")
        self.roles: list[QComboBox] = []
        self.rows, self._options = Rows(), Rows()
        for rows in (self.rows, self._options):
            self.fold.content().layout().addLayout(rows)
        self.channels = Choice(_CHANNELS, "Restore all channels together, or each as an image of its own.")
        self.series = Choice(
            _SERIES,
            "How each frame starts. From the previous frame: from what was learnt there, which is faster and "
            "steadier. Drift corrected: the same, for a scene that drifts as a whole, by whole pixels. "
            "Independently: each frame starts afresh.",
        )
        self._options.add("Channels", self.channels)
        self._options.add("Frames start", self.series)
        self.channels.changed.connect(self._chosen)
        self.series.changed.connect(self.changed)

    @property
    def axes(self) -> Axes | None:
        """The last axes that were possible, or None if there are none."""
        return self._axes

    @property
    def following(self) -> Following:
        """How a frame follows the one before."""
        return self.series.value if self._axes is not None and self._axes.frame_axes else "warm_start"

    def set_following(self, following: Following) -> None:
        """Show how a frame follows the one before."""
        self.series.set(following)

    def set_layer(self, layer: "Image | None", axes: Axes | None = None) -> None:
        """Show another layer with given axes, or with a guess where none are given or they don't fit."""
        self._layer, self._axes, self._asked = layer, None, None
        self.description.setText("")
        if layer is not None:
            shape = shape_of(layer)
            try:
                self._axes = Axes.named(layer.axis_labels, colour=layer.rgb, shape=shape)
            except AmbiguousAxesError as error:
                self._asked = error
            except ValueError as error:
                self.description.setText(str(error))
            if axes is not None and len(axes.letters) == len(shape):
                self._axes, self._asked = axes, None
        self.refresh()

    def refresh(self) -> None:
        """Show the present names and sizes of the layer's axes."""
        while self.rows.rowCount():
            self.rows.removeRow(0)
        self.roles = []
        self._ask()
        layer, axes = self._layer, self._axes
        self.fold.setVisible(axes is not None)
        if layer is None or axes is None:
            return
        names = [*layer.axis_labels, *(["colour"] if layer.rgb else [])]
        for at, (name, size, role) in enumerate(zip(names, shape_of(layer), axes.roles, strict=True)):
            choice = QComboBox()
            for value in get_args(Role):
                if at < layer.ndim or value != "spatial":  # the samples of RGB have no place in space
                    choice.addItem(value, value)
            choice.setCurrentIndex(choice.findData(role))
            choice.activated.connect(self._chosen)
            self.rows.add(f"{name} ({size})", choice)
            self.roles.append(choice)
        self.channels.set(axes.channels)
        self.fold.collapse(animate=False)
        self._describe()

    def assigned(self) -> Axes:
        """Return the axes with the roles that are chosen.

        Raises
        ------
        ValueError
            No image can have axes with these roles.
        """
        if self._asked is not None:
            raise ValueError(f"{self._asked.question}: choose what it is")
        if self._axes is None:
            raise ValueError("the axes can't be guessed: choose an image with at least two axes")
        roles = [choice.currentData() for choice in self.roles]
        return self._axes.assigned(roles, self.channels.value)

    def _ask(self) -> None:
        """Offer the answers to the question what the last axis is, if there is one."""
        self.answer.clear()
        self.answer.setVisible(self._asked is not None)
        self.description.setVisible(self._asked is None)
        if self._asked is not None:
            self.answer.addItem("choose what the last axis is")
            for letters in self._asked.choices:
                self.answer.addItem(self._asked.describe(letters), letters)

    def _answered(self) -> None:
        letters = self.answer.currentData()
        if letters is not None:
            self._axes, self._asked = Axes(letters), None
            self.refresh()
            self.changed.emit()

    def _chosen(self) -> None:
        try:
            self._axes = self.assigned()
        except ValueError:
            pass  # `SourceForm.problems` shows it; the last possible axes stay
        else:
            self._describe()
        self.changed.emit()

    def _describe(self) -> None:
        assert self._layer is not None
        assert self._axes is not None
        self.description.setText(self._axes.describe(shape_of(self._layer)))
        self._options.setRowVisible(self.channels, "channel" in self._axes.roles)
        self._options.setRowVisible(self.series, bool(self._axes.frame_axes))

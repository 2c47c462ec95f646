"""The part of the dock that says what each axis of a layer is."""

from typing import TYPE_CHECKING, get_args

from qtpy.QtWidgets import QComboBox, QLabel

from napari_dip.image.axes import Axes, Role
from napari_dip.plugin.forms.fields import Choice, Field
from napari_dip.plugin.forms.layout import Rows, fold
from napari_dip.plugin.layers import shape_of
from napari_dip.restoration.series import Following

if TYPE_CHECKING:
    from napari.layers import Image

_LOOPED = "one after another"
_CHANNELS = {"fitted together": "together", "each alone": "separate"}
_SERIES: dict[str, Following] = {
    "each starts from the last": "warm_start",
    "and drift is made up for": "drift",
    "each alone": "independent",
}


class AxesForm(Field):
    """The axes of a layer in words, and a fold in which they can be changed."""

    def __init__(self) -> None:
        super().__init__("What each axis of the layer is.")
        self._layer: Image | None = None
        self._axes: Axes | None = None
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.row.addWidget(self.words)
        self.fold = fold("Axes")
        self.roles: list[QComboBox] = []
        self.rows, self._how = Rows(), Rows()
        for rows in (self.rows, self._how):
            self.fold.content().layout().addLayout(rows)
        self.channels = Choice(_CHANNELS, "Channels are fitted as one image, or each as an image of its own.")
        self.series = Choice(
            _SERIES,
            "Each frame starts from what was learnt of the last one, which is faster and steadier; the same "
            "for a scene that drifts as a whole, by whole pixels; or each starts afresh.",
        )
        self._how.add("Channels", self.channels)
        self._how.add("Frames", self.series)
        self.channels.changed.connect(self._chosen)
        self.series.changed.connect(self.changed)

    @property
    def axes(self) -> Axes | None:
        """The axes as they were last possible; None where there are none."""
        return self._axes

    @property
    def following(self) -> Following:
        """How a frame follows the one before."""
        return self.series.value if self._axes is not None and self._axes.frame_axes else "warm_start"

    def set_following(self, following: Following) -> None:
        """Show how a frame follows the one before."""
        self.series.set(following)

    def begin(self, layer: "Image | None", axes: Axes | None = None) -> None:
        """Guess the axes of another layer, or take those that fit it."""
        self._layer, self._axes = layer, None
        self.words.setText("")
        if layer is not None:
            try:
                self._axes = Axes.named(layer.axis_labels, colour=layer.rgb)
            except ValueError as error:
                self.words.setText(str(error))
            if axes is not None and len(axes.letters) == len(shape_of(layer)):
                self._axes = axes
        self.look()

    def look(self) -> None:
        """Show the layer's axes as they are called now, and the sizes that they have."""
        while self.rows.rowCount():
            self.rows.removeRow(0)
        self.roles = []
        layer, axes = self._layer, self._axes
        self.fold.setVisible(axes is not None)
        if layer is None or axes is None:
            return
        names = [*layer.axis_labels, *(["colour"] if layer.rgb else [])]
        for at, (name, size, role) in enumerate(zip(names, shape_of(layer), axes.roles, strict=True)):
            choice = QComboBox()
            for value in get_args(Role):
                if at < layer.ndim or value != "spatial":  # colours are none of the layer's own axes
                    choice.addItem(_LOOPED if value == "frame" else value, value)
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
            They can't have these roles.
        """
        if self._axes is None:
            raise ValueError("the axes can't be guessed: this needs an image with at least two")
        roles = [choice.currentData() for choice in self.roles]
        return self._axes.assigned(roles, self.channels.value)

    def _chosen(self) -> None:
        try:
            self._axes = self.assigned()
        except ValueError:
            pass  # is shown by `SourceForm.problems`; the last possible axes stay
        else:
            self._describe()
        self.changed.emit()

    def _describe(self) -> None:
        assert self._layer is not None
        assert self._axes is not None
        self.words.setText(self._axes.describe(shape_of(self._layer)))
        self._how.setRowVisible(self.channels, "channel" in self._axes.roles)
        self._how.setRowVisible(self.series, bool(self._axes.frame_axes))

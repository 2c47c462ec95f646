"""What can be done with a restored layer."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSlider,
    QWidget,
)

from napari_dip.errors import FileError
from napari_dip.plugin.layout import Rows, vertical
from napari_dip.plugin.result import KEY, Result
from napari_dip.recipe import Recipe

if TYPE_CHECKING:
    from napari.layers import Layer

_STEPS = 100


class AfterPanel(QWidget):
    """Strength, residual, and how the layer was made, for whichever restored layer is selected."""

    #: The provenance of the layer that is to be made once more.
    again = Signal(object)
    #: A sentence for the user.
    said = Signal(str)

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._results: list[Result] = []
        self._provenance: dict[str, Any] | None = None
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.strength = QSlider(Qt.Orientation.Horizontal)
        self.strength.setRange(0, _STEPS)
        self.strength.setToolTip(
            "0 % is the original, 100 % the restored image. Missing pixels stay restored."
        )
        self._percent = QLabel("100 %")
        self.residual = QPushButton("Residual")
        self.residual.setToolTip("Add what was taken away as a layer: original minus restored.")
        self.repeat = QPushButton("Run again")
        self.repeat.setToolTip("Bring these settings into the dock, and run them.")
        self.copy = QPushButton("Copy as")
        self.copy.setToolTip("Copy what gives the same pixels again, to be pasted elsewhere.")
        menu = QMenu(self.copy)
        self.copy_python = menu.addAction("Python", self._copy_python)
        self.copy_command = menu.addAction("command line", self._copy_command)
        self.copy.setMenu(menu)

        column = vertical(self)
        column.addWidget(self.title)
        rows = Rows()
        slider = QWidget()
        line = QHBoxLayout(slider)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.strength)
        line.addWidget(self._percent)
        slider.setToolTip(self.strength.toolTip())
        rows.add("Strength", slider)
        column.addLayout(rows)
        buttons = QHBoxLayout()
        for button in (self.residual, self.repeat, self.copy):
            buttons.addWidget(button)
        column.addLayout(buttons)
        self.strength.valueChanged.connect(self._blend)
        self.residual.clicked.connect(self._add_residual)
        self.repeat.clicked.connect(lambda: self.again.emit(self._provenance))
        self._events = [viewer.layers.selection.events.active, viewer.layers.events.removed]
        for event in self._events:
            event.connect(self.look)
        self.look()

    def add(self, result: Result) -> None:
        """Take care of the result of a run that has ended."""
        self._results.append(result)
        self.look()

    def release(self) -> None:
        """Stop following the viewer."""
        for event in self._events:
            event.disconnect(self.look)
        self._events = []
        self._results = []

    def look(self, event: Any = None) -> None:
        """Show what can be done with the layer that is selected now."""
        self._results = [result for result in self._results if result.layer in self._viewer.layers]
        layer = self._viewer.layers.selection.active
        self._provenance = None if layer is None else _provenance(layer)
        self.setVisible(self._provenance is not None)
        if layer is None or self._provenance is None:
            return
        self.title.setText(f"<b>{layer.name}</b>")
        result = self._result
        for widget in (self.strength, self.residual):
            widget.setEnabled(result is not None)
        strength = _STEPS if result is None else round(result.strength * _STEPS)
        blocked = self.strength.blockSignals(True)
        self.strength.setValue(strength)
        self.strength.blockSignals(blocked)
        self._percent.setText(f"{strength} %")

    @property
    def _result(self) -> Result | None:
        """The result of this dock's that is selected, if its layer still has the pixels of the run."""
        layer = self._viewer.layers.selection.active
        return next((one for one in self._results if one.layer is layer and one.complete), None)

    def _blend(self, percent: int) -> None:
        self._percent.setText(f"{percent} %")
        if self._result is not None:
            self._result.blend(percent / _STEPS)

    def _add_residual(self) -> None:
        if self._result is not None:
            self._result.add_residual()

    def _copy_python(self) -> None:
        self._copy(lambda recipe, image, missing: recipe.python(image, missing), _expression)

    def _copy_command(self) -> None:
        def command(recipe: Recipe, image: str, missing: str | None) -> str:
            return recipe.command(image, f"{Path(image).stem} {recipe.task.done}.tif", missing)

        self._copy(command, _file)

    def _copy(self, write: Any, place: Any) -> None:
        provenance = self._provenance or {}
        source = provenance.get("source") or {}
        notes: list[str] = []
        image = place(source.get("layer"), source.get("path"), notes)
        mask = source.get("missing")
        missing = None if mask is None else place(mask["layer"], mask["path"], notes)
        if mask is not None and not mask.get("same_grid", True):
            notes.append("The mask lay on another grid than the image: bring it onto the image's grid first.")
        try:
            text = write(Recipe.of(provenance), image, missing)
        except ValueError as error:
            self.said.emit(str(error))
            return
        QApplication.clipboard().setText("".join(f"# {note}\n" for note in notes) + text)
        self.said.emit(" ".join(["Copied.", *notes]))


def _provenance(layer: "Layer") -> dict[str, Any] | None:
    """Return how a layer was made: from its metadata, or from the file that it was read from."""
    found: dict[str, Any] | None = layer.metadata.get(KEY)
    path = layer.source.path
    if found is None and path is not None and Path(path).is_file():
        from napari_dip.io import provenance

        try:
            found = provenance(Path(path))
        except FileError:  # napari could read it, so that is no concern of the user's
            return None
    return found if isinstance(found, dict) else None


def _expression(layer: str | None, path: str | None, notes: list[str]) -> str:
    """Return the Python expression for a layer's pixels."""
    return f"viewer.layers[{layer!r}].data" if layer or not path else f"read(Path({path!r})).data"


def _file(layer: str | None, path: str | None, notes: list[str]) -> str:
    """Return the file that holds a layer's pixels."""
    if path is not None and Path(path).is_file():
        return path
    name = f"{layer or 'image'}.tif"
    notes.append(f"Save the layer “{layer or 'image'}” as {name} first.")
    return name

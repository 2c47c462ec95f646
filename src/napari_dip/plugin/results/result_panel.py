"""What can be done with a restored layer."""

import contextlib
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSlider,
    QWidget,
)

from napari_dip.cli.command import command_line
from napari_dip.errors import FileError
from napari_dip.io import file_of
from napari_dip.plugin.forms.layout import Rows, WrappedLabel, beside, vertical
from napari_dip.plugin.layers import KEY
from napari_dip.plugin.results.diagnostics_panel import DiagnosticsPanel
from napari_dip.plugin.results.filter_panel import FilterPanel
from napari_dip.plugin.results.result import Result
from napari_dip.plugin.results.tuning_panel import TuningPanel
from napari_dip.presentation import words_of_task
from napari_dip.restoration.paper.methods_text import bibtex, methods_text
from napari_dip.restoration.provenance import Place, Provenance, Source
from napari_dip.restoration.recipe import Recipe
from napari_dip.restoration.text import comments, one_line, sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer

_STEPS = 100
#: Layers that can go with an image, by the argument of `restore`: what they are called, and whose grid they
#: have to be on.
_OTHERS = {
    "missing": ("mask", "image"),
    "noise_std": ("noise of each pixel", "image"),
    "guide": ("guide", "restored image"),
    "psf": ("point spread function", "image"),
}


class ResultPanel(QWidget):
    """What can be done with a restored layer: the one that is selected, or else the last result.

    Parameters
    ----------
    viewer : Viewer
        The viewer that shows the results.
    """

    #: The provenance of a layer whose run is to be repeated.
    repeat_requested = Signal(object)
    #: A result whose run is to be started.
    run_requested = Signal(object)
    #: A sentence for the user.
    said = Signal(str)
    #: An error, as an exception.
    failed = Signal(object)

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._results: list[Result] = []
        self._layer: Layer | None = None
        self._read: WeakKeyDictionary[Layer, dict[str, Any] | None] = WeakKeyDictionary()
        self.title = WrappedLabel()
        self.blend = QSlider(Qt.Orientation.Horizontal)
        self.blend.setRange(0, _STEPS)
        self.blend.setToolTip(
            "<qt>Mix the original and the restored image: 0 % shows the original, 100 % the restored image. "
            "Missing pixels stay restored.</qt>"
        )
        self._percent = QLabel("100 %")
        self.residual = QPushButton("Residual")
        self.residual.setToolTip(
            "<qt>Add the residual as a layer: the part of the data that the restored image does not "
            "explain.</qt>"
        )
        self.repeat = QPushButton("Run again")
        self.repeat.setToolTip("Show the settings of this layer in the dock, and run them again.")
        self.copy = QPushButton("Copy as")
        self.copy.setToolTip(
            "<qt>Copy a script or a command that gives the same pixels again, a description for the methods "
            "section of a paper, or the references that it cites.</qt>"
        )
        self.diagnostics = DiagnosticsPanel(viewer)
        self.filter, self.tuning = FilterPanel(viewer), TuningPanel(viewer)
        menu = QMenu(self.copy)
        self.copy_python = menu.addAction("Python", self._copy_python)
        self.copy_command = menu.addAction("Command line", self._copy_command)
        self.copy_methods = menu.addAction("Methods text", lambda: self._copy_text(methods_text))
        self.copy_bibtex = menu.addAction("BibTeX", lambda: self._copy_text(bibtex))
        self.copy.setMenu(menu)

        column = vertical(self)
        column.addWidget(self.title)
        column.addWidget(self.diagnostics)
        rows = Rows()
        rows.add("Blend", beside(self.blend, self._percent))
        column.addLayout(rows)
        buttons = QHBoxLayout()
        for button in (self.residual, self.repeat, self.copy):
            buttons.addWidget(button)
        column.addLayout(buttons)
        for panel in (self.filter, self.tuning):
            column.addWidget(panel)
            panel.said.connect(self.said)
            panel.failed.connect(self.failed)
            panel.changed.connect(lambda: self.diagnostics.show_result(self._result))
            panel.run_requested.connect(self.run_requested)
        self.blend.valueChanged.connect(self._blend)
        self.residual.clicked.connect(self._add_residual)
        self.repeat.clicked.connect(lambda: self.repeat_requested.emit(self._provenance))
        self._events = [viewer.layers.selection.events.active, viewer.layers.events.removed]
        for event in self._events:
            event.connect(self._update)
        self._update()

    def add(self, result: Result) -> None:
        """Add the result of a run that has ended."""
        self._results.append(result)
        self._update()

    def release(self) -> None:
        """Stop following the viewer."""
        for event in self._events:
            event.disconnect(self._update)
        self._events = []
        self._results = []
        self.diagnostics.release()
        self.filter.release()
        self.tuning.release()

    def _update(self, event: Any = None) -> None:
        """Show the restored layer that is selected, or else the last result."""
        self._results = [result for result in self._results if result.layer in self._viewer.layers]
        active = self._viewer.layers.selection.active
        results = self._results[::-1]
        owners = [one.layer for one in results if active in one.companions]
        offered = (active, *owners, *(one.layer for one in results))
        self._layer = next((layer for layer in offered if self._provenance_of(layer) is not None), None)
        self.setVisible(self._layer is not None)
        self.diagnostics.show_result(self._result)
        self.filter.show_result(self._result)
        self.tuning.show_result(self._result)
        if self._layer is None:
            return
        self.title.setText(f"<b>{self._layer.name}</b>")
        result = self._result
        for widget in (self.blend, self.residual):
            widget.setEnabled(result is not None)
        strength = _STEPS if result is None else round(result.strength * _STEPS)
        with QSignalBlocker(self.blend):
            self.blend.setValue(strength)
        self._percent.setText(f"{strength} %")

    @property
    def _provenance(self) -> dict[str, Any] | None:
        """The provenance of the layer that is shown. The panels change it."""
        return self._provenance_of(self._layer)

    def _provenance_of(self, layer: "Layer | None") -> dict[str, Any] | None:
        if layer is None:
            return None
        if layer not in self._read:
            self._read[layer] = _from_file(layer)
        found = layer.metadata.get(KEY, self._read[layer])
        return found if isinstance(found, dict) and "map" not in found else None

    @property
    def _result(self) -> Result | None:
        """The result that is shown, if it comes from this dock and its layer still has its pixels."""
        return next((one for one in self._results if one.layer is self._layer and one.complete), None)

    def _blend(self, percent: int) -> None:
        self._percent.setText(f"{percent} %")
        if self._result is not None:
            self._result.blend(percent / _STEPS)

    def _add_residual(self) -> None:
        if self._result is not None:
            self._result.add_residual()

    def _copy_python(self) -> None:
        self._copy(lambda recipe, image, others: recipe.python(image, **others), _expression)

    def _copy_command(self) -> None:
        def command(recipe: Recipe, image: str, others: dict[str, str]) -> str:
            return command_line(
                recipe, image, f"{Path(image).stem} {words_of_task(type(recipe.task)).result}.tif", **others
            )

        self._copy(command, _file)

    def _copy_text(self, describe: "Callable[[Any], str]") -> None:
        try:
            QApplication.clipboard().setText(describe(self._provenance))
        except ValueError as error:
            self.said.emit(sentence(str(error)))
            return
        self.said.emit("Copied.")

    def _copy(self, write: Any, place: Any) -> None:
        try:
            recipe, notes, image, others = _described(self._provenance, place)
            text = write(recipe, image, others)
        except ValueError as error:  # no script or command can say this
            self.said.emit(sentence(str(error)))
            return
        QApplication.clipboard().setText(comments(notes) + text)
        self.said.emit(" ".join(["Copied.", *notes]))


def _described(values: Any, place: Any) -> tuple[Recipe, list[str], str, dict[str, str]]:
    """Return a recipe, what the user should know about it, and the places of the image and of the others."""
    found, recipe = Provenance.of(values), Recipe.of(values)
    source = found.source
    notes = ["Its maps were edited: pass them as parameter maps."] if source.maps else []
    if found.tuned < 1:
        notes.append(f"Its network uses {found.tuned:.0%} of what it learnt. A repeated run uses all of it.")
    image = place(source, notes)
    others = {}
    for part, (name, of) in _OTHERS.items():
        beside: Place | None = getattr(source, part)
        if beside is not None:
            others[part] = place(beside, notes, part)
            if not beside.same_grid:
                notes.append(f"The {name} has other pixels than the {of}: resample it to them first.")
    return recipe, list(dict.fromkeys([*notes, *recipe.caveats])), image, others


def _from_file(layer: "Layer") -> dict[str, Any] | None:
    """Return the provenance of a layer from the file that it was read from, or None."""
    path = layer.source.path
    if path is None or not Path(path).is_file():
        return None
    from napari_dip.io import provenance

    try:
        return provenance(Path(path))
    except FileError:  # napari could read the file, so the user need not know
        return None


def _expression(place: Place | Source, notes: list[str], part: str = "image") -> str:
    """Return the Python expression for a layer's pixels."""
    if part == "noise_std" and place.path is not None:
        return f"read_noise_std(Path({place.path!r}))[0]"
    if not place.layer or _names_hdu(place.path):  # layers have the names of whole files
        return f"read(Path({place.path!r})).data"
    return f"viewer.layers[{place.layer!r}].data" + "[0]" * place.multiscale


def _file(place: Place | Source, notes: list[str], part: str = "image") -> str:
    """Return the file that holds a layer's pixels."""
    if isinstance(place, Place) and place.ratio:
        notes.append("Both files must state their pixel sizes, so that the PSF can be resampled.")
    with contextlib.suppress(OSError):  # the name may be too long for a file
        if place.path is not None and (Path(place.path).is_file() or _names_hdu(place.path)):
            return place.path
    layer = one_line(place.layer or "") or "image"
    name = re.sub(r"[/\\]", "_", f"{layer}.tif")
    # Quoted also in a comment: not every shell has comments at its prompt.
    notes.append(f"Save the layer {shlex.quote(layer)} as {shlex.quote(name)} first.")
    return name


def _names_hdu(path: str | None) -> bool:
    """Return whether a path is that of a FITS file and, in brackets, of an image in it."""
    with contextlib.suppress(OSError, ValueError):  # there is no such file
        return path is not None and file_of(Path(path)) != Path(path)
    return False

"""The dock that trains a kernel network: its images, its settings, and the file it is saved to."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QPushButton

from napari_dip.errors import InputError
from napari_dip.image.axes import AmbiguousAxesError, Axes
from napari_dip.pkn.settings import Training
from napari_dip.plugin.docks.job_dock import JobDock
from napari_dip.plugin.docks.job_panel import JobPanel
from napari_dip.plugin.docks.training_panel import TrainingPanel, TrainingWatch
from napari_dip.plugin.forms.fields import Choice
from napari_dip.plugin.forms.file_dialogs import KERNELS, ask_where
from napari_dip.plugin.forms.form import Form
from napari_dip.plugin.forms.layer_choice import LayerChoice
from napari_dip.plugin.forms.layout import Rows, Section
from napari_dip.plugin.layers import finest
from napari_dip.plugin.preferences import Preferences, remember_settings, remembered_settings
from napari_dip.plugin.runs.runner import Job, Queue
from napari_dip.restoration.text import sentence
from napari_dip.tasks import Denoise

if TYPE_CHECKING:
    from napari_dip.optim.stopping import StopRequested
    from napari_dip.pkn.network import TrainedNetwork
    from napari_dip.pkn.trainer import TrainingStep

_SYNTHETIC, _CLEAN, _NOISY = "synthetic images", "clean images", "a noisy image itself"


class TrainingDock(JobDock):
    """Trains a network that predicts the parameters of a filter, and saves it.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose images the network may learn from.
    queue : Queue, optional
        Where runs wait for each other. By default it is the queue of the viewer.
    """

    def __init__(self, viewer: Any, *, queue: Queue | None = None) -> None:
        super().__init__(viewer, queue, "Train")
        self._trained: TrainedNetwork | None = None
        self.form = Form(Training, ("kernel", "iterations"))
        self.origin = Choice(
            {name: name for name in (_SYNTHETIC, _CLEAN, _NOISY)},
            "What the network learns from: images made from a seed, clean images of yours, or a noisy image "
            "itself, for which no clean image is needed.",
        )
        self.clean = _ImageList(viewer.layers)
        self.noisy = LayerChoice(viewer.layers, lambda layer: isinstance(layer, Image), "choose an image")
        self.noise = Form(Denoise)
        self.save_button = QPushButton("Save…")
        self.save_button.setToolTip(
            "<qt>Save the network to a file. To use it, choose the file as “Weights” in the settings of the "
            "method.</qt>"
        )
        self._rows = Rows()
        self._rows.add("Learn from", self.origin)
        self._rows.add("Images", self.clean)
        self._rows.add("Image", self.noisy)
        self._rows.addRow(self.noise)
        images = Section("Images")
        images.column.addLayout(self._rows)
        self._lay_out(images, Section("Network", self.form), after=self.save_button)
        if (last := remembered_settings(Training)) is not None:
            self.form.set(last)
        for part in (self.form, self.origin, self.noise):
            part.changed.connect(self._changed)
        self.clean.itemChanged.connect(self._changed)
        self.noisy.chosen.connect(self._changed)
        self.run_button.clicked.connect(self.train)
        self.save_button.clicked.connect(self.save)
        self._follow(self.clean, self.noisy)
        self._keep(None)
        self._changed()

    def choose_image(self, layer: Any) -> None:
        """Choose a layer as an image to learn from."""
        self.clean.choose(layer)
        self.noisy.choose(layer)

    def _changed(self, *_: Any) -> None:
        """Mark the fields that are wrong."""
        chosen = self.origin.value
        for widget, origin in ((self.clean, _CLEAN), (self.noisy, _NOISY), (self.noise, _NOISY)):
            self._rows.setRowVisible(widget, chosen == origin)
        reasons = self.form.problems()
        if chosen == _NOISY:
            reasons += self.noise.problems()
            reasons += [] if self.noisy.layer is not None else ["choose a noisy image"]
        if chosen == _CLEAN and not self.clean.chosen:
            reasons.append("choose clean images")
        self.status.say(sentence(reasons[0]) if reasons else "")
        self.run_button.setEnabled(not reasons and not self._panels)

    # Training

    def train(self) -> None:
        """Train, as soon as the runs before this one have ended."""
        training: Training = self.form.value
        chosen, task = self.origin.value, self.noise.value
        layers = {_SYNTHETIC: [], _CLEAN: self.clean.chosen, _NOISY: [self.noisy.layer]}[chosen]
        try:
            planes = [plane for layer in layers for plane in _planes(layer)]
        except ValueError as error:
            self._say_error(error, {"Training": training})
            return
        remember_settings(training)
        clean = planes if chosen == _CLEAN else []
        noisy = planes[len(planes) // 2] if chosen == _NOISY else None

        def opened(rule: "StopRequested") -> "Generator[TrainingStep, None, TrainedNetwork]":
            return _steps(training, clean, noisy, task, rule)

        job = Job(
            f"{training.kernel}, from {chosen}",
            opened,
            lambda: TrainingWatch(training.iterations),
            Preferences.now().interval,
        )
        self._say("")
        self._show_panel(TrainingPanel(job, training, self._queue))
        self._changed()

    def _ended(self, panel: JobPanel, words: str, details: str) -> None:
        super()._ended(panel, words, details)
        if isinstance(panel, TrainingPanel):
            self._keep(panel.trained or self._trained)
        self._changed()

    def save(self) -> None:
        """Save the trained network to a file that the user names."""
        from napari_dip.pkn.weights_file import save

        path = ask_where(self, "kernel.safetensors", KERNELS)
        if self._trained is None or path is None:
            return
        try:
            save(self._trained, path)
        except ValueError as error:
            self._say_error(error, {"File": path})
            return
        self._say(
            f"Saved. To use the network, choose {path} as “Weights” under “More settings” of the method."
        )

    def _keep(self, trained: "TrainedNetwork | None") -> None:
        self._trained = trained
        self.save_button.setVisible(trained is not None)


class _ImageList(QListWidget):
    """The image layers of a viewer, each with a check box. Layers are held by identity."""

    def __init__(self, layers: Any) -> None:
        super().__init__()
        self._layers = layers
        self._shown: list[Image] = []
        self.setFixedHeight(96)
        self.setToolTip(
            "<qt>Check the clean images to learn from. The last fifth of each is kept for validation.</qt>"
        )
        self._events = [getattr(layers.events, name) for name in ("inserted", "removed", "reordered")]
        for event in self._events:
            event.connect(self._update)
        self._update()

    @property
    def chosen(self) -> list[Image]:
        """The layers that are checked."""
        return [layer for at, layer in enumerate(self._shown) if self._is_checked(at)]

    def choose(self, layer: Any) -> None:
        """Check a layer."""
        if layer in self._shown:
            self.item(self._shown.index(layer)).setCheckState(Qt.CheckState.Checked)

    def release(self) -> None:
        """Stop following the viewer."""
        for event in self._events:
            event.disconnect(self._update)
        self._events, self._shown = [], []

    def _is_checked(self, at: int) -> bool:
        return bool(self.item(at).checkState() == Qt.CheckState.Checked)

    def _update(self, event: Any = None) -> None:
        before = self.chosen
        blocked = self.blockSignals(True)
        self.clear()
        self._shown = [layer for layer in reversed(self._layers) if isinstance(layer, Image)]
        for layer in self._shown:
            item = QListWidgetItem(layer.name, self)
            item.setCheckState(Qt.CheckState.Checked if layer in before else Qt.CheckState.Unchecked)
        self.blockSignals(blocked)
        self.itemChanged.emit(None)


def _planes(layer: Any) -> list[np.ndarray]:
    """Return copies of all planes of a layer; each channel has planes of its own."""
    data, labels = finest(layer), layer.axis_labels
    try:
        axes = Axes.named(labels, colour=layer.rgb, channels="separate", shape=tuple(data.shape))
    except AmbiguousAxesError as error:
        words = f'{error.question}: label the axes of the layer, as in layer.axis_labels = ("y", "x", "c")'
        raise InputError("axes", words) from error
    axes = axes.plane_by_plane()
    return [np.array(data[axes.at(frame)], np.float32) for frame in axes.frames(tuple(data.shape))]


def _steps(
    training: Training,
    clean: list[np.ndarray],
    noisy: np.ndarray | None,
    task: Denoise,
    rule: "StopRequested",
) -> "Generator[TrainingStep, None, TrainedNetwork]":
    """Return a training. The noise of a noisy image is measured first."""
    from napari_dip.pkn.train import train_network
    from napari_dip.restoration.measurement import Measurement
    from napari_dip.restoration.series import Series

    problem = None
    if noisy is not None:
        problem = Series.of(Measurement(noisy, axes="YX"), task, None).frame(()).problem
    return train_network(training, clean=clean, noisy=problem, asked=rule.event.is_set)

"""The dock that trains a kernel network: from what, for how long, and where it is kept."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QLabel, QListWidget, QListWidgetItem, QPushButton, QWidget

from napari_dip.image.axes import Axes
from napari_dip.pkn.settings import Training
from napari_dip.plugin.docks.training_panel import TrainingPanel, TrainingWatch
from napari_dip.plugin.forms.fields import Choice
from napari_dip.plugin.forms.file_dialogs import KERNELS, ask_where
from napari_dip.plugin.forms.form import Form
from napari_dip.plugin.forms.layer_choice import LayerChoice
from napari_dip.plugin.forms.layout import Rows, Scroll, Section, vertical
from napari_dip.plugin.layers import finest
from napari_dip.plugin.preferences import Preferences, remember_settings, remembered_settings
from napari_dip.plugin.runs.runner import QUEUE, Job, Queue
from napari_dip.restoration.text import sentence
from napari_dip.tasks import Denoise

if TYPE_CHECKING:
    from napari_dip.optim.stopping import StopRequested
    from napari_dip.pkn.trainer import Step, Trained

_MADE, _CLEAN, _NOISY = "made pictures", "clean images", "a noisy image itself"


class TrainingDock(QWidget):
    """Train a network that predicts a filter's parameters, and save it.

    Parameters
    ----------
    viewer : Viewer
        Whose images it may learn from.
    queue : Queue
        Where runs wait for each other.
    """

    def __init__(self, viewer: Any, *, queue: Queue = QUEUE) -> None:
        super().__init__()
        self._viewer, self._queue = viewer, queue
        self._panels: list[TrainingPanel] = []
        self._trained: Trained | None = None
        self.form = Form(Training, ("kernel", "iterations"))
        self.origin = Choice(
            {name: name for name in (_MADE, _CLEAN, _NOISY)},
            "What it learns from: pictures that are made for it; clean images of yours; or a noisy image, of "
            "which no clean version is needed.",
        )
        self.clean = _ImageList(viewer.layers)
        self.noisy = LayerChoice(viewer.layers, lambda layer: isinstance(layer, Image), "choose an image")
        self.noise = Form(Denoise)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.train_button = QPushButton("Train")
        self.train_button.setStyleSheet("font-weight: bold; padding: 6px;")
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.save_button = QPushButton("Save…")
        self.save_button.setToolTip(
            "<qt>Write the network to a file, which “Weights” in the settings of the method takes.</qt>"
        )
        self._lay_out()
        if (last := remembered_settings(Training)) is not None:
            self.form.set(last)
        for part in (self.form, self.origin, self.noise):
            part.changed.connect(self._changed)
        self.clean.itemChanged.connect(self._changed)
        self.noisy.chosen.connect(self._changed)
        self.train_button.clicked.connect(self.train)
        self.save_button.clicked.connect(self.save)
        panels, followers = self._panels, (self.clean, self.noisy)
        self._destroyed: Callable[..., None] | None = lambda *_: _release(panels, *followers)
        self.destroyed.connect(self._destroyed)  # when the window is closed
        self._say("")
        self._keep(None)
        self._changed()

    def _lay_out(self) -> None:
        settings = QWidget()
        rows = vertical(settings)
        rows.setContentsMargins(0, 0, 6, 0)
        rows.setSpacing(10)
        self._rows = Rows()
        self._rows.add("Learn from", self.origin)
        self._rows.add("Images", self.clean)
        self._rows.add("Image", self.noisy)
        self._rows.addRow(self.noise)
        images = Section("Images")
        images.column.addLayout(self._rows)
        rows.addWidget(images)
        rows.addWidget(Section("Network", self.form))
        rows.addStretch()
        column = vertical(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(Scroll(settings), stretch=1)
        self._running = vertical(QWidget(self))
        for widget in (self.status, self.train_button, self._running.parentWidget(), self.message):
            column.addWidget(widget)
        column.addWidget(self.save_button)

    def choose_image(self, layer: Any) -> None:
        """Offer a layer as the one to learn from."""
        self.clean.choose(layer)
        self.noisy.choose(layer)

    # What is wrong

    def _changed(self, *_: Any) -> None:
        chosen = self.origin.value
        for widget, origin in ((self.clean, _CLEAN), (self.noisy, _NOISY), (self.noise, _NOISY)):
            self._rows.setRowVisible(widget, chosen == origin)
        reasons = self.form.problems()
        if chosen == _NOISY:
            reasons += self.noise.problems()
            reasons += [] if self.noisy.layer is not None else ["choose a noisy image"]
        if chosen == _CLEAN and not self.clean.chosen:
            reasons.append("choose clean images")
        self.status.setText(sentence(reasons[0]) if reasons else "")
        self.status.setVisible(bool(reasons))
        self.train_button.setEnabled(not reasons and not self._panels)

    # Training

    def train(self) -> None:
        """Train, as soon as the runs before have ended."""
        training: Training = self.form.value
        chosen, task = self.origin.value, self.noise.value
        layers = {_MADE: [], _CLEAN: self.clean.chosen, _NOISY: [self.noisy.layer]}[chosen]
        try:
            planes = [plane for layer in layers for plane in _planes(layer)]
        except ValueError as error:
            self._say(sentence(str(error)))
            return
        remember_settings(training)
        clean = planes if chosen == _CLEAN else []
        noisy = planes[len(planes) // 2] if chosen == _NOISY else None

        def opened(asked: "StopRequested") -> "Generator[Step, None, Trained]":
            return _course(training, clean, noisy, task, asked)

        job = Job(
            f"{training.kernel}, from {chosen}",
            opened,
            lambda: TrainingWatch(training.iterations),
            Preferences.now().interval,
        )
        self._say("")
        panel = TrainingPanel(job, self._queue)
        panel.ended.connect(self._ended)
        self._panels.append(panel)
        self._running.addWidget(panel)
        self._changed()

    def _ended(self, panel: TrainingPanel, words: str) -> None:
        self._panels.remove(panel)
        self._running.removeWidget(panel)
        panel.deleteLater()
        self._say(words)
        self._keep(panel.trained or self._trained)
        self._changed()

    def save(self) -> None:
        """Write what was trained to a file that the user names."""
        from napari_dip.pkn.weights_file import save

        path = ask_where(self, "kernel.safetensors", KERNELS)
        if self._trained is None or path is None:
            return
        try:
            save(self._trained, path)
        except ValueError as error:
            self._say(sentence(str(error)))
            return
        self._say(f"Saved: choose {path} as “Weights” under “More settings” of the method.")

    def _keep(self, trained: "Trained | None") -> None:
        self._trained = trained
        self.save_button.setVisible(trained is not None)

    def _say(self, words: str) -> None:
        self.message.setText(words)
        self.message.setVisible(bool(words))

    # The end

    def event(self, event: QEvent) -> bool:
        """Notice that napari has taken the dock out of its window: that is how its X closes it."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None and self._destroyed is not None:
            _release(self._panels, self.clean, self.noisy)
            # From here on Python collects it, and what is collected along with it must not be called.
            self.destroyed.disconnect(self._destroyed)
            self._destroyed = None
        return bool(super().event(event))


class _ImageList(QListWidget):
    """The image layers of a viewer, each to be ticked or not, held by identity."""

    def __init__(self, layers: Any) -> None:
        super().__init__()
        self._layers = layers
        self._shown: list[Image] = []
        self.setFixedHeight(96)
        self.setToolTip(
            "<qt>Clean images, ticked. The last fifth of each is not learnt from, but tested on.</qt>"
        )
        self._events = [getattr(layers.events, name) for name in ("inserted", "removed", "reordered")]
        for event in self._events:
            event.connect(self._update)
        self._update()

    @property
    def chosen(self) -> list[Image]:
        """The layers that are ticked."""
        return [layer for at, layer in enumerate(self._shown) if self._ticked(at)]

    def choose(self, layer: Any) -> None:
        """Tick a layer."""
        if layer in self._shown:
            self.item(self._shown.index(layer)).setCheckState(Qt.CheckState.Checked)

    def release(self) -> None:
        """Stop following the viewer."""
        for event in self._events:
            event.disconnect(self._update)
        self._events, self._shown = [], []

    def _ticked(self, at: int) -> bool:
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
    """Return copies of a layer's planes, and of each of its channels, as images of their own."""
    data = finest(layer)
    axes = Axes.named(layer.axis_labels, colour=layer.rgb, channels="separate").plane_by_plane()
    return [np.array(data[axes.at(frame)], np.float32) for frame in axes.frames(tuple(data.shape))]


def _course(
    training: Training,
    clean: list[np.ndarray],
    noisy: np.ndarray | None,
    task: Denoise,
    asked: "StopRequested",
) -> "Generator[Step, None, Trained]":
    """Return a training, once its noise has been measured."""
    from napari_dip.methods.pkn import observed
    from napari_dip.pkn.train import train_network
    from napari_dip.restoration.measurement import Measurement
    from napari_dip.restoration.series import Series

    observation = None
    if noisy is not None:
        observation = observed(Series.of(Measurement(noisy, axes="YX"), task, None).problem(()))
    return train_network(training, clean=clean, noisy=observation, asked=asked.event.is_set)


def _release(panels: list[TrainingPanel], *followers: "_ImageList | LayerChoice") -> None:
    """Let go of everything outside of the dock."""
    for panel in panels:
        panel.release()
    panels.clear()
    for follower in followers:
        follower.release()

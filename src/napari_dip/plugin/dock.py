"""The dock: what to restore, how, what it will cost, Run, and what came of it."""

import contextlib
from functools import partial
from typing import Annotated, Any, cast

from annotated_types import Interval
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import (
    QComboBox,
    QLabel,
    QMessageBox,
    QPushButton,
    QWidget,
)

from napari_dip.axes import Axes
from napari_dip.device import Device
from napari_dip.errors import InputError
from napari_dip.estimation import Estimate, estimate
from napari_dip.methods import METHODS, PRESETS
from napari_dip.noise import NoiseModel, Unknown
from napari_dip.noise_estimation import estimate_noise
from napari_dip.pace import Pace
from napari_dip.plugin.after import AfterPanel
from napari_dip.plugin.check import Check
from napari_dip.plugin.fields import Entry, words
from napari_dip.plugin.form import Form, Variants
from napari_dip.plugin.layout import Rows, Scroll, fold, section, vertical
from napari_dip.plugin.panel import RunPanel
from napari_dip.plugin.preferences import Preferences, remember, remembered
from napari_dip.plugin.result import Result
from napari_dip.plugin.runner import QUEUE, Job, Queue
from napari_dip.plugin.source import SourceForm
from napari_dip.recipe import Recipe
from napari_dip.restoration import restoring
from napari_dip.settings import record, restored
from napari_dip.tasks import TASKS, Task
from napari_dip.words import duration, memory

_CONFIRMED_ABOVE = 600.0  # seconds
_CUSTOM = "custom"


class Dock(QWidget):
    """Restores a layer of a viewer.

    Parameters
    ----------
    viewer : Viewer
        Whose layers are restored.
    task : type of Task
        That is chosen at first.
    queue : Queue
        Where runs wait for each other.
    """

    def __init__(self, viewer: Any, task: type[Task], queue: Queue = QUEUE) -> None:
        super().__init__()
        self._viewer, self._queue = viewer, queue
        self._preferences = Preferences.now()
        self._panels: list[RunPanel] = []
        self._estimate: Estimate | None = None
        self._run_when_checked = False

        self.task = QComboBox()
        self._task_forms: dict[type[Task], Form] = {}
        for cls in TASKS:
            self.task.addItem(words(cls.__name__), cls)
            self.task.setItemData(self.task.count() - 1, _first_line(cls), Qt.ItemDataRole.ToolTipRole)
            self._task_forms[cls] = self._task_form(cls)
        self.source = SourceForm(viewer)
        self.preset = QComboBox()
        self.method_form = Form(METHODS[0], METHODS[0].essential)
        self.device = Entry(Device, "Where to compute; “auto” takes a graphics card where there is one.")
        self.seed = Entry(
            Annotated[int, Interval(ge=0)],
            "Of all random numbers. The same seed gives the same pixels on this machine.",
        )
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.run_button = QPushButton("Run")
        self.run_button.setStyleSheet("font-weight: bold; padding: 6px;")
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.after = AfterPanel(viewer)
        self._check = Check(self, self._prepared)
        self._noise_check = Check(self, self._to_measure)

        self._fill()
        self._lay_out()
        self._connect()
        self.choose_task(task)
        self._changed()

    # What the user chooses

    @property
    def task_form(self) -> Form:
        """The form of the chosen task."""
        return self._task_forms[self.task.currentData()]

    def choose_task(self, task: type[Task]) -> None:
        """Show the form of a task."""
        self.task.setCurrentIndex(self.task.findData(task))
        self._task_chosen()

    def choose_image(self, layer: Any) -> None:
        """Choose the layer to restore, or the mask, as its kind may be."""
        self.source.image.choose(layer)
        self.source.mask.choose(layer)

    def _task_form(self, cls: type[Task]) -> Form:
        form = Form(cls)
        noise = cast(Variants, form.fields["noise"])
        button = QPushButton("Estimate")
        button.setToolTip("Measure the noise in the image, and enter what was found.")
        button.clicked.connect(self._measure_noise)
        noise.choice.changed.connect(lambda kind: button.setEnabled(kind is not Unknown))
        button.setEnabled(False)
        noise.row.addWidget(button)
        if (last := remembered(cls.__name__)) is not None:
            _try(lambda: form.set(restored(cls, last)))
        return form

    def _fill(self) -> None:
        cls = METHODS[0]
        for name, preset in PRESETS.items():
            if isinstance(preset, cls):
                self.preset.addItem(name, preset)
        self.preset.addItem(_CUSTOM, None)
        self.preset.setToolTip(
            "<qt>Settings to start from. “tapered” is the fast default; the others are those that the "
            "authors of Deep Image Prior published.</qt>"
        )
        if (last := remembered(cls.__name__)) is not None:
            _try(lambda: self.method_form.set(restored(cls, last)))
        self.method_form.fields["time_limit"].set(self._preferences.time_limit)
        self.device.set(self._preferences.device)
        self.seed.set(remembered("seed") or 0)
        self._name_preset()

    def _lay_out(self) -> None:
        settings = QWidget()
        rows = vertical(settings)
        rows.setContentsMargins(0, 0, 6, 0)
        rows.setSpacing(10)
        top = Rows()
        top.add("Task", self.task)
        rows.addLayout(top)
        for form in self._task_forms.values():
            rows.addWidget(form)
        rows.addWidget(section("Image", self.source))
        presets = Rows()
        presets.add("Settings", self.preset)
        method = section(METHODS[0].title)
        method.layout().addLayout(presets)
        method.layout().addWidget(self.method_form)
        rows.addWidget(method)
        machine = fold("Device and seed")
        inner = QWidget()
        fields = Rows(inner)
        fields.add("Device", self.device)
        fields.add("Seed", self.seed)
        machine.addWidget(inner)
        rows.addWidget(machine)
        rows.addStretch()
        column = vertical(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(Scroll(settings), stretch=1)
        for widget in (self.status, self.run_button):
            column.addWidget(widget)
        self._running = vertical(QWidget(self))
        column.addWidget(self._running.parentWidget())
        column.addWidget(self.message)
        column.addWidget(self.after)

    def _connect(self) -> None:
        self.task.activated.connect(self._task_chosen)
        self.source.changed.connect(self._changed)
        for form in self._task_forms.values():
            form.changed.connect(self._changed)
        self.method_form.changed.connect(self._method_changed)
        self.preset.activated.connect(self._preset_chosen)
        self.device.changed.connect(self._changed)
        self.seed.changed.connect(self._changed)
        self.run_button.clicked.connect(self.run)
        self._check.found.connect(self._checked)
        self._noise_check.found.connect(self._measured)
        self.after.again.connect(self._again)
        self.after.said.connect(self._say)
        panels, followers = self._panels, (self.source, self.after)
        self.destroyed.connect(lambda *_: _release(panels, *followers))  # when the window is closed

    def _task_chosen(self) -> None:
        for cls, form in self._task_forms.items():
            form.setVisible(cls is self.task.currentData())
        self._changed()

    def _preset_chosen(self) -> None:
        preset = self.preset.currentData()
        if preset is not None:
            self.method_form.set(preset)
            self.method_form.fields["time_limit"].set(self._preferences.time_limit)

    def _method_changed(self) -> None:
        self._name_preset()
        self._changed()

    def _name_preset(self) -> None:
        """Show the name of the preset that the settings are, whatever their time limit."""
        names = {name: record(preset) for name, preset in PRESETS.items()}
        now: dict[str, Any] = {}
        _try(lambda: now.update(record(self.method_form.value)))
        same = [name for name, one in names.items() if {**one, "time_limit": now.get("time_limit")} == now]
        self.preset.setCurrentText(same[0] if same else _CUSTOM)

    def _measure_noise(self) -> None:
        self._say("Measuring the noise…")
        self._noise_check.request(0)

    def _to_measure(self) -> Any:
        """Return the function that measures the noise, to be called in a thread."""
        try:
            inputs = self.source.captured(copy=False)
        except ValueError as error:
            self._say(_sentence(str(error)))
            return None
        model = self._noise.start()
        return lambda: estimate_noise(model, inputs.image, missing=inputs.hidden, axes=inputs.axes.letters)

    def _measured(self, found: Any) -> None:
        if isinstance(found, NoiseModel):
            self._noise.set(found)
            self._say(
                " ".join(["The noise was measured in the image.", *map(_sentence, self._noise_check.notes)])
            )
        else:
            self._say(_sentence(str(found)))

    @property
    def _noise(self) -> Variants:
        """The form of the noise."""
        return cast(Variants, self.task_form.fields["noise"])

    # What is wrong, and what it will cost

    def _changed(self) -> None:
        """Mark what is wrong; if nothing is, measure what a run will cost."""
        self._estimate = None
        self._noise_check.drop()
        self.device.complain("")
        self.run_button.setEnabled(False)
        reasons = [*self.source.problems(), *self.task_form.problems(), *self.method_form.problems()]
        if reasons:
            self._check.drop()
            self._run_when_checked = False
            self.status.setText(_sentence(reasons[0]))
        else:
            self.status.setText("Measuring what a run will cost…")
            self._check.request()

    def _prepared(self) -> Any:
        """Return the function that measures, to be called in a thread."""
        try:
            inputs = self.source.captured(copy=False)
            task, method = self.task_form.value, self.method_form.value
        except (ValueError, TypeError) as error:
            self._run_when_checked = False
            self.source.problems()
            self.status.setText(_sentence(str(error)))
            return None
        return partial(estimate, inputs.image, task, method, device=self.device.value, **inputs.options)

    def _checked(self, found: Any) -> None:
        if isinstance(found, Estimate):
            self._estimate = found
            self.run_button.setEnabled(True)
            self.status.setText(
                f"At most {duration(found.seconds)}, {memory(found.bytes)} of memory "
                f"({1000 * found.seconds_per_update:.0f} ms an update"
                f"{', while another run computes' if len(self._queue) else ''}; most runs stop earlier)."
            )
            if self._run_when_checked:
                self._run_when_checked = False
                self.run()
            return
        self._run_when_checked = False
        if isinstance(found, InputError):
            if found.argument == "device":
                self.device.complain(str(found))
            else:
                self.source.complain(found.argument, str(found))
        self.status.setText(_sentence(str(found)))

    # Running

    def run(self) -> None:
        """Restore, as soon as the runs before it have ended."""
        if self._estimate is None or not self._confirmed(self._estimate.seconds):
            return
        try:
            inputs = self.source.captured()
        except ValueError as error:  # a layer has changed since it was checked
            self._say(_sentence(str(error)))
            return
        task, method, device, seed = (
            self.task_form.value,
            self.method_form.value,
            self.device.value,
            self.seed.value,
        )
        for settings in (task, method):
            remember(type(settings).__name__, record(settings))
        remember("seed", seed)
        frames = len(list(inputs.axes.frames(tuple(inputs.image.shape))))
        name = f"{inputs.name} {task.done}"
        job = Job(
            name,
            lambda until: restoring(
                inputs.image, task, method, until=until, device=device, seed=seed, **inputs.options
            ),
            lambda: Pace(method, frames),
            self._preferences.interval,
        )
        self._say("")
        panel = RunPanel(job, Result(self._viewer, inputs, name), frames, self._queue)
        panel.ended.connect(self._ended)
        self._panels.append(panel)
        self._running.addWidget(panel)

    def _confirmed(self, seconds: float) -> bool:
        if seconds <= _CONFIRMED_ABOVE:
            return True
        question = f"This may take up to {duration(seconds)}. Run it?"
        return QMessageBox.question(self, "napari-dip", question) == QMessageBox.StandardButton.Yes

    def _ended(self, panel: RunPanel, sentence: str) -> None:
        self._panels.remove(panel)
        self._running.removeWidget(panel)
        panel.deleteLater()
        self._say(sentence)
        if panel.result.complete:
            self.after.add(panel.result)

    def _again(self, provenance: dict[str, Any]) -> None:
        """Bring the settings of an earlier run into the dock, and run them."""
        try:
            recipe = Recipe.of(provenance)
            # The settings as they were: where the user stopped that run, this one is the user's to stop.
            method = restored(METHODS, provenance["method"])
        except (ValueError, TypeError) as error:
            self._say(_sentence(str(error)))
            return
        source = provenance.get("source") or {}
        mask = source.get("missing") or {}
        layers = {layer.name: layer for layer in self._viewer.layers}
        absent = [name for name in (source.get("layer"), mask.get("layer")) if name and name not in layers]
        self.choose_task(type(recipe.task))
        self.task_form.set(recipe.task)
        self.method_form.set(method)
        self.device.set(recipe.device)
        self.seed.set(recipe.seed)
        self.source.image.choose(layers.get(source.get("layer")))
        self.source.mask.choose(layers.get(mask.get("layer")))
        axes = Axes(recipe.axes, recipe.channels)
        self.source.show(axes, recipe.area, recipe.missing_label, recipe.saturated)
        if absent:
            self._say(f"Choose the layer to use in place of “{absent[0]}”, then press Run.")
        self._run_when_checked = not absent  # unless something is wrong
        self._changed()

    def _say(self, sentence: str) -> None:
        self.message.setText(sentence)
        self.message.setVisible(bool(sentence))

    # The end

    def release(self) -> None:
        """Cancel all runs, leave the layers as they were, and stop following the viewer."""
        self._run_when_checked = False
        self._check.drop()
        self._noise_check.drop()
        for panel in self._panels:
            panel.result.discard()
        _release(self._panels, self.source, self.after)

    def event(self, event: QEvent) -> bool:
        """Notice that napari has taken the dock out of its window: that is how its X closes it."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.release()
        return bool(super().event(event))


def _release(panels: list[RunPanel], *followers: SourceForm | AfterPanel) -> None:
    """Let go of everything outside of the dock; no widget is touched, which may be gone already."""
    for panel in panels:
        panel.release()
    panels.clear()
    for follower in followers:
        follower.release()


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").split("\n")[0]


def _sentence(reason: str) -> str:
    return reason[:1].upper() + reason[1:].rstrip(".") + "."


def _try(act: Any) -> None:
    """Act, unless values that were kept by another version are unusable now."""
    with contextlib.suppress(ValueError, TypeError):
        act()

"""The dock: what to restore, how, what it will cost, Run, and what came of it."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QLabel, QMessageBox, QPushButton, QWidget

from napari_dip.errors import InputError
from napari_dip.image.axes import Axes
from napari_dip.methods import METHODS, Method
from napari_dip.plugin.docks.run_panel import RunPanel
from napari_dip.plugin.forms.layout import Scroll, Section, vertical
from napari_dip.plugin.forms.method_form import MethodForm
from napari_dip.plugin.forms.source_form import SourceForm
from napari_dip.plugin.forms.task_form import TaskForm
from napari_dip.plugin.preferences import Preferences, remember_settings
from napari_dip.plugin.results.result import Result
from napari_dip.plugin.results.result_panel import AfterPanel
from napari_dip.plugin.runs.check import Check
from napari_dip.plugin.runs.run import Run
from napari_dip.plugin.runs.runner import QUEUE, Job, Queue, RunWatch
from napari_dip.restoration.cost import CostEstimate, estimate_cost
from napari_dip.restoration.progress import ProgressTracker
from napari_dip.restoration.recipe import Recipe
from napari_dip.restoration.text import duration, memory, sentence
from napari_dip.settings import from_dict
from napari_dip.tasks import Task

_CONFIRMED_ABOVE = 600.0  # seconds


class Dock(QWidget):
    """Restores a layer of a viewer.

    Parameters
    ----------
    viewer : Viewer
        Whose layers are restored.
    task : type of Task
        That is chosen at first.
    method : type of Method, optional
        That is chosen at first, where it can do the task; by default the first one that can.
    guided : bool
        There has to be a guide.
    queue : Queue
        Where runs wait for each other.
    """

    def __init__(
        self,
        viewer: Any,
        task: type[Task],
        method: type[Method] | None = None,
        *,
        guided: bool = False,
        queue: Queue = QUEUE,
    ) -> None:
        super().__init__()
        self._viewer, self._queue = viewer, queue
        self._preferences = Preferences.now()
        self._panels: list[RunPanel] = []
        self._estimate: CostEstimate | None = None
        self._run_when_checked = False

        self.source = SourceForm(viewer, guided=guided)
        self.task = TaskForm(self.source)
        self.method = MethodForm(self._preferences)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.run_button = QPushButton("Run")
        self.run_button.setStyleSheet("font-weight: bold; padding: 6px;")
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.after = AfterPanel(viewer)
        self._check = Check(self, self._prepared)
        self._lay_out()
        self._connect()
        self.task.choose(task)
        if method is not None:
            self.method.choose(method)
        self._changed()

    def choose_image(self, layer: Any) -> None:
        """Choose the layer to restore, or the mask, as its kind may be."""
        self.source.image.choose(layer)
        self.source.mask.choose(layer)

    def _lay_out(self) -> None:
        settings = QWidget()
        rows = vertical(settings)
        rows.setContentsMargins(0, 0, 6, 0)
        rows.setSpacing(10)
        for part in (self.task, Section("Image", self.source), self.method):
            rows.addWidget(part)
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
        for part in (self.source, self.task, self.method):
            part.changed.connect(self._changed)
        self.task.said.connect(self._say)
        self.run_button.clicked.connect(self.run)
        self._check.found.connect(self._checked)
        self.after.again.connect(self._again)
        self.after.wanted.connect(self._begin)
        self.after.said.connect(self._say)
        panels, followers = self._panels, (self.source, self.after)
        self._destroyed: Callable[..., None] | None = lambda *_: _release(panels, *followers)
        self.destroyed.connect(self._destroyed)  # when the window is closed

    # What is wrong, and what it will cost

    def _changed(self) -> None:
        """Mark what is wrong; if nothing is, measure what a run will cost."""
        self._estimate = None
        self.task.drop()
        self.run_button.setEnabled(False)
        self.source.ask_for(psf=self.task.needs_psf)
        self.method.offer(self.task.kind)
        reasons = [*self.task.problems(), *self.source.problems(), *self.method.problems()]
        if reasons:
            self._check.drop()
            self._run_when_checked = False
            self.status.setText(sentence(reasons[0]))
        else:
            self.status.setText("Measuring what a run will cost…")
            self._check.request()

    def _prepared(self) -> Any:
        """Return the function that measures, to be called in a thread."""
        try:
            task, method = self.task.value, self.method.value
            inputs = self.source.captured(task, slicewise=method.slicewise, copy=False)
        except (ValueError, TypeError) as error:
            self.source.problems()
            self._refused(error)
            return None
        device = self.method.device.value
        return lambda: estimate_cost(inputs.measurement, task, method, device=device)

    def _checked(self, found: Any) -> None:
        if not isinstance(found, CostEstimate):
            self._refused(found)
            return
        self._estimate = found
        self.run_button.setEnabled(True)
        busy = ", while another run computes" if len(self._queue) else ""
        if found.seconds < 1:
            cost = "Less than a second."
        elif found.at_once:
            cost = f"About {duration(found.seconds)}{busy}."
        else:
            cost = (
                f"At most {duration(found.seconds)}, {memory(found.bytes)} of memory "
                f"({1000 * found.seconds_per_iteration:.0f} ms an update{busy}; most runs stop earlier)."
            )
        axes = self.source.axes.axes
        planes = self.method.value.slicewise and axes is not None and len(axes.spatial) > 2
        self.status.setText(" ".join([*found.remarks, *["Plane by plane."] * planes, cost]))
        if self._run_when_checked:
            self._run_when_checked = False
            self.run()

    def _refused(self, error: Exception) -> None:
        """Say why it can't be run, and where."""
        self._run_when_checked = False
        if isinstance(error, InputError) and not self.method.show_error(error.argument, str(error)):
            self.source.show_error(error.argument, str(error))
        self.status.setText(sentence(str(error)))

    # Running

    def run(self) -> None:
        """Restore, as soon as the runs before it have ended."""
        if self._estimate is None or not self._confirmed(self._estimate.seconds):
            return
        task, method = self.task.value, self.method.value
        try:
            inputs = self.source.captured(task, slicewise=method.slicewise)
        except ValueError as error:  # a layer has changed since it was checked
            self._say(sentence(str(error)))
            return
        options = self.method.options
        remember_settings(task)
        self.method.keep()
        self._begin(Result(self._viewer, Run(inputs, task, method, options)))

    def _begin(self, result: Result) -> None:
        """Run, as soon as the runs before it have ended."""
        run = result.run
        job = Job(
            result.name,
            run.stream,
            lambda: RunWatch(ProgressTracker(run.method, run.frames)),
            self._preferences.interval,
        )
        self._say("")
        panel = RunPanel(job, result, self._queue)
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
            method = from_dict(METHODS, provenance["method"])
        except (ValueError, TypeError) as error:
            self._say(sentence(str(error)))
            return
        source = provenance.get("source") or {}
        layers = {layer.name: layer for layer in self._viewer.layers}
        names = {self.source.image: source.get("layer")}
        for choice, part in (
            (self.source.mask, "missing"),
            (self.source.guide, "guide"),
            (self.source.psf, "psf"),
        ):
            names[choice] = (source.get(part) or {}).get("layer")
        absent = [name for name in names.values() if name and name not in layers]
        self.task.show_task(recipe.task)
        self.method.show_method(method, recipe.device, recipe.seed)
        for choice, name in names.items():
            choice.choose(layers.get(name))
        axes = Axes(recipe.axes, recipe.channels)
        self.source.show_image(axes, recipe.roi, recipe.missing_label, recipe.saturation_level, recipe.series)
        if absent:
            self._say(f"Choose the layer to use in place of “{absent[0]}”, then press Run.")
        elif source.get("maps"):
            self._say("The parameters are predicted afresh: edited maps are applied by “Apply maps”.")
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
        self.task.drop()
        for panel in self._panels:
            panel.result.discard()
        _release(self._panels, self.source, self.after)

    def event(self, event: QEvent) -> bool:
        """Notice that napari has taken the dock out of its window: that is how its X closes it."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None and self._destroyed is not None:
            self.release()
            # From here on Python collects it, and what is collected along with it must not be called.
            self.destroyed.disconnect(self._destroyed)
            self._destroyed = None
        return bool(super().event(event))


def _release(panels: list[RunPanel], *followers: SourceForm | AfterPanel) -> None:
    """Let go of everything outside of the dock; no widget is touched, which may be gone already."""
    for panel in panels:
        panel.release()
    panels.clear()
    for follower in followers:
        follower.release()

"""The dock that restores a layer: what to restore and how, its cost, Run, and what follows."""

from typing import Any

from qtpy.QtWidgets import QMessageBox

from napari_dip.errors import InputError
from napari_dip.image.axes import Axes
from napari_dip.methods import Method
from napari_dip.plugin.docks.job_dock import JobDock, details_of
from napari_dip.plugin.docks.job_panel import JobPanel
from napari_dip.plugin.docks.run_panel import RunPanel
from napari_dip.plugin.forms.layout import Section
from napari_dip.plugin.forms.method_form import MethodForm
from napari_dip.plugin.forms.source_form import SourceForm
from napari_dip.plugin.forms.task_form import TaskForm
from napari_dip.plugin.preferences import Preferences, remember_settings
from napari_dip.plugin.results.result import Result
from napari_dip.plugin.results.result_panel import ResultPanel
from napari_dip.plugin.runs.check import Check
from napari_dip.plugin.runs.run import Run
from napari_dip.plugin.runs.runner import Job, Queue, RunWatch
from napari_dip.restoration.cost import CostEstimate
from napari_dip.restoration.progress import ProgressTracker
from napari_dip.restoration.provenance import Provenance
from napari_dip.restoration.recipe import Recipe
from napari_dip.restoration.text import duration, memory, sentence
from napari_dip.tasks import Task

_CONFIRMED_ABOVE = 600.0  # seconds


class Dock(JobDock):
    """Restores a layer of a viewer.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose layers are restored.
    task : type of Task
        The task that is chosen at first.
    method : type of Method, optional
        The method that is chosen at first, if it can do the task. By default it is the first one that can.
    guided : bool
        Whether a guide has to be chosen.
    queue : Queue, optional
        Where runs wait for each other. By default it is the queue of the viewer.
    """

    def __init__(
        self,
        viewer: Any,
        task: type[Task],
        method: type[Method] | None = None,
        *,
        guided: bool = False,
        queue: Queue | None = None,
    ) -> None:
        super().__init__(viewer, queue, "Run")
        self._preferences = Preferences.now()
        self._estimate: CostEstimate | None = None
        self._run_when_checked = False

        self.source = SourceForm(viewer, guided=guided)
        self.task = TaskForm(self.source)
        self.method = MethodForm(self._preferences)
        self.result_panel = ResultPanel(viewer)
        self._check = Check(self, self._prepared)
        self._lay_out(self.task, Section("Image", self.source), self.method, after=self.result_panel)
        self._connect()
        self.task.choose(task)
        if method is not None:
            self.method.choose(method)
        self._changed()

    def choose_image(self, layer: Any) -> None:
        """Choose a layer as the image to restore, or as the mask if it is a Labels layer."""
        self.source.image.choose(layer)
        self.source.mask.choose(layer)

    def _connect(self) -> None:
        for part in (self.source, self.task, self.method):
            part.changed.connect(self._changed)
        for source in (self.task, self.result_panel):
            source.said.connect(self._say)
            source.failed.connect(self._failed)
        self.run_button.clicked.connect(self.run)
        self._check.found.connect(self._checked)
        self.result_panel.repeat_requested.connect(self._repeat)
        self.result_panel.run_requested.connect(self._begin)
        self._follow(self.source, self.result_panel)

    # Errors of the settings, and the cost of a run

    def _changed(self) -> None:
        """Mark the fields that are wrong. If there are none, estimate the cost of a run."""
        self._estimate = None
        self.task.drop()
        self.run_button.setEnabled(False)
        self.source.set_needs_psf(self.task.needs_psf)
        self.method.offer(self.task.task_type, uncertainty=self.task.has_uncertainty)
        reasons = [*self.task.problems(), *self.source.problems(), *self.method.problems()]
        if reasons:
            self._check.drop()
            self._run_when_checked = False
            self.status.say(sentence(reasons[0]))
        else:
            self.status.say("Estimating time and memory…")
            self._check.request()

    def _prepared(self) -> Any:
        """Return the function that estimates the cost, to be called in a thread."""
        try:
            task, method = self.task.value, self.method.value
            inputs = self.source.viewed(task, slicewise=method.slicewise)
        except (ValueError, TypeError) as error:
            self.source.problems()
            self._refused(error)
            return None
        return Run(inputs, task, method, self.method.options).estimate

    def _checked(self, found: Any) -> None:
        if not isinstance(found, CostEstimate):
            self._refused(found)
            return
        self._estimate = found
        self.run_button.setEnabled(True)
        axes = self.source.axes.axes
        slicewise = self.method.value.slicewise and axes is not None and len(axes.spatial) > 2
        notes = [sentence(note) for note in self._check.notes]
        remarks = [*found.remarks, *notes, *["The planes are restored one after another."] * slicewise]
        self.status.say(" ".join([*remarks, self._cost(found)]))
        if self._run_when_checked:
            self._run_when_checked = False
            self.run()

    def _cost(self, found: CostEstimate) -> str:
        """Return the cost of a run in a sentence."""
        if found.seconds < 1:
            return "Less than a second."
        busy = ", measured while another run is active" if len(self._queue) else ""
        if found.at_once:
            return f"About {duration(found.seconds)}{busy}."
        return (
            f"At most {duration(found.seconds)} and {memory(found.bytes)} of memory "
            f"({1000 * found.seconds_per_iteration:.0f} ms per iteration{busy}). Most runs stop earlier."
        )

    def _refused(self, error: Exception) -> None:
        """Say why the image can't be restored, and mark the field that is wrong."""
        self._run_when_checked = False
        if isinstance(error, InputError) and not self.method.show_error(error.argument, str(error)):
            self.source.show_error(error.argument, str(error))
        self.status.say(sentence(str(error)), details_of(error, self._settings))

    def _failed(self, error: Exception) -> None:
        self._say_error(error, self._settings)

    @property
    def _settings(self) -> dict[str, Any]:
        """What is chosen now, for a bug report."""
        chosen: dict[str, Any] = {}
        for name, form in (("Task", self.task), ("Method", self.method)):
            try:
                chosen[name] = form.value
            except (ValueError, TypeError) as error:
                chosen[name] = error
        layer, axes = self.source.image.layer, self.source.axes.axes
        if layer is not None and axes is not None:
            chosen["Image"] = f"{tuple(layer.data.shape)} {layer.data.dtype}, axes {axes.letters}"
        return {**chosen, "Options": self.method.options}

    # Running

    def run(self) -> None:
        """Restore, as soon as the runs before this one have ended."""
        if self._estimate is None or not self._confirmed(self._estimate.seconds):
            return
        task, method = self.task.value, self.method.value
        try:
            inputs = self.source.captured(task, slicewise=method.slicewise)
        except ValueError as error:  # a layer has changed since it was checked
            self._failed(error)
            return
        options = self.method.options
        remember_settings(task)
        self.method.remember()
        self._begin(Result(self._viewer, Run(inputs, task, method, options)))

    def _begin(self, result: Result) -> None:
        """Start the run of a result, as soon as the runs before it have ended."""
        run = result.run
        job = Job(
            result.name,
            run.stream,
            lambda: RunWatch(ProgressTracker(run.method, run.frames, uncertainty=run.uncertainty)),
            self._preferences.interval,
        )
        self._say("")
        self._show_panel(RunPanel(job, result, self._queue))

    def _confirmed(self, seconds: float) -> bool:
        if seconds <= _CONFIRMED_ABOVE:
            return True
        question = f"This run may take up to {duration(seconds)}. Start it?"
        return QMessageBox.question(self, "napari-dip", question) == QMessageBox.StandardButton.Yes

    def _ended(self, panel: JobPanel, words: str, details: str) -> None:
        super()._ended(panel, words, details)
        if isinstance(panel, RunPanel) and panel.result.complete:
            self.result_panel.add(panel.result)

    def _repeat(self, provenance: dict[str, Any]) -> None:
        """Show the settings of an earlier run in the dock, and run them."""
        try:
            # The settings as they were: if the user stopped that run, this one is the user's to stop.
            recipe, found = Recipe.of(provenance), Provenance.of(provenance)
            if type(found.task) not in found.method.tasks:
                pair = f"{type(found.method).__name__} for {type(found.task).__name__}"
                raise ValueError(f"{pair} is not available: choose another method")
        except ValueError as error:
            self._failed(error)
            return
        source = found.source
        layers = {layer.name: layer for layer in self._viewer.layers}
        names = {self.source.image: source.layer}
        for choice, place in (
            (self.source.mask, source.missing),
            (self.source.guide, source.guide),
            (self.source.psf, source.psf),
        ):
            names[choice] = None if place is None else place.layer
        absent = [name for name in names.values() if name and name not in layers]
        try:
            self.task.show_task(recipe.task)
            self.method.show_method(found.method, recipe.device, recipe.seed, uncertainty=recipe.uncertainty)
            for choice, name in names.items():
                choice.choose(layers.get(name))
            axes = Axes(recipe.axes, recipe.channels)
            self.source.show_image(
                axes, recipe.roi, recipe.missing_label, recipe.saturation_level, recipe.series
            )
        except (ValueError, OverflowError) as error:
            self._failed(ValueError(f"the dock can't show these settings: {error}"))
            return
        if absent:
            self._say(f"Choose the layer to use in place of “{absent[0]}”, then press Run.")
        elif source.maps:
            self._say("The parameters are predicted again. “Apply maps” uses the edited maps.")
        self._run_when_checked = not absent  # unless something is wrong
        self._changed()

    # The end

    def release(self) -> None:
        """Cancel all runs, leave the layers as they were, and stop following the viewer."""
        self._run_when_checked = False
        self._check.drop()
        self.task.drop()
        for panel in self._panels:
            panel.result.discard()
        super().release()

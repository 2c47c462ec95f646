"""The part of the dock that says which task to do."""

from collections.abc import Callable
from typing import Any, cast

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QPushButton, QWidget

from napari_dip.noise.estimate import EstimatedNoise, estimate_noise
from napari_dip.noise.models import UnknownNoise
from napari_dip.plugin.forms.fields import fill, label
from napari_dip.plugin.forms.form import Form, Variants
from napari_dip.plugin.forms.layout import Rows, vertical
from napari_dip.plugin.forms.source_form import SourceForm
from napari_dip.plugin.preferences import remembered_settings
from napari_dip.plugin.runs.check import Check
from napari_dip.plugin.runs.inputs import Inputs
from napari_dip.psf.estimate import EstimatedPSF, estimate_psf
from napari_dip.psf.models import MeasuredPSF
from napari_dip.restoration.text import sentence
from napari_dip.tasks import TASKS, Denoise, Task


class TaskForm(QWidget):
    """A task and its settings. Noise and blur can be measured in the image.

    Parameters
    ----------
    source : SourceForm
        The image to measure.
    """

    changed = Signal()
    #: A sentence for the user.
    said = Signal(str)
    #: An error, as an exception.
    failed = Signal(object)

    def __init__(self, source: SourceForm) -> None:
        super().__init__()
        self._source = source
        self._measure: Callable[[Inputs], Any] = lambda _: None
        self._check = Check(self, self._to_measure)
        self._check.found.connect(self._measured)
        self.choice = QComboBox()
        self._forms: dict[type[Task], Form] = {}
        rows = Rows()
        rows.add("Task", self.choice)
        column = vertical(self)
        column.addLayout(rows)
        fill(self.choice, {label(cls.__name__).capitalize(): cls for cls in TASKS})
        for cls in TASKS:
            self._forms[cls] = self._form_for(cls)
            column.addWidget(self._forms[cls])
        self.choice.activated.connect(self._chosen)
        self._chosen()

    def _form_for(self, cls: type[Task]) -> Form:
        form = Form(cls)
        noise = cast(Variants, form.fields["noise"])
        button = _estimate(
            "Measure the noise in the image and enter it here. If the kind of noise is unknown, it is found: "
            "photon noise if the noise grows with brightness, Gaussian noise otherwise."
        )
        button.clicked.connect(self.measure_noise)
        # Stripes and correlated noise have no parameters to measure.
        noise.choice.changed.connect(lambda kind: button.setEnabled(kind is UnknownNoise or kind.known))
        noise.row.addWidget(button)
        if isinstance(psf := form.fields.get("psf"), Variants) and not psf.optional:
            blur = _estimate(
                "Measure the blur at points of light or sharp edges of the image, and enter it here."
            )
            blur.clicked.connect(self.measure_psf)
            psf.row.addWidget(blur)
        if (last := remembered_settings(cls)) is not None:
            form.set(last)
        form.changed.connect(self.changed)
        return form

    @property
    def form(self) -> Form:
        """The form of the chosen task."""
        return self._forms[self.task_type]

    @property
    def noise(self) -> Variants:
        """The form of the noise."""
        return cast(Variants, self.form.fields["noise"])

    @property
    def task_type(self) -> type[Task]:
        """The class of the chosen task."""
        chosen: type[Task] = self.choice.currentData()
        return chosen

    @property
    def needs_psf(self) -> bool:
        """Whether a measured point spread function is needed. It is known while other fields are wrong."""
        psf = self.form.fields.get("psf")
        return isinstance(psf, Variants) and psf.choice.value is MeasuredPSF

    @property
    def has_uncertainty(self) -> bool:
        """Whether the uncertainty of the pixels can be measured. It is known while other fields are wrong."""
        kept = self.form.fields.get("keep_observed")
        return issubclass(self.task_type, Denoise) and not (kept is not None and kept.value)

    @property
    def value(self) -> Task:
        """The chosen task with its settings.

        Raises
        ------
        ValueError or TypeError
            A field is wrong.
        """
        task: Task = self.form.value
        return task

    def choose(self, task: type[Task]) -> None:
        """Show the form of a task."""
        self.choice.setCurrentIndex(self.choice.findData(task))
        self._chosen()

    def show_task(self, task: Task) -> None:
        """Show a task with its settings."""
        self.choose(type(task))
        self.form.set(task)

    def problems(self) -> list[str]:
        """Mark the fields that are wrong, and return the reasons."""
        return self.form.problems()

    def measure_noise(self) -> None:
        """Measure the noise in the image, and enter it."""
        model = self.noise.with_placeholders()
        self._measure = lambda inputs: estimate_noise(
            model, inputs.image, missing=inputs.hidden, axes=inputs.axes.letters
        )
        self.said.emit("Measuring the noise…")
        self._check.request(0)

    def measure_psf(self) -> None:
        """Measure the blur in the image, and enter it."""
        self._measure = lambda inputs: estimate_psf(
            inputs.image, missing=inputs.hidden, axes=inputs.axes.letters
        )
        self.said.emit("Measuring the blur…")
        self._check.request(0)

    def drop(self) -> None:
        """Forget what is being measured, since something has changed."""
        self._check.drop()

    def _chosen(self) -> None:
        for form in self._forms.values():
            form.setVisible(form is self.form)
        self.changed.emit()

    def _to_measure(self) -> Any:
        """Return the function that measures, to be called in a thread."""
        try:
            inputs = self._source.image_alone()
        except ValueError as error:
            self.failed.emit(error)
            return None
        measure = self._measure
        return lambda: measure(inputs)

    def _measured(self, found: Any) -> None:
        notes = map(sentence, self._check.notes)
        if isinstance(found, EstimatedNoise):
            self.noise.set(found.model)
            self.said.emit(" ".join([f"The noise was measured in the image: {found.in_words}.", *notes]))
        elif isinstance(found, EstimatedPSF):
            self.form.fields["psf"].set(found.model)
            self.said.emit(" ".join([f"The blur was measured in the image: {found.in_words}.", *notes]))
        else:
            self.failed.emit(found)


def _estimate(tooltip: str) -> QPushButton:
    button = QPushButton("Estimate")
    button.setToolTip(f"<qt>{tooltip}</qt>")
    return button

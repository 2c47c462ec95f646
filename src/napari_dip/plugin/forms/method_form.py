"""The part of the dock that says how the image is restored."""

import contextlib
from typing import Annotated, Any

from annotated_types import Interval
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QPushButton, QWidget

from napari_dip.device import Device
from napari_dip.methods import DIP, METHODS, PKN, PRESETS, FineTune, Method
from napari_dip.plugin.forms.fields import Entry, Field, fill
from napari_dip.plugin.forms.file_dialogs import KERNELS, PRETRAINED, ask_for
from napari_dip.plugin.forms.form import Form
from napari_dip.plugin.forms.layout import Rows, Section, fold, vertical
from napari_dip.plugin.preferences import (
    Preferences,
    remember,
    remember_settings,
    remembered,
    remembered_settings,
)
from napari_dip.presentation import words_of_method
from napari_dip.settings import to_dict
from napari_dip.tasks import Task

_CUSTOM = "custom"
#: Methods that take weights from a file, with what the dialog and its button say.
_NETWORKS: dict[type[Method], tuple[str, str]] = {
    PKN: (KERNELS, "Choose the file of a network that you trained."),
    FineTune: (
        PRETRAINED,
        "<qt>Choose the file of a pretrained network: a .safetensors file, or a state dictionary saved by "
        "PyTorch. Code in the file is never run.</qt>",
    ),
}


class MethodForm(QWidget):
    """A method with its settings and presets, whether the uncertainty is measured, the device, and the seed.

    Parameters
    ----------
    preferences : Preferences
        The device and the time limit at first. All else is as in the last run.
    """

    changed = Signal()

    def __init__(self, preferences: Preferences) -> None:
        super().__init__()
        self._preferences = preferences
        self.choice = QComboBox()
        self.choice.setToolTip("How the image is restored.")
        self.device = Entry(Device, "Where to compute. “auto” takes a graphics card if there is one.")
        self.seed = Entry(
            Annotated[int, Interval(ge=0)],
            "Seed of all random numbers. The same seed gives the same pixels on the same machine.",
        )
        self.preset = QComboBox()
        self.preset.setToolTip(
            "<qt>Settings to start from. “tapered” is the default, and fast. “fine” takes three times as "
            "long, and is better if thin lines are missing. The other presets are published settings.</qt>"
        )
        self.uncertainty = Entry(
            bool,
            "Measure how far each pixel may be wrong, and add a layer of standard errors. Data are simulated "
            "twice from the result and restored in the same way, so a run takes three times as long. One "
            "pixel in twenty is kept from the run to calibrate the errors, which makes the result slightly "
            "worse.",
        )
        self.device.set(preferences.device)
        self.seed.set(remembered("seed") or 0)
        self.uncertainty.set(bool(remembered("uncertainty")))
        self._forms = {cls: self._form_for(cls) for cls in METHODS}

        self._rows, machine = Rows(), QWidget()
        self._rows.add("Method", self.choice)
        self._rows.add("Preset", self.preset)
        self._box = Section("Method")
        self._box.column.addLayout(self._rows)
        for form in self._forms.values():
            self._box.column.addWidget(form)
        self._below = Rows()
        self._below.add("Measure uncertainty", self.uncertainty)
        self._box.column.addLayout(self._below)
        fields = Rows(machine)
        fields.add("Device", self.device)
        fields.add("Seed", self.seed)
        folded = fold("Device and seed")
        folded.addWidget(machine)
        column = vertical(self)
        column.setSpacing(10)
        column.addWidget(self._box)
        column.addWidget(folded)
        self.choice.activated.connect(self._chosen)
        self.preset.textActivated.connect(self._preset_chosen)
        for entry in (self.uncertainty, self.device, self.seed):
            entry.changed.connect(self.changed)

    def _form_for(self, cls: type[Method]) -> Form:
        form = Form(cls, words_of_method(cls).essential)
        if (last := remembered_settings(cls)) is not None:
            form.set(last)
        self._limit(form)
        if cls in _NETWORKS:
            form.fields["weights"].row.addWidget(self._browser(form.fields["weights"], *_NETWORKS[cls]))
        form.changed.connect(self._form_changed)
        return form

    def _browser(self, field: Field, kinds: str, tooltip: str) -> QPushButton:
        """Return a button that asks for a file and enters its name into a field."""
        button = QPushButton("Choose…")
        button.setToolTip(tooltip)

        def choose() -> None:
            if path := ask_for(self, kinds):
                field.set(path)

        button.clicked.connect(choose)
        return button

    def offer(self, task: type[Task], *, uncertainty: bool = False) -> None:
        """Offer the methods that can do a task, and to measure the uncertainty if it has one.

        The chosen method stays if it is one of them, and otherwise it is Deep Image Prior.
        """
        self._below.setRowVisible(self.uncertainty, uncertainty)
        offered = [cls for cls in METHODS if task in cls.tasks]
        if [self.choice.itemData(at) for at in range(self.choice.count())] == offered:
            return
        before = self.choice.currentData()
        with QSignalBlocker(self.choice):
            self.choice.clear()
            fill(self.choice, {words_of_method(cls).title: cls for cls in offered})
            self.choice.setCurrentIndex(self.choice.findData(before if before in offered else DIP))
        self._show_form()

    def choose(self, method: type[Method]) -> None:
        """Choose a method, if it is offered."""
        if (at := self.choice.findData(method)) >= 0:
            self.choice.setCurrentIndex(at)
            self._show_form()

    @property
    def form(self) -> Form:
        """The form of the chosen method."""
        return self._forms[self.choice.currentData()]

    @property
    def value(self) -> Method:
        """The method with its settings.

        Raises
        ------
        ValueError or TypeError
            A field is wrong.
        """
        method: Method = self.form.value
        return method

    @property
    def options(self) -> dict[str, Any]:
        """Device, seed and uncertainty, as `restore` takes them."""
        measured = self.uncertainty.value and self._below.isRowVisible(self.uncertainty)
        return {"device": self.device.value, "seed": self.seed.value, "uncertainty": measured}

    def show_method(self, method: Method, device: str, seed: int, *, uncertainty: bool = False) -> None:
        """Show a method with its settings, and the options of a run. The method has to be offered."""
        self.choose(type(method))
        self.form.set(method)
        self.device.set(device)
        self.seed.set(seed)
        self.uncertainty.set(uncertainty)

    def problems(self) -> list[str]:
        """Mark the fields that are wrong, and return the reasons."""
        self.device.show_error("")
        return self.form.problems()

    def show_error(self, argument: str, reason: str) -> bool:
        """Mark the field of an argument of `solve` as wrong. Return whether the field is in this form."""
        field = self.device if argument == "device" else self.form.fields.get(argument)
        if field is not None:
            field.show_error(reason)
        return field is not None

    def remember(self) -> None:
        """Keep these values for the next dock."""
        remember_settings(self.value)
        remember("seed", self.seed.value)
        remember("uncertainty", self.uncertainty.value)

    def _limit(self, form: Form) -> None:
        if "time_limit" in form.fields:
            form.fields["time_limit"].set(self._preferences.time_limit)

    def _chosen(self, _: int = 0) -> None:
        self._show_form()
        self.changed.emit()

    def _show_form(self) -> None:
        """Show the form of the chosen method, and its presets if it has any."""
        for form in self._forms.values():
            form.setVisible(form is self.form)
        several, cls = self.choice.count() > 1, self.choice.currentData()
        self._box.entitle("Method" if several else words_of_method(cls).title)
        self._rows.setRowVisible(self.choice, several)
        presets = [name for name, preset in PRESETS.items() if isinstance(preset, cls)]
        self.preset.clear()
        self.preset.addItems([*presets, _CUSTOM])
        self._rows.setRowVisible(self.preset, bool(presets))
        self._name_preset()

    def _preset_chosen(self, name: str) -> None:
        if name in PRESETS:
            self.form.set(PRESETS[name])
            self._limit(self.form)

    def _form_changed(self) -> None:
        self._name_preset()
        self.changed.emit()

    def _name_preset(self) -> None:
        """Show the name of the preset that has these settings, whatever their time limit."""
        name = _CUSTOM
        with contextlib.suppress(ValueError, TypeError):
            now = to_dict(self.value)
            for one, preset in PRESETS.items():
                if {**to_dict(preset), "time_limit": now.get("time_limit")} == now:
                    name = one
        self.preset.setCurrentText(name)

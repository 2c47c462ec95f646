"""The part of the dock that says how the image is to be restored."""

import contextlib
from typing import Annotated, Any

from annotated_types import Interval
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QWidget

from napari_dip.device import Device
from napari_dip.methods import METHODS, PRESETS, Method
from napari_dip.plugin.fields import Entry
from napari_dip.plugin.form import Form
from napari_dip.plugin.layout import Rows, fold, section, vertical
from napari_dip.plugin.preferences import (
    Preferences,
    remember,
    remember_settings,
    remembered,
    remembered_settings,
)
from napari_dip.settings import record

_CUSTOM = "custom"


class MethodForm(QWidget):
    """A method with its presets and settings, the device, and the seed.

    Parameters
    ----------
    preferences : Preferences
        Device and time limit at first; the rest is as in the last run.
    """

    changed = Signal()

    def __init__(self, preferences: Preferences) -> None:
        super().__init__()
        self._preferences = preferences
        cls = METHODS[0]
        self.form = Form(cls, cls.essential)
        self.device = Entry(Device, "Where to compute; “auto” takes a graphics card where there is one.")
        self.seed = Entry(
            Annotated[int, Interval(ge=0)],
            "Of all random numbers. The same seed gives the same pixels on this machine.",
        )
        self.preset = QComboBox()
        for name in [name for name, preset in PRESETS.items() if isinstance(preset, cls)]:
            self.preset.addItem(name)
        self.preset.addItem(_CUSTOM)
        self.preset.setToolTip(
            "<qt>Settings to start from. “tapered” is the fast default; the others are those that the "
            "authors of Deep Image Prior published.</qt>"
        )
        if (last := remembered_settings(cls)) is not None:
            self.form.set(last)
        self._limit()
        self.device.set(preferences.device)
        self.seed.set(remembered("seed") or 0)
        self._name_preset()

        presets, machine = Rows(), QWidget()
        presets.add("Settings", self.preset)
        box = section(cls.title)
        box.layout().addLayout(presets)
        box.layout().addWidget(self.form)
        fields = Rows(machine)
        fields.add("Device", self.device)
        fields.add("Seed", self.seed)
        folded = fold("Device and seed")
        folded.addWidget(machine)
        column = vertical(self)
        column.setSpacing(10)
        column.addWidget(box)
        column.addWidget(folded)
        self.preset.textActivated.connect(self._preset_chosen)
        self.form.changed.connect(self._form_changed)
        for entry in (self.device, self.seed):
            entry.changed.connect(self.changed)

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
        """The keyword arguments of `restore` that go with a method."""
        return {"device": self.device.value, "seed": self.seed.value}

    def show_method(self, method: Method, device: str, seed: int) -> None:
        """Show a method with its settings, and where it runs."""
        self.form.set(method)
        self.device.set(device)
        self.seed.set(seed)

    def problems(self) -> list[str]:
        """Mark the fields that are wrong, and return the reasons."""
        self.device.complain("")
        return self.form.problems()

    def complain(self, argument: str, reason: str) -> None:
        """Mark the device, the one argument of `solve` here that has a field of its own, as wrong."""
        self.device.complain(reason)

    def keep(self) -> None:
        """Begin with these values the next time."""
        remember_settings(self.value)
        remember("seed", self.seed.value)

    def _limit(self) -> None:
        self.form.fields["time_limit"].set(self._preferences.time_limit)

    def _preset_chosen(self, name: str) -> None:
        if name in PRESETS:
            self.form.set(PRESETS[name])
            self._limit()

    def _form_changed(self) -> None:
        self._name_preset()
        self.changed.emit()

    def _name_preset(self) -> None:
        """Show the name of the preset that the settings are, whatever their time limit."""
        name = _CUSTOM
        with contextlib.suppress(ValueError, TypeError):
            now = record(self.value)
            for one, preset in PRESETS.items():
                if {**record(preset), "time_limit": now["time_limit"]} == now:
                    name = one
        self.preset.setCurrentText(name)

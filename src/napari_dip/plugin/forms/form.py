"""A form for any settings class, made of its fields, defaults, limits and docstring."""

from collections.abc import Collection
from dataclasses import MISSING, dataclass, fields, is_dataclass
from inspect import isabstract
from types import NoneType
from typing import Any, cast, get_args

from magicgui.widgets import ComboBox
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QWidget

from napari_dip.plugin.forms.fields import Entry, Field, first_line, label, unit
from napari_dip.plugin.forms.layout import Rows, fold
from napari_dip.settings import check_field, descriptions, family, hints, plain_fields


class Form(Field):
    """Editors for the fields of a settings class. Its value is an instance of that class.

    Parameters
    ----------
    cls : type
        A dataclass of plain settings.
    essential : collection of str, optional
        Fields that are always shown. The others are folded away. By default all are shown.
    tooltip : str
        What the settings are for.
    """

    def __init__(self, cls: type, essential: Collection[str] | None = None, tooltip: str = "") -> None:
        super().__init__(tooltip)
        self._cls = cls
        self.fields: dict[str, Field] = {}
        self._layout = Rows()
        self.row.addLayout(self._layout)
        names = list(hints(cls))
        for name in sorted(names, key=lambda name: essential is not None and name not in essential):
            self.fields[name] = self._field(name)
        shown = [name for name in (names if essential is None else essential) if name in names]
        for name in shown:
            self._add(self._layout, name)
        folded = [name for name in names if name not in shown]
        if folded:
            more = fold("More settings")
            rows = QWidget()
            layout = Rows(rows)
            for name in folded:
                self._add(layout, name, folded=True)
            more.addWidget(rows)
            self._layout.addRow(more)
        self._show_defaults()

    def _field(self, name: str) -> Field:
        hint = hints(self._cls)[name]
        tooltip = descriptions(self._cls).get(name, "")
        optional = NoneType in get_args(hint)
        kind = get_args(hint)[0] if optional else hint
        field: Field
        if not is_dataclass(kind):
            field = Entry(hint, tooltip)
        else:
            cls = cast(type, kind)
            abstract = isabstract(cls)
            field = Variants(cls, tooltip, optional=optional) if abstract else Form(cls, tooltip=tooltip)
        field.changed.connect(self._field_changed)
        return field

    def _add(self, layout: Rows, name: str, *, folded: bool = False) -> None:
        field = self.fields[name]
        if isinstance(field, Form) or (folded and isinstance(field, Variants)):
            inner = fold(label(name))
            inner.toggleButton().setToolTip(field.toolTip())
            inner.addWidget(field)
            layout.addRow(inner)
        else:
            layout.add(label(name) + unit(hints(self._cls)[name]), field)

    def _show_defaults(self) -> None:
        for field in plain_fields(self._cls):
            if field.default is not MISSING:
                self.fields[field.name].set(field.default)
        self.problems()

    def _field_changed(self) -> None:
        self.problems()
        self.changed.emit()

    def problems(self) -> list[str]:
        """Mark the fields that are wrong, and return the reasons."""
        found = []
        for name, field in self.fields.items():
            reason = ""
            try:
                check_field(self._cls, name, field.value)
            except (ValueError, TypeError) as error:
                reason = str(error).removeprefix(f"{self._cls.__name__}.{name} ")
            if isinstance(field, (Form, Variants)):
                found += field.problems()
            else:
                field.show_error(reason)
                found += [f"{label(name)} {reason}"] if reason else []
        reason = ""
        if not found:
            try:
                _ = self.value
            except (ValueError, TypeError) as error:  # the fields contradict each other
                reason = str(error)
                found.append(reason)
        self.show_error(reason)
        return found

    @property
    def value(self) -> Any:
        """The settings.

        Raises
        ------
        ValueError or TypeError
            A field is wrong.
        """
        return self._cls(**{name: field.value for name, field in self.fields.items()})

    def set(self, value: Any) -> None:
        """Show an instance of the settings class."""
        for name, field in self.fields.items():
            with QSignalBlocker(field):
                field.set(getattr(value, name))
        self._field_changed()


@dataclass(frozen=True)
class _None:
    """Leave this out."""


class Variants(Field):
    """A choice among the settings classes of a family, each with its own form.

    Parameters
    ----------
    base : type
        The abstract base class of the family.
    tooltip : str
        What the settings are for.
    optional : bool
        Whether None can be chosen too.
    """

    def __init__(self, base: type, tooltip: str = "", *, optional: bool = False) -> None:
        super().__init__(tooltip)
        self.optional = optional
        self._forms: dict[type, Form] = {_None: Form(_None)} if optional else {}
        self._forms |= {cls: Form(cls) for cls in family(base)}
        family_name = base.__name__.removesuffix("Model")  # such as Noise, of GaussianNoise
        names = [label(cls.__name__.removesuffix(family_name).strip("_")) for cls in self._forms]
        self.choice = ComboBox(choices=list(zip(names, self._forms, strict=True)))
        self.choice.changed.connect(self._chosen)
        self.row.addWidget(self.choice.native)
        for cls, form in self._forms.items():
            form.changed.connect(self.changed)
            self.layout().addWidget(form)
            self.choice.native.setItemData(
                list(self._forms).index(cls),
                first_line(cls),
                Qt.ItemDataRole.ToolTipRole,
            )
        self._chosen()

    @property
    def form(self) -> Form:
        """The form of the chosen class."""
        return self._forms[self.choice.value]

    @property
    def value(self) -> Any:
        """The settings, or None."""
        return None if self.choice.value is _None else self.form.value

    def with_placeholders(self) -> Any:
        """Return the settings, with 1 in place of those that have neither a value nor a default."""
        try:
            return self.value
        except (ValueError, TypeError):
            cls = self.choice.value
            return cls(**{field.name: 1.0 for field in fields(cls) if field.default is MISSING})

    def set(self, value: Any) -> None:
        """Choose the class of the settings, and show them."""
        with QSignalBlocker(self):
            self.choice.value = _None if value is None else type(value)
        self.form.set(value)

    def problems(self) -> list[str]:
        """Mark the fields that are wrong, and return the reasons."""
        return self.form.problems()

    def _chosen(self) -> None:
        for form in self._forms.values():
            form.setVisible(form is self.form and bool(form.fields))
        self.changed.emit()

"""Editors for single values, each with a place for what is wrong."""

import html
import re
from abc import abstractmethod
from collections.abc import Mapping
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Unit
from magicgui.widgets import CheckBox, ComboBox, LineEdit, SpinBox
from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from napari_dip.plugin.forms.layout import WrappedLabel

_INITIALS = ("psf", "fwhm")
_LARGEST = 2**53  # largest whole number in a spin box


class Field(QWidget):
    """An editor, and below it the reason why its value is wrong.

    Parameters
    ----------
    tooltip : str
        What the value is for.
    """

    changed = Signal()

    def __init__(self, tooltip: str = "") -> None:
        super().__init__()
        self.setToolTip(
            f"<qt>{html.escape(tooltip.replace('`', ''))}</qt>" if tooltip else ""
        )  # as rich text, Qt wraps it
        self.row = QHBoxLayout()
        self.row.setContentsMargins(0, 0, 0, 0)
        self._reason = WrappedLabel()
        self._reason.setStyleSheet("color: #e5534b;")  # legible on napari's dark and light themes
        self._reason.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(self.row)
        column.addWidget(self._reason)

    @property
    @abstractmethod
    def value(self) -> Any:
        """The value that was entered.

        Raises
        ------
        ValueError
            What was entered is no value, with the reason.
        """

    @abstractmethod
    def set(self, value: Any) -> None:
        """Show a value."""

    @property
    def reason(self) -> str:
        """The reason that is shown, or an empty string."""
        return self._reason.text()

    def show_error(self, reason: str) -> None:
        """Mark the field as wrong. Without a reason, mark it as right."""
        self._reason.setText(reason)
        self._reason.setVisible(bool(reason))


class Entry(Field):
    """An editor that suits a type.

    Parameters
    ----------
    hint : type
        Type of the value, as annotated in a settings class: bool, a Literal, int with limits, float, str, a
        tuple of one of these, or any of them or None.
    tooltip : str
        What the value is for, and its unit.
    """

    def __init__(self, hint: Any, tooltip: str = "") -> None:
        super().__init__(tooltip)
        self._hint = hint
        self.editor = _editor(hint)
        self._text = isinstance(self.editor, LineEdit)
        if self._text and NoneType in get_args(_plain(hint)):
            has_default = "default" in tooltip.lower()
            self.editor.native.setPlaceholderText("automatic" if has_default else "none")
        self.editor.changed.connect(lambda: self.changed.emit())
        self.row.addWidget(self.editor.native)

    @property
    def value(self) -> Any:
        """The value that was entered."""
        return _read(self.editor.value, _plain(self._hint)) if self._text else self.editor.value

    def set(self, value: Any) -> None:
        """Show a value."""
        self.editor.value = _shown(value) if self._text else value


class Choice(Field):
    """A list of named values, of which one is chosen.

    Parameters
    ----------
    values : mapping
        The values by name.
    tooltip : str
        What the value is for.
    """

    def __init__(self, values: Mapping[str, Any], tooltip: str = "") -> None:
        super().__init__(tooltip)
        self.box = QComboBox()
        for name, value in values.items():
            self.box.addItem(name, value)
        self.box.activated.connect(lambda _: self.changed.emit())
        self.row.addWidget(self.box)

    @property
    def value(self) -> Any:
        """The value that was chosen."""
        return self.box.currentData()

    def set(self, value: Any) -> None:
        """Show a value."""
        self.box.setCurrentIndex(self.box.findData(value))


def label(name: str) -> str:
    """Return the label of a field, or what a class is called in a list."""
    if name[0].isupper():
        return "-".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]*", name))
    text = " ".join(word.upper() if word in _INITIALS else word for word in name.split("_"))
    return text[0].upper() + text[1:]


def first_line(cls: type) -> str:
    """Return the first line of a class's docstring, which is its tooltip in a list."""
    return (cls.__doc__ or "").split("\n")[0]


def fill(choice: QComboBox, classes: Mapping[str, type]) -> None:
    """Add classes to an empty list by their names, each with a tooltip."""
    for at, (name, cls) in enumerate(classes.items()):
        choice.addItem(name, cls)
        choice.setItemData(at, first_line(cls), Qt.ItemDataRole.ToolTipRole)


def unit(hint: Any) -> str:
    """Return the unit of a field, as it is added to the label, or an empty string."""
    units = [one.unit for one in getattr(hint, "__metadata__", ()) if isinstance(one, Unit)]
    return f" ({units[0]})" if units else ""


def _plain(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _editor(hint: Any) -> ValueWidget:
    kind = _plain(hint)
    if kind is bool:
        return CheckBox(text="")
    if get_origin(kind) is Literal:
        return ComboBox(choices=get_args(kind))
    if kind is int:
        low, high = _limits(hint)
        return SpinBox(min=low, max=high)
    return LineEdit()  # a spin box would round 1e-5 to 0


def _limits(hint: Any) -> tuple[int, int]:
    """Return the smallest and the largest number that an annotation allows."""
    low, high = -_LARGEST, _LARGEST
    for limit in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
        for name, value in ((name, getattr(limit, name, None)) for name in ("ge", "gt", "le", "lt")):
            if value is not None and name[0] == "g":
                low = max(low, value + (name == "gt"))
            elif value is not None:
                high = min(high, value - (name == "lt"))
    return low, high


def _read(text: str, kind: Any) -> Any:
    text = text.strip()
    if NoneType in get_args(kind):
        if not text:
            return None
        kind = next(one for one in get_args(kind) if one is not NoneType)
    if get_origin(kind) is tuple:
        return tuple(_read(part, _plain(get_args(kind)[0])) for part in text.strip(",").split(","))
    if kind is str:
        return text
    try:
        return kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise ValueError(f"must be {wanted}, got {text!r}" if text else f"must be {wanted}") from None


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value))
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)

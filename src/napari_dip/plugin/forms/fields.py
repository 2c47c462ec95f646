"""One editor for one value: a widget, what is wrong with it, and why."""

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
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

_INITIALS = ("psf", "fwhm")
_LARGEST = 2**53  # of a whole number in a spin box


class Field(QWidget):
    """An editor with a place below it that says what is wrong."""

    changed = Signal()

    def __init__(self, tooltip: str = "") -> None:
        super().__init__()
        self.setToolTip(
            f"<qt>{html.escape(tooltip.replace('`', ''))}</qt>" if tooltip else ""
        )  # as rich text, Qt wraps it
        self.row = QHBoxLayout()
        self.row.setContentsMargins(0, 0, 0, 0)
        self._reason = QLabel(objectName="reason")
        self._reason.setWordWrap(True)
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
        """What was entered.

        Raises
        ------
        ValueError
            In words: it is not a value.
        """

    @abstractmethod
    def set(self, value: Any) -> None:
        """Show a value."""

    @property
    def reason(self) -> str:
        """What is wrong, or nothing."""
        return self._reason.text()

    def show_error(self, reason: str) -> None:
        """Mark the field as wrong; with no reason, as right."""
        self._reason.setText(reason)
        self._reason.setVisible(bool(reason))


class Entry(Field):
    """The editor that suits a type.

    Parameters
    ----------
    hint : type
        Of the value, as annotated in a settings class: bool, a Literal, int with limits, float, str, a
        tuple of one of these, or any of them or None.
    tooltip : str
        Says what it is for, and in which unit.
    """

    def __init__(self, hint: Any, tooltip: str = "") -> None:
        super().__init__(tooltip)
        self._hint = hint
        self.editor = _editor(hint)
        self._text = isinstance(self.editor, LineEdit)
        if self._text and NoneType in get_args(_plain(hint)):
            chosen_for_the_user = "by default" in tooltip.lower()
            self.editor.native.setPlaceholderText("automatic" if chosen_for_the_user else "none")
        self.editor.changed.connect(lambda: self.changed.emit())
        self.row.addWidget(self.editor.native)

    @property
    def value(self) -> Any:
        """What was entered."""
        return _read(self.editor.value, _plain(self._hint)) if self._text else self.editor.value

    def set(self, value: Any) -> None:
        """Show a value."""
        self.editor.value = _shown(value) if self._text else value


class Choice(Field):
    """One of some values, each with a name.

    Parameters
    ----------
    values : mapping
        From what they are called to what they are.
    tooltip : str
        Says what it is for.
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
        """What was chosen."""
        return self.box.currentData()

    def set(self, value: Any) -> None:
        """Show a value."""
        self.box.setCurrentIndex(self.box.findData(value))


def words(name: str) -> str:
    """Return a field's name as a label, and a class's as its name in a list."""
    if name[0].isupper():
        return "-".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]*", name))
    text = " ".join(word.upper() if word in _INITIALS else word for word in name.split("_"))
    return text[0].upper() + text[1:]


def first_line(cls: type) -> str:
    """Return what a class's docstring begins with: its tooltip in a list."""
    return (cls.__doc__ or "").split("\n")[0]


def offer(choice: QComboBox, classes: Mapping[str, type]) -> None:
    """Put classes into an empty choice by their names, each with its first line as the tooltip."""
    for at, (name, cls) in enumerate(classes.items()):
        choice.addItem(name, cls)
        choice.setItemData(at, first_line(cls), Qt.ItemDataRole.ToolTipRole)


def unit(hint: Any) -> str:
    """Return the unit of a field, to be added to its label, where its annotation has one."""
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
    """Return the ends of the range that an annotation allows."""
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

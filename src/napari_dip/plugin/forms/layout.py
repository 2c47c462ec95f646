"""Rows, headings and folds that look alike in all docks."""

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

_LABEL = 100  # width of most labels, in pixels


def fold(title: str) -> QCollapsible:
    """Return a section that is collapsed until its title is clicked."""
    section = QCollapsible(title, expandedIcon="▾", collapsedIcon="▸")
    section.layout().setContentsMargins(0, 0, 0, 0)
    section.content().layout().setContentsMargins(8, 0, 0, 0)
    section.setDuration(0)
    return section


class WrappedLabel(QLabel):
    """Text that wraps and is never cut off: forms forget that its height depends on its width."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setWordWrap(True)

    def setText(self, text: str) -> None:
        """Show another text."""
        super().setText(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Follow the width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setMinimumHeight(0)
        self.setMinimumHeight(max(0, self.heightForWidth(self.width())))


class _WheelGuard(QObject):
    """Keeps the mouse wheel, which scrolls the form, from changing values on its way."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ignore the wheel over editors that were not clicked."""
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False


class Rows(QFormLayout):
    """Rows of a label and an editor. All labels have the same width, and the editors take the rest."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(*([] if parent is None else [parent]))
        self.setContentsMargins(0, 0, 0, 0)
        self._wheel_guard = _WheelGuard(self)
        self.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)

    def add(self, label: str, widget: QWidget) -> None:
        """Add an editor with its label. Both show the tooltip of the editor."""
        heading = QLabel(label)
        heading.setMinimumWidth(_LABEL)
        heading.setToolTip(widget.toolTip())
        for one in (widget, *widget.findChildren(QWidget)):
            if isinstance(one, (QComboBox, QAbstractSpinBox)):
                one.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                one.installEventFilter(self._wheel_guard)
        self.addRow(heading, widget)


def beside(editor: QWidget, value: QLabel) -> QWidget:
    """Return an editor, such as a slider, with its value in numbers to its right."""
    both = QWidget()
    line = QHBoxLayout(both)
    line.setContentsMargins(0, 0, 0, 0)
    line.addWidget(editor)
    line.addWidget(value)
    both.setToolTip(editor.toolTip())
    return both


def vertical(parent: QWidget) -> QVBoxLayout:
    """Return a column without margins."""
    column = QVBoxLayout(parent)
    column.setContentsMargins(0, 0, 0, 0)
    return column


class Section(QWidget):
    """Widgets under a heading."""

    def __init__(self, title: str, *widgets: QWidget) -> None:
        super().__init__()
        self.column = vertical(self)
        self.column.setSpacing(4)
        self._heading = QLabel()
        self.column.addWidget(self._heading)
        for widget in widgets:
            self.column.addWidget(widget)
        self.entitle(title)

    def entitle(self, title: str) -> None:
        """Change the heading."""
        self._heading.setText(f"<b>{title}</b>")


class Scroll(QScrollArea):
    """A vertical scroll area that is always wide enough for its widget."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(widget)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the width of the widget, which changes with unfolded sections and with the theme."""
        if event.type() == QEvent.Type.LayoutRequest and watched is self.widget():
            bar = self.verticalScrollBar().sizeHint().width()
            self.setMinimumWidth(watched.minimumSizeHint().width() + bar)
        return bool(super().eventFilter(watched, event))

"""A sentence for the user, and the details of an error."""

from qtpy.QtCore import Qt
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import QApplication, QPlainTextEdit, QPushButton, QWidget

from napari_dip.plugin.forms.layout import WrappedLabel, fold, vertical

_LINES = 8  # of the details that are shown at once


class Message(QWidget):
    """A sentence, and below it a fold that holds what a bug report needs, if there is an error."""

    def __init__(self) -> None:
        super().__init__()
        self._label = WrappedLabel()
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.details.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.details.setFixedHeight(_LINES * self.details.fontMetrics().lineSpacing())
        self.copy_button = QPushButton("Copy details")
        self.copy_button.setToolTip("Copy the error, the settings and the versions for a bug report.")
        self.copy_button.clicked.connect(self._copy)
        self.fold = fold("Details")
        self.fold.addWidget(self.details)
        self.fold.addWidget(self.copy_button)
        column = vertical(self)
        column.addWidget(self._label)
        column.addWidget(self.fold)
        self.say("")

    def say(self, sentence: str, details: str = "") -> None:
        """Show a sentence, with the details of the error that it is about; with no sentence, show nothing."""
        self._label.setText(sentence)
        self.details.setPlainText(details)
        self.fold.collapse(animate=False)
        self.fold.setVisible(bool(details))
        self.setVisible(bool(sentence))

    def text(self) -> str:
        """Return the sentence that is shown."""
        return str(self._label.text())

    def _copy(self) -> None:
        QApplication.clipboard().setText(self.details.toPlainText())

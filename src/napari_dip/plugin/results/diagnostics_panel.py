"""How far a result can be trusted: a verdict, and the numbers behind it."""

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from napari_dip.diagnostics.report import Diagnostics
from napari_dip.diagnostics.table import rows_of
from napari_dip.plugin.forms.layout import Scroll, WrappedLabel, fold, vertical
from napari_dip.plugin.results.result import Result

#: Findings that are said with the verdict, and height of the details in pixels.
_SAID, _HEIGHT = 1, 190
_CHANGED = "The image was changed after the run, so its residual has not been compared with the noise."


class DiagnosticsPanel(QWidget):
    """The verdict on the frame that is shown, and a table of what was measured.

    Parameters
    ----------
    viewer : Viewer
        The viewer that shows the results.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._result: Result | None = None
        self._shown: Diagnostics | None = None
        self.verdict, self.findings = WrappedLabel(), WrappedLabel()
        for label in (self.verdict, self.findings):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.peaks = QPushButton("Show peaks")
        self.peaks.setToolTip(
            "<qt>Add a points layer that marks where the residual stands out from the noise, in all "
            "frames.</qt>"
        )
        self.peaks.clicked.connect(self._show_peaks)
        table, content = QWidget(), QWidget()
        self._grid = QGridLayout(table)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(2, 1)
        inside = vertical(content)
        inside.addWidget(self.findings)
        inside.addWidget(table)
        scroll = Scroll(content)
        scroll.setFixedHeight(_HEIGHT)
        self.details = fold("Details")
        self.details.addWidget(scroll)
        self.details.addWidget(self.peaks)
        column = vertical(self)
        column.addWidget(self.verdict)
        column.addWidget(self.details)
        self._event = viewer.dims.events.point
        self._event.connect(self._update)
        self.show_result(None)

    def show_result(self, result: Result | None) -> None:
        """Show how far a result can be trusted; hide if that was not measured."""
        self._result = result
        self._update()

    def release(self) -> None:
        """Stop following the viewer."""
        self._event.disconnect(self._update)
        self._result = None

    def _update(self, event: Any = None) -> None:
        result = self._result
        report = None if result is None else result.report
        found = None if report is None else report.diagnostics
        self.setVisible(found is not None)
        if result is None or found is None:
            return
        # The first finding says most. The others are under the details, so that the dock keeps its size.
        self.verdict.setText(
            _CHANGED if result.changed else " ".join([found.verdict, *found.findings[:_SAID]])
        )
        self.findings.setText("\n".join(found.findings[_SAID:]))
        self.findings.setVisible(len(found.findings) > _SAID)
        self.details.setVisible(not result.changed and bool(found.noise))
        self.peaks.setVisible(bool(found.peaks))
        if found is not self._shown:
            self._shown = found
            self._fill(found)

    def _fill(self, found: Diagnostics) -> None:
        """Show the numbers of a diagnosis in the table."""
        grid = self._grid
        while (item := grid.takeAt(0)) is not None:
            item.widget().deleteLater()
        for column, heading in enumerate(("", "measured", "expected")):
            grid.addWidget(QLabel(f"<i>{heading}</i>"), 0, column)
        for line, row in enumerate(rows_of(found), 1):
            cells = [QLabel(row.name), QLabel(row.value), QLabel(row.wanted)]
            if not row.wanted:  # words, which take the room of both
                cells = [cells[0], WrappedLabel(row.value)]
            for column, cell in enumerate(cells):
                cell.setTextFormat(Qt.TextFormat.PlainText)
                cell.setToolTip(f"<qt>{row.meaning}</qt>")
                last = column + 1 == len(cells)
                grid.addWidget(cell, line, column, 1, 3 - column if last else 1)

    def _show_peaks(self) -> None:
        if self._result is not None:
            self._result.add_peaks()

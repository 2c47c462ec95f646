"""A small plot of a run: fit error, score, and the best until now."""

import math
from typing import Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPainterPath, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_dip.solver.iterate import Judge

FIT, SCORE = QColor("#8a8fa3"), QColor("#2f9fe0")
#: What the score is called, by what gives it.
SCORES = {
    Judge.HELD_OUT: "held-out error",
    Judge.VARIANCE: "variance of the outputs",
    Judge.DISCREPANCY: "residual over noise",
}
_MARGIN = 6
_KEPT = 400  # points of a curve; there are no more pixels to show them


class Curves(QWidget):
    """Fit error and score over the updates, each on its own scale, since their units differ."""

    def __init__(self) -> None:
        super().__init__()
        self._fit: list[tuple[int, float]] = []
        self._scores: list[tuple[int, float]] = []
        self._last = 0
        self.best: tuple[int, float] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.judged_by(None)

    def judged_by(self, judge: Judge | None) -> None:
        """Say what the second curve is."""
        blue = (
            ""
            if judge is None
            else (
                f"<b style='color:{SCORE.name()}'>Blue</b>: {SCORES[judge]}, where less is better; the "
                "circle is the best until now, and what you get. "
            )
        )
        self.setToolTip(
            f"<qt>Over the updates, each curve on its own scale. {blue}"
            f"<b style='color:{FIT.name()}'>Grey</b>: error on the fitted pixels, where it goes on "
            "falling when the network begins to fit the noise.</qt>"
        )

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(200, 90)

    def begin(self) -> None:
        """Forget all: another frame begins."""
        self._fit, self._scores, self._last, self.best = [], [], 0, None
        self.update()

    def add(self, points: list[tuple[int, float, float | None]]) -> None:
        """Add updates with their fit error, and their score where it is known."""
        for update, fit, score in points:
            if update < self._last:  # a run ends with its best one, which has been here already
                continue
            self._last = update
            if math.isfinite(fit):
                self._fit.append((update, fit))
            if score is not None and math.isfinite(score):
                self._scores.append((update, score))
                if self.best is None or score < self.best[1]:
                    self.best = (update, score)
        self._fit, self._scores = _thinned(self._fit), _thinned(self._scores)
        self.update()

    def paintEvent(self, _: Any) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 1))
        painter.drawRoundedRect(frame, 3, 3)
        inside = frame.adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN)
        ends = [points[at][0] for points in (self._fit, self._scores) if points for at in (0, -1)]
        if ends:
            updates = (min(ends), max(ends))
            self._curve(painter, inside, updates, self._fit, FIT)
            place = self._curve(painter, inside, updates, self._scores, SCORE)
            if self.best is not None and place is not None:
                painter.setPen(QPen(SCORE, 2))
                painter.setBrush(self.palette().color(QPalette.ColorRole.Window))
                painter.drawEllipse(place(*self.best), 4, 4)
        painter.end()

    def _curve(
        self, painter: QPainter, inside: QRectF, updates: tuple[int, int], points: Any, colour: QColor
    ) -> Any:
        if len(points) < 2:
            return None
        # The first fall would flatten all that follows: the scale is as high as the later nine tenths.
        errors = [error for _, error in points]
        low, high = min(errors), max(errors[len(errors) // 10 :])
        span = (high - low) or 1.0

        def place(update: int, error: float) -> QPointF:
            along = (update - updates[0]) / max(updates[1] - updates[0], 1)
            up = min(max((error - low) / span, 0.0), 1.0)  # the best one may have been thinned out
            return QPointF(inside.left() + along * inside.width(), inside.bottom() - up * inside.height())

        path = QPainterPath(place(*points[0]))
        for point in points[1:]:
            path.lineTo(place(*point))
        painter.setPen(QPen(colour, 1.5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(path)
        return place


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return points in even steps once there are too many; the first and the last one stay."""
    if len(points) <= _KEPT:
        return points
    step = (points[-1][0] - points[0][0]) // (_KEPT // 2)
    kept = [points[0]]
    for point in points[1:-1]:
        if point[0] - kept[-1][0] > step:
            kept.append(point)
    return [*kept, points[-1]]

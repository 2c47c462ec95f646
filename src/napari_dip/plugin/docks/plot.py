"""Small plots of a run and of a training: errors, scores, and the best score so far."""

import math
from abc import abstractmethod
from typing import Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPainterPath, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_dip.optim.iterate import StoppingCriterion

FIT, SCORE, SINGLE = QColor("#8a8fa3"), QColor("#2f9fe0"), QColor("#e0962f")
#: What the score is called, by the criterion that gives it.
SCORES = {
    StoppingCriterion.HELD_OUT: "held-out error",
    StoppingCriterion.VARIANCE: "variance of the outputs",
    StoppingCriterion.DISCREPANCY: "residual over noise",
    StoppingCriterion.SPLIT: "error against the second image",
    StoppingCriterion.RISK: "estimated error",
    StoppingCriterion.CROSS_SCALE: "error from coarser pixels",
}
_MARGIN = 6
_KEPT = 400  # points of a curve; there are no more pixels to show them


class _Plot(QWidget):
    """Curves in a frame."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(200, 90)

    def paintEvent(self, _: Any) -> None:
        """Draw the frame and the curves."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 1))
        painter.drawRoundedRect(frame, 3, 3)
        self._draw(painter, frame.adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN))
        painter.end()

    @abstractmethod
    def _draw(self, painter: QPainter, inside: QRectF) -> None:
        """Draw the curves."""


class Curves(_Plot):
    """Fit error and score over the iterations. Their units differ, so each has its own scale."""

    def __init__(self) -> None:
        super().__init__()
        self._fit: list[tuple[int, float]] = []
        self._scores: list[tuple[int, float]] = []
        self._last = 0
        self.best: tuple[int, float] | None = None
        self.set_criterion(None)

    def set_criterion(self, criterion: StoppingCriterion | None) -> None:
        """Explain the second curve in the tooltip."""
        blue = (
            ""
            if criterion is None
            else (
                f"<b style='color:{SCORE.name()}'>Blue</b>: {SCORES[criterion]}; lower is better. The circle "
                "marks the best iteration so far, which gives the result. "
            )
        )
        self.setToolTip(
            f"<qt>Progress over the iterations; each curve has its own scale. {blue}"
            f"<b style='color:{FIT.name()}'>Grey</b>: error on the fitted pixels. It goes on falling even "
            "when the network begins to fit the noise.</qt>"
        )

    def clear(self) -> None:
        """Remove the curves, since another frame begins."""
        self._fit, self._scores, self._last, self.best = [], [], 0, None
        self.update()

    def add(self, points: list[tuple[int, float, float | None]]) -> None:
        """Add iterations with their fit error, and with their score if it is known.

        An iteration that is added again replaces the earlier one.
        """
        for index, fit, score in points:
            if index < self._last:  # a run ends with its best iterate, which was added before
                continue
            self._last = index
            if self._fit and self._fit[-1][0] == index:
                self._fit.pop()
            if math.isfinite(fit):
                self._fit.append((index, fit))
            if score is not None and math.isfinite(score):
                self._scores.append((index, score))
                if self.best is None or score < self.best[1]:
                    self.best = (index, score)
        self._fit, self._scores = _thinned(self._fit), _thinned(self._scores)
        self.update()

    def _draw(self, painter: QPainter, inside: QRectF) -> None:
        if (ends := _ends(self._fit, self._scores)) is None:
            return
        _curve(painter, inside, ends, self._fit, FIT)
        place = _curve(painter, inside, ends, self._scores, SCORE)
        if self.best is not None and place is not None:
            painter.setPen(QPen(SCORE, 2))
            painter.setBrush(self.palette().color(QPalette.ColorRole.Window))
            painter.drawEllipse(place(*self.best), 4, 4)


class TrainingCurves(_Plot):
    """Loss of a training over its iterations, and the validation scores of network and single setting."""

    def __init__(self) -> None:
        super().__init__()
        self._losses: list[tuple[int, float]] = []
        self._network: list[tuple[int, float]] = []
        self._single: list[tuple[int, float]] = []
        self.setToolTip(
            f"<qt>Progress over the iterations. <b style='color:{SCORE.name()}'>Blue</b>: score of the "
            f"network on validation images, in dB; higher is better. "
            f"<b style='color:{SINGLE.name()}'>Orange</b>: score of the best single setting. "
            f"<b style='color:{FIT.name()}'>Grey</b>: the loss, on a scale of its own. It fluctuates because "
            "each iteration sees other examples.</qt>"
        )

    def add(
        self, losses: list[tuple[int, float]], network: list[tuple[int, float]], single: float | None
    ) -> None:
        """Add iterations with their loss and the network's scores. The single setting has one score."""
        self._losses = _thinned([*self._losses, *losses])
        self._network = _thinned([*self._network, *network])
        if single is not None and (ends := _ends(self._network)) is not None:
            self._single = [(at, single) for at in ends]
        self.update()

    def _draw(self, painter: QPainter, inside: QRectF) -> None:
        if (ends := _ends(self._losses, self._network)) is None:
            return
        _curve(painter, inside, ends, self._losses, FIT)
        scores = [score for _, score in (*self._network, *self._single)]
        scale = (min(scores), max(scores)) if scores else None
        for points, colour in ((self._single, SINGLE), (self._network, SCORE)):
            _curve(painter, inside, ends, points, colour, scale)


def _ends(*curves: list[tuple[int, float]]) -> tuple[int, int] | None:
    """Return the first and the last iteration of curves, or None if they are empty."""
    ends = [points[at][0] for points in curves if points for at in (0, -1)]
    return (min(ends), max(ends)) if ends else None


def _curve(
    painter: QPainter,
    inside: QRectF,
    iterations: tuple[int, int],
    points: list[tuple[int, float]],
    colour: QColor,
    scale: tuple[float, float] | None = None,
) -> Any:
    """Draw a curve, by default on its own scale. Return a function that gives the place of a point."""
    if len(points) < 2:
        return None
    # The first fall would flatten the rest of the curve, so the first tenth does not count for the scale.
    errors = [error for _, error in points]
    low, high = scale or (min(errors), max(errors[len(errors) // 10 :]))
    span = (high - low) or 1.0

    def place(index: int, error: float) -> QPointF:
        along = (index - iterations[0]) / max(iterations[1] - iterations[0], 1)
        up = min(max((error - low) / span, 0.0), 1.0)  # the best point may have been thinned out
        return QPointF(inside.left() + along * inside.width(), inside.bottom() - up * inside.height())

    path = QPainterPath(place(*points[0]))
    for point in points[1:]:
        path.lineTo(place(*point))
    painter.setPen(QPen(colour, 1.5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(path)
    return place


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return fewer points, evenly spaced, if there are too many. The first and the last one stay."""
    if len(points) <= _KEPT:
        return points
    step = (points[-1][0] - points[0][0]) // (_KEPT // 2)
    kept = [points[0]]
    for point in points[1:-1]:
        if point[0] - kept[-1][0] > step:
            kept.append(point)
    return [*kept, points[-1]]

"""Small plots of a run and of a training: errors, scores, and the best until now."""

import math
from abc import abstractmethod
from typing import Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPainterPath, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_dip.optim.iterate import StoppingCriterion

FIT, SCORE, SINGLE = QColor("#8a8fa3"), QColor("#2f9fe0"), QColor("#e0962f")
#: What the score is called, by what gives it.
SCORES = {
    StoppingCriterion.HELD_OUT: "held-out error",
    StoppingCriterion.VARIANCE: "variance of the outputs",
    StoppingCriterion.DISCREPANCY: "residual over noise",
    StoppingCriterion.RISK: "estimated error",
    StoppingCriterion.CROSS_SCALE: "error from coarser pixels",
}
_MARGIN = 6
_KEPT = 400  # points of a curve; there are no more pixels to show them


class _Plot(QWidget):
    """A frame with curves in it."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(200, 90)

    def paintEvent(self, _: Any) -> None:
        """Draw."""
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
    """Fit error and score over the updates, each on its own scale, since their units differ."""

    def __init__(self) -> None:
        super().__init__()
        self._fit: list[tuple[int, float]] = []
        self._scores: list[tuple[int, float]] = []
        self._last = 0
        self.best: tuple[int, float] | None = None
        self.judged_by(None)

    def judged_by(self, criterion: StoppingCriterion | None) -> None:
        """Say what the second curve is."""
        blue = (
            ""
            if criterion is None
            else (
                f"<b style='color:{SCORE.name()}'>Blue</b>: {SCORES[criterion]}, where less is better; the "
                "circle is the best until now, and what you get. "
            )
        )
        self.setToolTip(
            f"<qt>Over the updates, each curve on its own scale. {blue}"
            f"<b style='color:{FIT.name()}'>Grey</b>: error on the fitted pixels, where it goes on "
            "falling when the network begins to fit the noise.</qt>"
        )

    def begin(self) -> None:
        """Forget all: another frame begins."""
        self._fit, self._scores, self._last, self.best = [], [], 0, None
        self.update()

    def add(self, points: list[tuple[int, float, float | None]]) -> None:
        """Add updates with their fit error, and their score where it is known; of an update the last word."""
        for update, fit, score in points:
            if update < self._last:  # a run ends with its best one, which has been here already
                continue
            self._last = update
            if self._fit and self._fit[-1][0] == update:
                self._fit.pop()
            if math.isfinite(fit):
                self._fit.append((update, fit))
            if score is not None and math.isfinite(score):
                self._scores.append((update, score))
                if self.best is None or score < self.best[1]:
                    self.best = (update, score)
        self._fit, self._scores = _thinned(self._fit), _thinned(self._scores)
        self.update()

    def _draw(self, painter: QPainter, inside: QRectF) -> None:
        if (updates := _ends(self._fit, self._scores)) is None:
            return
        _curve(painter, inside, updates, self._fit, FIT)
        place = _curve(painter, inside, updates, self._scores, SCORE)
        if self.best is not None and place is not None:
            painter.setPen(QPen(SCORE, 2))
            painter.setBrush(self.palette().color(QPalette.ColorRole.Window))
            painter.drawEllipse(place(*self.best), 4, 4)


class TrainingCurves(_Plot):
    """Loss of a training over its updates, and how well the network and a single setting do elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self._losses: list[tuple[int, float]] = []
        self._network: list[tuple[int, float]] = []
        self._single: list[tuple[int, float]] = []
        self.setToolTip(
            f"<qt>Over the updates. <b style='color:{SCORE.name()}'>Blue</b>: the network on images that it "
            f"doesn't learn from, in dB, where more is better. <b style='color:{SINGLE.name()}'>Orange</b>: "
            f"the best single setting on the same. <b style='color:{FIT.name()}'>Grey</b>: what is "
            "minimised, on a scale of its own; each update sees other examples.</qt>"
        )

    def add(
        self, losses: list[tuple[int, float]], network: list[tuple[int, float]], single: float | None
    ) -> None:
        """Add updates with their loss, some with the network's score; the single setting has one for all."""
        self._losses = _thinned([*self._losses, *losses])
        self._network = _thinned([*self._network, *network])
        if single is not None and (ends := _ends(self._network)) is not None:
            self._single = [(at, single) for at in ends]
        self.update()

    def _draw(self, painter: QPainter, inside: QRectF) -> None:
        if (updates := _ends(self._losses, self._network)) is None:
            return
        _curve(painter, inside, updates, self._losses, FIT)
        scores = [score for _, score in (*self._network, *self._single)]
        scale = (min(scores), max(scores)) if scores else None
        for points, colour in ((self._single, SINGLE), (self._network, SCORE)):
            _curve(painter, inside, updates, points, colour, scale)


def _ends(*curves: list[tuple[int, float]]) -> tuple[int, int] | None:
    """Return the first update and the last one of curves."""
    ends = [points[at][0] for points in curves if points for at in (0, -1)]
    return (min(ends), max(ends)) if ends else None


def _curve(
    painter: QPainter,
    inside: QRectF,
    updates: tuple[int, int],
    points: list[tuple[int, float]],
    colour: QColor,
    scale: tuple[float, float] | None = None,
) -> Any:
    """Draw a curve, by default on a scale of its own; return what gives the place of a point."""
    if len(points) < 2:
        return None
    # The first fall would flatten all that follows: the scale is as high as the later nine tenths.
    errors = [error for _, error in points]
    low, high = scale or (min(errors), max(errors[len(errors) // 10 :]))
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

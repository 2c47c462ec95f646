"""The filter kernel of the pixel under the mouse, as a small image."""

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import ensure_colormap
from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPalette, QPen
from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from napari_dip.plugin.forms.layout import WrappedLabel
from napari_dip.plugin.runs.latest import Latest
from napari_dip.restoration.refilter import LocalKernel

if TYPE_CHECKING:
    from napari_dip.plugin.results.result import Result

_SIDE = 132  # pixels on the screen
_HINT = (
    "Move the mouse over the restored image to see the weights with which the pixel under it was filtered."
)


class KernelView(QWidget):
    """Shows the kernel of the pixel under the mouse while it moves over a restored image.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose mouse is followed.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._result: Result | None = None
        self._place: tuple[int, ...] | None = None
        self.kernel_image = _KernelImage()
        self.description = WrappedLabel(_HINT)
        self.description.setAlignment(Qt.AlignmentFlag.AlignTop)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.kernel_image)
        line.addWidget(self.description, stretch=1)
        self._latest = Latest(self)
        self._latest.answered.connect(self._answered)
        self._position = viewer.cursor.events.position
        self._position.connect(self._moved)

    def show_result(self, result: "Result | None") -> None:
        """Follow the mouse over another result, or over the same result with other parameters."""
        changed = result is not self._result
        self._result = result
        if changed or result is None:
            self._place = None
            self._show(None, _HINT)
        else:
            self._ask()

    def release(self) -> None:
        """Stop following the mouse."""
        if self._position is not None:
            self._position.disconnect(self._moved)
            self._position = None
        self._latest.drop()
        self._result = None

    def _moved(self, event: Any = None) -> None:
        if self._result is None or not self.isVisible() or self._viewer.dims.ndisplay > 2:
            return
        place = self._result.pixel_at(self._viewer.cursor.position)
        if place is not None and place != self._place:
            self._place = place
            self._ask()

    def _ask(self) -> None:
        if self._result is None or self._place is None:
            return
        refilter, place, strength = self._result.refilter, self._place, self._result.run.filter.strength
        if self.kernel_image.weights is None:
            self.description.setText("Computing…")
        channel = self._result.run.inputs.axes.channel
        name = ", ".join(str(at) for axis, at in enumerate(place) if axis != channel)
        self._latest.ask(lambda _: (name, refilter.kernel_at(place, strength)))

    def _answered(self, answer: Any) -> None:
        if isinstance(answer, Exception):
            self._show(None, str(answer))
            return
        name, kernel = answer
        side = len(kernel.weights)
        lines = [
            f"<b>pixel {name}</b>",
            *(f"{one} {value:.3g} {unit}" for one, (value, unit) in kernel.parameters.items()),
            f"noise gain {kernel.noise_gain:.2g} σ",
            f"window {side} × {side} px",
            f"largest weight {kernel.weights.max():.2g}",
        ]
        self._show(kernel, "<br>".join(lines))

    def _show(self, kernel: LocalKernel | None, words: str) -> None:
        self.kernel_image.show_weights(None if kernel is None else kernel.weights)
        self.description.setText(words)


class _KernelImage(QWidget):
    """The weights of a kernel as squares. Dark is 0. If some are negative, they have another colour."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: np.ndarray | None = None
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "<qt>The weight of each pixel around the restored one, which lies in the middle. Brighter is "
            "more. If some weights are negative, they are pink and the others green.</qt>"
        )

    def sizeHint(self) -> QSize:
        """Return the preferred size."""
        return QSize(_SIDE, _SIDE)

    def show_weights(self, weights: np.ndarray | None) -> None:
        """Show other weights."""
        self.weights = weights
        self.update()

    def paintEvent(self, _: Any) -> None:
        """Draw the weights in a frame."""
        painter = QPainter(self)
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        if self.weights is not None:
            pixels = _coloured(self.weights)
            height, width = pixels.shape[:2]
            image = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
            painter.drawImage(frame, image)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 1))
        painter.drawRect(frame)
        painter.end()


def _coloured(weights: np.ndarray) -> np.ndarray:
    largest = max(float(np.abs(weights).max()), 1e-12)
    if weights.min() < -1e-3 * largest:
        shares = ensure_colormap("PiYG").map((weights / largest + 1) / 2)
    else:
        shares = ensure_colormap("viridis").map(weights.clip(0) / largest)
    return (255 * shares.reshape(*weights.shape, 4)).astype(np.uint8)

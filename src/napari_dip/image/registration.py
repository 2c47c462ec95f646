"""Drift: how far the scene has moved since the first frame of a series."""

from typing import TYPE_CHECKING

import numpy as np

from napari_dip.image.fill import filled

if TYPE_CHECKING:
    from torch import Tensor

#: Shifts are measured to a tenth of a pixel, so that slow drift adds up to whole pixels in time.
_FRACTIONS = 10


class Drift:
    """Measures how far the scene has moved since the first frame, one frame after another.

    The shift between two frames is the position of the peak of their cross-correlation (Guizar-Sicairos et
    al., *Optics Letters* 33, 2008). It describes a stage that drifts, which moves the whole scene.
    """

    def __init__(self) -> None:
        self._before: np.ndarray | None = None
        self._total: np.ndarray = np.zeros(0)

    def next(self, data: "Tensor", weights: "Tensor") -> tuple[int, ...]:
        """Return the shift of the next frame relative to the first one, rounded to whole pixels.

        Parameters
        ----------
        data, weights : Tensor, shape ``(1, C, *spatial)``
            Grey levels of the frame, and 0 where a pixel is missing.

        Returns
        -------
        tuple of int
            Pixels along each spatial axis.
        """
        from skimage.registration import phase_cross_correlation

        frame = _flat(data, weights)
        if self._before is None:
            self._total = np.zeros(frame.ndim)
        else:
            shift, _, _ = phase_cross_correlation(
                frame, self._before, upsample_factor=_FRACTIONS, normalization=None
            )
            self._total = self._total + shift
        self._before = frame
        return tuple(int(n) for n in np.rint(self._total))


def _flat(data: "Tensor", weights: "Tensor") -> np.ndarray:
    """Return the mean of the channels less its own mean, multiplied by a window.

    Missing pixels are filled, since holes of one grey level would seem to stay in place. The window brings
    the borders to 0: the correlation is periodic, so opposite borders, which show different things, meet.
    """
    seen = (weights > 0).expand_as(data)[0].cpu().numpy()
    values = data[0].double().cpu().numpy()
    flat = np.mean([filled(*channel) for channel in zip(values, seen, strict=True)], 0)
    flat -= flat.mean()
    for axis, n in enumerate(flat.shape):
        window = np.hanning(n + 2)[1:-1]
        flat = flat * window.reshape(-1, *(1,) * (flat.ndim - axis - 1))
    return flat

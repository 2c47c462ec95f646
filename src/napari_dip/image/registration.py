"""How far the scene has moved from one frame of a series to the next."""

import numpy as np
from torch import Tensor

from napari_dip.image.fill import filled

#: Fractions of a pixel to which a shift is measured, so that slow drift adds up to whole pixels in time.
_FINENESS = 10


class Drift:
    """Measures, frame after frame, how far the scene lies from where the first one had it.

    The shift between two frames is where their cross-correlation peaks (Guizar-Sicairos et al., *Optics
    Letters* 33, 2008), which a stage that drifts moves as a whole.
    """

    def __init__(self) -> None:
        self._before: np.ndarray | None = None
        self._total: np.ndarray = np.zeros(0)

    def next(self, data: Tensor, weights: Tensor) -> tuple[int, ...]:
        """Return by how many whole pixels this frame lies off the first, along each spatial axis.

        Parameters
        ----------
        data, weights : Tensor, shape ``(1, C, *spatial)``
            Of the next frame; weight 0 hides a pixel.
        """
        from skimage.registration import phase_cross_correlation

        frame = _flat(data, weights)
        if self._before is None:
            self._total = np.zeros(frame.ndim)
        else:
            shift, _, _ = phase_cross_correlation(
                frame, self._before, upsample_factor=_FINENESS, normalization=None
            )
            self._total = self._total + shift
        self._before = frame
        return tuple(int(n) for n in np.rint(self._total))


def _flat(data: Tensor, weights: Tensor) -> np.ndarray:
    """Return the mean of the channels, its own mean taken away.

    Missing pixels are filled in: holes of one grey level would be seen to stay in place. A window takes the
    borders down to 0, where what has come into view would meet what has left it.
    """
    seen = (weights > 0).expand_as(data)[0].cpu().numpy()
    values = data[0].double().cpu().numpy()
    flat = np.mean([filled(*channel) for channel in zip(values, seen, strict=True)], 0)
    flat -= flat.mean()
    for axis, n in enumerate(flat.shape):
        window = np.hanning(n + 2)[1:-1]
        flat = flat * window.reshape(-1, *(1,) * (flat.ndim - axis - 1))
    return flat

"""Noise that grows with brightness, as far as the data tell, and as far as it matters."""

from dataclasses import dataclass

import numpy as np

from napari_dip.noise.estimate import photon_transfer
from napari_dip.noise.models import PoissonGaussianNoise
from napari_dip.steps import Steps

#: Least variance of the noise in the dark, as a share of what it is at the mean brightness.
_LEAST = 0.02
#: Side of the square over which the data are averaged for their brightness, in pixels, and the shares of the
#: pixels that are darker than the darkest, a usual and a bright place.
_BRIGHTNESS, _SHARES = 5, (0.001, 0.5, 0.999)
#: Ratio of the variances in bright and usual places from which it matters that noise grows with brightness.
_MATTERS = 1.5


@dataclass(frozen=True)
class GrowingNoise:
    """The noise of a channel, and how much stronger it is in bright places.

    Parameters
    ----------
    model : PoissonGaussianNoise
        Its "offset" is the grey level of the darkest place, and its "read noise" is the noise there.
    ratio : float
        Variance in bright places, divided by that in usual ones.
    """

    model: PoissonGaussianNoise
    ratio: float

    @property
    def matters(self) -> bool:
        """Whether it makes a difference that the noise grows with brightness."""
        return self.ratio > _MATTERS


def growing_noise(image: np.ndarray, missing: np.ndarray) -> Steps[GrowingNoise | None]:
    """Measure, in steps, how the noise of a channel grows with brightness; None if nothing can be told.

    The gain is the expected value of the slope of the photon transfer curve, so that the standard error of
    the measurement is allowed for: in a star field, where all bright pixels have structure, the slope alone
    is hardly significant.

    Parameters
    ----------
    image : ndarray, shape ``(*spatial)``
        Grey levels, finite everywhere.
    missing : ndarray of bool, shape ``(*spatial)``
        Pixels that don't count.
    """
    from scipy.ndimage import uniform_filter

    try:
        curve = yield from photon_transfer(image, missing=missing, axes="ZYX"[-image.ndim :])
    except ValueError:  # there are too few pixels, or no noise
        return None
    gain = curve.expected_slope
    if not gain:
        return None
    dark, usual, bright = np.quantile(uniform_filter(image, _BRIGHTNESS)[~missing], _SHARES).tolist()
    at_dark = max(*curve.at(dark), _LEAST * curve.height)  # it may be as large as its standard error
    ratio = (at_dark + gain * (bright - dark)) / (at_dark + gain * (usual - dark))
    return GrowingNoise(PoissonGaussianNoise(gain, dark, at_dark**0.5), ratio)

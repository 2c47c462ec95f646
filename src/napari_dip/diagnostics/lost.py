"""How wrong an image may be where sources stand that it lacks, or shows too weakly."""

from collections.abc import Generator

import numpy as np

from napari_dip.diagnostics.sources import MatchedFilters, profile

#: Widths of the filters that measure sources: standard deviations of Gaussians, in pixels.
_WIDTHS = (1.0, 1.6, 2.6, 4.2)
#: Least significance in the data of a source that counts. Weaker ones are improbable.
_LEAST = 2.5
#: Standard deviation of the fluxes of sources in standard errors, before anything is known about them.
_FLUXES = 5.0
#: Share of the places that have a source, before anything is known, and the number of places that this is
#: worth.
_USUAL, _KNOWN = 0.01, 100
#: Number of times that this share is estimated anew.
_ROUNDS = 30


def lost_variance(
    x: np.ndarray, data: np.ndarray, weights: np.ndarray, skewness: np.ndarray
) -> Generator[None, None, np.ndarray]:
    """Return the mean square error of each pixel that is due to sources that an image lacks.

    A matched filter measures the flux of a source of shape g with the variance v. It finds the flux a in the
    data, with the significance z = a / √v, and the flux r in the residual. Suppose that a share π of all
    places has a source, and that the fluxes of sources are normal with the variance τ² v. Then a place has a
    source with the probability

        P = π f / (1 − π + π f),   f = (1 + τ²)^(−1/2) exp(z² τ² / (2 + 2 τ²)).

    If there is one, its flux is normal around a with the variance v, since τ² is large. The image shows the
    flux a − r, and so lacks r ± √v. The mean square error of a pixel is then g² (r² + v). If there is no
    source, none is lacking. So P g² (r² + v) is the share of each place where the data have a peak, and these
    are added up. The share π is the one that the places of the image themselves have on average, for each
    width of g.

    Parameters
    ----------
    x : ndarray, shape ``(*spatial)``
        The image.
    data : ndarray, the same shape
        The data that it was made of.
    weights : ndarray, the same shape
        1 / variance of the noise of each pixel, 0 where the image has not seen the data.
    skewness : ndarray, the same shape
        Skewness of the noise of each pixel.

    Yields
    ------
    None
        Between its steps, so that it can be stopped.
    """
    filters = MatchedFilters(weights, skewness, _WIDTHS)
    in_data = yield from filters.significance(data)
    in_residual = yield from filters.significance(data - x)
    found = filters.peaks(in_data, _LEAST)
    variance = np.zeros(data.shape)
    for number, width in enumerate(filters.usable):
        places = found.places[found.width == number]
        if not len(places):
            continue
        yield
        at = tuple(places.T)
        # Places that are two widths apart have little noise in common.
        apart = (slice(None, None, round(2 * width)),) * data.ndim
        share = _share_of_places(_log_odds(in_data[number][apart]))
        there = 1 / (1 + np.exp(-_log_odds(in_data[number][at]) - np.log(share / (1 - share))))
        lacking = np.zeros(data.shape)
        lacking[at] = there * (np.square(in_residual[number][at]) + 1) / filters.information(number)[at]
        variance += _spread_out(lacking, np.square(profile(width)))
    return variance


def _log_odds(significance: np.ndarray) -> np.ndarray:
    """Return log f: how much more probable a source is, once its significance is known."""
    square = _FLUXES**2
    found: np.ndarray = np.square(significance) * square / (2 + 2 * square) - np.log1p(square) / 2
    return found


def _share_of_places(log_odds: np.ndarray) -> float:
    """Return the share of places with a source that agrees best with all of them."""
    odds, share = np.exp(np.minimum(log_odds, 100.0)), _USUAL
    for _ in range(_ROUNDS):
        number = float((share * odds / (1 - share + share * odds)).sum())
        share = (number + _USUAL * _KNOWN) / (odds.size + _KNOWN)
    return share


def _spread_out(image: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """Return the convolution of an image with a symmetric profile along each axis."""
    from scipy.ndimage import correlate1d

    for axis in range(image.ndim):
        image = correlate1d(image, profile, axis, mode="constant")
    return image

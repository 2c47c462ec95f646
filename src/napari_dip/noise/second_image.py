"""An image with correlated noise, split into two images with independent noise."""

import numpy as np
import torch
from torch import Generator, Tensor

from napari_dip.noise.correlation import correlation

#: Power of the added noise in the first image, as a share of the image's own.
_ADDED = 0.06
#: How often the spectrum of drawn noise is compared with the given one, the side of the drawn image in
#: pixels, and the largest factor of one correction.
_ROUNDS, _SIDE, _MOST = 4, 384, 4.0


def split_noise(
    data: Tensor, spectrum: Tensor, generator: Generator, added: float = _ADDED
) -> tuple[Tensor, Tensor]:
    """Return two images whose noise is independent of each other's.

    Let n have the spectrum of the noise of the data y. Then y + √t n and y − n / √t have 1 + t and 1 + 1/t
    times its variance, and their covariance is that of the noise of y less that of n, which is 0. A fit
    to the first image that comes nearest to the second comes nearest to the truth, on average [1]_. Unlike
    pixels held out of a fit, the second image tells the truth about noise that continues from pixel to pixel.

    Parameters
    ----------
    data : Tensor, shape ``(1, C, *spatial)``
        Grey levels y. The planes of a volume have independent noise.
    spectrum : Tensor, shape ``(C, 8, 8)``
        Power of the noise at i/16 and j/16 cycles per pixel, as `whiteness` measures it.
    generator : torch.Generator
        On the CPU.
    added : float
        t.

    References
    ----------
    .. [1] N. L. Oliveira, J. Lei and R. J. Tibshirani, Unbiased risk estimation in the normal means problem
       via coupled bootstrap techniques, Electronic Journal of Statistics 18, 2024.
    """
    noise = _drawn(_matching(spectrum, generator), tuple(data.shape[1:]), generator).to(data)[None]
    return data + added**0.5 * noise, data - added**-0.5 * noise


def _matching(spectrum: Tensor, generator: Generator) -> Tensor:
    """Return the power with which drawn noise has the given spectrum in its flattest blocks.

    Blocks of 8 pixels blur a spectrum, and the flattest ones have less noise than the others.
    """
    power = spectrum.clone()
    for _ in range(_ROUNDS):
        drawn = _drawn(power, (len(power), _SIDE, _SIDE), generator).numpy()
        seen = np.ones((1, _SIDE, _SIDE), bool)
        found = torch.from_numpy(np.stack([correlation(channel[None], seen).spectrum for channel in drawn]))
        power *= (spectrum / found).nan_to_num(1.0).clamp(1 / _MOST, _MOST)
    return power


def _drawn(power: Tensor, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Draw normal noise with a power spectrum for each channel, independent in all planes."""
    white = torch.randn(shape, generator=generator, dtype=torch.float64)
    height, width = shape[-2:]
    rows = torch.fft.fftfreq(height, dtype=torch.float64).abs()
    columns = torch.fft.rfftfreq(width, dtype=torch.float64)
    amplitude = _interpolated(power, rows, columns).sqrt()
    amplitude = amplitude.reshape(len(power), *(1,) * (len(shape) - 3), *amplitude.shape[-2:])
    return torch.fft.irfft2(torch.fft.rfft2(white) * amplitude, (height, width))


def _interpolated(power: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the power at some frequencies, in cycles per pixel, by linear interpolation."""
    power = power.clone()
    # A parabola through the logarithms of two frequencies tells that at frequency 0.
    near, far = (power[:, 0, k] + power[:, k, 0] for k in (1, 2))
    power[:, 0, 0] = near / 2 * (near / far).nan_to_num(1.0).clamp(1 / _MOST, _MOST) ** (1 / 3)
    for frequencies, axis in ((rows, 1), (columns, 2)):
        size = power.shape[axis]
        at = (2 * size * frequencies).clamp(0, size - 1)
        below = at.floor().long().clamp(max=size - 2)
        share = (at - below).reshape(-1, *(1,) * (2 - axis))
        power = power.index_select(axis, below) * (1 - share) + power.index_select(axis, below + 1) * share
    return power

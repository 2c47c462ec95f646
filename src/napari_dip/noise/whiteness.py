"""Is the noise independent from pixel to pixel, and how strong is it? Measured in the data before a run."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_dip.noise.compression import compressed
from napari_dip.noise.correlation import SIZE, Correlation, correlation
from napari_dip.noise.lines import stripes

#: Largest number of planes that are measured, and the side of their middle.
_PLANES, _SIDE = 4, 512
#: The share of the channels' weights in the luminance of JPEG.
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, eq=False)
class Whiteness:
    """What the noise of neighbouring pixels has in common.

    Parameters
    ----------
    smooth : bool
        Neighbouring pixels have noise in common, as after a blur, an interpolation, demosaicking or strong
        compression, so that held-out pixels can't judge a fit.
    rows, columns : float
        Standard deviation of the offsets of rows and of columns, in grey levels; 0 if there are no stripes.
    compressed : bool
        The image was compressed as JPEG.
    decline : float
        Power of the noise at middle frequencies divided by that at the highest ones along the same axis, in
        the channel where it is largest. It is 1 for white noise. NaN if it can't be measured.
    spectrum : Tensor, shape ``(C, 8, 8)``
        Power of the noise at i/16 and j/16 cycles per pixel, as the `variance`, whose mean it is but for
        frequency 0.
    variance : Tensor, shape ``(1, C, 1, ...)``
        Variance of the noise, correlated or not, in grey levels². It is too low by about a fifth, since it is
        measured in the flattest parts, and hardly contains what compression does to structure. NaN if it
        can't be measured.
    """

    smooth: bool
    rows: float
    columns: float
    compressed: bool
    decline: float
    spectrum: Tensor
    variance: Tensor

    @property
    def white(self) -> bool:
        """True if there is no sign that neighbours have noise in common."""
        return not (self.smooth or self.striped or self.compressed)

    @property
    def striped(self) -> bool:
        """True if rows or columns have offsets of their own."""
        return self.rows > 0 or self.columns > 0

    @property
    def measured(self) -> bool:
        """True if noise was found in all channels."""
        return bool(self.variance.isfinite().all() and (self.variance > 0).all())

    @property
    def in_words(self) -> str:
        """What was found, such as "correlated between neighbouring pixels, and striped along rows"."""
        found = list(self._findings())
        if not found:
            return "independent from pixel to pixel"
        return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"

    def _findings(self) -> Iterator[str]:
        if self.smooth:
            yield "correlated between neighbouring pixels"
        if self.striped:
            lines = [name for name, size in (("rows", self.rows), ("columns", self.columns)) if size > 0]
            yield f"striped along {' and '.join(lines)}"
        if self.compressed:
            yield "changed by JPEG compression"


def whiteness(data: Tensor, weights: Tensor) -> Whiteness:
    """Look for noise that neighbouring pixels, or the pixels of a line, have in common.

    Nothing is compared with the range of the image, so the answer is the same for a y + b.

    Parameters
    ----------
    data : Tensor, shape ``(1, C, *spatial)``
        Grey levels, 2-D or 3-D. In a volume, planes along the last two axes are measured.
    weights : Tensor, shape ``(1, 1 or C, *spatial)``
        0 where a pixel is missing.
    """
    values = _planes(data).double().cpu().numpy()
    seen = _planes((weights > 0).expand_as(data)).cpu().numpy()
    found = [correlation(*channel) for channel in zip(values, seen, strict=True)]
    several = [(plane, known) for plane, known in _each(values, seen) if known.any()]
    jpeg = any(compressed(*one) for one in _for_compression(values, seen))
    declines = [one.decline for one in found if np.isfinite(one.decline)]
    spectrum = _spectra(found)
    return Whiteness(
        smooth=any(one.significant or (jpeg and one.coarse) for one in found),
        rows=max((_stripes(*one) for one in several), default=0.0),
        columns=max((_stripes(plane.T, known.T) for plane, known in several), default=0.0),
        compressed=jpeg,
        decline=max(declines, default=np.nan),
        spectrum=spectrum,
        variance=(spectrum.sum((1, 2)) / (SIZE**2 - 1)).to(data).reshape(1, -1, *(1,) * (data.ndim - 2)),
    )


def _spectra(found: list[Correlation]) -> Tensor:
    """Return the spectrum of each channel; one that can't be measured has the mean of the others."""
    spectra = torch.from_numpy(np.stack([one.spectrum for one in found]))
    return spectra.where(spectra.isfinite(), spectra.nanmean(0))


def _planes(image: Tensor) -> Tensor:
    """Return the middle of some planes, evenly spread over an image, shape ``(C, planes, H, W)``."""
    planes = image[0].reshape(image.shape[1], -1, *image.shape[-2:])
    chosen = (
        torch.linspace(0, planes.shape[1] - 1, min(_PLANES, planes.shape[1]), dtype=torch.float32)
        .round()
        .long()
    )
    top, left = (max(0, (size - _SIDE) // 2) for size in image.shape[-2:])
    return planes[:, chosen.to(image.device), top : top + _SIDE, left : left + _SIDE]


def _each(values: np.ndarray, seen: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the planes of all channels, and where their pixels are observed."""
    for channel, known in zip(values, seen, strict=True):
        yield from zip(channel, known, strict=True)


def _stripes(plane: np.ndarray, seen: np.ndarray) -> float:
    return stripes(plane if seen.all() else np.where(seen, plane, np.nan))


def _for_compression(values: np.ndarray, seen: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield what JPEG may have divided into blocks: the first plane of each channel, and the luminance."""
    firsts, known = values[:, 0], seen[:, 0]
    yield from zip(firsts, known, strict=True)
    if len(firsts) == len(_LUMA):
        yield np.tensordot(_LUMA, firsts, 1), np.logical_and.reduce(known)

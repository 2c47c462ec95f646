"""Faint sources that a restored image has lost: they are measured in the data, and put back."""

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_dip.diagnostics.sources import MatchedFilters, Peaks
from napari_dip.filters.source_images import fitted_sources, sources_of_losses
from napari_dip.filters.source_search import SourceSearch
from napari_dip.filters.vst import Stabiliser
from napari_dip.noise.absence import positive_sigma
from napari_dip.noise.models import GaussianNoise, UnknownNoise
from napari_dip.noise.residual import residual_sigma
from napari_dip.noise.second_difference import immerkaer_sigma
from napari_dip.problem import Problem

#: Number of times that the residual is searched, and share of the strongest peak's significance that others
#: need to be taken at the same time: strong sources hide weak ones, and several make false ones between them.
_ROUNDS, _ALIKE = 10, 0.6
#: Significances in the data between which sources are treated alike.
_CLASSES = (8.0, 12.0, 20.0, 50.0)
#: Mean square of the significance in the residual up to which sources count as right: those of a class, and
#: one alone. Peaks of the data are where noise is high, so it exceeds 1 even for the true x.
_TOGETHER, _ALONE = 1.4, 4.0
#: Standard errors by which the mean loss of a class has to exceed 0, and by how many standard errors peaks of
#: the data exceed the truth, times their significance.
_COMMON, _CHOSEN = 3.0, 1.5
#: Width below which a source is a point, in pixels, and the share of points in a class of them.
_POINT, _MOSTLY = 2.5, 0.8
#: Standard errors by which a source has to change to be counted, and the distance in pixels up to which two
#: peaks are one source.
_CHANGED, _SAME = 2.0, 3.0
#: Least brightness of the pixels beside the middle of a source, as a share of the middle (that of a Gaussian
#: of 0.8 pixels), and standard errors by which a pixel has to exceed it to be taken for a hot one.
_BESIDE, _SHARP = 0.45, 4.2
#: Standard errors from which noise counts as skewed, and the variance of the cubes of their differences from
#: the mean of their neighbours.
_LOPSIDED, _CUBES = 3.0, 15 * 1.25**3


@dataclass(frozen=True, eq=False)
class FaintSources:
    """What is put back.

    Parameters
    ----------
    image : Tensor, shape ``(1, C, *spatial)``
        To be added to the restored image; 0 in channels without a source.
    count : int
        Number of sources.
    """

    image: Tensor
    count: int


def faint_sources(problem: Problem, x: Tensor) -> Generator[None, None, FaintSources]:
    """Find sources that a restored image lacks, or shows too faintly, and measure what is absent.

    A restoration shrinks what hardly stands out from the noise towards its surroundings. Two kinds of sources
    are put back, each as a Gaussian of the width that suits it best, bright or dark:

    - Wherever the residual y − x has a peak that noise alone hardly ever makes (less than 0.1 per image),
      what the peak holds is added.
    - Wherever the data y have such a peak, a share s of what the residual holds there is added, however
      little it is: if only the largest losses were mended, amplitudes would be too low on average. The share
      grows from 0 to 1 with the significance z in the residual. It is s = max(0, 1 − (c / q)²), where q is
      either the mean z² of sources of similar significance in the data, with c = 1.4, or the z² of the source
      itself, with c = 4, whichever gives more. Where x is right, z² is about 1, and nothing is changed. If
      points of similar significance have lost something on average, each gets the mean loss besides.

    Pixels that are sharper than any source don't count: hot pixels and cosmic rays.

    Parameters
    ----------
    problem : Problem
        The data, with independent noise. Its operator is the identity.
    x : Tensor, shape ``(1, C, *spatial)``
        The restored image.

    Yields
    ------
    None
        Between its steps, so that it can be stopped.
    """
    noises = Stabiliser.of(problem).noises
    seen = (problem.weights > 0).expand_as(problem.data)[0].cpu()
    parts, count = torch.zeros_like(x), 0
    for channel, noise in enumerate(noises):
        yield
        there = seen[channel]
        y, u = (image[0, channel].cpu() for image in (problem.data, x))
        residual = (y - u).masked_fill_(~there, 0)
        lopsided = 0.0
        if isinstance(noise, UnknownNoise):
            lopsided = _skewness(residual, there)
            # A fit that has followed the noise leaves too little of it, and structure adds to the other.
            left = float(residual_sigma(residual[None].double(), there[None]))
            noise = GaussianNoise(max(left, positive_sigma(immerkaer_sigma(y.numpy()), y[there].numpy())))
        weights = (1 / noise.variance(u)).expand_as(u).where(there, 0)
        weights = weights.masked_fill(_sharp(residual, weights), 0)
        filters = MatchedFilters(weights.numpy(), (noise.skewness(u) + lopsided).numpy())
        image, number = yield from _absent(filters, y.masked_fill(~there, 0).numpy(), residual.numpy())
        if number:
            parts[0, channel] = torch.from_numpy(image)
        count += number
    return FaintSources(parts, count)


def _skewness(residual: Tensor, there: Tensor) -> float:
    """Return the skewness of independent noise of which nothing is known, or 0 if it may be symmetric.

    The few photons of a dark image make bright peaks that normal noise of their strength hardly ever makes.
    Differences from the mean of the neighbours show this, because lost sources are smooth and nearly cancel.

    Parameters
    ----------
    residual, there : Tensor, shape ``(*spatial)``
        The residual, and where the data are observed; it is 0 elsewhere.
    """
    shifts = [(shift, axis) for axis in range(residual.ndim) for shift in (1, -1)]
    inside = there.clone()
    rough = residual.clone()
    for one in shifts:
        rough.sub_(residual.roll(*one), alpha=1 / len(shifts))
        inside &= there.roll(*one)
    number, observed = int(inside.sum()), int(there.sum())
    scale = float(residual.square().sum(dtype=torch.float64).div(max(observed, 1)).sqrt())
    if not number or scale == 0:
        return 0.0
    cubes = float((rough / scale).pow_(3).masked_fill_(~inside, 0).sum(dtype=torch.float64))
    found = cubes / number / (1 - 1 / len(shifts) ** 2)
    return found if abs(found) > _LOPSIDED * np.sqrt(_CUBES / number) else 0.0


def _absent(
    filters: MatchedFilters, data: np.ndarray, residual: np.ndarray
) -> Generator[None, None, tuple[np.ndarray, int]]:
    """Return what is put back in a channel, and the number of sources."""
    search = SourceSearch(filters, data, residual)
    found, part = np.zeros((0, data.ndim + 1), int), np.zeros(data.shape)
    for _ in range(_ROUNDS):
        peaks = yield from search.left(part)
        if not len(peaks):
            break
        heights = np.abs(peaks.significance)
        peaks = peaks.where(heights > _ALIKE * heights.max())
        found = np.unique(np.concatenate([found, _rows(peaks)]), axis=0)
        part = fitted_sources(filters, residual, found, np.ones(len(found)))
        yield
    else:
        yield from search.left(part)
    peaks, z = search.in_data()
    if not len(peaks):
        return part, _number_apart(found)
    share = _shares(peaks.significance, z)
    points = np.array(filters.usable)[peaks.width] < _POINT
    lost = (1 - share) * _common_losses(peaks.significance, z, points)
    wanting = share > 0
    if wanting.any():
        part = part + fitted_sources(filters, residual - part, _rows(peaks.where(wanting)), share[wanting])
    lacking = lost != 0
    if lacking.any():
        part = part + sources_of_losses(filters, _rows(peaks.where(lacking)), lost[lacking])
    changed = lacking | (np.abs(share * z) > _CHANGED)
    return part, _number_apart(np.concatenate([found, _rows(peaks.where(changed))]))


def _number_apart(rows: np.ndarray) -> int:
    """Return the number of sources; one may have been measured by several filters, some pixels apart."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(rows[:, 1:]).query_pairs(_SAME, output_type="ndarray")
    same = coo_array((np.ones(len(pairs)), tuple(pairs.T)), (len(rows),) * 2)
    return int(connected_components(same, directed=False, return_labels=False))


def _shares(in_data: np.ndarray, in_residual: np.ndarray) -> np.ndarray:
    """Return the share of what the residual holds of each source that is put back.

    Parameters
    ----------
    in_data, in_residual : ndarray, shape ``(number,)``
        Significance of each source in the data and in the residual, below 0 for dark ones.
    """
    squares = in_residual**2
    share = _share(squares, _ALONE)
    kind = _kinds(in_data)
    for one in np.unique(kind):
        alike = kind == one
        share[alike] = np.maximum(share[alike], _share(squares[alike].mean(), _TOGETHER))
    return share


def _common_losses(in_data: np.ndarray, in_residual: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return what points of similar significance have lost on average, in standard errors of each.

    The loss of one source may be too small to be seen, but not that of all together. Peaks of the data lie
    where noise is high, so they exceed the truth by 1.5 / |z| standard errors on average: their place and
    width were chosen. The weakest sources exceed it by more, since lower ones are not found, and are left
    out. So are textures, whose peaks are not shaped like the filters, but wide for the most part.

    Parameters
    ----------
    in_data, in_residual : ndarray, shape ``(number,)``
        As for `_shares`.
    points : ndarray of bool, shape ``(number,)``
        Which sources are narrow.
    """
    losses = np.zeros_like(in_residual)
    kind = _kinds(in_data)
    for one in np.unique(kind[np.abs(kind) > 1]):
        alike = kind == one
        lost = np.sign(one) * in_residual[alike]
        mean = float(lost.mean() - _CHOSEN * np.mean(1 / np.abs(in_data[alike])))
        clear = mean * np.sqrt(len(lost)) > _COMMON * max(1.0, float(lost.std()))
        if clear and points[alike].mean() > _MOSTLY:
            losses[alike] = np.sign(one) * mean
    return losses


def _kinds(in_data: np.ndarray) -> np.ndarray:
    """Return the class of each source by its significance: 1 for the weakest, below 0 for dark ones."""
    kinds: np.ndarray = np.sign(in_data).astype(int) * (1 + np.digitize(np.abs(in_data), _CLASSES))
    return kinds


def _share(square: np.ndarray, usual: float) -> np.ndarray:
    """Return 0 up to a usual mean square, and a share that grows to 1 beyond it."""
    share: np.ndarray = 1 - np.square(usual / np.maximum(square, usual))
    return share


def _sharp(residual: Tensor, weights: Tensor) -> Tensor:
    """Return where a residual has a peak that is sharper than any source: a hot pixel, or a cosmic ray.

    Such a pixel stands out from both of its neighbours along an axis. Tracks do so across their direction.

    Parameters
    ----------
    residual, weights : Tensor, shape ``(*spatial)``
        The residual, and 1 / variance of its noise.
    """
    found = torch.zeros_like(residual, dtype=torch.bool)
    error = math.sqrt(1 + 1 / (2 * _BESIDE**2))  # of r − m / _BESIDE for noise of variance 1
    height = residual * weights.sqrt()
    for axis, n in enumerate(residual.shape):
        if n < 3:
            continue
        before, middle, after = (height.narrow(axis, start, n - 2) for start in range(3))
        beside = (before + after).mul_(middle.sign()).mul_(1 / (2 * _BESIDE))
        found.narrow(axis, 1, n - 2).logical_or_(middle.abs().sub_(beside) > _SHARP * error)
    return found


def _rows(peaks: Peaks) -> np.ndarray:
    """Return the number of the filter and the place of each peak, shape ``(number, 1 + axes)``."""
    return np.column_stack([peaks.width, peaks.places])

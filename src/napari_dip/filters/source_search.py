"""The search of a whole image for sources, in parts of limited size."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise, product

import numpy as np
import torch

from napari_dip.diagnostics.sources import MatchedFilters, Peaks
from napari_dip.steps import finished

Place = tuple[slice, ...]

#: Side of a part by the number of axes, and the largest number of parts that are searched at the same time,
#: and whose filters are kept: they bound the memory.
_SIDES, _KEPT = {2: 512, 3: 96}, 4
#: Change of a pixel in standard deviations of its noise that does not matter.
_SAME = 1e-6


@dataclass(eq=False)
class _Part:
    """A part of an image: its own pixels, and the window that decides on its peaks.

    `significance` holds that of what is left of the residual, where the data have their peaks.
    """

    own: Place
    window: Place
    in_data: Peaks = field(init=False)
    left: Peaks = field(init=False)
    significance: np.ndarray = field(init=False)
    searched: bool = False

    def peaks(self, filters: MatchedFilters, significance: np.ndarray, least: float) -> Peaks:
        """Return the peaks among its own pixels, at their places in the whole image."""
        found = filters.highest(significance, least)
        places = found.places + [one.start for one in self.window]
        starts, stops = ([getattr(one, end) for one in self.own] for end in ("start", "stop"))
        inside = np.logical_and(places >= starts, places < stops).all(1)
        return Peaks(places, found.width, found.significance).where(inside)

    def at(self, peaks: Peaks, significance: np.ndarray) -> np.ndarray:
        """Return the significance at the places of peaks in the whole image, for the filters of the peaks."""
        places = peaks.places - [one.start for one in self.window]
        found: np.ndarray = significance[(peaks.width, *places.T)]
        return found


class SourceSearch:
    """Searches data, and their residual as sources are taken out of it, for peaks.

    What is found does not depend on the parts. When sources are taken out, only parts are searched again that
    hold some of their light.

    Parameters
    ----------
    filters : MatchedFilters
        The filters for the whole image.
    data, residual : ndarray, shape ``(*spatial)``
        The data, and what a restored image leaves of them.
    """

    def __init__(self, filters: MatchedFilters, data: np.ndarray, residual: np.ndarray) -> None:
        self._whole, self._data, self._residual = filters, data, residual
        self._taken = np.zeros_like(residual)
        self._parts = [_Part(*place) for place in _places(data.shape, filters.margin)]
        # Without `self`, so that the filters are freed with it: they are the largest part of the memory.
        windows = [part.window for part in self._parts]
        self._filters = lru_cache(_KEPT)(lambda number: _filters_of(filters, windows[number]))

    def left(self, sources: np.ndarray) -> Generator[None, None, Peaks]:
        """Return, in steps, the peaks of the residual without some sources."""
        with ThreadPoolExecutor(min(torch.get_num_threads(), _KEPT)) as threads:
            searches = [
                threads.submit(self._search, number, part, sources)
                for number, part in enumerate(self._parts)
                if not part.searched or self._changes(part, sources)
            ]
            try:
                for search in searches:
                    search.result()
                    yield
            finally:
                for search in searches:
                    search.cancel()
        self._taken = sources
        peaks = Peaks.together([part.left for part in self._parts])
        return peaks.where(self._whole.foremost(peaks))

    def in_data(self) -> tuple[Peaks, np.ndarray]:
        """Return the peaks of the data, and the significance there of what is left of the residual."""
        peaks = Peaks.together([part.in_data for part in self._parts])
        left = np.concatenate([part.significance for part in self._parts])
        first = self._whole.foremost(peaks)
        return peaks.where(first), left[first]

    def _search(self, number: int, part: _Part, sources: np.ndarray) -> None:
        window, least = part.window, self._whole.threshold
        filters = self._filters(number)
        if not part.searched:
            significance = finished(filters.significance(self._data[window]))
            part.in_data = part.peaks(filters, significance, least)
        significance = finished(filters.significance(self._residual[window] - sources[window]))
        part.left = part.peaks(filters, significance, least)
        part.significance = part.at(part.in_data, significance)
        part.searched = True

    def _changes(self, part: _Part, sources: np.ndarray) -> bool:
        """Return whether the sources differ in a part from those that were taken out the last time."""
        change = np.square(sources[part.window] - self._taken[part.window]) * self._whole.weights[part.window]
        return bool(change.max() > _SAME**2)


def _filters_of(whole: MatchedFilters, window: Place) -> MatchedFilters:
    """Return the filters for a part of an image."""
    skewness = whole.skewness if whole.skewness.ndim == 0 else whole.skewness[window]
    return MatchedFilters(whole.weights[window], skewness, whole.usable)


def _places(shape: tuple[int, ...], margin: int) -> Iterator[tuple[Place, Place]]:
    """Yield the pixels of each part of an image, and its window, which has a margin."""
    side = _SIDES[len(shape)]
    ends = [np.linspace(0, n, -(-n // side) + 1).astype(int).tolist() for n in shape]
    for pairs in product(*(pairwise(one) for one in ends)):
        window = tuple(
            slice(max(0, low - margin), min(n, high + margin))
            for (low, high), n in zip(pairs, shape, strict=True)
        )
        yield tuple(slice(*one) for one in pairs), window

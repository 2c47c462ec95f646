import numpy as np
import pytest

from napari_dip.diagnostics.sources import MatchedFilters, kernel
from napari_dip.filters import source_search
from napari_dip.filters.source_search import SourceSearch
from napari_dip.steps import finished

SIDES = {2: 60, 3: 24}


def scene(shape, random):
    """Return weights that differ, noise with sources, and an image of one of them."""
    image, one = random.normal(size=shape), np.zeros(shape)
    part = kernel(1.3, len(shape))
    half = len(part) // 2
    for number in range(12):
        place = [random.integers(half, n - half) for n in shape]
        window = tuple(slice(at - half, at + half + 1) for at in place)
        image[window] += 12 * part / np.sqrt((part**2).sum())
        if number == 0:
            one[window] += 12 * part / np.sqrt((part**2).sum())
    return (random.random(shape) > 0.05).astype(np.float32), image, one


def found(filters, image, sources):
    search = SourceSearch(filters, image, image)
    before = finished(search.left(np.zeros_like(image)))
    after = finished(search.left(sources))
    return before, after, *search.in_data()


@pytest.mark.parametrize("shape", [(150, 130), (30, 60, 50)], ids=["image", "volume"])
@pytest.mark.parametrize("skewness", [0.0, 0.3])
def test_parts_find_what_the_whole_image_holds(shape, skewness, random, monkeypatch):
    weights, image, one = scene(shape, random)
    filters = MatchedFilters(weights, np.broadcast_to(skewness, shape) if skewness else np.zeros(()))
    whole = found(filters, image, one)
    monkeypatch.setattr(source_search, "_SIDES", SIDES)
    parts = found(filters, image, one)
    assert len(whole[0]) >= 10
    assert len(whole[1]) < len(whole[0])
    for this, other in zip(whole[:3], parts[:3], strict=True):
        order = np.lexsort(other.places.T[::-1])
        np.testing.assert_array_equal(other.places[order], this.places)
        np.testing.assert_array_equal(other.width[order], this.width)
        np.testing.assert_allclose(other.significance[order], this.significance)
    order = np.lexsort(parts[2].places.T[::-1])
    np.testing.assert_allclose(parts[3][order], whole[3], atol=1e-9)


def test_only_parts_with_other_sources_are_searched_again(random, monkeypatch):
    monkeypatch.setattr(source_search, "_SIDES", SIDES)
    image, change = random.normal(size=(300, 300)), np.zeros((300, 300))
    search = SourceSearch(MatchedFilters(np.ones(image.shape), np.zeros(())), image, image)
    searched = []
    once = search._search
    monkeypatch.setattr(
        search, "_search", lambda number, *rest: searched.append(number) or once(number, *rest)
    )
    finished(search.left(change))
    assert sorted(searched) == list(range(25))
    searched.clear()
    finished(search.left(change + 1e-9))
    assert not searched
    change[30, 30] = 1.0
    finished(search.left(change))
    assert searched == [0]

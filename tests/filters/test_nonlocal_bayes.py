import numpy as np
import pytest
import torch

from napari_dip.filters.nonlocal_bayes import completed, nonlocal_bayes


def filtered(pilot, *data):
    *_, result = nonlocal_bayes(
        torch.as_tensor(np.asarray(pilot)), torch.as_tensor(np.stack([np.asarray(one) for one in data]))
    )
    return result.numpy()


def filled(pilot, data, known):
    *_, result = completed(*(torch.as_tensor(np.asarray(one)) for one in (pilot, data, known)))
    return result.numpy()


def by_loops(pilot, data, known=None, *, patch=5, window=21, group=40, stride=4):
    """One image at a time, group by group, with S as numpy estimates it."""
    channels, *shape = pilot.shape
    last = [n - patch for n in shape]
    total, weight = np.zeros_like(data), np.zeros(shape)

    def cut(image, place):
        return image[(slice(None), *(slice(at, at + patch) for at in place))].ravel()

    grid = np.stack(
        np.meshgrid(*(sorted({*range(0, n, stride), n}) for n in last), indexing="ij"), -1
    ).reshape(-1, len(shape))
    for first in grid:
        sides = [min(window, n + 1) for n in last]
        starts = [
            min(max(at - side // 2, 0), n + 1 - side) for at, side, n in zip(first, sides, last, strict=True)
        ]
        places = [np.add(starts, offset) for offset in np.ndindex(*sides)]
        distances = [np.square(cut(pilot, place) - cut(pilot, first)).sum() for place in places]
        chosen = [places[i] for i in np.argsort(distances)[:group]]
        clean = np.stack([cut(pilot, place) for place in chosen])
        m, s = clean.mean(0), np.cov(clean.T, bias=True)
        for place in chosen if known is None else [first]:
            if known is None:
                x = m + s @ np.linalg.inv(s + np.eye(len(s))) @ (cut(data, place) - m)
            elif (k := cut(known, place)).any():
                among = s[np.ix_(k, k)] + np.eye(k.sum())
                x = m + s[:, k] @ np.linalg.solve(among, (cut(data, place) - m)[k])
            else:
                x = cut(pilot, place)
            where = tuple(slice(at, at + patch) for at in place)
            total[(slice(None), *where)] += x.reshape(channels, *[patch] * len(shape))
            weight[where] += 1
    assert weight.all()
    return total / weight


@pytest.mark.parametrize("shape", [(1, 14, 18), (3, 12, 30)])
def test_it_is_what_the_equation_says(shape, random):
    pilot = 10 * random.random(shape)
    data = pilot + random.normal(size=shape)
    np.testing.assert_allclose(filtered(pilot, data)[0], by_loops(pilot, data), rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 14, 18), (3, 12, 20)])
def test_missing_pixels_are_filled_in_as_the_equation_says(shape, random):
    pilot = 10 * random.random(shape)
    data = pilot + random.normal(size=shape)
    known = random.random(shape) > 0.4
    known[:, :7, :7] = False
    expected = by_loops(pilot, data, known, stride=2)
    np.testing.assert_allclose(filled(pilot, np.where(known, data, 1e3), known), expected, rtol=1e-6)
    np.testing.assert_array_equal(filled(pilot, data, known)[:, :2, :2], pilot[:, :2, :2])


def test_volumes_are_filled_in_too(random):
    pilot = 10 * random.random((2, 5, 7, 8))
    known = random.random(pilot.shape) > 0.4
    expected = by_loops(pilot, pilot, known, patch=3, window=7, stride=2)
    np.testing.assert_allclose(filled(pilot, pilot, known), expected, rtol=1e-6)


def test_volumes_have_smaller_patches_and_windows(random):
    pilot = 10 * random.random((2, 5, 9, 10))
    data = pilot + random.normal(size=pilot.shape)
    expected = by_loops(pilot, data, patch=3, window=7, stride=2)
    np.testing.assert_allclose(filtered(pilot, data)[0], expected, rtol=1e-6)


def test_each_image_is_filtered_by_itself(random):
    pilot, first, second = (random.random((1, 20, 20)) for _ in range(3))
    both = filtered(pilot, first, second)
    np.testing.assert_allclose(both[0], filtered(pilot, first)[0])
    np.testing.assert_allclose(both[1], filtered(pilot, second)[0])
    # What is done to the data depends on the pilot alone: twice the change, twice the effect.
    further = filtered(pilot, 2 * second - first)[0]
    np.testing.assert_allclose(further, 2 * both[1] - both[0])


def test_with_a_good_pilot_most_noise_goes(phantom, random):
    truth = phantom[None].astype(float) / 25
    noisy = truth + random.normal(size=truth.shape)
    assert np.square(filtered(truth, noisy)[0] - truth).mean() < 0.1
    assert np.square(filtered(noisy, noisy)[0] - truth).mean() < 0.7


@pytest.mark.parametrize("shape", [(1, 1, 30), (2, 3, 4), (1, 1, 1), (1, 2, 1, 9)])
def test_small_images(shape, random):
    pilot = random.random(shape)
    assert filtered(pilot, pilot).shape == (1, *shape)
    assert np.isfinite(filtered(pilot, pilot)).all()


def test_where_all_patches_are_the_same_it_is_the_pilot(random):
    pilot = np.full((1, 30, 30), 3.0)
    np.testing.assert_allclose(filtered(pilot, random.random(pilot.shape))[0], pilot)


def test_it_can_be_stopped_while_it_works(random):
    pilot = torch.from_numpy(random.random((1, 120, 120)))
    *before, last = nonlocal_bayes(pilot, pilot[None])
    assert len(before) > 1
    assert all(torch.equal(one[0], pilot) for one in before)
    assert not torch.equal(last[0], pilot)

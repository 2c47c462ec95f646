import numpy as np
import pytest
import torch

from napari_dip.filters.nonlocal_bayes import nonlocal_bayes, nonlocal_bayes_completion, nonlocal_bayes_pilot


def drained(steps):
    """Return how often a generator yields, and what it returns."""
    number = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return number, end.value
        number += 1


def filtered(pilot, *data):
    pilot, *data = (torch.as_tensor(np.asarray(one)) for one in (pilot, *data))
    return drained(nonlocal_bayes(pilot, torch.stack(data)))[1].numpy()


def filled(pilot, data, known):
    arrays = (torch.as_tensor(np.asarray(one)) for one in (pilot, data, known))
    return drained(nonlocal_bayes_completion(*arrays))[1].numpy()


def by_loops(pilot, data, known=None, *, patch=5, window=21, group=40, stride=4, least=None):
    """Return what loops give: one image and one group at a time, with S as numpy estimates it."""
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
        if least is not None:  # the first step
            variances, vectors = np.linalg.eigh(s)
            s = (vectors * np.maximum(variances - least, 0)) @ vectors.T
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
def test_denoising_follows_the_equation(shape, random):
    pilot = 10 * random.random(shape)
    data = pilot + random.normal(size=shape)
    np.testing.assert_allclose(filtered(pilot, data)[0], by_loops(pilot, data), rtol=1e-6)


@pytest.mark.parametrize(("shape", "sides"), [((14, 20), {}), ((5, 9, 10), {"patch": 3, "window": 7})])
def test_the_first_step_follows_the_equation(shape, sides, random):
    data = 3 * random.normal(size=(1, *shape))
    stride = sides.get("patch", 5)
    expected = by_loops(data, data, group=90, stride=stride, least=1.5, **sides)
    found = drained(nonlocal_bayes_pilot(torch.from_numpy(data)))[1].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_first_step_takes_each_channel_by_itself(random):
    channel = torch.from_numpy(3 * random.normal(size=(1, 16, 16)))
    one, two = (drained(nonlocal_bayes_pilot(channel.repeat(n, 1, 1)))[1].numpy() for n in (1, 2))
    np.testing.assert_allclose(two, one.repeat(2, 0))


@pytest.mark.parametrize("shape", [(1, 14, 18), (3, 12, 20)])
def test_completion_follows_the_equation(shape, random):
    pilot = 10 * random.random(shape)
    data = pilot + random.normal(size=shape)
    known = random.random(shape) > 0.4
    known[:, :7, :7] = False
    expected = by_loops(pilot, data, known, stride=2)
    np.testing.assert_allclose(filled(pilot, np.where(known, data, 1e3), known), expected, rtol=1e-6)
    np.testing.assert_array_equal(filled(pilot, data, known)[:, :2, :2], pilot[:, :2, :2])


def test_the_completion_of_volumes_follows_the_equation(random):
    pilot = 10 * random.random((2, 5, 7, 8))
    known = random.random(pilot.shape) > 0.4
    expected = by_loops(pilot, pilot, known, patch=3, window=7, stride=2)
    np.testing.assert_allclose(filled(pilot, pilot, known), expected, rtol=1e-6)


def test_the_denoising_of_volumes_follows_the_equation(random):
    pilot = 10 * random.random((2, 5, 9, 10))
    data = pilot + random.normal(size=pilot.shape)
    expected = by_loops(pilot, data, patch=3, window=7, stride=2)
    np.testing.assert_allclose(filtered(pilot, data)[0], expected, rtol=1e-6)


def test_each_image_is_filtered_by_itself_and_linearly(random):
    pilot, first, second = (random.random((1, 20, 20)) for _ in range(3))
    both = filtered(pilot, first, second)
    np.testing.assert_allclose(both[0], filtered(pilot, first)[0])
    np.testing.assert_allclose(both[1], filtered(pilot, second)[0])
    # What is done to the data depends on the pilot alone: twice the change, twice the effect.
    further = filtered(pilot, 2 * second - first)[0]
    np.testing.assert_allclose(further, 2 * both[1] - both[0])


def test_a_good_pilot_removes_most_of_the_noise(phantom, random):
    truth = phantom[None].astype(float) / 25
    noisy = truth + random.normal(size=truth.shape)
    assert np.square(filtered(truth, noisy)[0] - truth).mean() < 0.1
    assert np.square(filtered(noisy, noisy)[0] - truth).mean() < 0.7


@pytest.mark.parametrize("shape", [(1, 1, 30), (2, 3, 4), (1, 1, 1), (1, 2, 1, 9)])
def test_images_smaller_than_a_patch_or_window(shape, random):
    pilot = random.random(shape)
    assert filtered(pilot, pilot).shape == (1, *shape)
    assert np.isfinite(filtered(pilot, pilot)).all()


def test_where_all_patches_are_the_same_it_is_the_pilot(random):
    pilot = np.full((1, 30, 30), 3.0)
    np.testing.assert_allclose(filtered(pilot, random.random(pilot.shape))[0], pilot)


def test_it_can_be_stopped_after_each_batch_of_groups(random):
    pilot = torch.from_numpy(random.random((1, 120, 120)))
    groups = len({*range(0, 115, 4), 115}) ** 2
    assert drained(nonlocal_bayes(pilot, pilot[None]))[0] == -(-groups // 128)

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_dip.diagnostics import calibration

SHAPE = (1, 192, 192)


def calibrated(x, refits, variance, data, unseen, *, lost=None):
    lost = np.zeros_like(x) if lost is None else lost
    return calibration.calibrated(x, refits, lost, variance, data, unseen)


def case(random, *, error=0.3, lost=0.0, shape=SHAPE, scale=1.0):
    """Return the arguments of `calibrated` above for an image with known errors, and these errors.

    Errors are three times as large in one half, where the image is steep. Refits lack a share of them.
    """
    columns = np.arange(shape[-1])
    rough = columns >= shape[-1] // 2
    truth = np.broadcast_to(np.where(rough, 8 * np.sin(columns / 2), 0.0), shape)
    size = error * np.where(rough, 3.0, 1.0)

    def smooth():
        noise = gaussian_filter(random.normal(size=shape), (0, *(1.0,) * (len(shape) - 1)))
        return size * noise / noise.std()

    own = smooth()
    x = truth + own
    data = truth + random.normal(size=shape)
    refits = np.stack([np.sqrt(1 - lost) * smooth() for _ in range(2)])
    unseen = random.random(shape) < 0.05
    arguments = (scale * x, scale * refits, np.full(shape, scale**2), scale * data, unseen)
    return arguments, scale * own


@pytest.mark.parametrize("lost", [0.0, 0.4], ids=["refits tell all", "refits miss a part"])
@pytest.mark.parametrize("error", [0.1, 0.3])
def test_intervals_hold_the_truth_in_about_19_of_20_pixels(error, lost, random):
    arguments, own = case(random, error=error, lost=lost)
    held = np.abs(own) < 1.96 * calibrated(*arguments).standard_error
    assert 0.91 < held.mean() < 0.995
    assert 0.88 < held[..., 96:].mean() <= 0.998


def test_errors_are_larger_where_refits_differ_more(random):
    arguments, _ = case(random)
    error = calibrated(*arguments).standard_error
    assert error[..., 110:].mean() == pytest.approx(3 * error[..., :80].mean(), rel=0.3)


def test_unseen_pixels_widen_intervals_that_refits_leave_too_narrow(random):
    arguments, _ = case(random, error=0.5)
    x, refits, *rest = arguments
    told, narrow = (calibrated(x, factor * refits, *rest).standard_error for factor in (1.0, 0.3))
    assert narrow.mean() > 0.5 * told.mean()


def test_scores_are_those_of_the_unseen_pixels(random):
    arguments, _ = case(random)
    found = calibrated(*arguments)
    assert len(found.scores) == arguments[-1].sum()
    assert (np.diff(found.scores) >= 0).all()
    assert np.mean(np.square(found.scores)) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_grey_levels_scale_the_errors(scale):
    one, other = (
        calibrated(*case(np.random.default_rng(3), scale=factor)[0]).standard_error for factor in (1.0, scale)
    )
    np.testing.assert_allclose(other, scale * one, rtol=1e-6)


def test_values_of_seen_pixels_have_no_influence(random):
    (x, refits, variance, data, unseen), _ = case(random)
    other = np.where(unseen, data, 1e6)
    one, two = (calibrated(x, refits, variance, values, unseen).standard_error for values in (data, other))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("shape", [(2, 8, 40, 40), (1, 1, 500)], ids=["channels of a volume", "a line"])
def test_other_shapes(shape, random):
    arguments, _ = case(random, shape=shape)
    error = calibrated(*arguments).standard_error
    assert error.shape == shape
    assert (error > 0).all()


def test_an_image_without_unseen_pixels_has_usual_errors(random):
    (x, refits, variance, data, unseen), _ = case(random)
    found = calibrated(x, refits, variance, data, np.zeros_like(unseen))
    assert not len(found.scores)
    assert np.isfinite(found.standard_error).all()


def test_lost_sources_widen_their_own_pixels_alone(random):
    arguments, _ = case(random)
    lost = np.zeros(SHAPE)
    lost[0, 50:54, 20:24] = 4.0
    with_them, without = calibrated(*arguments, lost=lost), calibrated(*arguments)
    there = lost > 0
    np.testing.assert_allclose(with_them.standard_error[there], 2.0, rtol=0.05)
    np.testing.assert_allclose(with_them.standard_error[~there], without.standard_error[~there], rtol=0.05)


def test_errors_that_refits_show_are_not_counted_twice(random):
    arguments, _ = case(random, error=0.5)
    x, refits, *_ = arguments
    lost = np.full_like(x, 0.1 * np.square(refits).mean())
    both, one = (calibrated(*arguments, lost=each).standard_error.mean() for each in (lost, None))
    assert both == pytest.approx(one, rel=0.05)


def test_a_few_pixels_that_are_far_off_change_little(random):
    arguments, _ = case(random)
    x, refits, variance, data, unseen = arguments
    few = np.argwhere(unseen)[::40]
    wild = data.copy()
    wild[tuple(few.T)] += 100.0
    one, other = (calibrated(x, refits, variance, y, unseen).standard_error.mean() for y in (data, wild))
    assert one <= other < 1.6 * one


def test_noise_that_is_stronger_in_bright_places_widens_them_alone(random):
    shape = (1, 128, 128)
    bright = np.broadcast_to(np.arange(128) < 48, shape)
    own, *refits = 3 * gaussian_filter(random.normal(size=(3, *shape)), (0, 0, 1, 1))
    x = 50.0 * bright + own
    data = 50.0 * bright + random.normal(size=shape) * np.where(bright, 3.0, 1.0)
    found = calibrated(x, np.stack(refits), np.ones(shape), data, random.random(shape) < 0.05).standard_error
    assert found[..., :40].mean() > 2 * found[..., 56:].mean()
    held = np.abs(own) < 1.96 * found
    assert 0.9 < held[..., 56:].mean() < 0.999

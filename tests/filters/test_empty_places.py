import numpy as np
import pytest

from napari_dip.filters.empty_places import smooth_where_empty


def noise(shape=(128, 128), seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape)


def gaussian(sigma, shape=(128, 128)):
    squares = sum((at - n // 2) ** 2 for at, n in zip(np.indices(shape), shape, strict=True))
    return np.exp(-squares / (2 * sigma**2))


@pytest.mark.parametrize("shape", [(128, 128), (1, 128, 128), (32, 48, 48)])
def test_an_empty_field_comes_back_empty(shape):
    mottled = 0.1 * noise(shape, 1)
    answer, share = smooth_where_empty(mottled, noise(shape))
    assert share.mean() > 0.75
    assert np.sqrt(np.mean(answer**2)) < 0.06


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0, 7.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_the_data_show_clearly_is_left_as_it_was_restored(sigma, sign):
    shape = sign * 9 * gaussian(sigma) / np.sqrt((gaussian(sigma) ** 2).sum())  # matched significance of 9
    x = shape + 0.1 * noise(seed=1)
    answer, share = smooth_where_empty(x, shape + noise())
    middle = np.s_[60:69, 60:69]
    assert share[middle].max() < 0.2
    np.testing.assert_allclose(answer[middle], x[middle], atol=0.1)


def test_an_image_full_of_structure_is_not_changed():
    rows, columns = np.indices((128, 128))
    x = 2 * np.sin(rows / 2) * np.sin(columns / 3)
    answer, share = smooth_where_empty(x, x + noise())
    assert share.mean() < 0.05
    assert np.sqrt(np.mean((answer - x) ** 2)) < 0.05


def test_a_slow_gradient_of_the_background_stays():
    slope = np.tile(np.linspace(0, 10, 128), (128, 1))
    answer, _ = smooth_where_empty(slope, slope + noise())
    assert np.sqrt(np.mean((answer - slope)[8:-8, 8:-8] ** 2)) < 0.08


def test_light_of_sources_does_not_spread_into_the_background():
    star = 1000 * gaussian(1.5)
    answer, _ = smooth_where_empty(star, star + noise())
    assert np.abs(answer[gaussian(1.5) < 1e-6]).mean() < 0.05


def test_the_sum_stays():
    x = 100 + 0.1 * noise(seed=1)
    answer, _ = smooth_where_empty(x, 101 + noise())
    assert answer.sum() == pytest.approx(x.sum())


def test_constants_and_tiny_images_are_possible():
    for shape in ((1, 1), (3, 5), (1, 9, 9)):
        answer, _ = smooth_where_empty(np.ones(shape), np.ones(shape))
        np.testing.assert_allclose(answer, 1)


def test_the_answer_follows_a_constant():
    one, _ = smooth_where_empty(noise(seed=1), noise())
    other, _ = smooth_where_empty(noise(seed=1) + 50, noise() + 50)
    np.testing.assert_allclose(other, one + 50, atol=1e-9)

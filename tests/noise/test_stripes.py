"""Stripes go, and what belongs to the scene stays."""

import numpy as np
import pytest

from napari_dip.noise.stripes import stripe_offsets

SIGMA, STRIPES = 15.0, 12.0


def offsets(seed, count=256):
    drawn = np.random.default_rng(seed).normal(0, STRIPES, count)
    return drawn - drawn.mean()


def noisy(scene, seed):
    return scene + np.random.default_rng(100 + seed).normal(0, SIGMA, scene.shape)


def found(image, seen=None, **where):
    return stripe_offsets(image, np.ones(image.shape, bool) if seen is None else seen, **where)


def test_the_offsets_of_columns_are_found_and_have_the_mean_0():
    true = offsets(0)
    rows, columns = found(noisy(np.full((256, 256), 80.0) + true, 0))
    assert not rows.any()
    assert columns.mean() == pytest.approx(0, abs=1e-9)
    assert (columns - true).std() < 0.25 * STRIPES


def test_rows_and_columns_are_told_apart():
    down, across = offsets(1), offsets(2, 192)
    rows, columns = found(noisy(np.full((256, 192), 80.0) + down[:, None] + across, 1))
    assert (rows - down).std() < 0.3 * STRIPES
    assert (columns - across).std() < 0.3 * STRIPES


@pytest.mark.parametrize("kind", ["nothing", "slope", "edges", "blobs"])
def test_an_image_without_stripes_stays_as_it_is(kind):
    y, x = np.mgrid[:256, :256]
    scenes = {
        "nothing": 0 * x,
        "slope": 0.5 * x,
        "edges": 100 * (x > 100) + 50 * (y > 30),
        "blobs": 200 * np.exp(-((y - 90) ** 2 + (x - 120) ** 2) / 300),
    }
    rows, columns = found(noisy(80 + scenes[kind].astype(float), 3))
    assert not rows.any()
    assert not columns.any()


def test_a_horizon_and_a_filament_along_the_stripes_keep_their_flux():
    """On average over seeds, within 2 % and the error of the average."""
    horizon, filament = [], []
    for seed in range(12):
        y, x = np.mgrid[:256, :256]
        true = offsets(seed)
        image = noisy(80 + 100.0 * (x >= 140) + 60.0 * ((abs(x - 60) <= 1) & (y < 150)) + true, seed)
        left = true - found(image)[1]
        horizon.append(1 + (left[140:155].mean() - left[125:140].mean()) / 100)
        around = np.r_[left[44:57], left[64:77]]
        filament.append(1 + (left[59:62].mean() - around.mean()) / 60)
    for flux in (horizon, filament):
        assert np.mean(flux) == pytest.approx(1, abs=0.02 + 2 * np.std(flux) / len(flux) ** 0.5)


def test_a_bright_line_over_the_full_width_is_left():
    scene = np.full((256, 256), 80.0)
    scene[:, 100] += 20 * STRIPES
    assert abs(found(noisy(scene + offsets(4), 4))[1][100]) < STRIPES


def test_missing_pixels_do_not_count():
    true = offsets(5)
    image = noisy(np.full((256, 256), 80.0) + true, 5)
    seen = np.random.default_rng(6).random(image.shape) > 0.2
    seen[60:90, 30:200] = False
    spoilt = np.where(seen, image, 1e4)
    rows, columns = found(spoilt, seen)
    assert not rows.any()
    assert (columns - true).std() < 0.3 * STRIPES


def test_stripes_are_only_looked_for_where_they_are_said_to_be():
    image = noisy(np.full((256, 256), 80.0) + offsets(7), 7)
    rows, columns = found(image, of_rows=True, of_columns=False)
    assert not columns.any()
    assert rows.std() < 0.2 * STRIPES


def test_the_offsets_scale_with_the_image():
    image = noisy(np.full((128, 128), 80.0) + offsets(8, 128), 8)
    once, scaled = found(image)[1], found(64 * image + 3000)[1]
    assert scaled == pytest.approx(64 * once, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("shape", [(8, 8), (24, 24), (30, 200)])
def test_small_and_constant_images_have_no_stripes(shape):
    for image in (np.zeros(shape), np.random.default_rng(0).normal(size=shape)):
        rows, columns = found(image, of_rows=True, of_columns=True)
        assert rows.shape == (shape[0],)
        assert columns.shape == (shape[1],)
        assert np.isfinite(rows).all()
    assert not found(np.zeros(shape), of_rows=True, of_columns=True)[0].any()

"""What is suspect in the data is said before the run."""

import warnings

import numpy as np
import pytest

from napari_dip import (
    PKN,
    Denoise,
    GaussianNoise,
    PoissonGaussianNoise,
    PoissonNoise,
    restore,
)
from napari_dip.restoration.remarks import SuspectDataWarning
from napari_dip.synthetic.images import synthetic_image

METHOD = PKN(predictor="constant")
SIGMA = 8.0


@pytest.fixture
def image():
    rows, columns = np.mgrid[:96, :96]
    scene = 150 + 60 * np.sin(rows / 9) * np.cos(columns / 7)
    return scene + np.random.default_rng(0).normal(0, SIGMA, scene.shape)


def said(image, noise=None, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        restore(image, Denoise(noise or GaussianNoise(SIGMA)), METHOD, **options)
    return [str(one.message) for one in caught if one.category is SuspectDataWarning]


def test_an_ordinary_image_gives_no_remark(image):
    assert said(image) == []


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("sigma", [1.0, 10.0, 40.0])
def test_structure_is_no_defect(seed, sigma):
    clean = synthetic_image(5, seed, 128)
    assert said(clean + np.random.default_rng(seed).normal(0, sigma, clean.shape), GaussianNoise(sigma)) == []


@pytest.mark.parametrize("sigma", [0.5, 8.0])
def test_smooth_scenes_edges_and_borders_are_no_defect(sigma):
    rows, columns = np.mgrid[:96, :96]
    smooth = 20_000 + 15_000 * np.sin(rows / 20) * np.cos(columns / 15)
    scenes = smooth, 100 + 300.0 * (columns > 40), np.pad(150 + 0.0 * smooth[:64, :64], 16), 9.0 * columns
    random = np.random.default_rng(0)
    for scene in scenes:
        noisy = scene + random.normal(0, sigma, scene.shape)
        assert said(noisy, GaussianNoise(sigma)) == []


def test_few_photons_and_a_sky_of_stars_have_no_dead_pixels():
    random = np.random.default_rng(0)
    assert said(random.poisson(0.3, (64, 64)), PoissonNoise()) == []
    sky = random.normal(0, 3, (64, 64)).round()
    sky[random.integers(0, 64, 30), random.integers(0, 64, 30)] += 500
    assert said(sky, GaussianNoise(3.0)) == []


@pytest.mark.parametrize("count", [1, 20])
def test_dead_pixels_are_noticed_unless_they_are_marked(image, count):
    random = np.random.default_rng(1)
    dead = np.zeros(image.shape, bool)
    dead.flat[random.choice(image.size, count, replace=False)] = True
    image[dead] = 0
    (remark,) = said(image)
    assert remark.startswith("1 pixel is 0" if count == 1 else "20 pixels are 0")
    assert "missing" in remark
    assert said(image, missing=dead) == []


@pytest.mark.parametrize(("axis", "name"), [(0, "Row"), (1, "Column")])
@pytest.mark.parametrize("lines", [(40,), (3, 40, 77)])
@pytest.mark.parametrize("step", [2.5, -30.0])
def test_lines_that_differ_are_named(image, axis, name, lines, step):
    moved = image if axis == 0 else image.T
    moved[list(lines)] += step * SIGMA
    (remark,) = said(image)
    assert remark.startswith(f"{name} 40 differs" if len(lines) == 1 else f"{name}s 3, 40, 77 differ")


def test_lines_are_numbered_in_the_whole_of_a_large_image():
    image = np.random.default_rng(0).normal(100, SIGMA, (64, 1400))
    image[:, 700] += 100
    (remark,) = said(image)
    assert remark.startswith("Column 700 differs")


@pytest.mark.parametrize(("axis", "name"), [(0, "rows"), (1, "columns")])
def test_stripes_are_noticed(image, axis, name):
    stripes = np.random.default_rng(2).normal(0, SIGMA, 96)
    (remark,) = said(image + (stripes[:, None] if axis == 0 else stripes))
    assert remark.startswith(f"The image is striped: its {name} have offsets")
    assert "choose stripe noise" in remark


def test_counts_below_the_offset_are_noticed(image):
    sky = np.random.default_rng(0).normal(0, 5, (64, 64))
    (remark,) = said(sky, PoissonNoise())
    assert remark.startswith("51% of the pixels lie below the offset 0")
    assert "background" in remark
    (remark,) = said(image, PoissonGaussianNoise(1.0, offset=200.0, read_noise=2.0))
    assert "below the offset 200" in remark
    assert said(image, PoissonNoise(gain=0.4)) == []
    assert said(image, PoissonGaussianNoise(0.3, offset=0.0, read_noise=3.0)) == []


def test_a_series_is_looked_at_once(image):
    image[:, 40] += 100
    assert len(said(np.stack([image, image]), axes="TYX")) == 1


def test_channels_are_named(image):
    other = image.copy()
    other[:, 40] += 100
    (remark,) = said(np.stack([image, other]), axes="CYX")
    assert remark.startswith("Channel 1: Column 40 differs")


@pytest.mark.parametrize("brightness", [300, 6000, 60_000])
def test_a_smooth_bright_object_is_not_striped(brightness):
    rows, columns = np.mgrid[:64, :64]
    galaxy = brightness * np.exp(-((rows - 32) ** 2 + (columns - 32) ** 2) / 200)
    assert said(galaxy + np.random.default_rng(0).normal(0, 3, (64, 64)), GaussianNoise(3.0)) == []


def test_integers_that_float64_rounds_are_noticed(image):
    levels = np.rint(image).astype(np.int64)
    (remark,) = said(levels + 2**60)
    assert "rounded to multiples of 256" in remark
    assert said(levels + 2**52) == []


@pytest.mark.parametrize("read", [0.0, 0.5])
def test_an_image_of_very_few_photons_is_told_what_is_lost(read):
    random = np.random.default_rng(0)
    noise = PoissonGaussianNoise(2.0, 100.0, 2 * read) if read else PoissonNoise(2.0, 100.0)
    for photons, remarks in ((0.05, 1), (0.3, 0)):
        image = 100 + 2.0 * random.poisson(photons, (96, 96)) + 2 * read * random.normal(size=(96, 96))
        found = said(image, noise)
        assert len(found) == remarks
        assert all("photons on average" in one and "lost" in one for one in found)

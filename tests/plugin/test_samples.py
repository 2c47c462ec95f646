from pathlib import Path

import numpy as np
import pytest

from napari_dip.plugin import samples

DATA = Path(samples.__file__).with_name("data")
IMAGES = {
    samples.micrograph: ((224, 224), "uint16", ("y", "x")),
    samples.sky: ((256, 256), "float32", ("y", "x")),
    samples.photograph: ((256, 256, 3), "uint8", ("y", "x")),
    samples.z_stack: ((24, 96, 96), "uint16", ("z", "y", "x")),
    samples.time_series: ((10, 112, 112), "uint16", ("t", "y", "x")),
}
every = pytest.mark.parametrize("sample", IMAGES, ids=lambda sample: sample.__name__)


@every
def test_the_image_is_as_described(sample):
    image, attributes, kind = sample()[0]
    assert (image.shape, image.dtype.name, attributes["axis_labels"]) == IMAGES[sample]
    assert kind == "image"
    assert np.nanstd(image) > 0


@every
def test_napari_makes_layers_of_it(sample):
    layer = pytest.importorskip("napari.layers").Layer
    for data, attributes, kind in sample():
        made = layer.create(data, dict(attributes), kind)
        assert made.name == attributes["name"]
        assert made.axis_labels == attributes["axis_labels"]
        assert made._type_string == kind


@every
def test_it_is_the_same_every_time(sample):
    for first, second in zip(sample(), sample(), strict=True):
        np.testing.assert_array_equal(first[0], second[0])
        assert first[1:] == second[1:]


@every
def test_the_caller_may_change_it(sample):
    layers = sample()
    kept = [data.copy() for data, _, _ in layers]
    for data, _, _ in layers:
        data[:] = 0
    for (data, _, _), before in zip(sample(), kept, strict=True):
        np.testing.assert_array_equal(data, before)


def test_the_cosmic_rays_are_the_saturated_pixels_of_the_sky():
    (image, _, _), (rays, _, kind) = samples.sky()
    assert kind == "labels"
    np.testing.assert_array_equal(rays == 1, image == np.nanmax(image))
    assert 100 < np.count_nonzero(rays) < 0.02 * rays.size


def test_the_sky_has_a_dead_column_and_a_dead_block():
    dead = np.isnan(samples.sky()[0][0])
    assert dead.all(axis=0).any()
    assert dead[196:210, 96:116].all()
    assert 0 < dead.mean() < 0.02


def test_the_labels_are_where_the_photograph_is_damaged():
    original = pytest.importorskip("skimage.data").chelsea()[20:276, 110:366]
    (image, _, _), (labels, _, kind) = samples.photograph()
    assert kind == "labels"
    np.testing.assert_array_equal(labels > 0, (image != original).any(axis=2))
    for label in (1, 2):
        assert 0.01 < (labels == label).mean() < 0.1


def test_the_data_are_small_and_their_sources_named():
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    files = [path for path in DATA.iterdir() if path.name != "README.md"]
    assert files
    assert sum(path.stat().st_size for path in files) < 600_000
    for path in files:
        assert f"`{path.name}`" in readme

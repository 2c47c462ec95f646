from dataclasses import replace

import numpy as np
import pytest

from napari_dip import Deconvolve, Denoise, GaussianNoise, Measurement, SuperResolve, restore
from napari_dip.methods import PKN
from napari_dip.restoration.refilter import Refilter

METHOD = PKN(predictor="structure-tensor")
KNOWN = GaussianNoise(10.0)


@pytest.fixture
def image(phantom, random):
    return (phantom + random.normal(0, 10, phantom.shape)).astype(np.float32)


@pytest.mark.parametrize("strength", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("axes", ["YX", "ZYX", "CYX"])
def test_another_strength_gives_what_a_run_with_it_gives(image, strength, axes):
    data = image if axes == "YX" else np.stack([image, image.T])
    again = Refilter(Measurement(data, axes=axes), Denoise(), METHOD)
    wanted = restore(data, Denoise(), replace(METHOD, strength=strength), axes=axes).image
    for frame, pixels in again.restored(strength):
        assert np.array_equal(pixels, wanted[frame])


@pytest.mark.parametrize("task", [Denoise(KNOWN), SuperResolve(KNOWN)])
@pytest.mark.parametrize("place", [(20, 30), (0, 0), (63, 1)])
def test_the_kernel_gives_its_pixel(image, task, place):
    restored = restore(image, task, METHOD, return_maps=True)
    kernel = Refilter(image, task, METHOD).kernel_at(place, 1.0)
    reach = len(kernel.weights) // 2
    assert kernel.weights.sum() == pytest.approx(1, abs=1e-5)
    around = np.pad(image, reach)  # what lies beyond the border has no weight of its own
    row, column = (at // (restored.image.shape[0] // 64) for at in place)
    part = around[row : row + 2 * reach + 1, column : column + 2 * reach + 1]
    assert (part * kernel.weights).sum() == pytest.approx(restored.image[place], rel=1e-4)
    for name, (value, unit) in kernel.parameters.items():
        assert value == pytest.approx(restored.parameter_maps[name].values[place], rel=1e-5)
        assert unit == restored.parameter_maps[name].unit


def test_the_noise_gain_is_that_of_the_map(image):
    restored = restore(image, Denoise(KNOWN), METHOD, return_maps=True)
    kernel = Refilter(image, Denoise(KNOWN), METHOD).kernel_at((20, 30), 1.0)
    assert kernel.noise_gain == pytest.approx(restored.parameter_maps["noise gain"].values[20, 30], rel=1e-4)


def test_given_maps_and_strength_are_heeded(image):
    maps = {"width": np.full((64, 64), 1.5), "a": np.zeros((64, 64)), "b": np.zeros((64, 64))}
    again = Refilter(image, Denoise(KNOWN), METHOD, parameter_maps=maps)
    assert again.kernel_at((5, 5), 1.0).parameters["width"][0] == pytest.approx(1.5)
    assert again.kernel_at((5, 5), 0.0).weights.max() == pytest.approx(1, abs=1e-3)


def test_a_frame_of_a_series_has_its_own_kernel(image):
    again = Refilter(Measurement(np.stack([image, image.T]), axes="TYX"), Denoise(KNOWN), METHOD)
    one, other = (again.kernel_at((t, 20, 30), 1.0) for t in (0, 1))
    assert not np.allclose(one.weights, other.weights)
    assert np.allclose(other.weights, again.kernel_at((1, 20, 30), 1.0).weights)


def test_a_deconvolving_kernel_has_negative_weights(image):
    task = Deconvolve(noise=KNOWN)
    neumann = {"width": 1.0, "fine": 4.0, "middle": -2.0, "coarse": 2.0}
    maps = {name: np.full((64, 64), value) for name, value in neumann.items()}
    weights = (
        Refilter(image, task, PKN(kernel="reblur"), parameter_maps=maps).kernel_at((30, 30), 1.0).weights
    )
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert weights.min() < 0

"""What was measured is checked once, and read when its turn comes."""

import inspect

import dask.array as da
import numpy as np
import pytest
import torch

from napari_dip import (
    DIP,
    PKN,
    Denoise,
    GaussianNoise,
    Hourglass,
    Inpaint,
    Measurement,
    estimate_cost,
    residual,
    restore,
    solve,
)
from napari_dip.errors import InputError

from .counting import Counting

METHOD = DIP(
    iterations=3,
    stopping="max-iterations",
    input_channels=2,
    precision="float32",
    initial_estimate=False,
    network=Hourglass(widths=(4,), skips=(2,)),
)


def stack(frames=4, side=16):
    return np.random.default_rng(0).random((frames, side, side))


def test_nothing_is_read_before_a_frames_turn_comes():
    image, missing, guide = Counting(stack()), Counting(stack() > 0.9), Counting(stack())
    measurement = Measurement(image, axes="TYX", missing=missing, guide=guide)
    assert (measurement.shape, len(measurement.frames)) == ((4, 16, 16), 4)
    iterates = solve(measurement, Denoise(), METHOD)
    assert image.read == missing.read == guide.read == []
    while next(iterates).frame != (1,):
        pass
    assert image.read == missing.read == guide.read == [(0,), (1,)]


@pytest.mark.parametrize("method", [METHOD, PKN(kernel="isotropic")], ids=["DIP", "PKN"])
def test_each_frame_is_read_once(method):
    image = Counting(stack())
    restore(image, Denoise(GaussianNoise(0.3)), method, axes="TYX")
    assert image.read == [(0,), (1,), (2,), (3,)]


def test_what_all_frames_share_is_read_once():
    class Shared(Counting):
        def __array__(self, dtype=None, copy=None):
            self.read.append("all")
            return np.array(self.values, dtype)

    missing, guide = Shared(stack()[0] > 0.9), Shared(stack()[1])
    restore(stack(), Denoise(), METHOD, axes="TYX", missing=missing, guide=guide)
    assert missing.read == guide.read == ["all"]


def test_planes_of_a_volume_are_read_one_by_one():
    image = Counting(stack())
    restore(image, Denoise(GaussianNoise(0.3)), PKN(kernel="isotropic"), axes="ZYX")
    assert image.read == [(0,), (1,), (2,), (3,)]


def test_frames_of_a_dask_array_are_computed_one_by_one():
    computed = []

    def load(block_info=None):
        computed.append(block_info[None]["chunk-location"][0])
        return stack()[computed[-1]][None]

    image = da.map_blocks(load, chunks=((1,) * 4, (16,), (16,)), dtype=float, meta=np.empty((0, 0, 0)))
    computed.clear()
    measurement = Measurement(image, axes="TYX")
    estimate_cost(measurement, Denoise(), METHOD)
    assert computed == [0]
    computed.clear()
    restored = restore(measurement, Denoise(), METHOD)
    assert computed == [0, 1, 2, 3]
    computed.clear()
    residual(measurement, restored, Denoise())
    assert computed == [0, 1, 2, 3]


@pytest.mark.parametrize("shape", [(4, 16, 16), (16, 16)])
def test_a_mask_may_leave_out_axes(shape):
    missing = np.random.default_rng(1).random(shape) < 0.1
    result = restore(stack(), Inpaint(), METHOD, axes="TYX", missing=missing)
    whole = restore(stack(), Inpaint(), METHOD, axes="TYX", missing=np.broadcast_to(missing, (4, 16, 16)))
    np.testing.assert_array_equal(result, whole)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_pixels_at_the_saturation_level_and_above_are_missing(dtype):
    image = np.array([[99, 100], [101, 98]], dtype)
    values, missing = Measurement(image, saturation_level=100).read((slice(None), slice(None)))
    np.testing.assert_array_equal(missing, [[False, True], [True, False]])
    np.testing.assert_array_equal(values, [[99, 0], [0, 98]])


def test_a_mask_of_colours_has_the_channels_or_not():
    image = np.random.default_rng(0).random((16, 16, 3))
    missing = np.zeros((16, 16), int)
    missing[5] = 3
    flat, full = (
        restore(image, Inpaint(), METHOD, missing=mask)
        for mask in (missing, np.repeat(missing[..., None], 3, -1))
    )
    np.testing.assert_array_equal(flat, full)


def test_an_array_and_a_measurement_of_it_are_one():
    known = {"axes": "TYX", "saturation_level": 0.9}
    plain = restore(stack(), Denoise(), METHOD, **known)
    measured = restore(Measurement(stack(), **known), Denoise(), METHOD)
    np.testing.assert_array_equal(plain, measured)
    assert plain.provenance["axes"] == measured.provenance["axes"] == "TYX"


@pytest.mark.parametrize("known", [{"axes": "YX"}, {"missing": np.zeros((16, 16))}, {"channels": "separate"}])
def test_what_a_measurement_says_is_not_said_again(known):
    (name,) = known
    with pytest.raises(InputError, match=f"{name} belongs to the measurement") as error:
        restore(Measurement(stack()[0]), Denoise(), METHOD, **known)
    assert error.value.argument == name


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"axes": "YX"}, "one letter for each axis"),
        ({"channels": "alone"}, "channels must be 'together' or 'separate'"),
        ({"missing": np.zeros((16, 15))}, r"missing must have the shape \(4, 16, 16\)"),
        ({"saturation_level": float("inf")}, "saturation_level must be a finite number"),
        ({"guide": np.full((16, 16), "x")}, "guide must hold real numbers"),
    ],
)
def test_impossible_measurements_are_refused(known, message):
    with pytest.raises(ValueError, match=message):
        Measurement(stack(), **known)


@pytest.mark.parametrize("image", [np.ones((9, 9), complex), np.zeros((0, 9)), np.zeros(9)])
def test_impossible_images_are_refused(image):
    with pytest.raises(ValueError, match=r"real numbers|empty|two axes"):
        Measurement(image)


def test_tensors_and_lists_are_images():
    for image in (stack()[0].tolist(), torch.from_numpy(stack()[0])):
        assert Measurement(image).shape == (16, 16)


def test_every_keyword_stands_in_the_signature():
    parameters = inspect.signature(restore).parameters.values()
    assert not [one for one in parameters if one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
    known = set(inspect.signature(Measurement).parameters) - {"image"}
    run = set(inspect.signature(solve).parameters) - {"measurement"}
    assert known | run <= {one.name for one in parameters}
    with pytest.raises(TypeError, match=r"restore\(\) got an unexpected keyword argument 'mask'"):
        restore(stack(), Denoise(), METHOD, mask=None)

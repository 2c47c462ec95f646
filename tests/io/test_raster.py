"""PNG, JPEG and npy files."""

import json

import numpy as np
import pytest
from PIL import Image

from napari_dip.errors import FileError
from napari_dip.io import ImageFile, read

from .saving import PROVENANCE, save


@pytest.mark.parametrize(
    ("shape", "dtype"), [((6, 7), np.uint8), ((6, 7), np.uint16), ((6, 7, 3), np.uint8), ((6, 7), bool)]
)
def test_png_round_trip(tmp_path, random, shape, dtype):
    data = random.integers(0, 2, shape).astype(dtype) * dtype(200)
    clipped = save(tmp_path / "a.png", data.astype(np.float32), ImageFile(data), "YXC"[: len(shape)])
    again = read(tmp_path / "a.png")
    np.testing.assert_array_equal(again.data, data)
    assert clipped == 0
    assert again.axes == "YXC"[: len(shape)]
    assert json.loads(Image.open(tmp_path / "a.png").text["napari-dip"]) == PROVENANCE


def test_an_axis_for_a_single_channel_is_left_out(tmp_path, random):
    data = random.integers(0, 255, (6, 7, 1)).astype(np.uint8)
    save(tmp_path / "a.png", data.astype(np.float32), ImageFile(data), "YXC")
    np.testing.assert_array_equal(read(tmp_path / "a.png").data, data[..., 0])


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_round_trip(tmp_path, channels):
    data = np.full((8, 8, channels), 100, np.uint8)
    save(tmp_path / "a.jpg", data.astype(np.float32), ImageFile(data), "YXC")
    assert abs(read(tmp_path / "a.jpg").data.astype(int) - 100).max() < 3


def test_a_palette_becomes_colour(tmp_path):
    Image.fromarray(np.full((5, 5, 3), (9, 8, 7), np.uint8)).convert("P").save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").data.shape == (5, 5, 3)


def test_colour_with_16_bits_is_refused_since_pillow_would_halve_it(tmp_path):
    header = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0\0\0\4\0\0\0\4" + bytes([16, 2])
    (tmp_path / "a.png").write_bytes(header + b"\0" * 40)
    with pytest.raises(FileError, match="16 bits per channel"):
        read(tmp_path / "a.png")


def test_npy_round_trip(tmp_path, random):
    data = random.random((3, 4, 5)).astype(np.float32)
    save(tmp_path / "a.npy", data, axes="TYX")
    np.testing.assert_array_equal(read(tmp_path / "a.npy").data, data)


def test_pickles_are_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(FileError, match=r"can't read .*a.npy"):
        read(tmp_path / "a.npy")

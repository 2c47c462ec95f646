import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_dip.io import ImageFile, read, writable
from napari_dip.io.tiff import NAMESPACE

from .saving import save


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(axes=st.sampled_from(["YX", "ZYX", "TYX", "CYX", "TZYX", "TZCYX", "YXC", "TYXC", "PYX", "CZYX", "XY"]))
def test_tiff_round_trip_with_axes_pixel_size_and_provenance(tmp_path, axes, random):
    sizes = {"T": 2, "P": 2, "C": 3, "Z": 4, "Y": 6, "X": 7}
    data = random.random(tuple(sizes[axis] for axis in axes)).astype(np.float32)
    pixel_size = {axis: (0.25 if axis != "Z" else 1.5, "µm") for axis in axes if axis in "ZYX"}
    save(tmp_path / "a.tif", data, ImageFile(data, axes, pixel_size), axes)
    again = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(again.data, data)
    assert again.axes.replace("S", "C") == axes
    assert again.pixel_size == pixel_size
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert NAMESPACE in file.pages[0].description
        assert "Denoise" in file.pages[0].description


def test_imagej_files_are_understood(tmp_path, random):
    data = random.integers(0, 9, (3, 2, 8, 9)).astype(">u2")
    tifffile.imwrite(
        tmp_path / "a.tif",
        data,
        imagej=True,
        resolution=(4, 5),
        metadata={"axes": "ZCYX", "spacing": 2.0, "unit": "um"},
    )
    image = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, data)
    assert image.axes == "ZCYX"
    assert image.pixel_size == {"X": (0.25, "µm"), "Y": (0.2, "µm"), "Z": (2.0, "µm")}


def test_plain_tiffs_of_print_resolution_have_no_pixel_size(tmp_path):
    for dots, known in ((72, False), (25_400, True)):
        tifffile.imwrite(
            tmp_path / "a.tif", np.zeros((4, 4), np.uint8), resolution=(dots, dots), resolutionunit="INCH"
        )
        assert bool(read(tmp_path / "a.tif").pixel_size) == known


def test_unnamed_axes_are_not_known(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 8, 9), np.uint8), metadata=None)
    assert read(tmp_path / "a.tif").axes is None


def test_several_images_in_a_file_give_a_warning(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(np.zeros((4, 4), np.uint8))
        file.write(np.zeros((5, 7), np.uint16))
    with pytest.warns(UserWarning, match="only the first one is read"):
        assert read(tmp_path / "a.tif").data.shape == (4, 4)


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float16, ">u2"])
@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (6, 7)), ("YXC", (6, 7, 2)), ("YXC", (6, 7, 5)), ("SYX", (3, 6, 7))]
)
def test_tiff_holds_every_dtype_and_any_number_of_channels(tmp_path, dtype, axes, shape):
    source = ImageFile(np.ones(shape, dtype))
    writable(tmp_path / "a.tif", source, axes, keep_dtype=True)
    save(tmp_path / "a.tif", np.ones(shape, np.float32), source, axes, keep_dtype=True)
    again = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(again.data, source.data)
    kept = np.uint8 if dtype is bool else np.dtype(dtype).newbyteorder("=")
    assert again.data.dtype == kept

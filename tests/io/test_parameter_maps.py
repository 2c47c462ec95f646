import numpy as np
import pytest

from napari_dip.errors import FileError
from napari_dip.image.axes import Axes
from napari_dip.io import ImageFile, provenance, read, write
from napari_dip.io.parameter_maps import read_maps, refuse_maps_file, write_maps


@pytest.fixture
def maps(random):
    return {name: random.random((2, 5, 6)).astype(np.float32) for name in ("width", "contrast")}


def test_maps_come_back_with_the_pixel_size_and_provenance_of_the_image(tmp_path, maps):
    restored = ImageFile(np.zeros((2, 5, 6, 3)), "TYXC", {"Y": (0.5, "µm"), "X": (0.5, "µm")})
    write_maps(tmp_path / "maps.tif", maps, restored, Axes("TYXC"), {"napari-dip": "0.0", "seed": 3})
    again = read_maps(tmp_path / "maps.tif", list(maps))
    assert list(again) == list(maps)
    for name, values in maps.items():
        np.testing.assert_array_equal(again[name], values)
    assert read(tmp_path / "maps.tif").pixel_size == restored.pixel_size
    assert provenance(tmp_path / "maps.tif")["seed"] == 3


@pytest.mark.parametrize("shape", [(5, 6), (3, 5, 6), (1, 5, 6), (3, 1, 6)])
def test_a_single_map_comes_back(tmp_path, random, shape):
    """TIFF leaves out axes of length 1, that of the maps included."""
    width = random.random(shape).astype(np.float32)
    axes = Axes("TYX"[-len(shape) :])
    write_maps(tmp_path / "maps.tif", {"width": width}, ImageFile(width), axes, {"napari-dip": "0.0"})
    np.testing.assert_array_equal(
        read_maps(tmp_path / "maps.tif", ["width"])["width"].squeeze(), width.squeeze()
    )


def test_planes_of_any_image_are_maps_in_the_order_of_the_names(tmp_path, maps):
    np.save(tmp_path / "maps.npy", np.stack(list(maps.values())))
    np.save(tmp_path / "one.npy", maps["width"][0])
    np.testing.assert_array_equal(read_maps(tmp_path / "maps.npy", ["a", "b"])["b"], maps["contrast"])
    np.testing.assert_array_equal(read_maps(tmp_path / "one.npy", ["a"])["a"], maps["width"][0])


def test_other_maps_are_refused(tmp_path, maps):
    write_maps(tmp_path / "maps.tif", maps, ImageFile(maps["width"]), Axes("TYX"), {"napari-dip": "0.0"})
    with pytest.raises(FileError, match=r"must hold the maps contrast, width, .* got width, contrast"):
        read_maps(tmp_path / "maps.tif", ["contrast", "width"])
    np.save(tmp_path / "maps.npy", np.stack(list(maps.values())))
    with pytest.raises(FileError, match=r"must hold the maps width, .* got 2 planes"):
        read_maps(tmp_path / "maps.npy", ["width"])


def test_files_that_can_not_hold_maps_are_refused(tmp_path):
    refuse_maps_file(tmp_path / "maps.tif", Axes("CYX"))
    with pytest.raises(FileError, match=r"the suffix must be one of \.tif, \.tiff"):
        refuse_maps_file(tmp_path / "maps.png", Axes("YX"))
    with pytest.raises(FileError, match="channels that are restored separately have different maps"):
        refuse_maps_file(tmp_path / "maps.tif", Axes("CYX", "separate"))


@pytest.mark.parametrize("names", ["width", 3, ["width", 3], {"width": 1}, None, [["width"]]])
def test_names_of_maps_that_are_no_names_are_refused(names, tmp_path, maps):
    data = np.stack(list(maps.values()))
    record = {"napari-dip": "0.0", "maps": names}
    write(tmp_path / "maps.tif", data, ImageFile(data), axes="CTYX", provenance=record)
    with pytest.raises(FileError, match=r"maps\.tif is broken: the names of its maps can't be read"):
        read_maps(tmp_path / "maps.tif", list(maps))

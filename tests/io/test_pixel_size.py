import struct

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_dip.io import ImageFile, read
from napari_dip.io.pixel_size import plausible

from .saving import save

NONSENSE = ["0", "-0.5", "NaN", "INF", "-INF", "1e30", "1e-30", "", "wide", "0,5", "9" * 400]


@given(number=st.one_of(st.floats(), st.text(), st.integers(), st.none()), unit=st.text())
def test_whatever_a_file_states_sizes_are_positive_finite_and_in_units_of_length(number, unit):
    sizes, notes = plausible({"X": (number, unit), "Y": (0.5, "µm"), "Z": (number, "micron")})
    assert sizes["Y"] == (0.5, "µm")
    for size, name in sizes.values():
        assert 0 < size < 1e10
        assert name
    assert len(notes) == (len(sizes) < 3)


@pytest.mark.parametrize("number", NONSENSE)
def test_nonsense_in_ome_xml_is_ignored_and_said(tmp_path, number):
    path = tmp_path / "a.tif"
    metadata = {"axes": "YX", "PhysicalSizeX": number, "PhysicalSizeY": 0.5}
    tifffile.imwrite(path, np.ones((5, 6), np.uint8), ome=True, metadata=metadata)
    image = read(path)
    assert image.pixel_size == {"Y": (0.5, "µm")}
    (note,) = image.notes
    assert note.startswith("the pixel size that the file states is ignored")
    assert len(note) < 130
    save(tmp_path / "b.tif", np.ones((5, 6), np.float32), image)
    assert read(tmp_path / "b.tif").notes == ()


@pytest.mark.parametrize("unit", ["bananas", "", "<b>", "s", "µ" * 300])
def test_units_that_are_none_are_ignored_and_said(tmp_path, unit):
    sizes, notes = plausible({"X": (0.5, unit)})
    assert sizes == {}
    assert "0.5" in notes[0]


@pytest.mark.parametrize(
    ("stated", "meant"), [("um", "µm"), ("\u03bcm", "µm"), ("micron", "µm"), ("inch", "in"), ("\u212b", "Å")]
)
def test_units_have_one_spelling(stated, meant):
    assert plausible({"X": (0.5, stated)}) == ({"X": (0.5, meant)}, ())


@pytest.mark.parametrize(
    ("spacing", "unit"), [(-2.0, "um"), (0.0, "um"), (float("nan"), "um"), (2.0, "cubits")]
)
def test_nonsense_in_imagej_files_is_ignored_and_said(tmp_path, spacing, unit):
    metadata = {"axes": "ZYX", "spacing": spacing, "unit": unit}
    tifffile.imwrite(
        tmp_path / "a.tif", np.ones((3, 5, 6), np.uint8), imagej=True, resolution=(4, 4), metadata=metadata
    )
    image = read(tmp_path / "a.tif")
    assert "Z" not in image.pixel_size
    assert "along Z" in image.notes[0]


@pytest.mark.parametrize("resolution", [(0, 1), (1, 0), (0, 0)])
def test_nonsense_in_tags_is_ignored_and_said(tmp_path, resolution):
    data = np.ones((5, 6), np.uint8)
    options = {"resolutionunit": "CENTIMETER", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", data, resolution=(4, 4), **options)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        place = file.pages[0].tags["XResolution"].valueoffset
    stored = bytearray((tmp_path / "a.tif").read_bytes())
    stored[place : place + 8] = struct.pack("<II", *resolution)
    (tmp_path / "a.tif").write_bytes(stored)
    image = read(tmp_path / "a.tif")
    assert image.pixel_size == {"Y": (2500.0, "µm")}
    assert "along X" in image.notes[0]


@pytest.mark.parametrize("stated", [{"X": "far"}, {"X": [1]}, {"X": [None, None]}, "?", {"X": [-1, "µm"]}])
def test_nonsense_in_the_description_of_a_tiff_is_ignored(tmp_path, stated):
    data = np.ones((2, 5, 6), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, metadata={"axes": "PYX", "pixel_size": stated})
    assert read(tmp_path / "a.tif").pixel_size == {}


def test_a_size_that_is_written_can_be_read(tmp_path):
    sizes = {"Y": (2.5, "nm"), "X": (3.0, "Å")}
    for axes in ("YX", "PYX"):
        data = np.ones((2, 5, 6)[-len(axes) :], np.float32)
        save(tmp_path / "a.tif", data, ImageFile(data, axes, sizes), axes)
        assert read(tmp_path / "a.tif").pixel_size == sizes

"""What files say besides the pixels is said again in the output, corrected for regions and finer pixels."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from napari_dip.io import ImageFile, read
from napari_dip.io.metadata import Metadata

from .saving import save

PLANES = {
    (t, c, 0): {"DeltaT": 10.0 * t + c, "PositionX": 5.0, "PositionXUnit": "µm"}
    for t in range(3)
    for c in (0, 1)
}
OME = {
    "axes": "TCYX",
    "PhysicalSizeX": 0.5,
    "PhysicalSizeY": 0.5,
    "TimeIncrement": 2.5,
    "TimeIncrementUnit": "min",
    "Description": "nuclei <& membranes>",
    "Channel": {
        "Name": ["DAPI", "GFP"],
        "Color": [0x0000FFFF, -16776961],
        "EmissionWavelength": [460.0, 510.0],
    },
    "Plane": {
        name: [one[name] for one in PLANES.values()] for name in ("DeltaT", "PositionX", "PositionXUnit")
    },
    "MapAnnotation": {"Namespace": "other", "objective": "63x"},
}


@pytest.fixture
def movie(tmp_path, random):
    data = random.integers(0, 9, (3, 2, 16, 18)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.ome.tif", data, ome=True, metadata=OME)
    return read(tmp_path / "a.ome.tif")


def again(path, image, axes, name="b.tif"):
    save(path / name, np.zeros(image.data.shape, np.float32), image, axes)
    return read(path / name)


def test_metadata_of_ome_files_come_back(tmp_path, movie):
    described = movie.metadata
    assert [one["Name"] for one in described.channels] == ["DAPI", "GFP"]
    assert [one["Color"] for one in described.channels] == [0x0000FFFF, -16776961]
    assert (described.time_step, described.description) == ((2.5, "min"), "nuclei <& membranes>")
    assert described.planes == PLANES
    assert described.text == {"objective": "63x"}
    assert again(tmp_path, movie.refined("TCYX", (1, 1, 1, 1)), "TCYX").metadata == described


def test_metadata_of_a_region_are_those_of_its_planes_channels_and_place(tmp_path, movie):
    part = again(
        tmp_path, movie.part(((1, 3), (1, 2), (0, 16), (4, 18))).refined("TCYX", (1, 1, 2, 2)), "TCYX"
    )
    assert [one["Name"] for one in part.metadata.channels] == ["GFP"]
    assert [part.metadata.planes[t, 0, 0]["DeltaT"] for t in (0, 1)] == [11.0, 21.0]
    assert part.metadata.planes[0, 0, 0]["PositionX"] == 5.0 + 4 * 0.5
    assert part.pixel_size["X"] == (0.25, "µm")
    assert len(part.metadata.planes) == 2


def test_positions_of_unknown_unit_are_left_out_where_a_region_moves_them(movie):
    planes = {(0, 0, 0): {"PositionX": 5.0, "PositionXUnit": "reference frame", "DeltaT": 1.0}}
    image = ImageFile(movie.data, movie.axes, metadata=Metadata(planes=planes))
    assert image.part(((0, 1), (0, 1), (0, 9), (2, 9))).metadata.planes == {(0, 0, 0): {"DeltaT": 1.0}}
    assert image.part(((0, 1), (0, 1), (2, 9), (0, 9))).metadata.planes == planes


def test_planes_that_were_added_have_no_metadata(movie):
    image = ImageFile(np.zeros((2, 8, 9)), "ZYX", metadata=Metadata(planes={(0, 0, 1): {"DeltaT": 1.0}}))
    assert image.refined("ZYX", (2, 1, 1)).metadata.planes == {}
    assert image.refined("ZYX", (1, 2, 2)).metadata.planes == {(0, 0, 1): {"DeltaT": 1.0}}


@pytest.mark.parametrize("axes", ["TYX", "ZCYX", "YXC", "PYX"])
def test_metadata_that_do_not_fit_other_axes_are_left_out(tmp_path, movie, axes):
    shape = {"TYX": (5, 8, 9), "ZCYX": (2, 5, 8, 9), "YXC": (8, 9, 3), "PYX": (2, 8, 9)}[axes]
    image = ImageFile(np.zeros(shape, np.uint8), axes, metadata=movie.metadata)
    restored = again(tmp_path, image, axes).metadata
    assert restored.description == movie.metadata.description
    assert restored.time_step == movie.metadata.time_step
    if axes != "PYX":
        assert restored.channels == ()


def test_metadata_of_imagej_files_are_carried_over(tmp_path, random):
    data = random.integers(0, 9, (3, 2, 16, 18)).astype(np.uint16)
    ramp, nothing = np.arange(256, dtype=np.uint8), np.zeros(256, np.uint8)
    metadata = {
        "axes": "TCYX",
        "finterval": 2.5,
        "Info": "microscope = Zeiss\nexposure = 20 ms",
        "Ranges": (0.0, 9.0, 1.0, 5.0),
        "LUTs": [np.stack([ramp, nothing, nothing]), np.stack([nothing, ramp, ramp])],
    }
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata=metadata)
    image = read(tmp_path / "a.tif")
    described = again(tmp_path, image.refined("TCYX", (1, 1, 1, 1)), "TCYX").metadata
    assert described.time_step == (2.5, "s")
    assert described.text == {"Info": metadata["Info"], "Ranges": "0.0 9.0 1.0 5.0"}
    assert [one["Color"] & 0xFFFFFFFF for one in described.channels] == [0xFF0000FF, 0x00FFFFFF]


@pytest.mark.parametrize(
    ("tables", "colours"),
    [
        ([np.stack([np.arange(256), np.zeros(256), np.zeros(256)])], [0xFF0000FF]),
        ([np.arange(256)], []),
        ([np.zeros((2, 256))], []),
    ],
)
def test_the_lookup_table_of_a_single_channel_is_read_and_a_faulty_one_ignored(tmp_path, tables, colours):
    data, tables = np.zeros((16, 18), np.uint16), [table.astype(np.uint8) for table in tables]
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata={"LUTs": tables})
    assert [one["Color"] & 0xFFFFFFFF for one in read(tmp_path / "a.tif").metadata.channels] == colours


@pytest.mark.parametrize(
    "text", ["by hand", "Grüße, 5 µm", "tab\tand\nline", "bad \x01\x1b control", "{}<&>\"'"]
)
def test_descriptions_come_back(tmp_path, text):
    data = np.zeros((2, 8, 9), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data[0], description=text.encode(), metadata=None)
    image = read(tmp_path / "a.tif")
    for axes, shape in (("YX", (8, 9)), ("PYX", (2, 8, 9))):
        described = ImageFile(np.zeros(shape, np.uint8), axes, metadata=image.metadata)
        found = again(tmp_path, described, axes).metadata.description
        assert found.split() == text.replace("\x01\x1b", "" if axes == "YX" else "\x01\x1b").split()


def test_a_tiff_without_description_has_none(tmp_path):
    for options in ({}, {"metadata": None}, {"ome": True}, {"imagej": True}):
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9), np.uint8), **options)
        assert read(tmp_path / "a.tif").metadata.description == ""


def test_resolution_and_colour_profile_of_tiffs_are_carried_over(tmp_path):
    options = {"resolution": (100, 200), "resolutionunit": "INCH", "iccprofile": b"profile" * 20}
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 9, 3), np.uint8), photometric="rgb", **options)
    image = read(tmp_path / "a.tif").refined("YXC", (2, 2, 1))
    described = again(tmp_path, image, "YXC").metadata
    assert described.resolution == (400.0, 200.0, "inch")
    assert described.icc_profile == options["iccprofile"]


@pytest.mark.parametrize("ending", [".png", ".tif", ".jpg"])
def test_metadata_of_png_files_are_carried_over(tmp_path, ending):
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "Käthe")
    info.add_itxt("Ort", "München")
    info.add_text("Description", "a wall")
    info.add(b"gAMA", struct.pack(">I", 45_455))
    exif = Image.Exif()
    exif[0x010F] = "maker"
    data = Image.fromarray(np.zeros((8, 9, 3), np.uint8))
    data.save(tmp_path / "a.png", pnginfo=info, dpi=(120, 240), icc_profile=b"profile" * 20, exif=exif)
    image = read(tmp_path / "a.png").refined("YXC", (1, 1, 1))
    described = again(tmp_path, image, "YXC", f"b{ending}").metadata
    assert described.icc_profile == b"profile" * 20
    assert described.resolution == (pytest.approx(240, rel=1e-3), pytest.approx(120, rel=1e-3), "inch")
    if ending != ".jpg":
        assert described.description == "a wall"
        assert {**described.text} == {"Author": "Käthe", "Ort": "München"}
    if ending != ".tif":
        with Image.open(tmp_path / f"b{ending}") as file:
            assert file.getexif()[0x010F] == "maker"
    if ending == ".png":
        assert described.gamma == pytest.approx(0.45455)


def test_an_image_is_turned_upright_once(tmp_path, random):
    data = random.integers(0, 255, (8, 9)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(data).save(tmp_path / "a.png", exif=exif)
    image = read(tmp_path / "a.png")
    np.testing.assert_array_equal(image.data, np.rot90(data, -1))
    save(tmp_path / "b.png", image.data.astype(np.float32), image)
    np.testing.assert_array_equal(read(tmp_path / "b.png").data, image.data)


@pytest.mark.parametrize(
    "notes", [[], "?", {"channels": "?", "time_step": ["a", 1], "text": [1]}, {"channels": [1]}]
)
def test_foreign_metadata_under_our_key_are_not_trusted(tmp_path, notes):
    metadata = {"axes": "PYX", "napari-dip/metadata": notes}
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 8, 9), np.uint8), metadata=metadata)
    described = read(tmp_path / "a.tif").metadata
    assert (described.channels, described.time_step, described.text) == ((), None, {})

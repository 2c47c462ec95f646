"""Which image of a TIFF file is read, what is refused, and who decodes it."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_dip.errors import FileError
from napari_dip.io import read

OME = '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"{}>{}</OME>'


def write_parts(folder, data, *, uuid=True):
    """Write the frames of an image to one file each, as Bio-Formats does."""
    names = [f"part{at}.ome.tif" for at in range(len(data))]
    planes = "".join(
        f'<TiffData FirstT="{at}" IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{at}</UUID>'
        "</TiffData>"
        for at, name in enumerate(names)
    )
    image = (
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeC="1" SizeZ="1" '
        f'SizeT="{len(data)}" SizeY="{data.shape[1]}" SizeX="{data.shape[2]}">'
        f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image>'
    )
    for at, name in enumerate(names):
        own = f' UUID="urn:uuid:{at}"' if uuid else ""
        xml = OME.format(own, image)
        tifffile.imwrite(folder / name, data[at], description=xml.encode(), metadata=None)
    return [folder / name for name in names]


@pytest.fixture
def frames(random):
    return random.integers(1, 60_000, (4, 16, 18)).astype(np.uint16)


@pytest.mark.parametrize("uuid", [True, False])
def test_all_parts_of_an_image_are_read_from_each_of_its_files(tmp_path, frames, uuid):
    for path in write_parts(tmp_path, frames, uuid=uuid):
        image = read(path)
        np.testing.assert_array_equal(image.data, frames)
        assert (image.axes, image.notes) == ("TYX", ())


@pytest.mark.parametrize("uuid", [True, False])
@pytest.mark.parametrize("lost", [[2], [0, 1], [1, 2, 3]])
def test_absent_parts_of_an_image_are_named(tmp_path, frames, lost, uuid):
    paths = write_parts(tmp_path, frames, uuid=uuid)
    for at in lost:
        paths[at].unlink()
    names = ", ".join(f"part{at}.ome.tif" for at in lost)
    for at in set(range(4)) - set(lost):
        with pytest.raises(FileError, match=f"which are absent: {names}. Put all files"):
            read(paths[at])


def test_a_file_that_was_renamed_is_not_absent(tmp_path, frames):
    tifffile.imwrite(tmp_path / "a.ome.tif", frames, metadata={"axes": "TYX"})
    xml = tifffile.tiffcomment(tmp_path / "a.ome.tif")
    parts = '<TiffData IFD="0" PlaneCount="4"><UUID FileName="before.ome.tif">urn:uuid:7</UUID></TiffData>'
    xml = xml.replace('<TiffData IFD="0" PlaneCount="4"/>', parts)
    assert "before.ome.tif" in xml
    tifffile.tiffcomment(tmp_path / "a.ome.tif", xml)
    np.testing.assert_array_equal(read(tmp_path / "a.ome.tif").data, frames)


def test_one_file_of_an_image_whose_description_lies_elsewhere_says_so(tmp_path, frames):
    xml = OME.format("", '<BinaryOnly MetadataFile="all.companion.ome" UUID="urn:uuid:1"/>')
    options = {"photometric": "minisblack", "metadata": None}
    tifffile.imwrite(tmp_path / "a.ome.tif", frames, description=xml.encode(), **options)
    image = read(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(image.data, frames)
    assert "only the planes of this file are read" in image.notes[0]


def test_of_several_images_the_one_in_the_named_file_is_read(tmp_path, frames):
    names = ["a.ome.tif", "b.ome.tif"]
    images = "".join(
        f'<Image ID="Image:{at}"><Description>{name}</Description><Pixels ID="Pixels:{at}" '
        'DimensionOrder="XYCZT" Type="uint16" SizeC="1" SizeZ="1" SizeT="1" SizeY="16" SizeX="18">'
        f'<Channel ID="Channel:{at}:0"/><TiffData IFD="0" PlaneCount="1"><UUID FileName="{name}">'
        f"urn:uuid:{at}</UUID></TiffData></Pixels></Image>"
        for at, name in enumerate(names)
    )
    for at, name in enumerate(names):
        xml = OME.format(f' UUID="urn:uuid:{at}"', images)
        tifffile.imwrite(tmp_path / name, frames[at], description=xml.encode(), metadata=None)
    with pytest.warns(UserWarning, match="contains 2 images"):
        image = read(tmp_path / "b.ome.tif")
    np.testing.assert_array_equal(image.data, frames[1])
    assert image.metadata.description == "b.ome.tif"
    (tmp_path / "a.ome.tif").unlink()
    np.testing.assert_array_equal(read(tmp_path / "b.ome.tif").data, frames[1])


def spoilt(text, old, new):
    assert old in text
    return text.replace(old, new)


FAULTS = {
    "cut off": lambda xml: xml[: len(xml) // 2],
    "not closed": lambda xml: spoilt(xml, "</Pixels>", ""),
    "no pixels": lambda xml: spoilt(spoilt(xml, "<Pixels", "<Pixel"), "</Pixels>", "</Pixel>"),
    "no image": lambda xml: OME.format("", ""),
    "no numbers": lambda xml: spoilt(xml, 'SizeT="4"', 'SizeT="four"'),
    "no order": lambda xml: spoilt(xml, "DimensionOrder", "Order"),
    "unknown order": lambda xml: spoilt(xml, 'DimensionOrder="XYCZT"', 'DimensionOrder="XYABC"'),
    "other size": lambda xml: spoilt(xml, 'SizeX="18"', 'SizeX="36"'),
    "fewer frames": lambda xml: spoilt(xml, 'SizeT="4"', 'SizeT="2"'),
    "fewer planes": lambda xml: spoilt(
        spoilt(xml, 'SizeT="4"', 'SizeT="2"'), 'PlaneCount="4"', 'PlaneCount="2"'
    ),
    "more frames": lambda xml: spoilt(xml, 'SizeT="4"', 'SizeT="9"'),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_ome_xml_is_ignored_and_the_pixels_are_kept(tmp_path, frames, fault):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, frames, metadata={"axes": "TYX"})
    tifffile.tiffcomment(path, FAULTS[fault](tifffile.tiffcomment(path)))
    image = read(path)
    np.testing.assert_array_equal(image.data, frames)
    assert "its OME-XML is ignored: " in " ".join(image.notes)


def test_a_faulty_number_in_ome_xml_costs_only_itself(tmp_path, frames):
    path = tmp_path / "a.ome.tif"
    metadata = {"axes": "TYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "TimeIncrement": 3.0}
    tifffile.imwrite(path, frames, metadata=metadata)
    xml = tifffile.tiffcomment(path)
    faults = {'SizeX="0.5"': 'SizeX="wide"', 'Increment="3.0"': 'Increment="soon"', 'Count="4"': 'Count="9"'}
    for old, new in faults.items():
        xml = spoilt(xml, old, new)
    tifffile.tiffcomment(path, xml)
    image = read(path)
    assert (image.axes, image.pixel_size) == ("TYX", {"Y": (0.25, "µm")})
    assert image.metadata.time_step is None
    assert "wide µm along X" in image.notes[0]


def test_the_finest_level_of_a_pyramid_is_read(tmp_path, frames):
    for ome in (True, False):
        with tifffile.TiffWriter(tmp_path / "a.tif", ome=ome) as file:
            options = {"photometric": "minisblack"}
            file.write(frames[0], subifds=2, metadata={"axes": "YX"} if ome else None, **options)
            file.write(frames[0][::2, ::2], subfiletype=1, metadata=None, **options)
            file.write(frames[0][::4, ::4], subfiletype=1, metadata=None, **options)
        np.testing.assert_array_equal(read(tmp_path / "a.tif").data, frames[0])


def test_thumbnails_are_no_images(tmp_path, frames):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(frames[0][::4, ::4], subfiletype=1, metadata=None)
        file.write(frames[0], metadata=None)
    np.testing.assert_array_equal(read(tmp_path / "a.tif").data, frames[0])


#: Modes of Pillow, and the compressions that tifffile alone doesn't decode.
MODES = {
    "L": ("tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg"),
    "I;16": ("tiff_lzw", "packbits", "tiff_adobe_deflate"),
    "RGB": ("tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg"),
    "1": ("group3", "group4"),
    "P": ("tiff_lzw", "packbits"),
}


@pytest.mark.parametrize(
    ("mode", "compression"), [(mode, one) for mode, all_ in MODES.items() for one in all_]
)
def test_what_tifffile_alone_does_not_decode_is_decoded_by_pillow(
    tmp_path, frames, mode, compression, monkeypatch
):
    grey = (frames >> 8).astype(np.uint8)
    images = {
        "L": list(grey),
        "I;16": list(frames),
        "RGB": [np.dstack([one, one // 2, 255 - one]) for one in grey],
        "1": list(grey > 100),
        "P": [Image.fromarray(one).convert("P") for one in grey],
    }[mode]
    first, *others = (one if mode == "P" else Image.fromarray(one) for one in images)
    options = {"quality": 100} if compression == "jpeg" else {}
    first.save(tmp_path / "a.tif", save_all=True, append_images=others, compression=compression, **options)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    image = read(tmp_path / "a.tif")
    expected = np.stack(
        [np.array(Image.fromarray(one).convert("L")) for one in grey] if mode == "P" else images
    )
    assert image.data.shape == expected.shape
    atol = 8 if compression == "jpeg" else 0
    np.testing.assert_allclose(image.data.astype(float), expected.astype(float), atol=atol)


@pytest.mark.parametrize("dtype", [np.uint8, bool])
def test_inverted_grey_scales_are_the_same_whoever_decodes_them(tmp_path, frames, dtype):
    data = frames[0] > 20_000 if dtype is bool else (frames[0] >> 8).astype(np.uint8)
    options = {"compression": "tiff_lzw", "tiffinfo": {262: 0}}
    Image.fromarray(data).save(tmp_path / "a.tif", **options)
    plain = {**options, "compression": "raw"}
    Image.fromarray(data).save(tmp_path / "b.tif", **plain)
    one, other = read(tmp_path / "a.tif"), read(tmp_path / "b.tif")
    np.testing.assert_array_equal(one.data, other.data)
    assert one.metadata.white_is_zero
    assert other.metadata.white_is_zero


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg"])
def test_a_compressed_file_that_was_cut_off_is_called_broken(tmp_path, frames, compression):
    if find_spec("imagecodecs"):
        pytest.skip("imagecodecs is installed")
    grey = np.tile((frames[0] >> 8).astype(np.uint8), (20, 20))
    Image.fromarray(grey).save(tmp_path / "a.tif", compression=compression)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        offset, count = file.pages[0].dataoffsets[-1], file.pages[0].databytecounts[-1]
    stored = bytearray((tmp_path / "a.tif").read_bytes())
    stored[offset : offset + count] = bytes(count)
    (tmp_path / "a.tif").write_bytes(stored)
    with pytest.raises(FileError, match=r"can't read .*a\.tif: its pixels are incomplete or broken"):
        read(tmp_path / "a.tif")


def rewritten(path, tag, value):
    """Change a tag of a file."""
    with tifffile.TiffFile(path) as file:
        place, order = file.pages[0].tags[tag].valueoffset, "big" if file.byteorder == ">" else "little"
    stored = bytearray(path.read_bytes())
    stored[place : place + 2] = value.to_bytes(2, order)
    path.write_bytes(stored)


def test_what_pillow_decodes_to_other_numbers_is_refused(tmp_path, frames):
    if find_spec("imagecodecs"):
        pytest.skip("imagecodecs is installed")
    for mode in ("F", "I"):
        Image.fromarray(frames[0]).convert(mode).save(tmp_path / "a.tif", compression="tiff_lzw")
        with pytest.raises(FileError, match="needs imagecodecs"):
            read(tmp_path / "a.tif")
    grey = (frames[0] >> 8).astype(np.uint8)
    rgba = np.dstack([grey, grey, grey, grey + 1])
    Image.fromarray(rgba).save(tmp_path / "a.tif", compression="tiff_lzw")
    rewritten(tmp_path / "a.tif", "ExtraSamples", 1)
    with pytest.raises(FileError, match="needs imagecodecs"):
        read(tmp_path / "a.tif")


def test_what_nobody_here_decodes_names_the_extra(tmp_path, frames):
    if find_spec("imagecodecs"):
        pytest.skip("imagecodecs is installed")
    tifffile.imwrite(tmp_path / "a.tif", frames[0])
    rewritten(tmp_path / "a.tif", "Compression", 50_000)  # Zstandard
    with pytest.raises(
        FileError, match=r'compression \(ZSTD\) needs imagecodecs: pip install "napari-dip\[codecs\]"'
    ):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("dtype", "level", "text", "found"),
    [
        (np.uint64, 2**64 - 1, str(2**64 - 1), True),
        (np.int64, 2**63 - 1, str(2**63 - 1), True),
        (np.int64, -(2**63), "-9223372036854775808", True),
        (np.int16, -9999, "-9.999e3", True),
        (np.uint8, 0, "0.5", False),
        (np.int16, -9999, "-9999.7", False),
        (np.uint8, 255, "-1", False),
        (np.int16, 0, "1e999999999", False),
        (np.int16, 0, "nan", False),
        (bool, True, "1", True),
        (np.float32, 0, "-1.797e308", False),
    ],
)
def test_a_value_without_data_is_the_one_that_is_stated(tmp_path, dtype, level, text, found):
    data = np.full((16, 18), 7 * (dtype is not bool), dtype)
    data[2, 3:6] = level
    tifffile.imwrite(tmp_path / "a.tif", data, extratags=[(42113, "s", 0, text, True)])
    missing = read(tmp_path / "a.tif").missing
    assert (0 if missing is None else np.count_nonzero(missing)) == (3 if found else 0)

import json
import os
import warnings

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_dip.errors import FileError
from napari_dip.io import ImageFile, provenance, read, read_mask, replaceable, writable, write
from napari_dip.io.image_file import as_dtype
from napari_dip.io.tiff import NAMESPACE

fits = pytest.importorskip("astropy.io.fits")
PROVENANCE = {"napari-dip": "0.0", "seed": 3, "task": {"type": "Denoise"}}


def save(path, data, source=None, axes="YX", **options):
    return write(path, data, source or ImageFile(data), axes=axes, provenance=PROVENANCE, **options)


# TIFF


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


# FITS


def test_fits_files_keep_their_header_and_extensions_and_get_history(tmp_path, random):
    data = random.integers(0, 60_000, (6, 7)).astype(np.uint16)  # stored with BZERO
    header = fits.Header({"OBJECT": "M13", "EXPTIME": 30.0, "CRVAL1": 250.4})
    table = fits.BinTableHDU.from_columns([fits.Column("flux", "E", array=[1.0, 2.0])])
    fits.HDUList([fits.PrimaryHDU(data, header), table]).writeto(tmp_path / "in.fits")

    source = read(tmp_path / "in.fits")
    np.testing.assert_array_equal(source.data, data)
    save(tmp_path / "out.fits", data.astype(np.float32) + 0.5, source)
    with fits.open(tmp_path / "out.fits") as hdus:
        np.testing.assert_array_equal(hdus[0].data, data + 0.5)
        assert (hdus[0].header["OBJECT"], hdus[0].header["CRVAL1"]) == ("M13", 250.4)
        assert "BZERO" not in hdus[0].header
        assert hdus[0].header["HISTORY"][0].startswith("Restored by napari-dip")
    assert provenance(tmp_path / "out.fits") == PROVENANCE
    with fits.open(tmp_path / "out.fits") as hdus:
        assert list(hdus[1].data["flux"]) == [1, 2]


def test_nan_in_an_extension_of_a_fits_file_is_read(tmp_path):
    data = np.array([[1.5, np.nan], [2.0, 3.0]], ">f4")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data, name="SCI")]).writeto(tmp_path / "in.fits")
    source = read(tmp_path / "in.fits")
    np.testing.assert_array_equal(source.data, data)
    save(tmp_path / "out.fits", np.zeros((2, 2), np.float32), source)
    with fits.open(tmp_path / "out.fits") as hdus:
        assert hdus["SCI"].data.max() == 0


def test_a_fits_file_can_be_made_from_another_format(tmp_path):
    save(tmp_path / "out.fits", np.ones((3, 4), np.float32))
    assert read(tmp_path / "out.fits").data.shape == (3, 4)


def test_a_fits_file_without_an_image_is_refused(tmp_path):
    fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / "in.fits")
    with pytest.raises(FileError, match="contains no image"):
        read(tmp_path / "in.fits")


def test_scaled_extensions_and_checksums_of_fits_files_stay_valid(tmp_path, random):
    scaled = fits.ImageHDU(np.arange(6.0).reshape(2, 3) / 2)
    scaled.scale("int16", bscale=0.5)
    data = random.random((4, 5)).astype(np.float32)
    fits.HDUList([fits.PrimaryHDU(data), scaled]).writeto(tmp_path / "in.fits", checksum=True)
    save(tmp_path / "out.fits", data, read(tmp_path / "in.fits"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(tmp_path / "out.fits", checksum=True, do_not_scale_image_data=True) as hdus:
            assert hdus[1].data.dtype.kind == "i"
            assert hdus[1].header["BSCALE"] == 0.5


HEADERS = {
    "steps": {"CDELT1": -0.01, "CDELT2": 0.02},
    "no steps": {},
    "turned": {"CDELT1": -0.01, "CDELT2": 0.02, "CROTA2": 30.0},
    "matrix": {"CD1_1": -0.01, "CD1_2": 0.003, "CD2_1": 0.004, "CD2_2": 0.02},
    "steps and matrix": {"CDELT1": -0.01, "CDELT2": 0.02, "PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6},
    "distorted": {
        "CTYPE1": "RA---TAN-SIP",
        "CTYPE2": "DEC--TAN-SIP",
        "CD1_1": -0.01,
        "CD2_2": 0.02,
        "A_ORDER": 2,
        "A_2_0": 1e-3,
        "A_0_1": 2e-2,
        "B_ORDER": 2,
        "B_1_1": -3e-3,
    },
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("factors", [(1, 1), (2, 2), (3, 3)])
def test_world_coordinates_follow_a_crop_and_finer_pixels(tmp_path, header, factors):
    from astropy.wcs import WCS

    place = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 250.4, "CRVAL2": 36.5}
    cards = fits.Header({**place, "CRPIX1": 3.0, "CRPIX2": 4.5, **header})
    fits.PrimaryHDU(np.zeros((8, 9), np.float32), cards).writeto(tmp_path / "in.fits")
    source = read(tmp_path / "in.fits").part(((2, 8), (1, 8))).refined("YX", factors)
    save(tmp_path / "out.fits", np.zeros(source.data.shape, np.float32), source)
    x, y = np.meshgrid(np.linspace(0, 5, 4), np.linspace(0, 4, 3))  # in pixels of the part
    old = WCS(cards).all_pix2world(x + 1, y + 2, 0)
    finer = ((x + 0.5) * factors[1] - 0.5, (y + 0.5) * factors[0] - 0.5)
    new = WCS(fits.getheader(tmp_path / "out.fits")).all_pix2world(*finer, 0)
    np.testing.assert_allclose(new, old, rtol=1e-9)


def test_every_world_coordinate_system_follows_one_finer_axis(tmp_path):
    cards = fits.Header({"CRPIX1": 3.0, "CDELT1": 2.0, "CRPIX3": 1.0, "CDELT3": 5.0, "CRPIX3A": 4.0})
    cards.update({"PC1_3": 0.5, "PC3_1": 0.25})
    fits.PrimaryHDU(np.zeros((4, 8, 9), np.float32), cards).writeto(tmp_path / "in.fits")
    source = read(tmp_path / "in.fits").refined("ZYX", (2, 1, 1))
    save(tmp_path / "out.fits", np.zeros(source.data.shape, np.float32), source, "ZYX")
    new = fits.getheader(tmp_path / "out.fits")
    assert [new[name] for name in ("CRPIX1", "CDELT1", "PC1_3", "PC3_1")] == [3.0, 2.0, 0.25, 0.5]
    assert [new[name] for name in ("CRPIX3", "CDELT3", "CRPIX3A", "CDELT3A")] == [1.5, 2.5, 7.5, 0.5]


# PNG, JPEG, npy


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


def test_jpeg_round_trip(tmp_path):
    data = np.full((8, 8, 3), 100, np.uint8)
    save(tmp_path / "a.jpg", data.astype(np.float32), ImageFile(data), "YXC")
    assert abs(read(tmp_path / "a.jpg").data.astype(int) - 100).max() < 3


def test_transparent_images_are_refused_unless_they_are_opaque(tmp_path):
    rgba = np.full((5, 5, 4), 255, np.uint8)
    rgba[..., 0] = 9
    Image.fromarray(rgba).save(tmp_path / "opaque.png")
    assert read(tmp_path / "opaque.png").data.shape == (5, 5, 3)
    rgba[0, 0, 3] = 128
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    with pytest.raises(FileError, match="partly transparent"):
        read(tmp_path / "clear.png")


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


# Rounding


def test_rounding_counts_what_was_clipped():
    data = np.array([-0.4, 0.5, 1.6, 255.4, 255.6, 300], np.float32)
    rounded, clipped = as_dtype(data, np.dtype(np.uint8))
    assert rounded.tolist() == [0, 0, 2, 255, 255, 255]
    assert clipped == 2


def test_keep_dtype_rounds_to_the_dtype_of_the_source(tmp_path):
    source = ImageFile(np.zeros((2, 2), ">u2"))
    assert save(tmp_path / "a.tif", np.full((2, 2), 70_000, np.float32), source, keep_dtype=True) == 4
    assert read(tmp_path / "a.tif").data.tolist() == [[65_535] * 2] * 2
    save(tmp_path / "b.tif", np.full((2, 2), 0.25, np.float32), source)
    assert read(tmp_path / "b.tif").data.dtype == np.float32


# Masks


def test_masks_are_read_from_colour_and_from_labels(tmp_path):
    colour = np.zeros((4, 5, 3), np.uint8)
    colour[1, 2, 0] = 255
    Image.fromarray(colour).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png")
    assert mask.shape == (4, 5)
    assert np.argwhere(mask).tolist() == [[1, 2]]
    np.save(tmp_path / "m.npy", np.array([[0, 3]]))
    assert read_mask(tmp_path / "m.npy").tolist() == [[False, True]]
    assert read_mask(tmp_path / "m.npy", 3).tolist() == [[False, True]]
    assert not read_mask(tmp_path / "m.npy", 2).any()


# Provenance


#: Longer than a FITS card, so that cards end at spaces, quotes and letters.
RECORD = PROVENANCE | {"source": {"layer": "cells  of day 3, 'wild type' \"µm\" & <b> " * 9 + " "}}


@pytest.mark.parametrize(
    ("name", "axes", "shape", "dtype"),
    [
        ("a.tif", "YX", (6, 7), np.uint8),
        ("a.tif", "PYX", (2, 6, 7), np.uint8),  # OME has no word for P
        ("a.png", "YX", (6, 7), np.uint8),
        ("a.jpg", "YXC", (6, 7, 3), np.uint8),
        ("a.fits", "YX", (6, 7), np.float32),
    ],
)
def test_provenance_comes_back(tmp_path, name, axes, shape, dtype):
    path, data = tmp_path / name, np.ones(shape, np.float32)
    for seed in (1, 2):  # the second time, the source has been restored before
        source = read(path) if path.exists() else ImageFile(data.astype(dtype))
        write(path, data, source, axes=axes, provenance=RECORD | {"seed": seed})
        assert provenance(path) == RECORD | {"seed": seed}


def test_provenance_survives_later_history_in_a_fits_file(tmp_path):
    save(tmp_path / "a.fits", np.ones((6, 7), np.float32))
    with fits.open(tmp_path / "a.fits", mode="update") as hdus:
        hdus[0].header.add_history("photometry by another program")
    assert provenance(tmp_path / "a.fits") == PROVENANCE


def test_comments_of_other_programs_are_no_provenance(tmp_path):
    data = np.zeros((6, 7), np.uint8)
    np.save(tmp_path / "a.npy", data)
    tifffile.imwrite(tmp_path / "plain.tif", data)
    tifffile.imwrite(tmp_path / "ome.tif", data, ome=True, metadata={"CommentAnnotation": {"Value": "{}"}})
    tifffile.imwrite(tmp_path / "imagej.tif", data, imagej=True)
    Image.fromarray(data).save(tmp_path / "a.png")
    for at, comment in enumerate(("", "by another program", '{"by": "another program"}', "[1]", b"\xff\xfe")):
        Image.fromarray(data).save(tmp_path / f"{at}.jpg", comment=comment)
    fits.PrimaryHDU(data, fits.Header({"HISTORY": "of another kind"})).writeto(tmp_path / "a.fits")
    (tmp_path / "a.czi").touch()
    for path in tmp_path.iterdir():
        assert provenance(path) is None, path


def test_provenance_of_a_broken_or_missing_file_is_refused(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"no image")
    with pytest.raises(FileError, match="can't read"):
        provenance(tmp_path / "a.tif")
    with pytest.raises(FileError, match="no such file"):
        provenance(tmp_path / "b.tif")


# Other readers


def test_installed_plugins_read_other_formats(tmp_path):
    from npe2 import DynamicPlugin

    with DynamicPlugin("other-reader") as plugin:

        @plugin.contribute.reader(filename_patterns=["*.xyz"])
        def get_reader(path):
            return lambda paths: [(np.ones((2, 3, 4)), {"axis_labels": ("t", "y", "x")}, "image")]

        (tmp_path / "a.xyz").touch()
        image = read(tmp_path / "a.xyz")
    assert (image.data.shape, image.axes) == ((2, 3, 4), "TYX")


def test_programs_are_not_run(tmp_path):
    (tmp_path / "a.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')")
    with pytest.raises(FileError, match="a program, not an image"):
        read(tmp_path / "a.py")
    assert not (tmp_path / "mark").exists()


def test_an_unknown_format_is_named(tmp_path):
    (tmp_path / "a.unknown").touch()
    with pytest.raises(FileError, match=r"no reader for \.unknown"):
        read(tmp_path / "a.unknown")


# Files that can't be read or written


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".npy", ".fits"])
def test_broken_files_are_refused(tmp_path, suffix, random):
    path = tmp_path / f"a{suffix}"
    data = random.integers(0, 255, (64, 64)).astype(np.uint8)
    save(path, data.astype(np.float32), ImageFile(data))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(FileError, match=f"can't read .*a{suffix}"):
            read(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"no such file: .*nothing.tif"):
        read(tmp_path / "nothing.tif")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere/a.tif", "there is no folder"),
        ("a.bmp", "the suffix must be one of"),
        ("there.tif", "exists: choose another name"),
    ],
)
def test_unusable_output_names_are_refused(tmp_path, name, message):
    (tmp_path / "there.tif").touch()
    with pytest.raises(FileError, match=message):
        replaceable(tmp_path / name, overwrite=False)
    replaceable(tmp_path / "there.tif", overwrite=True)


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "message"),
    [
        ("a.png", (2, 2), float, "files hold uint8 or uint16 or bool, but the image is float64: choose .tif"),
        ("a.jpg", (2, 2), np.uint16, "files hold uint8, but the image is uint16"),
        ("a.png", (3, 2, 5), np.uint8, "files can't hold a uint8 image of shape"),
        ("a.png", (2, 2, 3), np.uint16, "files can't hold a uint16 image of shape"),
        ("a.fits", (2, 2), np.float16, "files can't hold a float16 image"),
    ],
)
def test_an_image_that_can_not_be_written_is_refused_before_the_run(tmp_path, name, shape, dtype, message):
    with pytest.raises(FileError, match=message):
        writable(tmp_path / name, ImageFile(np.zeros(shape, dtype)), "TYX"[-len(shape) :], keep_dtype=True)
    assert os.listdir(tmp_path) == []


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


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), OSError(30, "Read-only file system")]
)
def test_a_failed_write_leaves_no_file_and_keeps_the_old_one(tmp_path, monkeypatch, error):
    (tmp_path / "a.npy").write_bytes(b"precious")

    def fail(file, *_, **__):
        file.write(b"half")
        raise error

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(FileError, match=error.strerror):
        save(tmp_path / "a.npy", np.zeros((2, 2)))
    assert os.listdir(tmp_path) == ["a.npy"]
    assert (tmp_path / "a.npy").read_bytes() == b"precious"


def test_a_read_only_folder_is_refused(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", fail)
    with pytest.raises(FileError, match="Permission denied"):
        writable(tmp_path / "a.tif", ImageFile(np.zeros((2, 2))), "YX", keep_dtype=False)


# Pixels


def test_a_refined_image_is_blank_and_takes_no_memory():
    image = ImageFile(np.ones((3, 4, 5), np.uint16), "ZYX", {"Z": (2.0, "µm"), "X": (0.5, "nm")})
    finer = image.refined("ZYX", (1, 4, 4))
    assert (finer.data.shape, finer.data.dtype, finer.data.strides) == ((3, 16, 20), np.uint16, (0, 0, 0))
    assert finer.pixel_size == {"Z": (2.0, "µm"), "X": (0.125, "nm")}


@pytest.mark.parametrize(
    ("own", "other", "ratio"),
    [
        ((3.0, "nm"), (2.0, "nm"), 1.5),
        ((3.0, "nm"), (2.0, "µm"), 1.5e-3),
        ((1.0, "cm"), (2.0, "m"), 5e-3),
        ((3.0, "pixel"), (2.0, "pixel"), 1.5),
        ((3.0, "pixel"), (2.0, "nm"), None),
        ((0.0, "nm"), (2.0, "nm"), None),
    ],
)
def test_the_ratio_of_pixel_sizes(own, other, ratio):
    a, b = (ImageFile(np.zeros((3, 3)), "YX", dict.fromkeys("YX", size)) for size in (own, other))
    assert a.pixel_ratio(b, "YX") == (None if ratio is None else pytest.approx((ratio, ratio)))
    assert a.pixel_ratio(b, "ZYX") is None

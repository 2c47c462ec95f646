import os
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from napari_dip.errors import FileError
from napari_dip.io import ImageFile, provenance, read, read_mask, replaceable, writable, write

from .saving import PROVENANCE, save

fits = pytest.importorskip("astropy.io.fits")


def test_keep_dtype_rounds_to_the_dtype_of_the_source(tmp_path):
    source = ImageFile(np.zeros((2, 2), ">u2"))
    assert save(tmp_path / "a.tif", np.full((2, 2), 70_000, np.float32), source, keep_dtype=True) == 4
    assert read(tmp_path / "a.tif").data.tolist() == [[65_535] * 2] * 2
    save(tmp_path / "b.tif", np.full((2, 2), 0.25, np.float32), source)
    assert read(tmp_path / "b.tif").data.dtype == np.float32


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


def test_labels_may_be_indices_of_a_palette(tmp_path, random):
    labels = random.integers(0, 5, (6, 7)).astype(np.uint8)
    table = np.zeros((3, 256), np.uint16)
    table[:, 1:5] = random.integers(256, 65_535, (3, 4))
    tifffile.imwrite(tmp_path / "m.tif", labels, photometric="palette", colormap=table)
    image = Image.fromarray(labels)
    image.putpalette((table.T >> 8).astype(np.uint8).tobytes())
    image.save(tmp_path / "m.png")
    for name in ("m.tif", "m.png"):
        np.testing.assert_array_equal(read_mask(tmp_path / name), labels != 0)
        np.testing.assert_array_equal(read_mask(tmp_path / name, 3), labels == 3)


def test_a_mask_that_is_partly_transparent_is_unclear(tmp_path):
    mask = np.zeros((6, 7, 4), np.uint8)
    mask[2, 3] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    with pytest.raises(FileError, match=r"m\.png is partly transparent.*save it without transparency"):
        read_mask(tmp_path / "m.png")
    mask[..., 3] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    assert np.argwhere(read_mask(tmp_path / "m.png")).tolist() == [[2, 3]]


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


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.tif", r"no such file: .*nothing\.tif$"),
        ("there.npy/a.tif", r"no such file: .*a\.tif$"),
        ("gone.tif", r"no such file: .*gone\.tif is a link, and its target does not exist"),
        ("folder.tif", r"folder\.tif is a folder, not a file: give the files in it"),
        ("device.tif", r"can't read .*device\.tif: it is not an ordinary file"),
        ("circle.tif", r"can't read .*circle\.tif: its symbolic links form a loop"),
        ("x" * 300 + ".tif", r"can't read .*: its name is too long"),
    ],
)
@pytest.mark.parametrize("reader", [read, provenance])
def test_what_is_no_file_is_named(tmp_path, reader, name, message):
    (tmp_path / "there.npy").touch()
    (tmp_path / "gone.tif").symlink_to(tmp_path / "nothing.tif")
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "device.tif").symlink_to(os.devnull)
    (tmp_path / "circle.tif").symlink_to(tmp_path / "circle.tif")
    with pytest.raises(FileError, match=message):
        reader(tmp_path / name)


@pytest.mark.parametrize("name", ["a.tif", "a.fits", "a.png", "a.jpg", "a.npy"])
def test_a_full_disk_is_named_in_every_format(tmp_path, name, random):
    """A limit on the size of files stands for a disk that is full at some point of the writing."""
    resource = pytest.importorskip("resource")
    data = random.integers(0, 255, (300, 300)).astype(np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / name).write_bytes(b"precious")
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(FileError, match=f"can't write .*{name}: the file is larger than the disk or"):
            save(tmp_path / name, data, ImageFile(data), keep_dtype=True)
        with pytest.raises(FileError, match="the file is larger than the disk or your system allows"):
            writable(tmp_path / name, ImageFile(data), "YX", keep_dtype=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_bytes() == b"precious"


def test_an_npy_file_holds_the_provenance_of_an_unfinished_run_alone(tmp_path, random):
    path, data = tmp_path / "a.npy", random.random((6, 7)).astype(np.float32)
    for unfinished in (True, False):
        save(path, data, unfinished=unfinished)
        assert provenance(path) == (PROVENANCE if unfinished else None)
        np.testing.assert_array_equal(np.load(path), data)
        np.testing.assert_array_equal(read(path).data, data)
    with path.open("ab") as file:
        file.write(b"of another program")
    assert provenance(path) is None
    np.savez(tmp_path / "b.npz", data)
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    assert provenance(tmp_path / "b.npy") is None


def test_an_unknown_format_is_named_also_without_a_check_before(tmp_path):
    with pytest.raises(FileError, match=r"the suffix must be one of \.tif"):
        save(tmp_path / "a.bmp", np.zeros((2, 2)))


def test_an_existing_image_is_kept_on_demand(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"precious")
    with pytest.raises(FileError, match="exists"):
        save(tmp_path / "a.npy", np.zeros((2, 2)), overwrite=False)
    assert (tmp_path / "a.npy").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere/a.tif", "there is no folder"),
        ("a.bmp", "the suffix must be one of"),
        ("there.tif", "exists: choose another name"),
        ("there.tif/a.tif", "there.tif is a file, not a folder"),
        ("folder.tif", "folder.tif: it is a folder; give the name of a file in it"),
        ("device.tif", "device.tif: it is not an ordinary file"),
        ("circle.tif", "circle.tif: its symbolic links form a loop"),
        ("x" * 300 + ".tif", "its name is too long"),
    ],
)
def test_unusable_output_names_are_refused(tmp_path, name, message):
    (tmp_path / "there.tif").touch()
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "device.tif").symlink_to(os.devnull)
    (tmp_path / "circle.tif").symlink_to(tmp_path / "circle.tif")
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


def test_provenance_that_is_no_provenance_is_none(tmp_path):
    path, data = tmp_path / "a.tif", np.zeros((4, 5), np.float32)
    for value in (
        5,
        {"napari-dip": 3},
        ["napari-dip"],
        None,
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 5000,
        "{",
    ):
        tifffile.imwrite(path, data, metadata={"axes": "YX", "napari-dip/provenance": value})
        assert provenance(path) is None
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "of another program")
    Image.fromarray(np.zeros((4, 5), np.uint8)).save(tmp_path / "a.png", pnginfo=info)
    assert provenance(tmp_path / "a.png") is None


@pytest.mark.parametrize("dtype", [np.complex64, "<U1", "M8[s]", [("a", "f4")]])
def test_what_is_no_real_number_is_refused_when_it_is_read(tmp_path, dtype):
    np.save(tmp_path / "a.npy", np.zeros((5, 6), dtype))
    with pytest.raises(FileError, match=r"a\.npy: it must hold real numbers, got"):
        read(tmp_path / "a.npy")

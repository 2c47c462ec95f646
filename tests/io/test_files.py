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

"""What files and options say of single pixels reaches the run, and is said."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_dip import Inpaint, restore
from napari_dip.cli.known_pixels import bits
from napari_dip.io import provenance, read

from .running import FAST, METHOD, run


@pytest.fixture
def sky(random):
    return random.normal(1000, 20, (20, 24)).astype(np.float32)


@pytest.fixture
def holes(random):
    return random.random((20, 24)) < 0.1


def inpainted(data, missing):
    return restore(data, Inpaint(), METHOD, missing=missing).image


def test_pixels_that_a_file_states_as_missing_are(tmp_path, sky, holes, capsys):
    data = np.where(holes, np.float32(-9999), sky)
    tifffile.imwrite(tmp_path / "a.tif", data, extratags=[(42113, "s", 0, "-9999", True)])
    assert run("inpaint", tmp_path / "a.tif", tmp_path / "out.npy", *FAST) == 0
    said = capsys.readouterr().err
    assert f"{holes.sum()} pixels have the value -9999, the file's value for pixels without data" in said
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), inpainted(sky, holes))


def test_no_data_in_one_channel_is_missing_there_alone(tmp_path, sky, holes):
    colours = np.stack([sky, np.where(holes, np.float32(-1e30), sky), sky], -1)
    tags = [(42113, "s", 0, "-1e+30", True)]
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb", extratags=tags)
    image = read(tmp_path / "a.tif")
    assert np.argwhere(image.missing.any((0, 1))).tolist() == [[1]]
    np.testing.assert_array_equal(image.missing[..., 1], holes)


@pytest.mark.parametrize("value", [-9999, -32768, 65535, -1e30, -3.4e38, 1e20, -999])
def test_a_value_that_may_mean_no_data_is_named_with_its_count_and_not_masked(
    tmp_path, sky, holes, value, capsys
):
    dtype = np.float32 if abs(value) > 1e6 else np.uint16 if value > 0 else np.int16
    data = np.where(holes, np.array(value, dtype), sky.astype(dtype))
    np.save(tmp_path / "a.npy", data)
    run("denoise", tmp_path / "a.npy", tmp_path / "out.npy", *FAST)
    said = capsys.readouterr().err
    assert f"the value {dtype(value)} occurs {holes.sum()} times and is far from all others" in said
    arguments = ("--no-data", str(dtype(value)))
    assert run("inpaint", tmp_path / "a.npy", tmp_path / "filled.npy", *arguments, *FAST) == 0
    said = capsys.readouterr().err
    assert f"--no-data marks {holes.sum()} pixels as missing" in said
    assert "far from all others" not in said
    filled = np.load(tmp_path / "filled.npy")
    np.testing.assert_array_equal(filled, inpainted(np.where(holes, dtype(0), data), holes))


def test_a_value_that_no_pixel_has_marks_none(tmp_path, sky, capsys):
    np.save(tmp_path / "a.npy", sky.astype(np.uint16))
    for value in ("-9999", "1e300", "70000"):
        arguments = ("--no-data", value, "--overwrite", *FAST)
        assert run("denoise", tmp_path / "a.npy", tmp_path / "out.npy", *arguments) == 0
        assert "--no-data marks 0 pixels" in capsys.readouterr().err


def test_blank_pixels_of_fits_files_are_missing(tmp_path, sky, holes):
    fits = pytest.importorskip("astropy.io.fits")
    for dtype, zero in ((np.int16, 0), (np.uint16, 2**15)):
        data = np.where(holes, dtype(7), sky.astype(dtype))
        fits.PrimaryHDU(data).writeto(tmp_path / "a.fits", overwrite=True)
        with fits.open(tmp_path / "a.fits", "update", do_not_scale_image_data=True) as hdus:
            hdus[0].header["BLANK"] = 7 - zero
        arguments = ("--overwrite", "--quiet", *FAST)
        assert run("inpaint", tmp_path / "a.fits", tmp_path / "out.fits", *arguments) == 0
        np.testing.assert_array_equal(fits.getdata(tmp_path / "out.fits"), inpainted(data, holes))


def test_flags_masks_and_no_data_add_up_in_a_region(tmp_path, sky, random):
    fits = pytest.importorskip("astropy.io.fits")
    flags = random.integers(0, 8, sky.shape).astype(np.int16)
    mask = random.random(sky.shape) < 0.1
    sky[3] = -1
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(sky, name="SCI"), fits.ImageHDU(flags, name="DQ")]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    np.save(tmp_path / "mask.npy", mask)
    arguments = [
        "--dq-bits",
        "0x4",
        "--missing",
        tmp_path / "mask.npy",
        "--no-data",
        "-1",
        "--roi",
        "2:18,4:20",
    ]
    assert run("inpaint", tmp_path / "a.fits", tmp_path / "out.tif", *arguments, "--quiet", *FAST) == 0
    part = np.s_[2:18, 4:20]
    hidden = ((flags & 4) != 0) | mask | (sky == -1)
    np.testing.assert_array_equal(read(tmp_path / "out.tif").data, inpainted(sky[part], hidden[part]))
    source = provenance(tmp_path / "out.tif")["source"]
    assert (source["dq_bits"], source["no_data"], "hdu" in source) == ("0x4", -1.0, False)


def test_an_hdu_can_be_chosen_and_the_others_are_said(tmp_path, sky, capsys):
    fits = pytest.importorskip("astropy.io.fits")
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(sky, name="ERR"), fits.ImageHDU(sky + 500, name="SCI")]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    for options, expected in (([], sky + 500), (["--hdu", "ERR"], sky), (["--hdu", "1"], sky)):
        arguments = ("--overwrite", *options, *FAST)
        assert run("denoise", tmp_path / "a.fits", tmp_path / "out.npy", *arguments) == 0
        assert abs(np.load(tmp_path / "out.npy").mean() - expected.mean()) < 100
        said = capsys.readouterr().err
        assert ("HDU 1 (ERR)" if options else "HDU 2 (SCI)") + " is read; left out: " in said
    (tmp_path / "out").mkdir()
    assert run("denoise", f"{tmp_path / 'a.fits'}[ERR]", tmp_path / "out", "--quiet", *FAST) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.fits"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dq-bits", "4"], "--dq-bits needs a FITS file, got"),
        (["--dq-bits", "four"], "--dq-bits"),
        (["--hdu", "SCI"], "choosing an HDU needs a FITS file, got"),
        (["--noise-std", "nothing.npy"], "no such file: nothing.npy"),
        (["--missing", "nothing.fits[DQ]"], "no such file: nothing.fits"),
    ],
)
def test_options_that_mean_nothing_for_an_image_are_refused(tmp_path, sky, capsys, options, message):
    np.save(tmp_path / "a.npy", sky)
    assert run("denoise", tmp_path / "a.npy", tmp_path / "out.npy", *options, *FAST) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.npy").exists()


@pytest.mark.parametrize(
    ("text", "flags"), [("4", 4), ("1,4", 5), ("0x10+1", 17), (" 2 , 2 ", 2), ("0b11", 3)]
)
def test_flags_are_written_in_several_ways(text, flags):
    assert bits(text) == flags


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "1,,2", "many", "9" * 40])
def test_flags_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="--dq-bits must be positive whole numbers, such as 1,4,0x800"):
        bits(text)


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_the_alpha_channel_is_copied_and_not_restored(tmp_path, random, capsys, ending):
    rgba = random.integers(0, 255, (20, 24, 4)).astype(np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    out = tmp_path / f"out{ending}"
    assert run("denoise", tmp_path / "a.png", out, *FAST) == 0
    assert "out.png" in (said := capsys.readouterr().err) or ending == ".tif"
    assert "the alpha channel is copied, not restored" in said
    image = read(out)
    np.testing.assert_array_equal(image.alpha.values, rgba[..., 3])
    assert image.data.shape == (20, 24, 3)
    arguments = ("--roi", "2:12,:10", "--factor", "2", "--quiet", *FAST)
    assert run("super-resolve", tmp_path / "a.png", tmp_path / f"fine{ending}", *arguments) == 0
    fine = read(tmp_path / f"fine{ending}")
    assert fine.alpha.values.shape == (20, 20)
    assert abs(fine.alpha.values.mean() - rgba[2:12, :10, 3].mean()) < 10
    assert run("denoise", tmp_path / "a.png", tmp_path / "out.npy", *FAST) == 0
    assert "the alpha channel is left out: .npy files have none" in capsys.readouterr().err


def mosaic(random, shape=(32, 40)):
    data = np.empty(shape)
    data[::2, ::2], data[::2, 1::2], data[1::2, ::2], data[1::2, 1::2] = 100, 160, 160, 80
    return random.poisson(data).astype(np.uint16)


def test_mosaics_are_refused_unless_they_are_to_be_ignored(tmp_path, random, capsys):
    fits = pytest.importorskip("astropy.io.fits")
    flat = random.poisson(100, (32, 40)).astype(np.uint16)
    np.save(tmp_path / "seen.npy", mosaic(random))
    fits.PrimaryHDU(flat, fits.Header({"BAYERPAT": "RGGB"})).writeto(tmp_path / "stated.fits")
    tifffile.imwrite(tmp_path / "stated.tif", flat, photometric="cfa")
    reasons = {"seen.npy": "every two rows and columns", "stated.fits": "RGGB", "stated.tif": "CFA"}
    for name, why in reasons.items():
        assert run("denoise", tmp_path / name, tmp_path / "out.npy", *FAST) == 2
        said = capsys.readouterr().err
        assert f"{name} is a colour-filter mosaic (" in said
        assert why in said
        assert "Convert it to colour first" in said
        arguments = ("--mosaic", "ignore", "--overwrite", *FAST)
        assert run("denoise", tmp_path / name, tmp_path / "out.npy", *arguments) == 0
        (tmp_path / "out.npy").unlink()


def test_compressed_fits_files_keep_their_name_in_a_folder(tmp_path, sky):
    fits = pytest.importorskip("astropy.io.fits")
    fits.PrimaryHDU(sky).writeto(tmp_path / "a.fits.gz")
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(sky)]).writeto(tmp_path / "b.fits.fz")
    (tmp_path / "out").mkdir()
    inputs = (tmp_path / "a.fits.gz", tmp_path / "b.fits.fz")
    assert run("denoise", *inputs, tmp_path / "out", "--quiet", *FAST) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.fits.gz", "b.fits"]
    assert (tmp_path / "out" / "a.fits.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert run("denoise", *inputs, tmp_path / "{stem}_clean.fits.gz", "--quiet", *FAST) == 0
    for stem in "ab":
        assert read(tmp_path / f"{stem}_clean.fits.gz").data.shape == sky.shape


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.zarr", "is a folder, not a file: OME-Zarr can't be read yet; save the image as an OME-TIFF"),
        ("a.n5", "is a folder, not a file: N5 can't be read yet"),
        ("folder", "is a folder, not a file: give the files in it"),
    ],
)
def test_folders_are_called_folders(tmp_path, sky, capsys, name, message):
    (tmp_path / name).mkdir()
    np.save(tmp_path / "a.npy", sky)
    assert run("denoise", tmp_path / name, tmp_path / "out.npy", *FAST) == 2
    assert message in capsys.readouterr().err
    arguments = ("--missing", tmp_path / name)
    assert run("denoise", tmp_path / "a.npy", tmp_path / "out.npy", *arguments, *FAST) == 2
    assert message in capsys.readouterr().err

"""Masks, guides, regions and point spread functions lie on the pixels of the image."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

from napari_dip import (
    Deconvolve,
    GaussianPSF,
    Inpaint,
    MeasuredPSF,
    RichardsonLucy,
    SuperResolve,
    restore,
)
from napari_dip.cli.command import command_line
from napari_dip.io import ImageFile, provenance, read, write
from napari_dip.psf.arrays import resampled
from napari_dip.restoration.recipe import Recipe

from .running import FAST, METHOD, run


def test_a_mask_file_marks_missing_pixels(image, tmp_path):
    mask = np.zeros((20, 24), np.uint8)
    mask[3:6] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    arguments = ("--missing", tmp_path / "mask.png", "--quiet", *FAST)
    assert run("inpaint", image, tmp_path / "out.npy", *arguments) == 0
    kept, data = np.load(tmp_path / "out.npy") == tifffile.imread(image), mask == 0
    assert kept[data].all()
    assert not kept[~data].all()


def test_one_label_of_a_mask_file(image, tmp_path, random):
    labels = random.integers(0, 4, (20, 24)).astype(np.uint8)
    np.save(tmp_path / "labels.npy", labels)
    arguments = ("--missing", tmp_path / "labels.npy", "--missing-label", 2, "--quiet", *FAST)
    assert run("inpaint", image, tmp_path / "out.npy", *arguments) == 0
    expected = restore(tifffile.imread(image), Inpaint(), METHOD, missing=labels == 2).image
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_a_region_has_its_mask_and_pixel_size(image, tmp_path, random):
    mask = random.random((20, 24)) < 0.2
    np.save(tmp_path / "mask.npy", mask)
    arguments = ("--missing", tmp_path / "mask.npy", "--roi", "2:18,:20", "--quiet", *FAST)
    assert run("inpaint", image, tmp_path / "out.tif", *arguments) == 0
    picture = read(tmp_path / "out.tif")
    part = np.s_[2:18, :20]
    expected = restore(tifffile.imread(image)[part], Inpaint(), METHOD, missing=mask[part]).image
    np.testing.assert_array_equal(picture.data, expected)
    assert picture.pixel_size["X"] == (0.5, "µm")
    source = provenance(tmp_path / "out.tif")["source"]
    assert (source["roi"], source["path"]) == ([[2, 18], [0, 20]], str(image))


def test_a_region_keeps_its_place_in_the_sky(tmp_path, random):
    fits = pytest.importorskip("astropy.io.fits")
    header = fits.Header({"CRPIX1": 12.0, "CRPIX2": 10.0, "CRPIX1A": 3.0, "CRVAL1": 250.4, "OBJECT": "sky"})
    sky = random.random((20, 24))
    sky[4, 5] = np.nan
    fits.PrimaryHDU(sky, header).writeto(tmp_path / "in.fits")
    arguments = ("--roi", "2:18,5:21", "--quiet", *FAST)
    assert run("denoise", tmp_path / "in.fits", tmp_path / "out.fits", *arguments) == 0
    with fits.open(tmp_path / "out.fits") as hdus:
        new = hdus[0].header
        assert [new[name] for name in ("CRPIX1", "CRPIX2", "CRPIX1A", "CRVAL1")] == [7.0, 8.0, -2.0, 250.4]
        assert new["OBJECT"] == "sky"
        assert "napari-dip" in str(new["HISTORY"])
        assert np.isfinite(hdus[0].data).all()


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        (np.full((3, 3), np.nan), "must be finite, got NaN"),
        (-np.ones((3, 3)), "must not be negative, got -1 where its largest value is -1"),
        (np.ones((3, 3, 3)), "but the image has no channels"),
        (np.ones((1, 2, 3, 3)), "but the image has no channels"),
        (np.ones((2, 2, 3, 3)), "must have 2 axes, as the image has, or one more for channels, got 4"),
    ],
)
@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_an_impossible_point_spread_function_is_refused(image, tmp_path, capsys, psf, message, quiet):
    np.save(tmp_path / "psf.npy", psf)
    assert run("deconvolve", image, tmp_path / "out.tif", "--psf", tmp_path / "psf.npy", *quiet) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize(
    ("size", "ratio", "said"),
    [
        ((0.25, "µm"), 0.5, "larger by a factor of 0.5 along Y, 0.5 along X"),
        ((250, "nm"), 0.5, "resampled to the pixels of the image"),
        ((500.1, "nm"), None, None),
        ((0.01, "in"), None, "assumed to have the pixels of the image"),
        (None, None, "assumed to have the pixels of the image"),
    ],
)
def test_a_measured_psf_is_resampled_to_the_pixels_of_the_image(image, tmp_path, capsys, size, ratio, said):
    psf = GaussianPSF(4.0).kernel(2).astype(np.float32)
    pixels = {} if size is None else dict.fromkeys("YX", size)
    write(tmp_path / "psf.tif", psf, ImageFile(psf, "YX", pixels), axes="YX", provenance={})
    out = tmp_path / "out.tif"
    arguments = ("--psf", tmp_path / "psf.tif", "--method", "richardson-lucy", "--iterations", 4)
    assert run("deconvolve", image, out, *arguments) == 0
    lines = capsys.readouterr().err
    assert "psf.tif" not in lines if said is None else said in lines
    record = provenance(out)
    kernel = psf if ratio is None else resampled(psf, (0.5, 0.5))
    expected = restore(tifffile.imread(image), Deconvolve(psf=MeasuredPSF()), RichardsonLucy(4), psf=kernel)
    np.testing.assert_allclose(tifffile.imread(out), expected.image, rtol=1e-5)
    assert record["method"] == {"type": "RichardsonLucy", "iterations": 4}
    assert record["source"]["psf"]["path"] == str(tmp_path / "psf.tif")
    assert record["source"]["psf"]["ratio"] == (None if ratio is None else pytest.approx([ratio] * 2))


@pytest.mark.parametrize("method", [FAST, ["--method", "wiener"], ["--method", "richardson-lucy"]])
def test_every_method_deconvolves_by_a_formula(image, tmp_path, method):
    out = tmp_path / "out.tif"
    blur = ("--psf-kind", "moffat", "--psf-fwhm", 2, "--psf-beta", 4, "--floor", -1.5)
    assert run("deconvolve", image, out, *blur, "--quiet", *method) == 0
    task = provenance(out)["task"]
    assert task["psf"] == {"type": "MoffatPSF", "fwhm": 2.0, "axial_fwhm": None, "beta": 4.0}
    assert (task["floor"], tifffile.imread(out).shape) == (-1.5, (20, 24))


def test_super_resolution_takes_a_blur_before_the_pixels(image, tmp_path):
    out = tmp_path / "out.tif"
    assert run("super-resolve", image, out, "--psf-fwhm", 1.5, "--quiet", *FAST) == 0
    assert provenance(out)["task"]["psf"] == {"type": "GaussianPSF", "fwhm": 1.5, "axial_fwhm": None}


def test_the_blur_is_measured_on_each_image(tmp_path, capsys):
    image = np.full((80, 90), 40.0)
    image[20:60, 30:70] = 200
    path = tmp_path / "soft.tif"
    tifffile.imwrite(path, gaussian_filter(image, 2).astype(np.float32))
    out = tmp_path / "out.tif"
    assert run("deconvolve", path, out, "--method", "wiener", "--psf-estimate") == 0
    width = provenance(out)["task"]["psf"]["fwhm"]
    assert width == pytest.approx(2 * np.sqrt(8 * np.log(2)), rel=0.2)
    assert f"the blur was measured, FWHM {width:.3g} ± " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "kind"), [((), "GaussianNoise"), (("--noise", "laplace"), "LaplaceNoise")]
)
def test_the_noise_is_measured_on_each_image(tmp_path, capsys, random, options, kind):
    path, out = tmp_path / "noisy.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, random.normal(100, 7, (80, 80)).astype(np.float32))
    assert run("denoise", path, out, "--noise-estimate", *options, *FAST) == 0
    noise = provenance(out)["task"]["noise"]
    assert noise["type"] == kind
    assert "the noise was measured, σ = " in capsys.readouterr().err


def test_measured_noise_takes_no_parameters_but_the_offset(image, tmp_path, capsys):
    for options in (("--sigma", 3), ("--noise", "poisson-gaussian"), ("--noise", "poisson", "--offset", 3)):
        assert run("denoise", image, tmp_path / "out.tif", "--noise-estimate", *options) == 2
        assert "--noise-estimate" in capsys.readouterr().err


@pytest.mark.parametrize("ending", [".tif", ".npy"])
def test_the_guide_of_a_region_has_finer_pixels(image, tmp_path, random, ending):
    guide = random.random((60, 72))
    np.save(tmp_path / "guide.npy", guide)
    out = tmp_path / f"out{ending}"
    arguments = ("--factor", 3, "--downsampling", "area", "--guide", tmp_path / "guide.npy")
    assert run("super-resolve", image, out, *arguments, "--roi", "2:18,4:20", "--quiet", *FAST) == 0
    picture = read(out)
    part, finer = np.s_[2:18, 4:20], np.s_[6:54, 12:60]
    task = SuperResolve(factor=3, downsampling="area")
    expected = restore(tifffile.imread(image)[part], task, METHOD, guide=guide[finer]).image
    assert expected.shape == (48, 48)
    np.testing.assert_array_equal(picture.data, expected)
    if ending == ".tif":
        assert picture.pixel_size == {axis: (pytest.approx(0.5 / 3), "µm") for axis in "YX"}
        source = provenance(out)["source"]
        assert source["guide"] == {"layer": "guide", "path": str(tmp_path / "guide.npy")}


def test_the_guide_of_a_series_is_cut_whatever_axes_it_has(tmp_path, random):
    np.save(tmp_path / "in.npy", random.random((2, 12, 14)))
    guide, results = random.random((24, 28)), []
    for name, array in {"one": guide, "all": np.stack([guide] * 2)}.items():
        np.save(tmp_path / f"{name}.npy", array)
        arguments = ("--guide", tmp_path / f"{name}.npy", "--roi", "1:2,2:12,:10", "--quiet", *FAST)
        assert run("super-resolve", tmp_path / "in.npy", tmp_path / f"{name}_out.npy", *arguments) == 0
        results.append(np.load(tmp_path / f"{name}_out.npy"))
    assert results[0].shape == (1, 20, 20)
    np.testing.assert_array_equal(*results)


def test_axial_super_resolution_adds_planes_only(tmp_path, random):
    stack = random.random((8, 10, 12)).astype(np.float32)
    source = ImageFile(stack, "ZYX", {"Z": (2.0, "µm"), "Y": (0.5, "µm"), "X": (0.5, "µm")})
    write(tmp_path / "in.tif", stack, source, axes="ZYX", provenance={})
    arguments = ("super-resolve", tmp_path / "in.tif", tmp_path / "out.tif", "--along", "axial", "--quiet")
    assert run(*arguments, *FAST) == 0
    picture = read(tmp_path / "out.tif")
    assert picture.data.shape == (16, 10, 12)
    assert picture.pixel_size == {"Z": (1.0, "µm"), "Y": (0.5, "µm"), "X": (0.5, "µm")}


@pytest.mark.filterwarnings("default")
def test_a_background_of_a_measured_psf_is_noted_once_and_can_be_subtracted(image, tmp_path, capsys):
    bead, out = tmp_path / "bead.npy", tmp_path / "out.tif"
    at = np.indices((15, 15)) - 7
    np.save(bead, np.exp(-(at**2).sum(0) / 4) + 0.1)
    arguments = ("--psf", bead, "--method", "wiener", "--overwrite")
    assert run("deconvolve", image, out, *arguments) == 0
    assert (
        capsys.readouterr().err.count("the point spread function has a background of 0.091 of its peak") == 1
    )
    assert run("deconvolve", image, out, *arguments, "--psf-background", "subtract") == 0
    assert "has a background" not in capsys.readouterr().err
    assert provenance(out)["task"]["psf"] == {"type": "MeasuredPSF", "background": "subtract"}
    assert "--psf-background subtract" in command_line(
        Recipe.of(provenance(out)), "in.tif", "out.tif", psf="b"
    )


@pytest.mark.filterwarnings("default")
def test_a_psf_larger_than_the_image_is_cut_with_a_note(image, tmp_path, capsys):
    np.save(tmp_path / "psf.npy", np.ones((21, 5)))
    arguments = ("--psf", tmp_path / "psf.npy", "--method", "wiener")
    assert run("deconvolve", image, tmp_path / "out.tif", *arguments) == 0
    assert "9.5% of its light lies farther from its centre than the image" in capsys.readouterr().err


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("roi", "kept"), [(None, slice(3)), ("1:3,2:18,:", slice(1, 3))])
def test_a_psf_file_may_have_channels(tmp_path, random, last, roi, kept):
    stack, psf = random.normal(100, 5, (3, 20, 24)).astype("f4"), random.random((3, 5, 5)).astype("f4")
    write(tmp_path / "in.tif", stack, ImageFile(stack, "CYX", {}), axes="CYX", provenance={})
    beside = np.moveaxis(psf, 0, -1) if last else psf
    letters = "YXS" if last else "CYX"
    write(tmp_path / "psf.tif", beside, ImageFile(beside, letters, {}), axes=letters, provenance={})
    out = tmp_path / "out.tif"
    region = () if roi is None else ("--roi", roi)
    arguments = ("--psf", tmp_path / "psf.tif", "--method", "richardson-lucy", *region, "--quiet")
    assert run("deconvolve", tmp_path / "in.tif", out, *arguments) == 0
    rows = slice(None) if roi is None else slice(2, 18)
    expected = restore(stack[kept, rows], Deconvolve(), RichardsonLucy(), psf=psf[kept], axes="CYX").image
    np.testing.assert_allclose(tifffile.imread(out), expected, rtol=1e-4)

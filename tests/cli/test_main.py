"""The command line as a user meets it: mostly as a subprocess."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

from napari_dip import DIP, AiryPSF, GaussianPSF, MoffatPSF, PoissonGaussianNoise, PoissonNoise, UnknownNoise
from napari_dip.cli import main as cli
from napari_dip.cli import options as flags
from napari_dip.methods import PRESETS

FAST = ["--ensemble-size", "1", "--iterations", "3", "--input-channels", "1", "--precision", "float32"]
METHOD = DIP(ensemble_size=1, iterations=3, input_channels=1, precision="float32")


def run(*arguments, **options):
    command = [sys.executable, "-m", "napari_dip", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def inside(*arguments):
    """Run in this process, which saves seconds; return the exit code."""
    try:
        cli.main([*map(str, arguments)])
    except SystemExit as end:
        return end.code
    return 0


@pytest.fixture
def image(tmp_path, random):
    path = tmp_path / "in.tif"
    data = random.integers(0, 255, (20, 24)).astype(np.uint8)
    tifffile.imwrite(
        path, data, ome=True, metadata={"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    )
    return path


def test_denoise_as_a_subprocess(image, tmp_path):
    done = run("denoise", image, tmp_path / "out.tif", "--sigma", 20, *FAST)
    assert done.returncode == 0, done.stderr
    assert "2-D image of 20 x 24" in done.stderr
    assert "at most" in done.stderr
    assert "iB of memory" in done.stderr
    assert "The number of updates asked for was reached." in done.stderr
    assert done.stdout == ""
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.series[0].dtype == np.float32
        assert 'PhysicalSizeX="0.5"' in file.ome_metadata
        assert "&quot;sigma&quot;: 20" in file.ome_metadata or '"sigma": 20' in file.ome_metadata


def test_quiet_means_quiet(image, tmp_path):
    done = run("denoise", image, tmp_path / "out.tif", "--quiet", *FAST)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_help_shows_every_setting_with_its_docstring(capsys):
    assert inside("denoise", "--help") == 0
    text = " ".join(capsys.readouterr().out.replace("│", "").split())
    for flag in ("--sigma", "--gain", "--read-noise", "--missing", "--time-limit", "--iterations", "--axes"):
        assert flag in text
    assert "grey levels" in text
    assert "[default: 3000] Fine-tuned network:" in text


def test_the_command_line_gives_what_python_gives(image, tmp_path):
    from napari_dip import Denoise, restore

    assert inside("denoise", image, tmp_path / "out.npy", "--seed", 4, "--quiet", *FAST) == 0
    expected = restore(tifffile.imread(image), Denoise(), METHOD, seed=4).image
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_inpaint_with_a_mask_file(image, tmp_path):
    mask = np.zeros((20, 24), np.uint8)
    mask[3:6] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    arguments = ("inpaint", image, tmp_path / "out.tif", "--missing", tmp_path / "mask.png", "--quiet", *FAST)
    assert inside(*arguments) == 0
    assert tifffile.imread(tmp_path / "out.tif").shape == (20, 24)


def test_one_label_of_a_mask_file(image, tmp_path, random):
    from napari_dip import Inpaint, restore

    labels = random.integers(0, 4, (20, 24)).astype(np.uint8)
    np.save(tmp_path / "labels.npy", labels)
    arguments = ("--missing", tmp_path / "labels.npy", "--missing-label", 2, "--quiet", *FAST)
    assert inside("inpaint", image, tmp_path / "out.npy", *arguments) == 0
    expected = restore(tifffile.imread(image), Inpaint(), METHOD, missing=labels == 2).image
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_a_part_of_an_image_with_its_mask_and_pixel_size(image, tmp_path, random):
    from napari_dip import Inpaint, restore
    from napari_dip.io import provenance, read

    mask = random.random((20, 24)) < 0.2
    np.save(tmp_path / "mask.npy", mask)
    arguments = ("--missing", tmp_path / "mask.npy", "--roi", "2:18,:20", "--quiet", *FAST)
    assert inside("inpaint", image, tmp_path / "out.tif", *arguments) == 0
    picture = read(tmp_path / "out.tif")
    part = np.s_[2:18, :20]
    expected = restore(tifffile.imread(image)[part], Inpaint(), METHOD, missing=mask[part]).image
    np.testing.assert_array_equal(picture.data, expected)
    assert picture.pixel_size["X"] == (0.5, "µm")
    source = provenance(tmp_path / "out.tif")["source"]
    assert (source["roi"], source["path"]) == ([[2, 18], [0, 20]], str(image))


def test_the_sky_stays_where_it_is_in_a_part(tmp_path, random):
    fits = pytest.importorskip("astropy.io.fits")
    header = fits.Header({"CRPIX1": 12.0, "CRPIX2": 10.0, "CRPIX1A": 3.0, "CRVAL1": 250.4})
    fits.PrimaryHDU(random.random((20, 24)), header).writeto(tmp_path / "in.fits")
    arguments = ("--roi", "2:18,5:21", "--quiet", *FAST)
    assert inside("denoise", tmp_path / "in.fits", tmp_path / "out.fits", *arguments) == 0
    new = fits.getheader(tmp_path / "out.fits")
    assert [new[name] for name in ("CRPIX1", "CRPIX2", "CRPIX1A", "CRVAL1")] == [7.0, 8.0, -2.0, 250.4]


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        (np.ones((21, 5)), "must not be larger than the image: it has 21 x 5 pixels, the image 20 x 24"),
        (np.full((3, 3), np.nan), "must be finite, got NaN"),
        (-np.ones((3, 3)), "must not be negative, got -1: subtract the background"),
        (np.zeros((3, 3)), "is zero everywhere"),
        (np.ones((3, 3, 3)), "must have 2 axes, as the image has, got 3"),
    ],
)
@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_what_is_no_point_spread_function_is_refused(image, tmp_path, capsys, psf, message, quiet):
    np.save(tmp_path / "psf.npy", psf)
    assert inside("deconvolve", image, tmp_path / "out.tif", "--psf", tmp_path / "psf.npy", *quiet) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize("ending", [".tif", ".npy"])
def test_super_resolution_with_a_guide_of_an_area(image, tmp_path, random, ending):
    from napari_dip import SuperResolve, restore
    from napari_dip.io import provenance, read

    guide = random.random((60, 72))
    np.save(tmp_path / "guide.npy", guide)
    out = tmp_path / f"out{ending}"
    arguments = (
        "--factor",
        3,
        "--downsampling",
        "area",
        "--guide",
        tmp_path / "guide.npy",
        "--roi",
        "2:18,4:20",
    )
    assert inside("super-resolve", image, out, *arguments, "--quiet", *FAST) == 0
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


def test_a_guide_of_a_series_is_cut_whatever_axes_it_has(tmp_path, random):
    np.save(tmp_path / "in.npy", random.random((2, 12, 14)))
    guide, results = random.random((24, 28)), []
    for name, array in {"one": guide, "all": np.stack([guide] * 2)}.items():
        np.save(tmp_path / f"{name}.npy", array)
        arguments = ("--guide", tmp_path / f"{name}.npy", "--roi", "1:2,2:12,:10", "--quiet", *FAST)
        assert inside("super-resolve", tmp_path / "in.npy", tmp_path / f"{name}_out.npy", *arguments) == 0
        results.append(np.load(tmp_path / f"{name}_out.npy"))
    assert results[0].shape == (1, 20, 20)
    np.testing.assert_array_equal(*results)


def test_only_z_is_refined_along_the_axis(tmp_path, random):
    from napari_dip.io import Picture, read, write

    stack = random.random((8, 10, 12)).astype(np.float32)
    source = Picture(stack, "ZYX", {"Z": (2.0, "µm"), "Y": (0.5, "µm"), "X": (0.5, "µm")})
    write(tmp_path / "in.tif", stack, source, axes="ZYX", provenance={})
    assert (
        inside(
            "super-resolve", tmp_path / "in.tif", tmp_path / "out.tif", "--along", "axial", "--quiet", *FAST
        )
        == 0
    )
    picture = read(tmp_path / "out.tif")
    assert picture.data.shape == (16, 10, 12)
    assert picture.pixel_size == {"Z": (1.0, "µm"), "Y": (0.5, "µm"), "X": (0.5, "µm")}


@pytest.mark.parametrize(
    ("size", "ratio", "said"),
    [
        ((0.25, "µm"), 0.5, "larger by a factor of 0.5 along Y, 0.5 along X"),
        ((250, "nm"), 0.5, "resampled to the image's pixels"),
        ((500.1, "nm"), None, None),
        ((0.01, "in"), None, "taken to have the image's pixels"),
        (None, None, "taken to have the image's pixels"),
    ],
)
def test_a_measured_psf_is_brought_to_the_pixels_of_the_image(image, tmp_path, capsys, size, ratio, said):
    from napari_dip import Deconvolve, MeasuredPSF, RichardsonLucy, restore
    from napari_dip.io import Picture, provenance, write
    from napari_dip.psf.models import resampled

    psf = GaussianPSF(4.0).kernel(2).astype(np.float32)
    pixels = {} if size is None else dict.fromkeys("YX", size)
    write(tmp_path / "psf.tif", psf, Picture(psf, "YX", pixels), axes="YX", provenance={})
    out = tmp_path / "out.tif"
    arguments = ("--psf", tmp_path / "psf.tif", "--method", "richardson-lucy", "--iterations", 4)
    assert inside("deconvolve", image, out, *arguments) == 0
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
    from napari_dip.io import provenance

    out = tmp_path / "out.tif"
    blur = ("--psf-kind", "moffat", "--psf-fwhm", 2, "--psf-beta", 4, "--floor", -1.5)
    assert inside("deconvolve", image, out, *blur, "--quiet", *method) == 0
    task = provenance(out)["task"]
    assert task["psf"] == {"type": "MoffatPSF", "fwhm": 2.0, "axial_fwhm": None, "beta": 4.0}
    assert (task["floor"], tifffile.imread(out).shape) == (-1.5, (20, 24))


def test_an_image_may_be_blurred_before_it_is_coarse(image, tmp_path):
    from napari_dip.io import provenance

    out = tmp_path / "out.tif"
    assert inside("super-resolve", image, out, "--psf-fwhm", 1.5, "--quiet", *FAST) == 0
    assert provenance(out)["task"]["psf"] == {"type": "GaussianPSF", "fwhm": 1.5, "axial_fwhm": None}


def test_what_decides_when_to_stop_is_said_once_a_file(image, tmp_path, capsys):
    stack = np.stack([tifffile.imread(image)] * 2)
    np.save(tmp_path / "in.npy", stack)
    assert inside("denoise", tmp_path / "in.npy", tmp_path / "out.npy", *FAST) == 0
    assert capsys.readouterr().err.count("decide when to stop") == 1


def test_frames_of_a_series_can_be_restored_alone(tmp_path, random):
    from napari_dip import Denoise, restore

    stack = random.random((2, 20, 24)).astype(np.float32)
    np.save(tmp_path / "in.npy", stack)
    arguments = ("--series", "independent", "--quiet", *FAST)
    assert inside("denoise", tmp_path / "in.npy", tmp_path / "out.npy", *arguments) == 0
    expected = restore(stack[1], Denoise(), METHOD).image
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy")[1], expected)


def test_stop_after_counts_the_updates_of_all_runs(image, tmp_path, capsys):
    from napari_dip.io import provenance

    slow = ["--ensemble-size", "2", "--iterations", "20", *FAST[4:]]
    arguments = ("--stop-after", 25, "--stopping", "max-iterations", *slow)
    assert inside("denoise", image, tmp_path / "out.tif", *arguments) == 0
    record = provenance(tmp_path / "out.tif")
    assert record["stop_after"] == record["frames"][0]["iterations"] == 25
    assert "The number of updates asked for was reached." in capsys.readouterr().err


def test_several_images_go_to_a_folder_or_a_pattern(image, tmp_path, random):
    second = tmp_path / "second.png"
    Image.fromarray(random.integers(0, 255, (20, 24, 3)).astype(np.uint8)).save(second)
    (tmp_path / "out").mkdir()
    assert inside("denoise", image, second, tmp_path / "out", "--quiet", *FAST) == 0
    assert sorted(os.listdir(tmp_path / "out")) == ["in.tif", "second.tif"]
    assert inside("denoise", image, second, tmp_path / "out/{stem}_x.npy", "--quiet", *FAST) == 0
    assert (tmp_path / "out" / "second_x.npy").exists()


def test_one_bad_image_does_not_stop_the_others(image, tmp_path, capsys):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    (tmp_path / "out").mkdir()
    assert inside("denoise", broken, image, tmp_path / "out", *FAST) == 2
    assert os.listdir(tmp_path / "out") == ["in.tif"]
    assert capsys.readouterr().err.strip().endswith("1 of 2 images could not be restored")


def test_the_demo_replaces_no_pictures_of_the_users(tmp_path, capsys):
    (tmp_path / "before.png").write_bytes(b"precious")
    assert inside("demo", "--output", tmp_path) == 2
    assert "choose another --output" in capsys.readouterr().err
    assert (tmp_path / "before.png").read_bytes() == b"precious"


def test_png_counts_clipped_pixels(tmp_path, capsys):
    data = np.zeros((20, 24), np.uint8)
    data[::2] = 255
    Image.fromarray(data).save(tmp_path / "in.png")
    command = ("denoise", tmp_path / "in.png", tmp_path / "out.png", "--no-postfilter", *FAST)
    assert inside(*command) == 0
    assert "values clipped" in capsys.readouterr().err
    assert np.array(Image.open(tmp_path / "out.png")).dtype == np.uint8
    assert "Denoise" in Image.open(tmp_path / "out.png").text["napari-dip"]


def test_fits_from_end_to_end(tmp_path, random):
    fits = pytest.importorskip("astropy.io.fits")
    sky = random.normal(100, 5, (20, 24)).astype(">f4")
    sky[4, 5] = np.nan
    fits.PrimaryHDU(sky, fits.Header({"OBJECT": "sky"})).writeto(tmp_path / "in.fits")
    assert inside("denoise", tmp_path / "in.fits", tmp_path / "out.fits", "--quiet", *FAST) == 0
    with fits.open(tmp_path / "out.fits") as hdus:
        assert hdus[0].header["OBJECT"] == "sky"
        assert np.isfinite(hdus[0].data).all()
        assert "napari-dip" in str(hdus[0].header["HISTORY"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["denoise", "IN"], "at least one image, and last the output"),
        (["denoise", "nothing.tif", "out.tif"], "no such file: nothing.tif"),
        (["denoise", "IN", "OUT", "--iterations", "0"], "DIP.iterations must be >= 1, got 0"),
        (
            ["denoise", "IN", "OUT", "--iterations", "many"],
            'Invalid value for --iterations: unable to convert "many"',
        ),
        (["denoise", "IN", "OUT", "--sigma", "-3"], "GaussianNoise.sigma must be > 0, got -3.0"),
        (["denoise", "IN", "OUT", "--noise", "poisson", "--gain", "-1"], "PoissonNoise.gain must be > 0"),
        (
            ["denoise", "IN", "OUT", "--noise", "poisson", "--sigma", "3"],
            "--noise poisson takes no --sigma, only --noise gaussian or laplace",
        ),
        (["denoise", "IN", "OUT", "--noise", "gaussian"], "--noise gaussian needs --sigma"),
        (["denoise", "IN", "OUT", "--sigma", "3", "--gain", "2"], "no kind of noise takes --gain, --sigma"),
        (["denoise", "IN", "OUT", "--nonsense"], "Unknown option"),
        (["denoise", "IN", "OUT", "--axes", "TYX"], "one letter for each axis"),
        (["denoise", "IN", "nowhere/out.tif"], "there is no folder nowhere"),
        (["denoise", "IN", "IN2", "out.tif"], "several images go to an existing folder"),
        (["denoise", "IN", "IN"], "is an input: choose another output"),
        (["denoise", "IN", "out.bmp"], "the suffix must be one of"),
        (["denoise", "IN", "restored/"], "no such folder"),
        (["denoise", "IN", "OUT", "--seed", "-1"], "seed must be a whole number"),
        (["inpaint", "IN", "OUT"], "needs missing pixels"),
        (["inpaint", "IN", "OUT", "--missing", "nothing.png"], "no such file: nothing.png"),
        (["denoise", "IN", "OUT", "--missing-label", "2"], "give one"),
        (["denoise", "IN", "OUT", "--saturation_level", "nan"], "saturation_level must be finite, got nan"),
        (["inpaint", "IN", "OUT", "--saturation_level", "300"], "needs missing pixels"),
        (["denoise", "IN", "OUT", "--stop-after", "-1"], "MaxIterations.iterations must be >= 0, got -1"),
        (["denoise", "IN", "OUT", "--roi", "1:9"], "the area must have 2 ranges"),
        (["denoise", "IN", "OUT", "--roi", "1:25,2:9"], "must be first < last <= 20"),
        (["denoise", "BROKEN", "OUT"], "can't read"),
        (["denoise", "IN", "x" * 300 + ".tif"], "File name too long"),
        (["denoise", "IN", "MASK.png", "--missing", "MASK.png", "--overwrite"], "is an input"),
        (["sharpen", "IN", "OUT"], "Unknown command"),
        (["denoise", "IN", "OUT", "--seed", "1.5"], 'unable to convert "1.5" into a whole number'),
        (["denoise", "IN", "OUT", "--guide", "nothing.tif"], "no such file: nothing.tif"),
        (
            ["denoise", "IN", "OUT", "--guide", "MASK.png", "--roi", ":9,:9"],
            "must have the shape (20, 24)",
        ),
        (["denoise", "IN", "OUT", "--method", "wiener"], "Wiener undoes blur"),
        (["denoise", "IN", "OUT", "--balance", "2"], "--method dip takes no --balance, only --method wiener"),
        (
            ["denoise", "IN", "OUT", "--method", "wiener", "--iterations", "2"],
            "--method wiener takes no --iterations, only --method dip or finetune or richardson-lucy",
        ),
        (
            ["denoise", "IN", "OUT", "--method", "wiener", "--preset", "hole"],
            "--preset has settings of Deep Image Prior, not of --method wiener",
        ),
        (["super-resolve", "IN", "OUT", "--factor", "1"], "SuperResolve.factor must be >= 2, got 1"),
        (["super-resolve", "IN", "OUT", "--factor", "9"], "SuperResolve.factor must be <= 8, got 9"),
        (["super-resolve", "IN", "OUT", "--factor", "2.5"], 'unable to convert "2.5" into a whole number'),
        (["super-resolve", "IN", "OUT", "--along", "axial"], "needs a volume"),
        (["super-resolve", "IN", "OUT", "--guide", "IN"], "guide must have the shape (40, 48)"),
        (["deconvolve", "IN", "OUT"], "--psf-fwhm PIXELS, its full width at half maximum, --psf FILE"),
        (["deconvolve", "IN", "OUT", "--psf-fwhm", "0"], "GaussianPSF.fwhm must be > 0"),
        (
            ["deconvolve", "IN", "OUT", "--psf-fwhm", "3", "--psf-beta", "2"],
            "--psf-kind gaussian takes no --psf-beta, only --psf-kind moffat",
        ),
        (
            ["deconvolve", "IN", "OUT", "--psf", "MASK.png", "--psf-fwhm", "3"],
            "--psf is measured, --psf-fwhm a formula's: give one of the two",
        ),
        (["deconvolve", "IN", "OUT", "--psf", "nothing.tif"], "no such file: nothing.tif"),
        (["deconvolve", "IN", "MASK.png", "--psf", "MASK.png", "--overwrite"], "is an input"),
        (["deconvolve", "IN", "OUT", "--psf", "MASK.png"], "zero everywhere"),
    ],
)
def test_bad_arguments_give_one_clear_line_and_code_2(
    arguments, message, image, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.tif").write_bytes(image.read_bytes()[:100])
    Image.new("L", (20, 24)).save("MASK.png")
    names = {"IN": "in.tif", "IN2": "broken.tif", "OUT": "out.tif", "BROKEN": "broken.tif"}
    assert inside(*[names.get(a, a) for a in arguments]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("napari-dip: ")
    assert message in last
    assert not (tmp_path / "out.tif").exists()


def test_a_failed_run_gives_code_1(image, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("can't allocate memory")

    monkeypatch.setattr("napari_dip.optim.fit.fit", fail)
    monkeypatch.setattr("napari_dip.restoration.cost.estimate_cost", lambda *_, **__: None)
    assert inside("denoise", image, tmp_path / "out.tif", "--quiet") == 1
    assert "not enough memory" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["in.tif"]


def test_ctrl_c_gives_130_and_leaves_nothing(image, tmp_path):
    command = [sys.executable, "-m", "napari_dip", "denoise", str(image), str(tmp_path / "out.tif")]
    process = subprocess.Popen(
        [*command, "--patience", "100000", "--iterations", "100000"],
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background of a script inherits a SIGINT that is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stderr.readline()  # what it is going to do
        assert process.stderr.readline()  # what that will cost; now it works
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1] == "napari-dip: interrupted; no file was left half-written"
    assert os.listdir(tmp_path) == ["in.tif"]


def test_nothing_of_the_users_is_overwritten(image, tmp_path, capsys):
    out = tmp_path / "out.tif"
    out.write_bytes(b"precious")
    assert inside("denoise", image, out, "--quiet", *FAST) == 2
    assert "say --overwrite" in capsys.readouterr().err
    assert out.read_bytes() == b"precious"
    assert inside("denoise", image, out, "--quiet", "--overwrite", *FAST) == 0
    assert tifffile.imread(out).shape == (20, 24)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        (None, {}, UnknownNoise()),
        (None, {"gain": 2.0}, PoissonNoise(2.0)),
        (None, {"gain": 2.0, "read_noise": 3.0}, PoissonGaussianNoise(2.0, 0.0, 3.0)),
        ("poisson-gaussian", {"offset": 9.0}, PoissonGaussianNoise(1.0, 9.0, 1.0)),
    ],
)
def test_the_kind_of_noise_follows_from_its_parameters(name, given, expected):
    assert flags.noise(name, flags.NoiseFlags(**given)) == expected


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (None, {"psf_fwhm": 2.5}, GaussianPSF(2.5)),
        ("airy", {"psf_fwhm": 2.5, "psf_axial_fwhm": 6.0}, AiryPSF(2.5, 6.0)),
        ("moffat", {"psf_fwhm": 2.5, "psf_beta": 4.0}, MoffatPSF(2.5, None, 4.0)),
    ],
)
def test_a_formula_follows_from_its_kind_and_parameters(kind, given, expected):
    assert flags.psf(None, kind, flags.PSFFlags(**given)) == expected


def test_a_preset_is_where_flags_start_from(image, tmp_path):
    out = tmp_path / "out.png"
    Image.fromarray(tifffile.imread(image)).save(tmp_path / "in.png")
    assert inside("denoise", tmp_path / "in.png", out, "--preset", "snail", "--iterations", 2, "--quiet") == 0
    method = json.loads(Image.open(out).text["napari-dip"])["method"]
    assert method["iterations"] == 2
    assert method["network"]["widths"] == list(PRESETS["snail"].network.widths)


def test_the_demo_improves_its_picture(tmp_path, monkeypatch):
    from dataclasses import replace

    from napari_dip.cli import demo

    monkeypatch.setattr(demo, "SETTINGS", replace(demo.SETTINGS, ensemble_size=1, iterations=100))
    assert inside("demo", "--output", tmp_path / "made", "--quiet") == 0
    assert sorted(os.listdir(tmp_path / "made")) == ["after.png", "before.png", "residual.png", "summary.txt"]
    words = (tmp_path / "made" / "summary.txt").read_text().split()
    before, after = (float(words[at - 1]) for at, word in enumerate(words) if word == "dB")
    assert after > before + 2


PKN = ["--method", "pkn", "--sigma", 20]


@pytest.fixture
def cells(tmp_path, random):
    """An image large enough for a filter's window."""
    path = tmp_path / "cells.tif"
    truth = 100 + 60 * np.sin(np.arange(72)[:, None] / 4) * np.cos(np.arange(64) / 5)
    data = (truth + random.normal(0, 20, truth.shape)).astype(np.float32)
    metadata = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(path, data, ome=True, metadata=metadata)
    return path


def test_maps_that_were_saved_give_the_same_image_again(cells, tmp_path):
    first, second, maps = (tmp_path / name for name in ("first.tif", "second.tif", "maps.tif"))
    assert inside("denoise", cells, first, *PKN, "--save-maps", maps) == 0
    with tifffile.TiffFile(maps) as file:
        assert file.series[0].shape == (3, 72, 64)
        assert 'PhysicalSizeX="0.5"' in file.ome_metadata
    assert inside("denoise", cells, second, *PKN, "--maps", maps) == 0
    np.testing.assert_array_equal(tifffile.imread(first), tifffile.imread(second))
    edited = tifffile.imread(maps)
    edited[0], edited[1:] = 0.2, 0
    tifffile.imwrite(maps, edited, photometric="minisblack")  # by a program that knows nothing of us
    assert inside("denoise", cells, second, "--overwrite", *PKN, "--maps", maps) == 0
    np.testing.assert_allclose(tifffile.imread(second), tifffile.imread(cells), atol=0.5)


def test_maps_of_several_images_go_to_a_folder(cells, tmp_path):
    other, out = tmp_path / "other.tif", tmp_path / "out"
    other.write_bytes(cells.read_bytes())
    out.mkdir()
    assert inside("denoise", cells, other, out, *PKN, "--save-maps", out) == 0
    assert {path.name for path in out.iterdir()} == {
        "cells.tif",
        "other.tif",
        "cells maps.tif",
        "other maps.tif",
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--save-maps", "{}/out.tif"], "same output"),
        (["--save-maps", "{}/maps.png"], "suffix must be one of .tif"),
        (["--maps", "{}/cells.tif"], "must hold the maps width, a, b"),
        (["--kernel", "reblur"], "reblur doesn't suit this task: choose isotropic"),
        (["--weights", "{}/cells.tif"], "no safetensors file"),
    ],
)
def test_what_is_wrong_with_maps_is_said(cells, tmp_path, capsys, arguments, words):
    filled = [one.format(tmp_path) for one in arguments]
    assert inside("denoise", cells, tmp_path / "out.tif", *PKN, *filled) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out.tif").exists()


def test_maps_go_with_a_method_that_has_some(cells, tmp_path, capsys):
    assert inside("denoise", cells, tmp_path / "out.tif", "--save-maps", tmp_path / "maps.tif") == 2
    assert "--save-maps goes with --method pkn" in capsys.readouterr().err


def test_the_noise_is_said_before_the_run(cells, tmp_path, capsys):
    assert inside("denoise", cells, tmp_path / "out.tif", "--method", "pkn") == 0
    assert "The noise was measured: σ = " in capsys.readouterr().err


def test_super_resolve_keeps_its_own_kernel(cells, tmp_path):
    out = tmp_path / "out.tif"
    arguments = ["--method", "pkn", "--predictor", "constant", "--sigma", 20, "--downsampling", "area"]
    assert inside("super-resolve", cells, out, *arguments) == 0
    assert tifffile.imread(out).shape == (144, 128)


def test_a_network_of_ones_own_is_trained_and_used(cells, tmp_path, capsys):
    weights = tmp_path / "mine.safetensors"
    training = ["train-pkn", cells, "--noisy", "--sigma", 20, "--iterations", 3, "--out", weights]
    assert inside(*training) == 0
    assert "written after" in capsys.readouterr().err
    assert inside("denoise", cells, tmp_path / "out.tif", *PKN, "--weights", weights) == 0
    assert inside(*training) == 2
    assert "exists" in capsys.readouterr().err
    assert inside("denoise", cells, tmp_path / "b.tif", *PKN, "--kernel", "nlm", "--weights", weights) == 2
    assert "network of another kernel" in capsys.readouterr().err


def test_the_blur_is_estimated_for_each_image(tmp_path, random, capsys):
    image = np.full((80, 90), 40.0)
    image[20:60, 30:70] = 200
    path = tmp_path / "soft.tif"
    tifffile.imwrite(path, gaussian_filter(image, 2).astype(np.float32))
    arguments = ["deconvolve", path, tmp_path / "out.tif", "--method", "wiener", "--psf-estimate"]
    assert inside(*arguments) == 0
    assert "the blur was measured" in capsys.readouterr().err
    assert inside(*arguments, "--overwrite", "--psf-fwhm", 3) == 2
    assert "leave out all other --psf flags" in capsys.readouterr().err


def test_a_volume_goes_plane_by_plane_through_a_filter(tmp_path, random, capsys):
    path = tmp_path / "stack.tif"
    stack = random.normal(100, 20, (3, 40, 44)).astype(np.float32)
    tifffile.imwrite(path, stack, ome=True, metadata={"axes": "ZYX", "PhysicalSizeZ": 2.0})
    assert inside("denoise", path, tmp_path / "out.tif", *PKN) == 0
    assert "2-D image of 40 x 44, 3 frames one after another" in capsys.readouterr().err
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.series[0].axes == "ZYX"
        assert 'PhysicalSizeZ="2.0"' in file.ome_metadata


# Pretrained networks.


def test_a_pretrained_network_is_held_against_the_image(cells, tmp_path, capsys):
    """Without a file there is one that comes with the package; what was found is said in words."""
    out = tmp_path / "out.tif"
    assert inside("super-resolve", cells, out, "--method", "finetune", "--iterations", 3) == 0
    said = capsys.readouterr().err
    assert "The network: Compact, 2 times finer" in said
    assert "A f(y) − y" in said
    assert tifffile.imread(out).shape == (144, 128)


def test_a_tuned_network_is_written_and_used_again(cells, tmp_path, capsys):
    out, weights = tmp_path / "out.tif", tmp_path / "tuned.safetensors"
    blur = ["--method", "finetune", "--psf-fwhm", 2]
    run = [*blur, "--action", "fine-tuning", "--iterations", 3, "--save-weights", weights]
    assert inside("super-resolve", cells, out, *run) == 0
    assert f"network written: {weights}" in capsys.readouterr().err
    again = tmp_path / "again.tif"
    assert inside("super-resolve", cells, again, *blur, "--weights", weights, "--action", "network") == 0
    assert "tuned.safetensors" in capsys.readouterr().err
    plain = tmp_path / "plain.tif"
    assert inside("super-resolve", cells, plain, *blur, "--action", "network") == 0
    assert not np.array_equal(tifffile.imread(again), tifffile.imread(plain))
    assert inside("super-resolve", cells, tmp_path / "new.tif", *run) == 2
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--method", "finetune", "--factor", 5],
            "no network compact for a factor of 5 comes with the package",
        ),
        (["--method", "finetune", "--weights", "absent.pth"], "no such file: absent.pth"),
        (["--save-weights", "x.safetensors"], "--save-weights goes with --method finetune"),
        (["--method", "finetune", "--save-weights", "x.pth"], "the suffix must be .safetensors"),
    ],
)
def test_what_a_pretrained_network_cannot_do_is_said(cells, tmp_path, capsys, arguments, words):
    assert inside("super-resolve", cells, tmp_path / "out.tif", *arguments) == 2
    assert words in capsys.readouterr().err


def test_there_is_no_network_for_deconvolution(cells, tmp_path, capsys):
    assert inside("deconvolve", cells, tmp_path / "o.tif", "--psf-fwhm", 2, "--method", "finetune") == 2
    assert "no network that takes out blur comes with the package" in capsys.readouterr().err

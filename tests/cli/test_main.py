"""The command line as a user meets it."""

import json
import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_dip import Denoise, Outcome, restore
from napari_dip.cli.main import app
from napari_dip.methods import PRESETS

from .running import FAST, METHOD, run

COMMANDS = [name for name in app if not name.startswith("-")]


def test_messages_go_to_standard_error_and_settings_to_the_file(image, tmp_path, capfd):
    assert run("denoise", image, tmp_path / "out.tif", "--sigma", "20", *FAST) == 0
    out, err = capfd.readouterr()
    assert out == ""
    for words in (
        "2-D image of 20 x 24",
        "at most",
        "iB of memory",
        Outcome.MAX_ITERATIONS.value,
        "written: ",
    ):
        assert words in err
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.series[0].dtype == np.float32
        assert 'PhysicalSizeX="0.5"' in file.ome_metadata
        assert "&quot;sigma&quot;: 20" in file.ome_metadata or '"sigma": 20' in file.ome_metadata


def test_quiet_means_quiet(image, tmp_path, capfd):
    assert run("denoise", image, tmp_path / "out.tif", "--quiet", *FAST) == 0
    assert capfd.readouterr() == ("", "")


def help_of(capsys, *command):
    assert run(*command, "--help") == 0
    return " ".join(capsys.readouterr().out.replace("│", "").split())


def test_the_commands_are_listed_from_the_simplest_on(capsys):
    text = help_of(capsys)
    places = [text.index(f" {name} ") for name in ("denoise", "inpaint", "super-resolve", "deconvolve")]
    assert places == sorted(places)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_messages_and_exit_codes(command, capsys):
    text = help_of(capsys, command)
    for words in (
        f"Usage: napari-dip {command}",
        "--quiet",
        "--debug",
        "Exit codes: 0",
        "130 after Ctrl-C, 143 after SIGTERM and 129 after SIGHUP",
    ):
        assert words in text


def test_help_shows_every_setting_with_its_docstring(capsys):
    text = help_of(capsys, "denoise")
    for option in (
        "--sigma",
        "--gain",
        "--read-noise",
        "--missing",
        "--time-limit",
        "--iterations",
        "--axes",
    ):
        assert option in text
    assert "grey levels" in text


def test_help_says_what_an_option_means_to_each_method(capsys):
    _, _, iterations = help_of(capsys, "denoise").partition("--iterations INT")
    assert iterations.startswith(" dip: ")
    assert "[default: 3000] finetune: " in iterations


def test_help_names_the_method_of_each_setting(capsys):
    text = help_of(capsys, "deconvolve")
    titles = ["Task", "Noise", "Image", "Method", "Output", "Messages", "Shared settings of methods"]
    titles += ["Deep Image Prior (--method dip)", "Wiener filter (--method wiener)"]
    places = [text.index(f"╭─ {title} ─") for title in titles]
    assert places == sorted(places)


def test_the_command_line_gives_what_python_gives(image, tmp_path):
    assert run("denoise", image, tmp_path / "out.npy", "--seed", 4, "--quiet", *FAST) == 0
    expected = restore(tifffile.imread(image), Denoise(), METHOD, seed=4).image
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_a_preset_is_where_options_start_from(image, tmp_path):
    out = tmp_path / "out.png"
    Image.fromarray(tifffile.imread(image)).save(tmp_path / "in.png")
    assert run("denoise", tmp_path / "in.png", out, "--preset", "snail", "--iterations", 2, "--quiet") == 0
    method = json.loads(Image.open(out).text["napari-dip"])["method"]
    assert method["iterations"] == 2
    assert method["network"]["widths"] == list(PRESETS["snail"].network.widths)


def test_what_decides_when_to_stop_is_said_once_a_file(image, tmp_path, capsys):
    np.save(tmp_path / "in.npy", np.stack([tifffile.imread(image)] * 2))
    assert run("denoise", tmp_path / "in.npy", tmp_path / "out.npy", *FAST) == 0
    assert capsys.readouterr().err.count("decide when to stop") == 1


def test_frames_of_a_series_can_be_restored_independently(tmp_path, random):
    stack = random.random((2, 20, 24)).astype(np.float32)
    np.save(tmp_path / "in.npy", stack)
    arguments = ("--series", "independent", "--quiet", *FAST)
    assert run("denoise", tmp_path / "in.npy", tmp_path / "out.npy", *arguments) == 0
    expected = restore(stack[1], Denoise(), METHOD).image
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy")[1], expected)


def test_stop_after_counts_the_iterations_of_all_networks(image, tmp_path, capsys):
    from napari_dip.io import provenance

    slow = ["--ensemble-size", "2", "--iterations", "20", *FAST[4:]]
    arguments = ("--stop-after", 25, "--stopping", "max-iterations", *slow)
    assert run("denoise", image, tmp_path / "out.tif", *arguments) == 0
    record = provenance(tmp_path / "out.tif")
    assert record["stop_after"] == record["frames"][0]["iterations"] == 25
    assert Outcome.MAX_ITERATIONS.value in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["denoise", "IN"], "give at least one image, and then the output"),
        (["denoise", "nothing.tif", "out.tif"], "no such file: nothing.tif"),
        (["denoise", "IN", "OUT", "--iterations", "0"], "DIP.iterations must be >= 1, got 0"),
        (
            ["denoise", "IN", "OUT", "--iterations", "many"],
            'Invalid value for --iterations: unable to convert "many"',
        ),
        (["denoise", "IN", "OUT", "--sigma", "-3"], "GaussianNoise.sigma must be > 0, got -3.0"),
        (["denoise", "IN", "OUT", "--nonsense"], "Unknown option"),
        (["denoise", "IN", "OUT", "--axes", "TYX"], "one letter for each axis"),
        (["denoise", "IN", "OUT", "--seed", "-1"], "seed must be a whole number"),
        (["denoise", "IN", "OUT", "--seed", "1.5"], 'unable to convert "1.5" into a whole number'),
        (["inpaint", "IN", "OUT"], "needs missing pixels"),
        (["inpaint", "IN", "OUT", "--missing", "nothing.png"], "no such file: nothing.png"),
        (["denoise", "IN", "OUT", "--missing-label", "2"], "give that file too"),
        (
            ["denoise", "IN", "OUT", "--saturation_level", "nan"],
            "saturation_level must be a finite number, got nan",
        ),
        (["denoise", "IN", "OUT", "--stop-after", "-1"], "MaxIterations.iterations must be >= 0, got -1"),
        (["denoise", "IN", "OUT", "--roi", "1:9"], "must have 2 ranges"),
        (["denoise", "IN", "x" * 300 + ".tif"], "its name is too long"),
        (["denoise", "BROKEN", "OUT"], "can't read"),
        (["sharpen", "IN", "OUT"], "Unknown command"),
        (["denoise", "IN", "OUT", "--guide", "MASK", "--roi", ":9,:9"], "must have the shape (20, 24)"),
        (["denoise", "IN", "OUT", "--method", "wiener"], "Wiener only undoes blur"),
        (["super-resolve", "IN", "OUT", "--factor", "9"], "SuperResolve.factor must be <= 8, got 9"),
        (["super-resolve", "IN", "OUT", "--along", "axial"], "needs a volume"),
        (["super-resolve", "IN", "OUT", "--guide", "IN"], "guide must have the shape (40, 48)"),
        (["deconvolve", "IN", "OUT", "--psf-fwhm", "0"], "GaussianPSF.fwhm must be > 0"),
        (["deconvolve", "IN", "OUT", "--psf", "MASK"], "zero everywhere"),
        (["super-resolve", "IN", "OUT", "--method", "finetune", "--factor", "5"], "for a factor of 5"),
        (
            ["super-resolve", "IN", "OUT", "--method", "finetune", "--weights", "no.pth"],
            "no such file: no.pth",
        ),
        (["deconvolve", "IN", "OUT", "--psf-fwhm", "2", "--method", "finetune"], "comes with the package"),
        (["denoise", "IN", "OUT", "--method", "pkn", "--kernel", "reblur"], "choose isotropic"),
        (["denoise", "LARGE", "OUT", "--sigma", "9", "--method", "pkn", "--weights", "IN"], "a safetensors"),
        (
            ["denoise", "IN", "OUT", "--method", "pkn", "--parameter-maps", "IN"],
            "must hold the maps width, a, b",
        ),
    ],
)
def test_bad_arguments_give_one_clear_line_and_code_2(
    arguments, message, image, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.tif").write_bytes(image.read_bytes()[:100])
    Image.new("L", (20, 24)).save("mask.png")
    np.save("large.npy", np.arange(6400.0).reshape(80, 80))
    names = {
        "IN": "in.tif",
        "OUT": "out.tif",
        "BROKEN": "broken.tif",
        "MASK": "mask.png",
        "LARGE": "large.npy",
    }
    assert run(*[names.get(one, one) for one in arguments]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("napari-dip: ")
    assert message in last
    assert not (tmp_path / "out.tif").exists()


def test_a_failed_run_gives_code_1(image, tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("can't allocate memory")

    monkeypatch.setattr("napari_dip.dip.ensemble.fit", fail)
    assert run("denoise", image, tmp_path / "out.tif", "--quiet") == 1
    assert "not enough memory" in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == ["in.tif"]

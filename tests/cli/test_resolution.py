"""The resolution of files, and of a result on request."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_dip.cli.resolution import pixel_sizes
from napari_dip.image.axes import Axes
from napari_dip.io import ImageFile, write

from .running import run


@pytest.fixture
def exposures(tmp_path):
    random = np.random.default_rng(0)
    scene = gaussian_filter(random.normal(0, 400, (96, 96)), 2)
    paths = [tmp_path / f"{name}.tif" for name in "ab"]
    for path in paths:
        noisy = (200 + scene + random.normal(0, 5, scene.shape)).astype(np.float32)
        write(
            path,
            noisy,
            ImageFile(noisy, "YX", {"Y": (0.1, "µm"), "X": (0.1, "µm")}),
            axes="YX",
            provenance={},
        )
    return paths


def test_two_exposures_agree_down_to_their_resolution(exposures, capsys):
    assert run("resolution", *exposures) == 0
    said = capsys.readouterr().out
    assert "µm by the 1/7 criterion" in said
    value = float(said.split("The resolution is ")[1].split(" µm")[0])
    assert 0.3 < value < 0.9
    assert run("resolution", *exposures, "--halves") == 0
    halves = float(capsys.readouterr().out.split("The resolution is ")[1].split(" µm")[0])
    assert halves <= value


def test_one_image_is_measured_by_decorrelation_analysis(exposures, capsys):
    assert run("resolution", exposures[0]) == 0
    assert "µm (decorrelation analysis)." in capsys.readouterr().out


def test_noise_has_no_resolution(tmp_path, capsys):
    noise = np.random.default_rng(0).normal(size=(64, 64, 3))
    np.save(tmp_path / "noise.npy", noise)
    assert run("resolution", tmp_path / "noise.npy", "--axes", "YXC") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == ["Channel 0", "Channel 1", "Channel 2"]
    assert all("no resolution above the noise" in line for line in said)


def test_other_shapes_are_refused(tmp_path, exposures, capsys):
    np.save(tmp_path / "small.npy", np.zeros((64, 64)))
    assert run("resolution", exposures[0], tmp_path / "small.npy") == 2
    assert "the same shape, got 96 x 96" in capsys.readouterr().err


def test_two_results_of_one_measurement_are_refused(tmp_path, exposures, capsys):
    results = [tmp_path / "first.tif", tmp_path / "second.tif"]
    for seed, result in enumerate(results):
        options = ["--method", "pkn", "--sigma", "5", "--seed", seed, "--quiet"]
        assert run("denoise", exposures[0], result, *options) == 0
    assert run("resolution", *results) == 2
    assert "they share its noise" in capsys.readouterr().err
    assert run("resolution", results[0], exposures[1]) == 0


def test_pixel_sizes_need_one_unit():
    layout, data = Axes("ZYX"), np.zeros((2, 4, 4))
    sizes = {"Z": (0.5, "µm"), "Y": (0.1, "µm"), "X": (0.1, "µm")}
    assert pixel_sizes(ImageFile(data, "ZYX", sizes), layout) == ((0.5, 0.1, 0.1), "µm")
    for wrong in ({**sizes, "Z": (500, "nm")}, {"Y": (0.1, "µm")}, {}):
        assert pixel_sizes(ImageFile(data, "ZYX", wrong), layout) == ((1.0, 1.0, 1.0), "px")


def test_a_result_is_measured_on_request(tmp_path, exposures, capsys):
    options = ["--method", "pkn", "--sigma", "5", "--resolution"]
    assert run("denoise", exposures[0], tmp_path / "out.tif", *options) == 0
    said = capsys.readouterr().err
    assert "written:" in said
    assert "µm by the 1/7 criterion" in said
    assert "split in two halves" in said


def test_what_cannot_be_measured_does_not_spoil_the_result(tmp_path, exposures, capsys):
    options = ["--iterations", "2", "--noise", "laplace", "--sigma", "5", "--resolution"]
    assert run("denoise", exposures[0], tmp_path / "out.tif", *options) == 0
    assert "The resolution could not be measured: heavy-tailed noise" in capsys.readouterr().err
    assert (tmp_path / "out.tif").exists()


def test_a_guide_is_refused(tmp_path, exposures, capsys):
    assert run("denoise", exposures[0], tmp_path / "out.tif", "--guide", exposures[1], "--resolution") == 2
    assert "leave out --guide" in capsys.readouterr().err

"""The command of a recipe repeats its run."""

import shlex
from dataclasses import replace

import numpy as np
import pytest

from napari_dip import (
    DIP,
    PRESETS,
    AiryPSF,
    Deconvolve,
    Denoise,
    FineTune,
    Hourglass,
    Inpaint,
    MaxIterations,
    PoissonNoise,
    Recipe,
    SuperResolve,
    Wiener,
    restore,
)
from napari_dip.cli import batch
from napari_dip.cli.command import command_line
from napari_dip.io import ImageFile, provenance, read, write

from ..recipes import MEASURED, RUNS, SNAIL, performed, written
from .running import run as run_command


@pytest.fixture
def run(request, random):
    return performed(request.param, random)


@pytest.mark.parametrize("run", RUNS, ids=[one[0] for one in RUNS], indirect=True)
def test_the_command_gives_the_same_pixels(run, tmp_path):
    pictures, result, recipe = run
    paths = {name: str(path) for name, path in written(pictures, recipe, tmp_path).items()}
    out = tmp_path / "out.tif"
    name, *arguments = shlex.split(command_line(recipe, paths.pop("image"), str(out), **paths))
    assert name == "napari-dip"
    assert run_command(*arguments, "--quiet") == 0
    np.testing.assert_array_equal(read(out).data, result.image)
    # What the file records of itself is the same recipe again.
    assert Recipe.of(provenance(out)) == recipe


@pytest.mark.parametrize("rule", [None, MaxIterations(3)])
def test_a_fine_tuned_network_is_repeated(random, rule, tmp_path):
    from napari_dip.pretrained.architectures import Compact
    from napari_dip.pretrained.files import save

    path, image = tmp_path / "own.safetensors", random.integers(0, 256, (24, 28)).astype(np.uint8)
    save(FineTune.of(Compact(1, 2, 4, 1), factor=2).network, path)
    method = FineTune(str(path), action="fine-tuning", iterations=6, learning_rate=1e-3, self_ensemble=False)
    result = restore(image, SuperResolve(), method, device="cpu", stopping_rule=rule)
    write(tmp_path / "a.tif", image, ImageFile(image), axes="YX", provenance={}, keep_dtype=True)
    recipe = Recipe.of(result.provenance)
    command = command_line(recipe, str(tmp_path / "a.tif"), str(tmp_path / "b.tif"))
    assert run_command(*shlex.split(command)[1:], "--quiet") == 0
    np.testing.assert_array_equal(read(tmp_path / "b.tif").data, result.image)


def test_a_command_says_only_what_differs_from_the_defaults():
    assert command_line(Recipe(Denoise(), DIP(), "YX"), "a b.tif", "c.tif") == (
        "napari-dip denoise 'a b.tif' c.tif --axes YX"
    )
    words = command_line(Recipe(Inpaint(), SNAIL, "YX", device="cuda"), "a", "b", "m").split()
    assert words[1] == "inpaint"
    assert words[words.index("--preset") + 1] == "snail"
    assert "--device" in words
    assert "--ensemble-size" not in words


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_its_options(name, tmp_path, monkeypatch):
    jobs = []
    monkeypatch.setattr(batch, "restore_files", lambda job, *paths, **_: jobs.append((job, paths)))
    task = Inpaint(PoissonNoise(offset=-3.5), keep_observed=False)
    method = replace(PRESETS[name], time_limit=9.5)
    recipe = Recipe(task, method, "YX", saturation_level=-1e-3)
    assert run_command(*shlex.split(command_line(recipe, "a", "b", "m"))[1:]) == 0
    ((job, (images, output)),) = jobs
    assert (job.task, job.method) == (task, method)
    assert [*map(str, images), str(output), str(job.common.missing)] == ["a", "b", "m"]
    assert (job.common.axes, job.common.saturation_level) == ("YX", -1e-3)


def test_the_width_of_a_blur_is_always_said():
    words = "napari-dip deconvolve a b --axes YX --psf-fwhm 3.0"
    assert command_line(Recipe(Deconvolve(), DIP(), "YX"), "a", "b") == words
    words = "napari-dip deconvolve a b --axes YX --psf-kind airy --psf-fwhm 3.0 --method wiener"
    assert command_line(Recipe(Deconvolve(psf=AiryPSF()), Wiener(), "YX"), "a", "b", psf="c") == words


def test_a_measured_psf_needs_a_file():
    with pytest.raises(ValueError, match="save it as a file"):
        command_line(Recipe(MEASURED, DIP(), "YX", psf_ratio=(0.5, 0.25)), "a", "b")


def test_a_network_without_options_is_left_to_python():
    with pytest.raises(ValueError, match="use the Python script"):
        command_line(Recipe(Denoise(), DIP(network=Hourglass(widths=(2,), skips=(0,))), "YX"), "a", "b")


@pytest.mark.parametrize("name", ["-x.tif", "--x.tif", "--overwrite", "-", "[1].tif", "[1, 2]"])
def test_no_name_of_a_file_is_an_option(name):
    files = {"image": name, "output": name, "missing": name, "guide": name}
    words = shlex.split(command_line(Recipe(Inpaint(), DIP(), "YX", missing_label=-3), **files))
    assert words[2:4] == [f"./{name}"] * 2
    assert words[words.index("--missing") + 1] == f"./{name}"
    assert words[words.index("--guide") + 1] == f"./{name}"
    assert "--missing-label=-3" in words
    words = shlex.split(command_line(Recipe(SuperResolve(), FineTune(weights=name), "YX"), "a", "b"))
    assert f"--weights={name}" in words or words[words.index("--weights") + 1] == name
    words = shlex.split(command_line(Recipe(MEASURED, DIP(), "YX"), "a", "b", psf=name))
    assert words[words.index("--psf") + 1] == f"./{name}"


@pytest.mark.parametrize(
    "name", ["a\nb", "a\rb", "a\x00b", "a\tb", "a\x1b[2J", "a\x85b", "a\u2028b", "a\ud800b"]
)
def test_a_name_with_a_line_break_is_refused_in_words(name):
    for files in ({"image": name, "output": "b"}, {"image": "a", "output": "b", "missing": name}):
        with pytest.raises(
            ValueError, match="which has a line break or another control character: use the Python"
        ):
            command_line(Recipe(Inpaint(), DIP(), "YX"), **files)

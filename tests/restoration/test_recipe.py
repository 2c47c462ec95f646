"""A recipe repeats a run: as a script, and as a command."""

import json
import shlex
import threading
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
    GaussianNoise,
    GaussianPSF,
    Hourglass,
    Inpaint,
    MaxIterations,
    MeasuredPSF,
    MoffatPSF,
    PoissonGaussianNoise,
    PoissonNoise,
    Recipe,
    RichardsonLucy,
    StopRequested,
    SuperResolve,
    TimeLimit,
    Wiener,
    restore,
)
from napari_dip.cli import main as cli
from napari_dip.cli import options as flags
from napari_dip.cli.command import command_line
from napari_dip.io import Picture, provenance, read, write
from napari_dip.psf.models import resampled

SHORT = DIP(ensemble_size=1, iterations=3, input_channels=2, precision="float32")
SNAIL = replace(PRESETS["snail"], iterations=2, input_noise_std=0.0)
PLANE = ((4, 22), (2, 26))

MEASURED = Deconvolve(psf=MeasuredPSF(), floor=-2.5)

#: Name, shape, task, method, where it is, its mask, and the options of the run; among them its guide's shape
#: (for the whole image) and its measured PSF's ratio of pixel sizes (None: those of the image).
RUNS = [
    ("plain", (24, 28), Denoise(), SHORT, None, None, {"seed": 3}),
    ("label", (24, 28), Denoise(), SHORT, None, 2, {}),
    ("mask", (24, 28), Inpaint(), SHORT, None, "any", {}),
    ("saturation_level", (24, 28), Denoise(), SHORT, None, None, {"saturation_level": 200.5}),
    ("area", (24, 28), Denoise(), SHORT, PLANE, 2, {}),
    ("area of a series", (3, 24, 28), Denoise(), SHORT, ((1, 3), *PLANE), 2, {"axes": "TYX"}),
    ("noise", (24, 28), Denoise(PoissonGaussianNoise(2.5, -10.0, 3.0)), SHORT, None, None, {}),
    ("usual noise", (24, 28), Denoise(PoissonNoise()), SHORT, None, None, {}),
    (
        "not kept",
        (24, 28),
        Inpaint(GaussianNoise(20.0), keep_observed=False),
        SHORT,
        None,
        "any",
        {"saturation_level": 250.0},
    ),
    ("preset", (24, 28), Denoise(), SNAIL, None, None, {}),
    ("alone", (2, 24, 28), Denoise(), SHORT, None, None, {"axes": "CYX", "channels": "separate"}),
    ("colour", (24, 28, 3), Denoise(), SHORT, None, 1, {}),
    ("area of colour", (24, 28, 3), Denoise(), SHORT, (*PLANE, (0, 3)), 1, {}),
    (
        "stopped",
        (24, 28),
        Denoise(),
        replace(SHORT, ensemble_size=2, iterations=20),
        None,
        None,
        {"stopping_rule": MaxIterations(27)},
    ),
    ("clock", (24, 28), Denoise(), replace(SHORT, time_limit=1e-9, iterations=90), None, None, {}),
    ("finer", (24, 28), SuperResolve(factor=3, downsampling="area"), SHORT, None, 2, {}),
    ("finer area", (24, 28), SuperResolve(), SHORT, PLANE, None, {"guide": (48, 56)}),
    ("finer planes", (5, 24, 28), SuperResolve(along="lateral"), SHORT, None, None, {"axes": "ZYX"}),
    (
        "guided series",
        (3, 24, 28),
        SuperResolve(),
        replace(SHORT, input="guide"),
        ((1, 3), *PLANE),
        None,
        {"axes": "TYX", "guide": (48, 56), "series": "independent"},
    ),
    (
        "each guided",
        (3, 24, 28),
        Denoise(),
        SHORT,
        ((1, 3), *PLANE),
        None,
        {"axes": "TYX", "guide": (3, 24, 28), "series": "drift"},
    ),
    ("coarse and blurred", (24, 28), SuperResolve(psf=MoffatPSF(1.5)), SHORT, PLANE, None, {}),
    ("usual blur", (24, 28), Deconvolve(), SHORT, None, None, {}),
    ("blur", (24, 28), Deconvolve(PoissonNoise(2.0), MoffatPSF(1.5, beta=4.0)), SHORT, PLANE, 2, {}),
    ("measured", (24, 28), MEASURED, SHORT, None, None, {"psf": None}),
    ("resampled", (24, 28), MEASURED, RichardsonLucy(3), PLANE, None, {"psf": (0.5, 0.5)}),
    ("Wiener", (24, 28), Deconvolve(psf=AiryPSF(1.5)), Wiener(balance=0.25), None, None, {}),
]


def executed(script, **names):
    exec(compile(script, "script", "exec"), names)
    return names["restored"].image


def pixels(**sizes):
    return {axis: (size, "µm") for axis, size in sizes.items()}


@pytest.fixture
def run(request, random):
    """Pictures of the image, its mask or labels, guide and PSF; what was restored; the recipe of that."""
    _, shape, task, method, roi, missing, options = request.param
    image = random.integers(0, 256, shape).astype(np.uint8)
    labels = random.integers(0, 4, (24, 28)).astype(np.uint8)
    at = tuple(slice(*ends) for ends in roi or [(0, n) for n in shape])
    plane = at[-2:] if shape[-1] != 3 else at[:2]
    pictures, beside, options = {"image": Picture(image, None, pixels(Y=0.2, X=0.2))}, {}, dict(options)
    origin = {"layer": "cells", "path": None, "roi": roi, "missing": None}
    if missing is not None:
        beside["missing"] = (labels > 0 if missing == "any" else labels == missing)[plane]
        pictures["missing"] = Picture(labels)
        origin["missing"] = {"layer": "holes", "label": None if missing == "any" else missing}
    if "guide" in options:
        guide = random.random(options.pop("guide"))
        times = guide.shape[-1] // 28
        finer = tuple(slice(ends.start * times, ends.stop * times) for ends in plane)
        beside["guide"] = guide[(*at[: guide.ndim - 2], *finer)]
        pictures["guide"] = Picture(guide)
        origin["guide"] = {"layer": "flash", "path": None}
    if "psf" in options:
        ratio, psf = options.pop("psf"), GaussianPSF(3.0).kernel(2).astype(np.float32)
        beside["psf"] = psf if ratio is None else resampled(psf, ratio)
        sizes = {} if ratio is None else pixels(Y=0.2 * ratio[0], X=0.2 * ratio[1])
        pictures["psf"] = Picture(psf, None, sizes)
        origin["psf"] = {"layer": "bead", "path": None, "ratio": ratio}
    result = restore(image[at], task, method, device="cpu", **beside, **options)
    record = json.loads(json.dumps({**result.provenance, "source": origin}))
    return pictures, result, Recipe.of(record)


each = pytest.mark.parametrize("run", RUNS, ids=[one[0] for one in RUNS], indirect=True)


@each
def test_the_script_gives_the_same_pixels(run):
    pictures, result, recipe = run
    assert recipe.caveats == ()
    script = recipe.python("array", **{name: f"the_{name}" for name in pictures if name != "image"})
    arrays = {f"the_{name}": picture.data for name, picture in pictures.items()}
    np.testing.assert_array_equal(executed(script, array=pictures["image"].data, **arrays), result.image)


@each
def test_the_command_gives_the_same_pixels(run, tmp_path):
    pictures, result, recipe = run
    paths = {name: tmp_path / f"the {name}.tif" for name in pictures}
    for name, picture in pictures.items():
        axes = recipe.axes if name == "image" else "TYX"[-picture.data.ndim :]
        write(paths[name], picture.data, picture, axes=axes, provenance={}, keep_dtype=True)
    others = {name: str(path) for name, path in paths.items() if name != "image"}
    command = command_line(recipe, str(paths["image"]), str(tmp_path / "out.tif"), **others)
    name, *arguments = shlex.split(command)
    assert name == "napari-dip"
    cli.main([*arguments, "--quiet"])
    assert np.array_equal(read(tmp_path / "out.tif").data, result.image)
    expressions = {name: f"read(Path({str(path)!r})).data" for name, path in paths.items()}
    assert np.array_equal(executed(recipe.python(**expressions)), result.image)
    # What the file records of itself is the same recipe again.
    assert Recipe.of(provenance(tmp_path / "out.tif")) == recipe


def test_a_script_says_only_what_is_not_usual():
    recipe = Recipe(
        Denoise(GaussianNoise(20.0)), DIP(ensemble_size=2, network=Hourglass(padding="reflect")), "YX", seed=4
    )
    assert recipe.python('read(Path("cells.tif")).data') == (
        "from napari_dip import DIP, Denoise, GaussianNoise, Hourglass, restore\n"
        "from napari_dip.io import read\n"
        "from pathlib import Path\n"
        "\n"
        'image = read(Path("cells.tif")).data\n'
        "restored = restore(\n"
        "    image,\n"
        "    Denoise(noise=GaussianNoise(sigma=20.0)),\n"
        '    DIP(ensemble_size=2, network=Hourglass(padding="reflect")),\n'
        '    axes="YX",\n'
        "    seed=4,\n"
        ")\n"
    )


def test_a_command_says_only_what_is_not_usual():
    assert command_line(Recipe(Denoise(), DIP(), "YX"), "a b.tif", "c.tif") == (
        "napari-dip denoise 'a b.tif' c.tif --axes YX"
    )
    words = command_line(Recipe(Inpaint(), SNAIL, "YX", device="cuda"), "a", "b", "m").split()
    assert words[1] == "inpaint"
    assert words[words.index("--preset") + 1] == "snail"
    assert "--device" in words
    assert "--ensemble-size" not in words


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_said_in_flags(name, monkeypatch):
    got = []
    monkeypatch.setattr(cli, "_run", lambda *arguments: got.append(arguments))
    task, method = (
        Inpaint(PoissonNoise(offset=-3.5), keep_observed=False),
        replace(PRESETS[name], time_limit=9.5),
    )
    recipe = Recipe(task, method, "YX", saturation_level=-1e-3)
    cli.main(shlex.split(command_line(recipe, "a", "b", "m"))[1:])
    said, paths, common, own = got[0]
    assert (said, flags.method(common, own)) == (task, method)
    assert [*map(str, paths), str(common.missing)] == ["a", "b", "m"]
    assert (common.axes, common.saturation_level) == ("YX", -1e-3)


def test_the_width_of_a_blur_is_always_said():
    words = "napari-dip deconvolve a b --axes YX --psf-fwhm 3.0"
    assert command_line(Recipe(Deconvolve(), DIP(), "YX"), "a", "b") == words
    words = "napari-dip deconvolve a b --axes YX --psf-kind airy --psf-fwhm 3.0 --method wiener"
    assert command_line(Recipe(Deconvolve(psf=AiryPSF()), Wiener(), "YX"), "a", "b", psf="c") == words


def test_a_measured_psf_is_resampled_in_the_script():
    recipe = Recipe(MEASURED, RichardsonLucy(), "YX", psf_ratio=(0.5, 0.25))
    script = recipe.python("image", psf='read(Path("bead.tif")).data')
    assert "from napari_dip.psf.models import resampled\n" in script
    assert 'psf=resampled(read(Path("bead.tif")).data, (0.5, 0.25)),' in script
    with pytest.raises(ValueError, match="save it as a file"):
        command_line(recipe, "a", "b")


def test_a_network_without_flags_is_left_to_python():
    with pytest.raises(ValueError, match="use the Python script"):
        command_line(Recipe(Denoise(), DIP(network=Hourglass(widths=(2,), skips=(0,))), "YX"), "a", "b")


@pytest.mark.parametrize("stopping", ["max-iterations", "held-out"])
@pytest.mark.parametrize("runs", [1, 2])
def test_a_run_stopped_anywhere_can_be_repeated(phantom, tiny, runs, stopping):
    method = replace(tiny, ensemble_size=runs, iterations=8, stopping=stopping, ema_decay=0.5, time_limit=1e6)
    for stop in range(runs * 8):
        event, seen = threading.Event(), []

        def watch(iterate, *, event=event, seen=seen, stop=stop):
            seen.append(iterate)
            if len(seen) == stop:
                event.set()

        result = restore(phantom, Denoise(), method, stopping_rule=StopRequested(event), callback=watch)
        recipe = Recipe.of(result.provenance)
        if result.provenance["frames"][0]["outcome"] == "STOPPED":
            assert recipe.stop_after == result.frames[0].iterations
            assert recipe.method.time_limit is None
        assert recipe.caveats == ()
        again = executed(recipe.python("phantom"), phantom=phantom)
        np.testing.assert_array_equal(again, result.image, err_msg=str(stop))


def test_a_series_stopped_at_one_number_of_updates_can_be_repeated(random, tiny):
    stack = random.random((2, 16, 16))
    method = replace(
        tiny, iterations=50, stopping="max-iterations"
    )  # so that the last update is the one that is kept
    result = restore(stack, Denoise(), method, stopping_rule=TimeLimit(0.0), series="independent")
    recipe = Recipe.of(result.provenance)
    assert (recipe.stop_after, recipe.caveats) == (1, ())
    np.testing.assert_array_equal(executed(recipe.python("stack"), stack=stack), result.image)


def frames(*ends):
    return [{"index": [at], "outcome": name, "iterations": n} for at, (name, n) in enumerate(ends)]


@pytest.mark.parametrize(
    ("ends", "caveats"),
    [
        ([("TIME_LIMIT", 7), ("TIME_LIMIT", 8), ("TIME_LIMIT", 7)], ["same number of iterations"]),
        ([("NO_IMPROVEMENT", 7), ("MAX_ITERATIONS", 9), ("TIME_LIMIT", 7)], ["same number of iterations"]),
        ([("NO_IMPROVEMENT", 7), ("STOPPED", 9)], ["same number of iterations", "2 of 3 frames"]),
        ([("STOPPED", 9)], ["same number of iterations", "1 of 3 frames"]),
        ([("NO_IMPROVEMENT", 7)], ["1 of 3 frames"]),
        ([("NO_IMPROVEMENT", 7), ("MAX_ITERATIONS", 9), ("DIVERGED", 7)], []),
    ],
)
def test_what_can_not_be_repeated_is_said(random, tiny, ends, caveats):
    record = restore(random.random((3, 9, 9)), Denoise(), replace(tiny, time_limit=9.0)).provenance
    recipe = Recipe.of({**record, "frames": frames(*ends)})
    assert len(recipe.caveats) == len(caveats)
    assert all(words in caveat for words, caveat in zip(caveats, recipe.caveats, strict=True))
    assert (recipe.stop_after, recipe.method.time_limit) == (None, 9.0)


def test_a_provenance_that_lacks_something_is_refused():
    with pytest.raises(ValueError, match="the provenance lacks axes, method, task"):
        Recipe.of({"napari-dip": "0.1"})


@pytest.fixture
def network():
    from napari_dip.pretrained.architectures import Compact

    return Compact(1, 2, 4, 1)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_fine_tuned_network_is_repeated(random, network, stopped, tmp_path):
    from napari_dip.pretrained.files import save

    settings = {"action": "fine-tuning", "iterations": 6, "learning_rate": 1e-3, "self_ensemble": False}
    path, image = tmp_path / "own.safetensors", random.integers(0, 256, (24, 28)).astype(np.uint8)
    save(FineTune.of(network, factor=2).network, path)
    method = FineTune(str(path), **settings)
    until = {"stopping_rule": MaxIterations(3)} if stopped else {}
    result = restore(image, SuperResolve(), method, device="cpu", **until)
    recipe = Recipe.of(json.loads(json.dumps(result.provenance)))
    assert (recipe.method, recipe.caveats) == (method, ())
    assert recipe.stop_after == (3 if stopped else None)
    assert np.array_equal(executed(recipe.python("image"), image=image), result.image)
    write(tmp_path / "a.tif", image, Picture(image), axes="YX", provenance={}, keep_dtype=True)
    command = command_line(recipe, str(tmp_path / "a.tif"), str(tmp_path / "b.tif"))
    cli.main([*shlex.split(command)[1:], "--quiet"])
    assert np.array_equal(read(tmp_path / "b.tif").data, result.image)


def test_a_network_of_no_file_has_to_be_given_again(random, network):
    method = FineTune.of(network, factor=2, action="network")
    recipe = Recipe.of(restore(random.random((24, 28)), SuperResolve(), method).provenance)
    assert recipe.caveats == (
        "Its network, the module Compact, is in no file: give it in Python, by FineTune.of(network).",
    )

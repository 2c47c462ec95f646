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
    Asked,
    Budget,
    Denoise,
    Gaussian,
    Hourglass,
    Inpaint,
    Poisson,
    PoissonGaussian,
    Recipe,
    TimeLimit,
    cli,
    restore,
)
from napari_dip.io import provenance, read

SHORT = DIP(runs=1, iterations=3, input_channels=2, precision="float32")
SNAIL = replace(PRESETS["snail"], iterations=2, jitter=0.0)
PLANE = ((4, 22), (2, 26))

#: Name, shape, task, method, where it is, its mask, and the options of the run.
RUNS = [
    ("plain", (24, 28), Denoise(), SHORT, None, None, {"seed": 3}),
    ("label", (24, 28), Denoise(), SHORT, None, 2, {}),
    ("mask", (24, 28), Inpaint(), SHORT, None, "any", {}),
    ("saturated", (24, 28), Denoise(), SHORT, None, None, {"saturated": 200.5}),
    ("area", (24, 28), Denoise(), SHORT, PLANE, 2, {}),
    ("area of a series", (3, 24, 28), Denoise(), SHORT, ((1, 3), *PLANE), 2, {"axes": "TYX"}),
    ("noise", (24, 28), Denoise(PoissonGaussian(2.5, -10.0, 3.0)), SHORT, None, None, {}),
    ("usual noise", (24, 28), Denoise(Poisson()), SHORT, None, None, {}),
    (
        "not kept",
        (24, 28),
        Inpaint(Gaussian(20.0), keep_observed=False),
        SHORT,
        None,
        "any",
        {"saturated": 250.0},
    ),
    ("preset", (24, 28), Denoise(), SNAIL, None, None, {}),
    ("alone", (2, 24, 28), Denoise(), SHORT, None, None, {"axes": "CYX", "channels": "alone"}),
    ("colour", (24, 28, 3), Denoise(), SHORT, None, 1, {}),
    ("area of colour", (24, 28, 3), Denoise(), SHORT, (*PLANE, (0, 3)), 1, {}),
    (
        "stopped",
        (24, 28),
        Denoise(),
        replace(SHORT, runs=2, iterations=20),
        None,
        None,
        {"until": Budget(27)},
    ),
    ("clock", (24, 28), Denoise(), replace(SHORT, time_limit=1e-9, iterations=90), None, None, {}),
]


def executed(script, **names):
    exec(compile(script, "script", "exec"), names)
    return names["restored"].image


@pytest.fixture
def run(request, random):
    """An image, its mask or labels, what was restored of them, and the recipe of that."""
    _, shape, task, method, area, missing, options = request.param
    image = random.integers(0, 256, shape).astype(np.uint8)
    labels = random.integers(0, 4, (24, 28)).astype(np.uint8)
    at = tuple(slice(*ends) for ends in area or [(None, None)] * len(shape))
    plane = at[-2:] if shape[-1] != 3 else at[:2]
    hidden = None if missing is None else (labels > 0 if missing == "any" else labels == missing)[plane]
    result = restore(image[at], task, method, missing=hidden, device="cpu", **options)
    label = None if missing == "any" else missing
    origin = {"layer": "cells", "path": None, "area": area, "missing": {"layer": "holes", "label": label}}
    record = json.loads(json.dumps({**result.provenance, "source": origin}))
    return image, None if missing is None else labels, result, Recipe.of(record)


each = pytest.mark.parametrize("run", RUNS, ids=[one[0] for one in RUNS], indirect=True)


@each
def test_the_script_gives_the_same_pixels(run):
    image, labels, result, recipe = run
    assert recipe.caveats == ()
    script = recipe.python("array", None if labels is None else "labels")
    np.testing.assert_array_equal(executed(script, array=image, labels=labels), result.image)


@each
def test_the_command_gives_the_same_pixels(run, tmp_path):
    image, labels, result, recipe = run
    paths = [str(tmp_path / name) for name in ("the image.npy", "out.tif", "labels.npy")]
    np.save(paths[0], image)
    if labels is not None:
        np.save(paths[2], labels)
    command = recipe.command(paths[0], paths[1], None if labels is None else paths[2])
    name, *arguments = shlex.split(command)
    assert name == "napari-dip"
    cli.main([*arguments, "--quiet"])
    assert np.array_equal(read(tmp_path / "out.tif").data, result.image)
    image_read, labels_read = (f"read(Path({path!r})).data" for path in (paths[0], paths[2]))
    script = recipe.python(image_read, None if labels is None else labels_read)
    assert np.array_equal(executed(script), result.image)
    # What the file records of itself is the same recipe again.
    assert Recipe.of(provenance(tmp_path / "out.tif")) == recipe


def test_a_script_says_only_what_is_not_usual():
    recipe = Recipe(Denoise(Gaussian(20.0)), DIP(runs=1, network=Hourglass(padding="reflect")), "YX", seed=4)
    assert recipe.python('read(Path("cells.tif")).data') == (
        "from napari_dip import DIP, Denoise, Gaussian, Hourglass, restore\n"
        "from napari_dip.io import read\n"
        "from pathlib import Path\n"
        "\n"
        'image = read(Path("cells.tif")).data\n'
        "restored = restore(\n"
        "    image,\n"
        "    Denoise(noise=Gaussian(sigma=20.0)),\n"
        '    DIP(runs=1, network=Hourglass(padding="reflect")),\n'
        '    axes="YX",\n'
        "    seed=4,\n"
        ")\n"
    )


def test_a_command_says_only_what_is_not_usual():
    assert Recipe(Denoise(), DIP(), "YX").command("a b.tif", "c.tif") == (
        "napari-dip denoise 'a b.tif' c.tif --axes YX"
    )
    words = Recipe(Inpaint(), SNAIL, "YX", device="cuda").command("a", "b", "m").split()
    assert words[1] == "inpaint"
    assert words[words.index("--preset") + 1] == "snail"
    assert "--device" in words
    assert "--runs" not in words


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_said_in_flags(name, monkeypatch):
    got = []
    monkeypatch.setattr(cli, "_run", lambda *arguments: got.append(arguments))
    task, method = Inpaint(Poisson(offset=-3.5), keep_observed=False), replace(PRESETS[name], time_limit=9.5)
    recipe = Recipe(task, method, "YX", saturated=-1e-3)
    cli.main(shlex.split(recipe.command("a", "b", "m"))[1:])
    said, paths, common, flags = got[0]
    assert (said, replace(PRESETS[common.preset], **cli._given(flags))) == (task, method)
    assert [*map(str, paths), str(common.missing)] == ["a", "b", "m"]
    assert (common.axes, common.saturated) == ("YX", -1e-3)


def test_a_network_without_flags_is_left_to_python():
    with pytest.raises(ValueError, match="use the Python script"):
        Recipe(Denoise(), DIP(network=Hourglass(widths=(2,), skips=(0,))), "YX").command("a", "b")


@pytest.mark.parametrize("held_out", [0.0, 0.2])
@pytest.mark.parametrize("runs", [1, 2])
def test_a_run_stopped_anywhere_can_be_repeated(phantom, tiny, runs, held_out):
    method = replace(tiny, runs=runs, iterations=8, held_out=held_out, averaging=0.5, time_limit=1e6)
    for stop in range(runs * 8):
        event, seen = threading.Event(), []

        def watch(iterate, *, event=event, seen=seen, stop=stop):
            seen.append(iterate)
            if len(seen) == stop:
                event.set()

        result = restore(phantom, Denoise(), method, until=Asked(event), watch=watch)
        recipe = Recipe.of(result.provenance)
        if result.provenance["frames"][0]["outcome"] == "ASKED":
            assert recipe.stop_after == result.frames[0].updates
            assert recipe.method.time_limit is None
        assert recipe.caveats == ()
        again = executed(recipe.python("phantom"), phantom=phantom)
        np.testing.assert_array_equal(again, result.image, err_msg=str(stop))


def test_a_series_stopped_at_one_number_of_updates_can_be_repeated(random, tiny):
    stack = random.random((2, 16, 16))
    result = restore(stack, Denoise(), replace(tiny, iterations=50), until=TimeLimit(0.0))
    recipe = Recipe.of(result.provenance)
    assert (recipe.stop_after, recipe.caveats) == (1, ())
    np.testing.assert_array_equal(executed(recipe.python("stack"), stack=stack), result.image)


def frames(*ends):
    return [{"index": [at], "outcome": name, "updates": n} for at, (name, n) in enumerate(ends)]


@pytest.mark.parametrize(
    ("ends", "caveats"),
    [
        ([("TIME_LIMIT", 7), ("TIME_LIMIT", 8), ("TIME_LIMIT", 7)], ["same number of updates"]),
        ([("NO_IMPROVEMENT", 7), ("BUDGET", 9), ("TIME_LIMIT", 7)], ["same number of updates"]),
        ([("NO_IMPROVEMENT", 7), ("ASKED", 9)], ["same number of updates", "2 of 3 frames"]),
        ([("ASKED", 9)], ["same number of updates", "1 of 3 frames"]),
        ([("NO_IMPROVEMENT", 7)], ["1 of 3 frames"]),
        ([("NO_IMPROVEMENT", 7), ("BUDGET", 9), ("DIVERGED", 7)], []),
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

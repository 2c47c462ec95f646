"""A recipe repeats a run as a script."""

import json
import threading
from dataclasses import dataclass, replace

import numpy as np
import pytest

from napari_dip import (
    DIP,
    Denoise,
    FineTune,
    GaussianNoise,
    Hourglass,
    MaxIterations,
    Outcome,
    Recipe,
    RichardsonLucy,
    StopRequested,
    SuperResolve,
    restore,
)
from napari_dip.optim.stopping import StoppingRule

from ..recipes import MEASURED, RUNS, AsByTheClock, executed, performed, written


@pytest.fixture
def run(request, random):
    return performed(request.param, random)


def runs(*names):
    """Run a test on these runs, or on all of them."""
    chosen = [one for one in RUNS if not names or one[0] in names]
    return pytest.mark.parametrize("run", chosen, ids=[one[0] for one in chosen], indirect=True)


@runs()
def test_the_script_gives_the_same_pixels(run):
    pictures, result, recipe = run
    assert recipe.caveats == ()
    script = recipe.python("array", **{name: f"the_{name}" for name in pictures if name != "image"})
    arrays = {f"the_{name}": picture.data for name, picture in pictures.items()}
    np.testing.assert_array_equal(executed(script, array=pictures["image"].data, **arrays), result.image)


@runs("label", "each guided", "resampled")
def test_a_script_can_read_the_files(run, tmp_path):
    pictures, result, recipe = run
    paths = written(pictures, recipe, tmp_path)
    expressions = {name: f"read(Path({str(path)!r})).data" for name, path in paths.items()}
    np.testing.assert_array_equal(executed(recipe.python(**expressions)), result.image)


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


def test_a_measured_psf_is_resampled_in_the_script():
    recipe = Recipe(MEASURED, RichardsonLucy(), "YX", psf_ratio=(0.5, 0.25))
    script = recipe.python("image", psf='read(Path("bead.tif")).data')
    assert "from napari_dip.psf.arrays import resampled\n" in script
    assert 'psf=resampled(read(Path("bead.tif")).data, (0.5, 0.25)),' in script


@pytest.mark.parametrize("stopping", ["max-iterations", "held-out"])
@pytest.mark.parametrize("runs", [1, 2])
def test_a_run_stopped_anywhere_can_be_repeated(phantom, tiny, runs, stopping):
    method = replace(tiny, ensemble_size=runs, iterations=8, stopping=stopping, ema_decay=0.5, time_limit=1e6)
    for stop in range(runs * 8):
        event, seen = threading.Event(), []

        def watch(iterate, *, event=event, seen=seen, stop=stop):
            if not iterate.preparing:
                seen.append(iterate)
            if len(seen) == stop + 1:
                event.set()

        result = restore(phantom, Denoise(), method, stopping_rule=StopRequested(event), callback=watch)
        recipe = Recipe.of(result.provenance)
        if result.provenance["frames"][0]["outcome"] == "STOPPED":
            assert recipe.stop_after == result.frames[0].iterations
            assert recipe.method.time_limit is None
        before = result.frames[0].note.startswith("Stopped before the fit began")
        assert [caveat.startswith("It was stopped before") for caveat in recipe.caveats] == [True] * before
        again = executed(recipe.python("phantom"), phantom=phantom)
        np.testing.assert_array_equal(again, result.image, err_msg=str(stop))


def test_a_series_stopped_at_one_number_of_updates_can_be_repeated(random, tiny):
    stack = random.random((2, 16, 16))
    method = replace(tiny, iterations=50, stopping="max-iterations")  # the last iterate is the one to keep
    result = restore(stack, Denoise(), method, stopping_rule=AsByTheClock(1), series="independent")
    recipe = Recipe.of(result.provenance)
    assert (recipe.stop_after, recipe.caveats) == (1, ())
    np.testing.assert_array_equal(executed(recipe.python("stack"), stack=stack), result.image)


def test_a_run_that_a_rule_of_ones_own_ended_can_be_repeated(phantom, tiny):
    @dataclass(frozen=True)
    class AfterTwo(StoppingRule):
        def start(self):
            return lambda iterate: Outcome.RULE if iterate.index >= 2 else None

    result = restore(phantom, Denoise(), tiny, stopping_rule=AfterTwo())
    recipe = Recipe.of(result.provenance)
    assert (result.outcome, recipe.stop_after) == (Outcome.RULE, result.frames[0].iterations)
    np.testing.assert_array_equal(executed(recipe.python("phantom"), phantom=phantom), result.image)


def test_a_rule_of_ones_own_that_left_no_trace_is_a_caveat(phantom, tiny):
    class Own(StoppingRule):
        def start(self):
            return lambda iterate: Outcome.NO_IMPROVEMENT if iterate.index >= 2 else None

    result = restore(phantom, Denoise(), tiny, stopping_rule=MaxIterations(5) | Own())
    assert Recipe.of(result.provenance).caveats == (
        "Its stopping rule Own is your own: give it again as stopping_rule.",
    )
    assert Recipe.of(restore(phantom, Denoise(), tiny).provenance).caveats == ()


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


def test_a_network_of_no_file_has_to_be_given_again(random, network):
    method = FineTune.of(network, factor=2, action="network")
    recipe = Recipe.of(restore(random.random((24, 28)), SuperResolve(), method).provenance)
    assert recipe.caveats == (
        "Its network, the module Compact, is in no file: give it in Python, by FineTune.of(network).",
    )

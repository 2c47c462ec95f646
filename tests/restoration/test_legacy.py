"""What 0.1.0 wrote down still reads."""

import json

import pytest

from napari_dip import DIP, Deconvolve, Denoise, FineTune, GaussianNoise, Recipe, SuperResolve
from napari_dip.restoration.legacy import updated

#: Provenance as 0.1.0 wrote it, shortened.
OLD = {
    "napari-dip": "0.1.0",
    "task": {"type": "Denoise", "noise": {"type": "Gaussian", "sigma": 20.0}},
    "method": {
        "type": "DIP",
        "iterations": 500,
        "runs": 2,
        "stopping": "budget",
        "held_out": 0.1,
        "first_guess": False,
        "last_filter": False,
        "resolution": 0.5,
        "second_moment": 0.9,
        "jitter": 0.02,
        "averaging": 0.98,
        "network": {"type": "Hourglass", "padding": "reflect"},
    },
    "axes": "TYX",
    "channels": "alone",
    "seed": 4,
    "shape": [2, 32, 32],
    "saturated": 4095.0,
    "series": "alone",
    "stop_after": None,
    "source": {"layer": "cells", "area": [[0, 2], [1, 9], [2, 8]]},
    "frames": [
        {"index": [0], "outcome": "ASKED", "updates": 7, "score": 1.0, "judge": "HELD_OUT", "seconds": 1.0},
        {"index": [1], "outcome": "BUDGET", "updates": 9, "score": 1.0, "judge": "COARSER", "seconds": 1.0},
    ],
}


def test_an_old_recipe_is_read():
    recipe = Recipe.of(json.loads(json.dumps(OLD)))
    assert recipe.task == Denoise(GaussianNoise(20.0))
    assert recipe.method.network.padding == "reflect"
    settings = recipe.method
    assert isinstance(settings, DIP)
    assert (settings.ensemble_size, settings.stopping, settings.validation_fraction) == (
        2,
        "max-iterations",
        0.1,
    )
    assert (settings.initial_estimate, settings.postfilter, settings.sieve_width) == (False, False, 0.5)
    assert (settings.beta2, settings.input_noise_std, settings.ema_decay) == (0.9, 0.02, 0.98)
    assert (recipe.channels, recipe.series, recipe.saturation_level) == ("separate", "independent", 4095.0)
    assert recipe.roi == ((0, 2), (1, 9), (2, 8))


def test_old_reports_are_read():
    frames = updated(OLD)["frames"]
    assert [(one["outcome"], one["iterations"], one["criterion"]) for one in frames] == [
        ("STOPPED", 7, "HELD_OUT"),
        ("MAX_ITERATIONS", 9, "CROSS_SCALE"),
    ]


@pytest.mark.parametrize(
    ("task", "read"),
    [
        (
            {"type": "SuperResolve", "factor": 3, "kernel": "area"},
            SuperResolve(factor=3, downsampling="area"),
        ),
        ({"type": "Deconvolve", "noise": {"type": "Unknown"}, "psf": {"type": "GaussianPSF"}}, Deconvolve()),
        ({"type": "Deconvolve", "floor": None}, Deconvolve(positivity=False)),
        ({"type": "Deconvolve", "floor": 2.0}, Deconvolve(floor=2.0)),
    ],
)
def test_old_tasks_are_read(task, read):
    assert Recipe.of({"task": task, "method": {"type": "DIP"}, "axes": "YX"}).task == read


def test_an_old_fine_tuning_is_read():
    method = {"type": "FineTune", "flips": False, "weights": "compact"}
    recipe = Recipe.of({"task": {"type": "SuperResolve"}, "method": method, "axes": "YX"})
    assert recipe.method == FineTune(weights="compact", self_ensemble=False)


@pytest.mark.parametrize("kind", ["DIP", "PKN", "FineTune"])
def test_nothing_is_put_back_where_an_old_run_did_not(kind):
    written = {"task": {"type": "Denoise"}, "method": {"type": kind}, "axes": "YX"}
    assert Recipe.of(written).method.recover_sources
    assert not Recipe.of({**written, "napari-dip": "0.1.0"}).method.recover_sources
    chosen = {**written, "method": {"type": kind, "recover_sources": True}, "napari-dip": "0.2.0"}
    assert Recipe.of(chosen).method.recover_sources


def test_an_old_kernel_network_filters_all_channels_alike():
    written = {"task": {"type": "Denoise"}, "method": {"type": "PKN"}, "axes": "YX"}
    assert Recipe.of(written).method.separate_colours
    assert not Recipe.of({**written, "napari-dip": "0.1.0"}).method.separate_colours


def test_what_this_version_wrote_stays_as_it_is():
    assert updated(updated(OLD)) == updated(OLD)


@pytest.mark.parametrize("nonsense", [{"task": 3, "method": None}, {"frames": [1, None]}, {"source": "x"}])
def test_nonsense_is_left_for_the_reader_to_refuse(nonsense):
    assert updated(nonsense) == nonsense

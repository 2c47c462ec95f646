from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import torch

from napari_dip import (
    DIP,
    PKN,
    Denoise,
    FineTune,
    GaussianNoise,
    Hourglass,
    Inpaint,
    Measurement,
    estimate_cost,
)

from .counting import Counting

METHOD = DIP(
    ensemble_size=1,
    iterations=100,
    input_channels=4,
    precision="float32",
    network=Hourglass(widths=(8, 8), skips=(2, 2)),
)


def test_memory_grows_with_the_pixels(random):
    small, large = (estimate_cost(random.random((n, n)), Denoise(), METHOD) for n in (64, 512))
    assert large.bytes == pytest.approx(64 * small.bytes, rel=0.3)
    # At the least: the input, two full-resolution features of 8 channels, in float32.
    assert small.bytes > 64 * 64 * 20 * 4


def test_time_is_that_of_all_frames_up_to_the_limits(random):
    one = estimate_cost(random.random((64, 64)), Denoise(), METHOD)
    assert one.seconds == pytest.approx(100 * one.seconds_per_iteration)
    limited = replace(METHOD, iterations=10**6, time_limit=3.0)
    assert estimate_cost(random.random((5, 64, 64)), Denoise(), limited).seconds == 15


def test_volumes_and_missing_pixels(random):
    volume = random.random((70, 20, 60))
    volume[0] = np.nan
    assert estimate_cost(Measurement(volume, axes="ZYX"), Denoise(), METHOD).bytes > 0


def test_the_users_rules_do_not_end_the_probe(random):
    """Six iterations are measured, whatever ends the run itself."""
    hasty = replace(METHOD, iterations=1, time_limit=1e-6, patience=1)
    cost = estimate_cost(random.random((64, 64)), Denoise(), hasty)
    assert cost.seconds_per_iteration > 0
    assert not cost.at_once


def test_saturation_is_checked_as_in_a_run(random):
    assert (
        estimate_cost(Measurement(random.random((64, 64)), saturation_level=0.5), Inpaint(), METHOD).bytes > 0
    )
    with pytest.raises(ValueError, match="saturation_level must be a finite number"):
        estimate_cost(Measurement(random.random((64, 64)), saturation_level=np.nan), Denoise(), METHOD)


def test_only_the_first_frame_is_read(random):
    stack = Counting(random.random((5, 64, 64)))
    estimate_cost(Measurement(stack, axes="TYX"), Denoise(), METHOD)
    assert stack.read == [(0,)]


def test_a_frame_that_can_not_be_restored_is_passed_over(random):
    stack = random.random((3, 64, 64))
    stack[:2] = 7.0
    assert estimate_cost(Measurement(stack, axes="TYX"), Denoise(), METHOD).seconds > 0
    with pytest.raises(ValueError, match=r"constant \(7\)"):
        estimate_cost(Measurement(stack[:2], axes="TYX"), Denoise(), METHOD)


def test_what_the_method_refuses_is_refused():
    with pytest.raises(ValueError, match="at least 8 pixels"):
        estimate_cost(np.arange(4.0).reshape(2, 2), Denoise(), METHOD)


@pytest.mark.parametrize(
    ("tick", "took"), [(0.5, 0.5), (10.0, 20.0)], ids=["quick, measured again", "slow, measured once"]
)
def test_what_comes_in_one_step_is_measured_as_a_whole(tick, took, random, monkeypatch):
    """A clock that ticks when it is read, in the first run in the middle, too."""
    ticks = count()
    monkeypatch.setattr("napari_dip.restoration.cost.time.perf_counter", lambda: tick * next(ticks))
    method = PKN(predictor="structure-tensor")
    small, large = (
        estimate_cost(random.random((n, n)), Denoise(GaussianNoise(0.1)), method) for n in (256, 1024)
    )
    assert small.at_once
    assert (small.seconds, large.seconds) == (took, 16 * took)  # 1024² pixels in place of 256²
    assert not estimate_cost(random.random((64, 64)), Denoise(), METHOD).at_once


def test_the_noise_that_was_measured_is_remarked(random):
    noisy = random.normal(100, 12, (96, 96))
    found = estimate_cost(noisy, Denoise(), PKN(predictor="structure-tensor"))
    assert found.remarks[0].startswith("The noise was measured: σ = 1")
    assert estimate_cost(noisy, Denoise(GaussianNoise(12.0)), PKN(predictor="structure-tensor")).remarks == ()


def test_a_network_that_looks_at_the_data_first_has_its_memory_measured(random):
    method = FineTune.of(torch.nn.Conv2d(1, 1, 3, padding=1))
    cost = estimate_cost(random.random((32, 32)), Denoise(), method)
    assert cost.bytes >= 32 * 32 * 4
    assert not cost.at_once
    assert estimate_cost(random.random((32, 32)), Denoise(), replace(method, action="network")).at_once


def test_the_uncertainty_takes_two_more_runs(random):
    hurried = replace(METHOD, iterations=10**6, time_limit=3.0)
    assert estimate_cost(random.random((5, 64, 64)), Denoise(), hurried, uncertainty=True).seconds == 45

import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from napari_dip import (
    DIP,
    Denoise,
    FineTune,
    GaussianNoise,
    GaussianPSF,
    Hourglass,
    Inpaint,
    LaplaceNoise,
    MaxIterations,
    Measurement,
    Outcome,
    PoissonGaussianNoise,
    PoissonNoise,
    RestorationError,
    StopRequested,
    TimeLimit,
    UnknownNoise,
    restore,
    solve,
)
from napari_dip.optim.iterate import Iterate

TINY = DIP(
    ensemble_size=1,
    iterations=3,
    input_channels=1,
    precision="float32",
    network=Hourglass(widths=(2,), skips=(0,)),
)


@dataclass(frozen=True)
class Copy:
    """A method that gives the data back, plus the number of the iterate."""

    slicewise: ClassVar[bool] = False
    takes_maps: ClassVar[bool] = False
    yields_network_output: ClassVar[bool] = False
    iterates: int = 3
    fails_at: int | None = None
    error: Exception | None = None
    diverges: bool = False

    def resolved(self, device):
        return self

    def unsupported_reason(self, problem, *, guided=False):
        return None

    def solve(
        self, problem, *, seed, guide=None, initial_state=None, parameter_maps=None, stopping_rule=None
    ):
        check = stopping_rule.start() if stopping_rule else lambda iterate: None
        for index in range(self.iterates):
            if index == self.fails_at:
                raise self.error or RuntimeError("made up")
            last = index == self.iterates - 1
            x = problem.data + index / problem.units.scale
            if self.diverges and last:
                x = x * float("nan")
            iterate = Iterate(index, x, torch.tensor(0.0), outcome=Outcome.MAX_ITERATIONS if last else None)
            if self.diverges and last:
                iterate = replace(iterate, outcome=Outcome.DIVERGED)
            if asked := check(iterate):
                yield replace(iterate, outcome=asked)
                break
            yield iterate
        return {}


def psnr(image, truth):
    return 10 * np.log10(np.ptp(truth) ** 2 / np.mean((image - truth) ** 2))


# What it is good for.


def test_dip_denoises(phantom, random):
    noisy = phantom + random.normal(0, 25, phantom.shape)
    result = restore(noisy, Denoise(), DIP(ensemble_size=1, iterations=600))
    assert psnr(result.image, phantom) > psnr(noisy, phantom) + 5


def test_dip_inpaints(phantom, random):
    missing = random.random(phantom.shape) < 0.5
    damaged = np.where(missing, 0, phantom)
    result = restore(damaged, Inpaint(), DIP(ensemble_size=1, iterations=600), missing=missing)
    assert psnr(result.image[missing], phantom[missing]) > 24


@pytest.mark.parametrize(
    "noise",
    [
        GaussianNoise(25.0),
        PoissonNoise(gain=4.0),
        PoissonGaussianNoise(gain=3.0, read_noise=10.0),
        LaplaceNoise(25.0),
    ],
    ids=lambda noise: type(noise).__name__,
)
def test_every_noise_model_serves(phantom, noise, generator):
    noisy = noise.sample(torch.as_tensor(phantom), generator).numpy()
    result = restore(noisy, Denoise(noise), DIP(ensemble_size=1, iterations=400))
    assert psnr(result.image, phantom) > psnr(noisy, phantom) + 5


# The laws of the public functions.


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    dtype=st.sampled_from(["?", "|u1", "|i1", "<u2", ">u2", "<i4", ">i4", "<f2", "<f4", ">f4", "<f8", ">f8"]),
    axes=st.sampled_from(["YX", "XY", "YXC", "CYX", "TYX", "ZYX", "TYXC"]),
    with_nan=st.booleans(),
    data=st.data(),
)
def test_inputs_are_never_modified_and_outputs_are_float32(dtype, axes, with_nan, data):
    side = st.integers(8, 13)
    sizes = {"T": 2, "C": 3, "Z": data.draw(st.integers(1, 4)), "Y": data.draw(side), "X": data.draw(side)}
    image = data.draw(
        npst.arrays(
            dtype,
            tuple(sizes[a] for a in axes),
            elements={} if dtype == "?" else {"min_value": 0, "max_value": 100},
        )
    )
    image.flat[::2], image.flat[1::4] = 0, 1  # contrast in every frame
    if with_nan and image.dtype.kind == "f":
        image.flat[3] = np.nan
    missing = np.zeros(image.shape, np.uint8)
    missing.flat[5] = 1
    before, mask_before = image.copy(), missing.copy()
    image.setflags(write=False)
    result = restore(image, Denoise(), TINY, missing=missing, axes=axes)
    assert np.array_equal(image, before, equal_nan=image.dtype.kind == "f")
    assert np.array_equal(missing, mask_before)
    assert result.image.dtype == np.float32
    assert result.image.dtype.isnative
    assert result.image.shape == image.shape
    assert np.isfinite(result.image).all()


@pytest.mark.parametrize("hidden", [1e6, -3.0, np.nan, np.inf])
def test_what_a_missing_pixel_holds_has_no_influence(phantom, tiny, hidden):
    missing = np.zeros(phantom.shape, bool)
    missing[10:20, 30:50] = True
    changed = np.where(missing, hidden, phantom)
    first, second = (restore(image, Inpaint(), tiny, missing=missing) for image in (phantom, changed))
    assert np.array_equal(first.image, second.image)


def test_inpainting_leaves_observed_pixels_as_they_were_measured(phantom, tiny):
    missing = np.zeros(phantom.shape, bool)
    missing[10:20, 30:50] = True
    method = replace(
        tiny, stopping="held-out", initial_estimate=False, postfilter=False, recover_sources=False
    )
    noise = GaussianNoise(20.0)
    kept = restore(phantom, Inpaint(noise), method, missing=missing).image
    restored = restore(phantom, Inpaint(noise, keep_observed=False), method, missing=missing).image
    np.testing.assert_array_equal(kept[~missing], phantom[~missing])
    np.testing.assert_array_equal(kept[missing], restored[missing])
    assert not np.allclose(restored[~missing], phantom[~missing])


def test_nan_is_missing(phantom, tiny):
    holes = phantom.copy()
    holes[5:9] = np.nan
    mask = np.isnan(holes)
    by_nan, by_mask = restore(holes, Inpaint(), tiny), restore(phantom, Inpaint(), tiny, missing=mask)
    assert np.array_equal(by_nan.image, by_mask.image)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">u2", np.uint8])
def test_saturated_is_missing(phantom, tiny, dtype):
    image = phantom.astype(dtype)
    mask = image >= 200
    by_level = restore(image, Inpaint(), tiny, saturation_level=200)
    assert np.array_equal(by_level.image, restore(image, Inpaint(), tiny, missing=mask).image)
    assert by_level.provenance["saturation_level"] == 200.0


def test_saturation_joins_what_else_is_missing(phantom, tiny):
    image, mask = phantom.copy(), np.zeros(phantom.shape, bool)
    image[:3], mask[30:33] = np.nan, True
    together = restore(image, Inpaint(), tiny, missing=mask, saturation_level=200.0)
    all_ = np.isnan(image) | mask | (image >= 200)
    assert np.array_equal(together.image, restore(phantom, Inpaint(), tiny, missing=all_).image)


def test_each_channel_saturates_by_itself(phantom, tiny):
    image = np.stack([phantom, phantom / 2, phantom / 3], -1)
    by_level = restore(image, Inpaint(), tiny, saturation_level=200.0).image
    by_nan = restore(np.where(image >= 200, np.nan, image), Inpaint(), tiny).image
    assert np.array_equal(by_level, by_nan)
    assert np.array_equal(by_level[..., 1:], image[..., 1:].astype(np.float32))


def test_the_provenance_says_what_was_asked_for(phantom, tiny):
    made = restore(
        phantom, Denoise(), tiny, saturation_level=np.float32(200), stopping_rule=MaxIterations(2)
    ).provenance
    assert (made["saturation_level"], made["stop_after"], made["shape"]) == (200.0, 2, [64, 64])
    plain = restore(phantom, Denoise(), tiny).provenance
    assert (plain["saturation_level"], plain["stop_after"]) == (None, None)


def test_labels_are_masks(phantom, tiny):
    labels = np.zeros(phantom.shape, np.int64)
    labels[5:9] = 7
    by_labels = restore(phantom, Inpaint(), tiny, missing=labels)
    assert np.array_equal(by_labels.image, restore(phantom, Inpaint(), tiny, missing=labels != 0).image)


def test_the_same_seed_gives_the_same_pixels_also_from_two_threads(phantom):
    method = DIP(ensemble_size=2, iterations=12)
    results = {}

    def run(name, seed):
        results[name] = restore(phantom, Denoise(), method, seed=seed).image

    threads = [threading.Thread(target=run, args=(name, 5)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run("alone", 5)
    run("other", 6)
    assert np.array_equal(results["first"], results["alone"])
    assert np.array_equal(results["second"], results["alone"])
    assert not np.array_equal(results["other"], results["alone"])


def test_units_do_not_matter(phantom, tiny):
    """The same image in other units gives the same result in those units."""
    plain, scaled = (restore(scale * phantom, Denoise(), tiny).image for scale in (1, 256))
    np.testing.assert_allclose(scaled / 256, plain, rtol=1e-4)


def test_solve_shows_frames_with_their_own_axes(random):
    image = random.random((2, 10, 12, 3))
    iterates = list(solve(Measurement(image, axes="TYXC"), Denoise(), TINY))
    assert {iterate.frame for iterate in iterates} == {(0,), (1,)}
    assert all(iterate.x.shape == (10, 12, 3) for iterate in iterates)


def test_a_series_is_its_frames_one_by_one(random, tiny):
    stack = random.random((3, 16, 16))
    together = restore(stack, Denoise(), tiny, axes="TYX", series="independent")
    for frame, report in zip(range(3), together.frames, strict=True):
        assert np.array_equal(together.image[frame], restore(stack[frame], Denoise(), tiny).image)
        assert report.index == (frame,)


def test_channels_alone_are_images_of_their_own(random, tiny):
    image = random.random((16, 16, 3))
    alone = restore(image, Denoise(), tiny, channels="separate")
    assert len(alone.frames) == 3
    assert np.array_equal(alone.image[..., 1], restore(image[..., 1], Denoise(), tiny).image)
    assert len(restore(image, Denoise(), tiny).frames) == 1


def test_the_result_is_an_array_with_its_provenance(phantom, tiny):
    import json

    result = restore(phantom, Denoise(GaussianNoise(2.0)), tiny, seed=3, device="cpu")
    assert np.asarray(result).dtype == np.float32
    assert np.mean(result) == pytest.approx(float(result.image.mean()))
    record = json.loads(json.dumps(result.provenance))
    assert record["task"] == {"type": "Denoise", "noise": {"type": "GaussianNoise", "sigma": 2.0}}
    assert record["method"]["iterations"] == tiny.iterations
    assert (record["seed"], record["axes"], record["device"]) == (3, "YX", "cpu")
    assert record["frames"][0]["outcome"] == "MAX_ITERATIONS"
    assert isinstance(result.provenance, Mapping)
    assert result.outcome is Outcome.MAX_ITERATIONS


@pytest.mark.parametrize(("stopping", "criterion"), [("held-out", "HELD_OUT"), ("max-iterations", None)])
def test_each_frame_reports_what_judged_it(stopping, criterion, phantom, tiny):
    result = restore(np.stack([phantom] * 2), Denoise(), replace(tiny, stopping=stopping), axes="TYX")
    assert [frame.criterion and frame.criterion.name for frame in result.frames] == [criterion] * 2
    assert [frame["criterion"] for frame in result.provenance["frames"]] == [criterion] * 2


def test_the_answer_is_the_last_iterate_of_each_frame(random):
    image = random.random((2, 10, 10)).astype(np.float32)
    seen = []
    result = restore(image, Denoise(), Copy(), axes="TYX", callback=seen.append)
    np.testing.assert_allclose(result.image, image + 2, atol=1e-6)
    assert len(seen) == 6


# Bad input.


KNOWN = {"axes", "channels", "missing", "saturation_level", "guide", "psf"}


def refused(image, message, task=None, **options):
    """The call itself refuses, before the first iterate."""
    known = {name: options.pop(name) for name in KNOWN & options.keys()}
    with pytest.raises(ValueError, match=message):
        solve(Measurement(image, **known), task or Denoise(), options.pop("method", TINY), **options)


def test_bad_images_are_refused_in_words(phantom):
    refused(np.full((9, 9), 3.0), r"constant \(3\)")
    refused(np.full((9, 9), np.nan), "every pixel is missing")
    refused(np.ones((9, 9), complex), "real numbers, got dtype complex128")
    refused(np.array([[object()] * 9] * 9), "real numbers, got dtype object")
    refused(np.zeros((0, 9)), "must not be empty")
    refused(np.zeros(9), "at least two axes")
    refused(phantom[:5, :5], "at least 8 pixels along one axis, got 5 x 5")
    absurd = phantom.astype(np.float64)
    absurd[3, 3] = 1e300
    refused(absurd, r"single pixels of the image reach 1e\+300")
    refused(phantom[:1, :1], "at least 8 pixels")


def test_bad_arguments_are_refused_in_words(phantom):
    refused(phantom, r"missing must have the shape \(64, 64\)", missing=np.zeros((64, 63)))
    refused(phantom, "every pixel is missing", missing=np.ones((64, 64)))
    refused(phantom, "one letter for each axis", axes="TYX")
    refused(phantom, "needs missing pixels", task=Inpaint())
    refused(phantom, "needs missing pixels", task=Inpaint(), missing=np.zeros((64, 64)))
    refused(phantom, "needs missing pixels", task=Inpaint(), saturation_level=1000.0)
    refused(phantom, "every pixel is missing", saturation_level=0.0)
    for level in (np.nan, np.inf, -np.inf, "high", [255]):
        refused(phantom, "saturation_level must be a finite number", saturation_level=level)
    refused(phantom, "device must be one of", device="abacus")
    refused(phantom, "axes must be letters", axes=["Y", "X"])
    refused(phantom, "missing must be a mask", missing="scratches.png")
    refused([[1, 2], [3]], "image must be an array")
    refused(phantom, "the task takes a model of the point spread function", psf=GaussianPSF(3.0))
    refused(phantom, "task must be a task, such as Denoise", task=Denoise)
    refused(phantom, "task must be a task, such as Denoise", task="denoise")
    refused(phantom, "method must be a method, such as DIP", method=DIP)
    refused(phantom, "method must be a method, such as DIP", method="dip")
    refused(phantom, "stopping_rule must be a rule", stopping_rule=500)
    refused(phantom, "stopping_rule must be a rule", stopping_rule=MaxIterations)
    refused(phantom, "initial_state must be what solve has returned", initial_state=7)
    refused(phantom, "parameter_maps must be arrays by name", parameter_maps=phantom)
    with pytest.raises(ValueError, match="method must be a method, such as DIP"):
        solve(phantom, Denoise(), None)
    with pytest.raises(ValueError, match="callback must be a function"):
        restore(phantom, Denoise(), DIP(), callback=7)
    if not torch.cuda.is_available():
        refused(phantom, "not available on this machine", device="cuda")


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "x", True])
def test_impossible_seeds_are_refused(phantom, seed):
    refused(phantom, "seed must be a whole number", seed=seed)


def test_a_seed_of_numpys_is_recorded_as_a_plain_number(phantom, tiny):
    import json

    assert json.loads(json.dumps(restore(phantom, Denoise(), tiny, seed=np.int64(3)).provenance))["seed"] == 3


def test_masked_arrays_and_tensors_are_images(phantom, tiny):
    mask = phantom > 200
    masked = restore(np.ma.masked_array(phantom, mask), Denoise(), tiny)
    assert np.array_equal(masked.image, restore(phantom, Denoise(), tiny, missing=mask).image)
    assert np.array_equal(
        restore(torch.as_tensor(phantom), Denoise(), tiny).image, restore(phantom, Denoise(), tiny).image
    )


def test_an_image_beyond_all_memory_says_so():
    vast = np.broadcast_to(np.float32(1), (2**22, 2**22))
    with pytest.raises(RestorationError, match="not enough memory"):
        restore(vast, Denoise(), TINY)


def test_one_row_of_pixels_works(phantom, tiny):
    assert restore(phantom[:1], Denoise(), tiny).image.shape == (1, 64)


def test_a_channel_without_contrast_does_no_harm(phantom):
    image = np.stack([phantom, np.zeros_like(phantom)], -1)
    result = restore(image, Denoise(), DIP(ensemble_size=1, iterations=200), axes="YXC")
    assert psnr(result.image[..., 0], phantom) > 20
    assert abs(result.image[..., 1]).max() < 1


# Runs that go wrong, or are stopped.


@pytest.mark.parametrize("at", [0, 1, 2])
def test_torchs_errors_become_ours(phantom, at):
    with pytest.raises(RestorationError, match="The run failed: made up"):
        restore(phantom, Denoise(), Copy(fails_at=at))


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")],
    ids=lambda error: type(error).__name__,
)
def test_out_of_memory_says_what_to_do(phantom, error):
    with pytest.raises(RestorationError, match="Restore a part of it"):
        restore(phantom, Denoise(), Copy(fails_at=1, error=error))


def test_our_own_mistakes_are_not_dressed_up(phantom):
    with pytest.raises(KeyError):
        restore(phantom, Denoise(), Copy(fails_at=1, error=KeyError("x")))


@dataclass(frozen=True)
class Breaking(UnknownNoise):
    """Noise whose misfit is no longer finite after a few calls."""

    calls: list = ()

    def __post_init__(self):
        pass

    def misfit(self, u, y, weights):
        self.calls.append(1)
        energy = super().misfit(u, y, weights)
        return energy * float("nan") if len(self.calls) > self.limit else energy

    limit = 12


def test_a_loss_that_is_not_finite_keeps_the_best_so_far(phantom, tiny):
    result = restore(phantom, Denoise(Breaking([])), replace(tiny, iterations=50))
    assert result.outcome is Outcome.DIVERGED
    assert "Lower the learning rate" in result.outcome.value
    assert np.isfinite(result.image).all()
    assert result.frames[0].iterations <= 12


@pytest.mark.parametrize("stopping", ["max-iterations", "held-out"])
@pytest.mark.parametrize("runs", [1, 2, 3])
def test_runs_that_all_diverge_at_once_are_an_error(phantom, tiny, runs, stopping):
    @dataclass(frozen=True)
    class Poisoned(UnknownNoise):
        def misfit(self, u, y, weights):
            return super().misfit(u, y, weights) + 0 * torch.sqrt(u - u).sum()  # gradient: NaN

    method = replace(tiny, ensemble_size=runs, stopping=stopping, iterations=4)
    with pytest.raises(RestorationError, match="Lower the learning rate"):
        restore(phantom, Denoise(Poisoned()), method)


def test_a_stop_early_in_the_second_run_keeps_the_first(phantom):
    event = threading.Event()
    method = DIP(
        ensemble_size=2, iterations=60, stopping="max-iterations", ema_decay=0.5, precision="float32"
    )
    seen = {}

    def watch(iterate):
        seen[iterate.index] = iterate.x.clone()
        if iterate.index == 61:
            event.set()

    result = restore(phantom, Denoise(), method, stopping_rule=StopRequested(event), callback=watch)
    assert result.outcome is Outcome.STOPPED
    np.testing.assert_array_equal(result.image, seen[60].numpy())


def test_a_result_that_never_was_finite_is_an_error(phantom):
    """It has no advice about a learning rate, because the method has none."""
    with pytest.raises(RestorationError, match="Copy gave infinite values or NaN"):
        restore(phantom, Denoise(), Copy(diverges=True))


def test_asked_to_stop_it_keeps_what_there_is(random):
    stack = random.random((3, 10, 10)).astype(np.float32)
    event = threading.Event()

    def watch(iterate):
        if iterate.frame == (1,):
            event.set()

    result = restore(
        stack, Denoise(), Copy(iterates=5), axes="TYX", stopping_rule=StopRequested(event), callback=watch
    )
    assert [frame.outcome for frame in result.frames] == [Outcome.MAX_ITERATIONS, Outcome.STOPPED]
    assert np.isfinite(result.image[:2]).all()
    assert np.isnan(result.image[2]).all()


def test_asked_between_two_frames_it_does_not_begin_the_next(random):
    stack = random.random((3, 10, 10)).astype(np.float32)
    event = threading.Event()

    def watch(iterate):
        if iterate.outcome:
            event.set()

    result = restore(stack, Denoise(), Copy(), axes="TYX", stopping_rule=StopRequested(event), callback=watch)
    assert [frame.index for frame in result.frames] == [(0,)]
    assert np.isnan(result.image[1:]).all()


@pytest.mark.parametrize("learning_rate", [None, 1e-3])
def test_a_frame_that_has_begun_is_kept_when_it_is_stopped_before_its_first_iteration(phantom, learning_rate):
    network = torch.nn.Conv2d(1, 1, 3, padding=1)
    method = FineTune.of(network, action="fine-tuning", iterations=3, learning_rate=learning_rate)
    event, seen = threading.Event(), []

    def watch(iterate):
        if iterate.frame == (1,) and not iterate.preparing:
            seen.append(iterate)
            event.set()

    stack = np.stack([phantom, phantom.T])
    result = restore(stack, Denoise(), method, axes="TYX", stopping_rule=StopRequested(event), callback=watch)
    assert [frame.outcome for frame in result.frames] == [Outcome.MAX_ITERATIONS, Outcome.STOPPED]
    assert seen
    assert np.isfinite(result.image).all()


def test_a_frame_that_is_only_being_prepared_is_left_out_when_the_run_is_stopped(random):
    @dataclass(frozen=True)
    class Preparing(Copy):
        def solve(self, problem, *, stopping_rule, **options):
            check = stopping_rule.start()
            waiting = Iterate(0, problem.data, torch.tensor(0.0), preparing=True)
            yield waiting
            if outcome := check(waiting):
                yield replace(waiting, outcome=outcome)
                return {}
            return (yield from super().solve(problem, stopping_rule=stopping_rule, **options))

    event = threading.Event()

    def stop(iterate):
        if iterate.frame == (1,) and iterate.preparing:
            event.set()

    stack = random.random((2, 10, 10)).astype(np.float32)
    result = restore(
        stack, Denoise(), Preparing(), axes="TYX", stopping_rule=StopRequested(event), callback=stop
    )
    assert [frame.index for frame in result.frames] == [(0,)]
    assert np.isnan(result.image[1]).all()


def test_a_time_limit_from_outside(phantom):
    result = restore(phantom, Denoise(), DIP(iterations=100_000), stopping_rule=TimeLimit(0.3))
    assert result.outcome is Outcome.TIME_LIMIT


def test_closing_the_stream_ends_the_run(phantom):
    closed = []

    class Watched(Copy):
        def solve(self, *arguments, **options):
            try:
                return (yield from super().solve(*arguments, **options))
            finally:
                closed.append(True)

    stream = solve(phantom, Denoise(), Watched())
    next(stream)
    stream.close()
    assert closed == [True]


def test_what_a_callback_raises_is_raised_whatever_it_is(phantom):
    def fail(iterate):
        raise StopIteration

    with pytest.raises(StopIteration):
        restore(phantom, Denoise(), Copy(), callback=fail)


def test_an_inference_mode_of_the_caller_changes_nothing(phantom, tiny):
    usual = restore(phantom, Denoise(), tiny)
    with torch.inference_mode():
        np.testing.assert_array_equal(restore(phantom, Denoise(), tiny), usual)
        assert torch.is_inference_mode_enabled()
        iterates = solve(phantom, Denoise(), tiny)
        next(iterates)
        assert torch.is_inference_mode_enabled()
        iterates.close()


def test_a_run_gives_no_warnings(phantom, tiny):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        restore(phantom.astype(np.float64), Denoise(), tiny)


def test_the_same_seed_gives_the_same_volume(random):
    stack = random.normal(100, 10, (9, 24, 24))
    first, second = (
        restore(stack, Denoise(), DIP(ensemble_size=1, iterations=6, precision="bfloat16"), axes="ZYX")
        for _ in range(2)
    )
    assert np.array_equal(first.image, second.image)

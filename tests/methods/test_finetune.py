import gc
import warnings
from itertools import count
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter
from torch import nn

from napari_dip import (
    DIP,
    PKN,
    Deconvolve,
    Denoise,
    FineTune,
    GaussianNoise,
    GaussianPSF,
    LaplaceNoise,
    Measurement,
    NonLocalBayes,
    Outcome,
    RestorationError,
    StopRequested,
    SuperResolve,
    UnknownNoise,
    residual,
    restore,
    solve,
)
from napari_dip.errors import InputError
from napari_dip.operators import Resample
from napari_dip.pretrained.degradation import pre_upsampled
from napari_dip.settings import to_dict


class Bicubic(nn.Module):
    """Interpolates, and adds the output of a few convolutions: nothing at first."""

    def __init__(self, factor=1, channels=1, blank=True):
        super().__init__()
        self.factor = factor
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, channels, 3, padding=1)
        )
        if blank:
            nn.init.zeros_(self.layers[2].weight)
            nn.init.zeros_(self.layers[2].bias)

    def forward(self, x):
        x = pre_upsampled(x, self.factor) if self.factor > 1 else x
        return x + self.layers(x)


def network(factor=1, channels=1, *, blank=True, **settings):
    torch.manual_seed(0)
    return FineTune.of(Bicubic(factor, channels, blank), factor=factor, channels=channels, **settings)


#: Settings with which a few iterations improve a network for the data of `blurred`.
LEARNING = {"action": "fine-tuning", "iterations": 6, "learning_rate": 1e-4}


def network_output(*arguments, **options):
    """Return the first iterate that shows more than the data."""
    return next(one for one in solve(*arguments, **options) if not one.preparing)


def psnr(image, truth):
    return 10 * np.log10(255**2 / np.mean((np.asarray(image, float) - truth) ** 2))


def coarse(image, factor=2, downsampling="bicubic"):
    return Resample((factor, factor), downsampling)(torch.from_numpy(image)[None, None])[0, 0].numpy()


@pytest.fixture
def smooth():
    """An image that bicubic interpolation restores."""
    rows, columns = np.mgrid[:64, :64] / 64
    return (120 + 60 * np.sin(5 * rows + 3 * columns)).astype(np.float32)


@pytest.fixture
def blurred(phantom):
    """Coarse pixels of a blurred image, and the task that describes them."""
    task = SuperResolve(factor=2, downsampling="bicubic", psf=GaussianPSF(1.5))
    operator = task.operator((32, 32))
    margin = operator.inner.psf.shape[0] // 2
    wide = torch.from_numpy(np.pad(phantom, margin, mode="reflect"))[None, None]
    return operator(wide)[0, 0].numpy(), task


# What is restored.


def test_the_first_result_is_the_output_of_the_network(blurred):
    data, task = blurred
    method = network(2, blank=False)
    first = network_output(data, task, method)
    # The range of the data, but for single pixels, is that of the network.
    calm = median_filter(data, 3, mode="nearest")
    low, span = calm.min(), np.ptp(calm)
    with torch.no_grad():
        own = low + span * method.network.network(torch.from_numpy((data - low) / span)[None, None])
    inside = np.s_[8:-8, 8:-8]  # the network sees the image mirrored at its border
    np.testing.assert_allclose(first.x.numpy()[inside], own[0, 0].numpy()[inside], atol=1e-2)
    assert (first.index, first.outcome) == (0, None)


def test_a_consistent_output_is_the_answer(smooth):
    data, task = coarse(smooth), SuperResolve(factor=2, downsampling="bicubic")
    result = restore(data, task, network(2))
    assert result.outcome is Outcome.CONSISTENT
    np.testing.assert_array_equal(result.image, network_output(data, task, network(2)).x.numpy())
    assert result.frames[0].note.startswith("Consistent: nothing to correct")


def test_a_consistent_output_can_be_fine_tuned_nevertheless(smooth):
    data, task = coarse(smooth), SuperResolve(factor=2, downsampling="bicubic")
    result = restore(data, task, network(2, action="fine-tuning", iterations=3))
    assert result.outcome is not Outcome.CONSISTENT
    assert not np.array_equal(result.image, network_output(data, task, network(2)).x.numpy())


def test_inconsistent_data_are_explained_and_the_image_improves(blurred, phantom):
    data, task = blurred
    iterates = [one for one in solve(data, task, network(2, iterations=40)) if not one.preparing]
    first, answer = iterates[0].x.numpy(), iterates[-1].x.numpy()
    projected = next(one.x.numpy() for one in iterates if "back-projection reduces the residual" in one.note)
    assert abs(residual(data, projected, task)[4:-4, 4:-4]).max() < 2
    scores = [psnr(x, phantom) for x in (first, projected, answer)]
    assert scores[0] + 1 < scores[1]
    assert scores[0] + 1 < scores[2]
    assert answer.shape == phantom.shape
    assert abs(answer.mean() - phantom.mean()) < 1e-3 * phantom.mean() + 0.5


@pytest.mark.parametrize("known", [True, False])
def test_noise_is_not_learnt(phantom, random, known):
    noisy = (phantom + random.normal(0, 20, phantom.shape)).astype(np.float32)
    task = Denoise(GaussianNoise(20.0)) if known else Denoise()
    result = restore(noisy, task, network(iterations=60))
    assert result.frames[0].note.startswith("Noisy (σ = ")
    assert psnr(result.image, phantom) > psnr(noisy, phantom) + 2
    assert result.frames[0].score < 400  # the squared error, less than that of the data


def test_a_denoiser_suits_noise_that_it_was_not_trained_for(phantom, random):
    noisy = (phantom + random.normal(0, 50, phantom.shape)).astype(np.float32)
    iterates = list(solve(noisy, Denoise(GaussianNoise(50.0)), FineTune(iterations=10)))
    first = next(one for one in iterates if not one.preparing)
    matched = next(one for one in iterates if "Choosing the step size" in one.note)
    scores = [psnr(one.x.numpy(), phantom) for one in (first, matched, iterates[-1])]
    assert scores[0] + 1 < scores[1]
    assert scores[0] + 1 < scores[2]
    assert "contrast of the network's input" in iterates[-1].note


def test_a_negative_estimate_of_the_error_is_not_minimised(phantom, random):
    """If sigma is too large, the estimate is negative, and falls with every detail that is lost."""
    noisy = (phantom + random.normal(0, 20, phantom.shape)).astype(np.float32)
    method = FineTune(iterations=40, learning_rate=1e-3, self_ensemble=False)
    result = restore(noisy, Denoise(GaussianNoise(26.0)), method)
    assert result.frames[0].iterations == 0
    assert result.frames[0].score == 0


def test_data_without_noise_are_not_denoised(phantom):
    result = restore(phantom.round(), Denoise(), network(blank=False))
    np.testing.assert_allclose(result.image, phantom.round(), atol=0.01)
    assert "No noise was found" in result.frames[0].note
    assert result.outcome is Outcome.COMPUTED


def test_the_last_step_can_be_chosen(blurred):
    data, task = blurred
    iterates = list(solve(data, task, network(2, iterations=2)))
    first = next(one for one in iterates if not one.preparing)
    projected = next(one for one in iterates if "back-projection reduces the residual" in one.note)
    for action, expected in (("network", first), ("back-projection", projected)):
        result = restore(data, task, network(2, action=action))
        assert result.outcome is Outcome.COMPUTED
        np.testing.assert_allclose(result.image, expected.x.numpy(), atol=1e-4)


@pytest.mark.parametrize("loss", ["plain", "sure", "masked"])
def test_every_loss_lowers_the_score(blurred, loss):
    data, task = blurred
    method = network(2, loss=loss, action="fine-tuning", iterations=30, learning_rate=1e-3)
    scores = [one.score for one in solve(data, task, method) if one.score is not None]
    assert scores[-1] < scores[0]


# Nothing but the data, the task and the seed matters.


def test_the_same_seed_gives_the_same_pixels(blurred):
    data, task = blurred
    first, second = (restore(data, task, network(2, iterations=6), seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)


def test_the_network_of_the_user_is_not_changed(blurred):
    data, task = blurred
    own = Bicubic(2, blank=False)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    restore(data, task, FineTune.of(own, factor=2, action="fine-tuning", iterations=3))
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())


def test_missing_pixels_have_no_influence(blurred, random):
    data, task = blurred
    missing = random.random(data.shape) < 0.1
    results = []
    for value in (np.nan, 1e6):
        spoilt = np.where(missing, value, data).astype(np.float32)
        results.append(restore(spoilt, task, network(2, iterations=4), missing=missing).image)
    np.testing.assert_array_equal(*results)
    assert np.isfinite(results[0]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.float64, ">i4"])
def test_grey_levels_are_kept(smooth, dtype):
    data = coarse(smooth).astype(dtype)
    method = network(2, action="back-projection")
    result = restore(data, SuperResolve(factor=2, downsampling="bicubic"), method)
    assert result.image.dtype == np.float32
    assert result.image.mean() == pytest.approx(float(data.mean()), rel=1e-3)


def test_colours_do_not_shift(blurred):
    data, task = blurred
    colours = np.stack([data, 0.5 * data + 20, 200 - 0.3 * data], -1)
    result = restore(colours, task, network(2, action="back-projection"))
    assert result.image.shape == (64, 64, 3)
    predicted = colours - residual(colours, result.image, task)
    np.testing.assert_allclose(predicted.mean((0, 1)), colours.mean((0, 1)), rtol=1e-3)


@pytest.mark.parametrize("series", ["warm_start", "independent"])
def test_only_a_warm_start_begins_with_the_weights_of_the_frame_before(blurred, series):
    data, task = blurred
    method = network(2, **LEARNING)
    first = {}
    for one in solve(Measurement(np.stack([data, data]), axes="TYX"), task, method, series=series):
        if not one.preparing:
            first.setdefault(one.frame, one.x)
    assert torch.equal(first[0,], first[1,]) == (series == "independent")


def test_a_network_for_another_factor_can_be_used(phantom):
    data = coarse(phantom[:63, :63], 3)
    result = restore(data, SuperResolve(factor=3, downsampling="bicubic"), network(4, iterations=2))
    assert result.image.shape == (63, 63)


def test_the_usual_residual_is_that_of_the_trained_factor(phantom):
    """With another factor, a network contradicts its own output too."""
    task, shapes = SuperResolve(factor=3, downsampling="bicubic"), []

    class Watched(Bicubic):
        def forward(self, x):
            x = super().forward(x)
            shapes.append(tuple(x.shape[2:]))
            return x

    data = torch.from_numpy(coarse(phantom[:63, :63], 3))[None, None]
    problem = task.problem(data, task.operator((21, 21)), torch.ones_like(data))
    session = FineTune.of(Watched(4), factor=4).session(problem)
    assert session.restorer.factor == 3
    assert session.network_output.shape == (1, 1, 63, 63)
    assert shapes[-2:] == [(84, 84), (84, 84)]  # the data by 4, and that output, degraded, by 4


def test_an_iteration_takes_as_long_for_any_image(random):
    """The network sees a few patches of a large image."""
    shapes = []

    class Watched(Bicubic):
        def forward(self, x):
            if torch.is_grad_enabled():
                shapes[-1].append(tuple(x.shape))
            return super().forward(x)

    for n in (200, 300):
        data = random.normal(100, 20, (n, n)).astype(np.float32)
        method = FineTune.of(Watched(2), factor=2, iterations=3, learning_rate=1e-4, self_ensemble=False)
        shapes.append([])
        restore(data, SuperResolve(GaussianNoise(20.0)), method)
    assert shapes[0] == shapes[1]


# What is kept.


def elements_in_memory():
    """Return the number of elements of all tensors."""
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about attributes of torch that are looked at
        return sum(one.numel() for one in gc.get_objects() if type(one) in (torch.Tensor, nn.Parameter))


@pytest.mark.parametrize("action", ["network", "fine-tuning"])
def test_memory_does_not_grow_with_the_frames(action, blurred):
    data, task = blurred
    method = network(2, **{**LEARNING, "action": action, "self_ensemble": False})
    used, answers = [], []
    frames = Measurement(np.stack([data] * 3), axes="TYX")
    for one in solve(frames, task, method, series="independent"):
        if one.outcome is not None:
            answers.append(one.state)
            used.append(elements_in_memory())
    assert [state is not None for state in answers] == [action == "fine-tuning"] * 3
    assert used[2] <= used[1]


def test_a_frame_that_learns_nothing_keeps_nothing(smooth):
    data, task = coarse(smooth), SuperResolve(factor=2, downsampling="bicubic")
    learnt = []

    def stream():
        learnt.append((yield from solve(data, task, network(2))))

    *_, answer = stream()
    assert answer.outcome is Outcome.CONSISTENT
    assert answer.state is None
    assert learnt == [{}]


def test_the_state_of_an_answer_is_what_the_next_run_begins_with(blurred):
    data, task = blurred
    method, learnt = network(2, **LEARNING), []

    def stream():
        learnt.append((yield from solve(data, task, method)))

    *_, answer = stream()
    assert learnt[0].keys() == answer.state.keys()
    assert all(torch.equal(answer.state[name], value) for name, value in learnt[0].items())
    again = network_output(data, task, method, initial_state=dict(answer.state))
    assert not torch.equal(again.x, network_output(data, task, method).x)


# How a run ends. That it can be stopped at every stage is tested in tests/finetuning/test_run.py.


def test_a_stop_does_not_wait_for_the_network(blurred):
    """The run goes on yielding while the network is busy, and its answer comes before that of the network."""
    data, task = blurred
    busy, released, stop = Event(), Event(), Event()

    class Slow(Bicubic):
        def forward(self, x):
            busy.set()
            released.wait()
            return super().forward(x)

    iterates = solve(data, task, FineTune.of(Slow(2), factor=2), stopping_rule=StopRequested(stop))
    try:
        while not busy.is_set():
            next(iterates)
        assert all(next(iterates).preparing for _ in range(3))
        stop.set()
        (answer,) = iterates
    finally:
        released.set()
    assert answer.outcome is Outcome.STOPPED
    assert "before the network had restored" in answer.note


def test_the_time_limit_counts_from_the_beginning(blurred, monkeypatch):
    data, task = blurred
    clock = SimpleNamespace(monotonic=count(1).__next__)  # a second passes with each look
    monkeypatch.setattr("napari_dip.optim.stopping.time", clock)
    *before, answer = solve(data, task, network(2, time_limit=1))
    assert before == []
    assert (answer.outcome, answer.preparing) == (Outcome.TIME_LIMIT, True)
    *before, answer = solve(data, task, network(2, time_limit=3))
    assert len(before) == 2
    assert answer.outcome is Outcome.TIME_LIMIT


def test_a_stop_during_fine_tuning_keeps_the_best_weights(blurred):
    data, task = blurred
    stop = Event()
    for one in solve(data, task, network(2, **LEARNING), stopping_rule=StopRequested(stop)):
        if one.index == 5 and one.score is not None:
            stop.set()
    assert one.outcome is Outcome.STOPPED
    assert one.index == 5
    assert one.state is not None


# What can't be done.


@pytest.mark.parametrize(
    ("shape", "task", "method", "words"),
    [
        ((12, 40), Denoise(), network(), "at least 16 pixels along each axis, got 12 x 40"),
        ((40, 40), Denoise(LaplaceNoise(5.0)), network(), "does not remove outliers"),
        ((40, 40), Denoise(), network(2), "upsamples by 2, but the task needs a network that keeps the size"),
        ((40, 40), SuperResolve(), network(1), "keeps the size .* needs a network that upsamples by 2"),
        ((40, 40), Denoise(), network(1, 5), "is for images with 5 channels, but this one has 1"),
        ((40, 40), SuperResolve(factor=5), FineTune(), "no network compact for a factor of 5"),
        ((40, 40), Deconvolve(psf=GaussianPSF(2.0)), FineTune(), "no network that removes blur"),
        ((40, 40), Denoise(), FineTune(weights="nowhere.pth"), "no such file: nowhere.pth"),
    ],
)
def test_unsuitable_data_are_refused_before_the_run(shape, task, method, words, random):
    with pytest.raises(ValueError, match=words):
        solve(random.normal(100, 20, shape), task, method)


@pytest.mark.parametrize("noise", [UnknownNoise(), GaussianNoise(1.0)], ids=["unknown", "told"])
@pytest.mark.parametrize(
    "method",
    [FineTune(), PKN(), NonLocalBayes(), DIP(iterations=5)],
    ids=lambda method: type(method).__name__,
)
@pytest.mark.parametrize("observed", [2, 3])
def test_two_or_three_observed_pixels_are_too_few(noise, method, observed):
    image = np.full((32, 32), np.nan)
    image[3, 4 : 4 + observed] = 100 + np.arange(observed)
    with pytest.raises(InputError, match="needs at least 4 observed pixels"):
        restore(image, Denoise(noise), method)


def test_too_little_memory_is_explained(blurred):
    class Large(Bicubic):
        def forward(self, x):
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    data, task = blurred
    with pytest.raises(RestorationError, match="not enough memory for this image"):
        restore(data, task, FineTune.of(Large(2), factor=2))


def test_a_guide_is_refused(blurred):
    data, task = blurred
    with pytest.raises(InputError, match="takes no guide"):
        solve(Measurement(data, guide=np.zeros((64, 64))), task, network(2))


@pytest.mark.parametrize(("field", "value"), [("iterations", 0), ("learning_rate", 0.0), ("action", "maybe")])
def test_settings_have_limits(field, value):
    with pytest.raises(ValueError, match=rf"FineTune\.{field} must"):
        FineTune(**{field: value})


def test_no_file_is_taken_for_a_network_that_was_given_in_python():
    assert to_dict(network(2))["weights"] == "module Bicubic"
    assert "network" not in to_dict(network(2))
    assert network(2).given
    assert not FineTune().given


def test_a_bundled_network_is_better_than_interpolation(phantom):
    data, task = coarse(phantom), SuperResolve(factor=2, downsampling="bicubic")
    bundled, bicubic = (restore(data, task, one).image for one in (FineTune(), network(2, action="network")))
    assert psnr(bundled, phantom) > psnr(bicubic, phantom) + 1

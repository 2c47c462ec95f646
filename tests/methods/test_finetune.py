from threading import Event

import numpy as np
import pytest
import torch
from torch import nn

from napari_dip import (
    Deconvolve,
    Denoise,
    FineTune,
    GaussianNoise,
    GaussianPSF,
    LaplaceNoise,
    MaxIterations,
    Measurement,
    Outcome,
    RestorationError,
    StopRequested,
    SuperResolve,
    restore,
    solve,
)
from napari_dip.errors import InputError
from napari_dip.operators import Resample
from napari_dip.pretrained.degradation import pre_upsampled
from napari_dip.restoration.api import residual
from napari_dip.settings import to_dict


class Bicubic(nn.Module):
    """Interpolates, and adds what a few convolutions make of it: nothing at first."""

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


def psnr(image, truth):
    return 10 * np.log10(255**2 / np.mean((np.asarray(image, float) - truth) ** 2))


def coarse(image, factor=2, kernel="bicubic"):
    return Resample((factor, factor), kernel)(torch.from_numpy(image)[None, None])[0, 0].numpy()


@pytest.fixture
def smooth():
    """What a bicubic interpolation explains."""
    rows, columns = np.mgrid[:64, :64] / 64
    return (120 + 60 * np.sin(5 * rows + 3 * columns)).astype(np.float32)


@pytest.fixture
def blurred(phantom):
    """Coarse pixels of a blurred image, and the task that says so."""
    task = SuperResolve(factor=2, downsampling="bicubic", psf=GaussianPSF(1.5))
    operator = task.operator((32, 32))
    margin = operator.inner.psf.shape[0] // 2
    wide = torch.from_numpy(np.pad(phantom, margin, mode="reflect"))[None, None]
    return operator(wide)[0, 0].numpy(), task


# What is yielded.


def test_the_first_iterate_is_the_networks_own_output(blurred):
    data, task = blurred
    method = network(2, blank=False)
    first = next(solve(data, task, method))
    with torch.no_grad():
        own = 255 * method.network.network(torch.from_numpy(data)[None, None] / 255)
    inside = np.s_[8:-8, 8:-8]  # beyond the border the network sees the image mirrored
    np.testing.assert_allclose(first.x.numpy()[inside], own[0, 0].numpy()[inside], atol=1e-2)
    assert (first.index, first.outcome) == (0, None)
    result = restore(data, task, method, stopping_rule=MaxIterations(1))
    np.testing.assert_array_equal(result.network_output, first.x.numpy())


def test_consistent_data_are_left_alone(smooth):
    result = restore(coarse(smooth), SuperResolve(factor=2, downsampling="bicubic"), network(2))
    assert result.outcome is Outcome.CONSISTENT
    np.testing.assert_array_equal(result.image, result.network_output)
    assert result.frames[0].note.startswith("Consistent: nothing to correct")


def test_the_user_overrides_the_verdict(smooth):
    data, task = coarse(smooth), SuperResolve(factor=2, downsampling="bicubic")
    result = restore(data, task, network(2, action="fine-tuning", iterations=3))
    assert result.outcome is not Outcome.CONSISTENT
    assert not np.array_equal(result.image, result.network_output)


def test_inconsistent_data_are_explained_at_once_and_then_better(blurred, phantom):
    data, task = blurred
    iterates = list(solve(data, task, network(2, iterations=40)))
    network_output, projected, answer = (iterates[at].x.numpy() for at in (0, 1, -1))
    assert "back-projection takes the residual from" in iterates[1].note
    assert abs(residual(data, projected, task)[4:-4, 4:-4]).max() < 2
    scores = [psnr(x, phantom) for x in (network_output, projected, answer)]
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
    assert result.frames[0].score < 400  # of the error's square; that of the noise


def test_a_denoiser_serves_for_noise_that_it_was_not_trained_for(phantom, random):
    noisy = (phantom + random.normal(0, 50, phantom.shape)).astype(np.float32)
    first, matched, *_, answer = solve(noisy, Denoise(GaussianNoise(50.0)), FineTune(iterations=10))
    scores = [psnr(iterate.x.numpy(), phantom) for iterate in (first, matched, answer)]
    assert scores[0] + 1 < scores[1]
    assert scores[0] + 1 < scores[2]
    assert "times the contrast" in answer.note


def test_noise_that_is_taken_for_too_strong_is_not_tuned_to(phantom, random):
    """Stein's estimate is below 0 then, and would fall with every detail that is lost."""
    noisy = (phantom + random.normal(0, 20, phantom.shape)).astype(np.float32)
    result = restore(
        noisy, Denoise(GaussianNoise(26.0)), FineTune(iterations=40, learning_rate=1e-3, self_ensemble=False)
    )
    assert result.frames[0].iterations == 0
    assert result.frames[0].score == 0


def test_data_without_noise_are_not_denoised(phantom):
    result = restore(phantom.round(), Denoise(), network(blank=False))
    np.testing.assert_allclose(result.image, phantom.round(), atol=0.01)
    assert "No noise was found" in result.frames[0].note
    assert result.outcome is Outcome.COMPUTED


def test_back_projection_alone_and_the_network_alone(blurred):
    data, task = blurred
    full = list(solve(data, task, network(2, iterations=2)))
    for action, at in (("network", 0), ("back-projection", 1)):
        result = restore(data, task, network(2, action=action))
        assert result.outcome is Outcome.COMPUTED
        np.testing.assert_allclose(result.image, full[at].x.numpy(), atol=1e-4)


@pytest.mark.parametrize("loss", ["plain", "sure", "masked"])
def test_every_loss_falls(blurred, loss):
    data, task = blurred
    method = network(2, loss=loss, action="fine-tuning", iterations=30, learning_rate=1e-3)
    scores = [one.score for one in solve(data, task, method) if one.score is not None]
    assert scores[-1] < scores[0]


# Nothing but the data, the task and the seed matters.


def test_the_same_seed_gives_the_same_pixels(blurred):
    data, task = blurred
    first, second = (restore(data, task, network(2, iterations=6), seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)


def test_the_users_network_is_not_changed(blurred):
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


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float64, ">i4"])
def test_grey_levels_are_kept(smooth, dtype):
    data = coarse(smooth).astype(dtype)
    result = restore(
        data, SuperResolve(factor=2, downsampling="bicubic"), network(2, action="back-projection")
    )
    assert result.image.dtype == np.float32
    assert result.image.mean() == pytest.approx(float(data.mean()), rel=1e-3)


def test_colours_do_not_shift(blurred):
    data, task = blurred
    colours = np.stack([data, 0.5 * data + 20, 200 - 0.3 * data], -1)
    result = restore(colours, task, network(2, action="back-projection"))
    assert result.image.shape == (64, 64, 3)
    seen = colours - residual(colours, result.image, task)  # the restored image, as the data show it
    np.testing.assert_allclose(seen.mean((0, 1)), colours.mean((0, 1)), rtol=1e-3)


def test_the_next_frame_starts_from_the_weights_of_the_last(blurred):
    data, task = blurred
    method = network(2, action="fine-tuning", iterations=4)
    result = restore(np.stack([data, data]), task, method, axes="TYX")
    assert list(result.states) == [(0,), (1,)]
    assert not np.array_equal(result.network_output[0], result.network_output[1])
    alone = restore(np.stack([data, data]), task, method, axes="TYX", series="independent")
    np.testing.assert_array_equal(alone.network_output[0], alone.network_output[1])


def test_a_network_of_another_factor_serves(phantom):
    data = coarse(phantom[:63, :63], 3)
    result = restore(data, SuperResolve(factor=3, downsampling="bicubic"), network(4, iterations=2))
    assert result.image.shape == (63, 63)


def test_what_is_usual_is_that_of_the_factor_a_network_was_trained_for(phantom):
    """At another one it would contradict its own output, too."""
    task, seen = SuperResolve(factor=3, downsampling="bicubic"), []

    class Watched(Bicubic):
        def forward(self, x):
            x = super().forward(x)
            seen.append(tuple(x.shape[2:]))
            return x

    data = torch.from_numpy(coarse(phantom[:63, :63], 3))[None, None]
    problem = task.problem(data, task.operator((21, 21)), torch.ones_like(data))
    held = FineTune.of(Watched(4), factor=4).held(problem)
    assert held.restorer.factor == 3
    assert held.first.shape == (1, 1, 63, 63)
    assert seen[-2:] == [(84, 84), (84, 84)]  # of the data, and of its own output by 4


def test_an_update_costs_the_same_whatever_the_image(random):
    """What a network sees of a large image is a few parts of it."""
    seen = []

    class Watched(Bicubic):
        def forward(self, x):
            if torch.is_grad_enabled():
                seen.append(tuple(x.shape))
            return super().forward(x)

    for n in (200, 300):
        data = random.normal(100, 20, (n, n)).astype(np.float32)
        method = FineTune.of(Watched(2), factor=2, iterations=3, learning_rate=1e-4, self_ensemble=False)
        restore(data, SuperResolve(GaussianNoise(20.0)), method)
        seen.append(None)
    half = seen.index(None)
    assert seen[:half] == seen[half + 1 : -1]


# Ends.


def test_it_ends_when_asked_and_keeps_the_best(blurred):
    data, task = blurred
    event, after = Event(), 0
    for iterate in solve(data, task, network(2), stopping_rule=StopRequested(event)):
        after += event.is_set()
        if iterate.index == 5:
            event.set()
    assert iterate.outcome is Outcome.STOPPED
    assert after == 1
    assert iterate.state is not None


def test_a_time_limit_ends_it(blurred):
    data, task = blurred
    result = restore(data, task, network(2, iterations=10_000, time_limit=0.5))
    assert result.outcome in (Outcome.TIME_LIMIT, Outcome.RISK)


# What can't be done.


@pytest.mark.parametrize(
    ("shape", "task", "method", "words"),
    [
        ((12, 40), Denoise(), network(), "at least 16 pixels along each axis, got 12 x 40"),
        ((40, 40), Denoise(LaplaceNoise(5.0)), network(), "leaves outliers in"),
        (
            (40, 40),
            Denoise(),
            network(2),
            "enlarges images 2 times, and one that leaves their size",
        ),
        ((40, 40), SuperResolve(), network(1), "doesn't enlarge images, and one that enlarges them 2 times"),
        ((40, 40), Denoise(), network(1, 5), "is for images of 5 channels, and this one has 1"),
        ((40, 40), SuperResolve(factor=5), FineTune(), "no network compact for a factor of 5"),
        ((40, 40), Deconvolve(psf=GaussianPSF(2.0)), FineTune(), "no network that takes out blur"),
        ((40, 40), Denoise(), FineTune(weights="nowhere.pth"), "no such file: nowhere.pth"),
    ],
)
def test_what_it_cannot_do_is_said_before_the_run(shape, task, method, words, random):
    with pytest.raises(ValueError, match=words):
        solve(random.normal(100, 20, shape), task, method)


def test_too_little_memory_is_said_in_words(blurred):
    class Large(Bicubic):
        def forward(self, x):
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    data, task = blurred
    with pytest.raises(RestorationError, match="not enough memory for this image"):
        restore(data, task, FineTune.of(Large(2), factor=2))


def test_it_takes_no_guide(blurred):
    data, task = blurred
    with pytest.raises(InputError, match="takes no guide"):
        solve(Measurement(data, guide=np.zeros((64, 64))), task, network(2))


@pytest.mark.parametrize(("field", "value"), [("iterations", 0), ("learning_rate", 0.0), ("action", "maybe")])
def test_settings_have_limits(field, value):
    with pytest.raises(ValueError, match=rf"FineTune\.{field} must"):
        FineTune(**{field: value})


def test_a_record_does_not_pass_off_another_network_as_that_of_the_user():
    assert to_dict(network(2))["weights"] == "module Bicubic"
    assert "network" not in to_dict(network(2))


def test_the_shipped_networks_are_better_than_interpolation(phantom):
    data = coarse(phantom)
    task = SuperResolve(factor=2, downsampling="bicubic")
    shipped, bicubic = (restore(data, task, one).image for one in (FineTune(), network(2, action="network")))
    assert psnr(shipped, phantom) > psnr(bicubic, phantom) + 1

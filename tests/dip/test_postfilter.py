from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dip import (
    GaussianNoise,
    GaussianPSF,
    LaplaceNoise,
    Outcome,
    PoissonNoise,
    StopRequested,
    UnknownNoise,
)
from napari_dip.dip.postfilter import _emptied, _share, postfilter, postfiltered
from napari_dip.dip.validation import Validation
from napari_dip.operators import Blur, Identity
from napari_dip.optim.iterate import Iterate, StoppingCriterion
from napari_dip.optim.stages import stopped
from napari_dip.problem import Problem


def validation(data, noise=None, weights=None):
    data = torch.as_tensor(np.asarray(data, np.float32))[None]
    weights = torch.ones_like(data[:, :1]) if weights is None else torch.as_tensor(weights)[None].float()
    problem = Problem(data, Identity(), noise or UnknownNoise(), weights)
    return Validation.of(problem, "held-out", None, torch.Generator().manual_seed(0))


def batch(image):
    return torch.as_tensor(np.asarray(image, np.float32))[None]


def filtered(x, tried):
    steps = postfilter(batch(x), tried)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value[0][0].numpy()


def error(image, truth):
    return float(np.square(image - truth).mean())


@pytest.fixture
def wide(phantom):
    return np.kron(phantom, np.ones((2, 2)))[None]


@pytest.mark.parametrize(
    "noise", [UnknownNoise(), GaussianNoise(20.0), PoissonNoise(gain=4.0)], ids=["?", "gauss", "photons"]
)
def test_what_a_fit_has_smoothed_away_comes_back(noise, wide, generator):
    drawn = GaussianNoise(20.0) if isinstance(noise, UnknownNoise) else noise
    noisy = drawn.sample(torch.from_numpy(wide), generator).numpy()
    smooth = gaussian_filter(wide, (0, 1.5, 1.5))
    assert error(filtered(smooth, validation(noisy, noise)), wide) < 0.75 * error(smooth, wide)


def test_each_channel_may_have_other_noise(wide, random):
    truth = np.concatenate([wide, wide[:, ::-1] / 100])
    noisy = truth + random.normal(size=truth.shape) * [[[20]], [[0.2]]]
    smooth = gaussian_filter(truth, (0, 1.5, 1.5))
    result = filtered(smooth, validation(noisy))
    for one, other, wanted in zip(result, smooth, truth, strict=True):
        assert error(one, wanted) < 0.75 * error(other, wanted)


def test_what_a_fit_has_smoothed_away_in_a_volume_comes_back(phantom, random):
    truth = np.stack([phantom] * 6)[None]
    noisy = truth + random.normal(0, 20, truth.shape)
    smooth = gaussian_filter(truth, (0, 0, 1.5, 1.5))
    assert error(filtered(smooth, validation(noisy)), truth) < 0.75 * error(smooth, truth)


def test_outliers_do_not_come_back_from_the_data(wide, random):
    noisy = wide + random.normal(0, 10, wide.shape)
    noisy[random.random(wide.shape) < 0.05] += 200
    smooth = gaussian_filter(wide, (0, 1.5, 1.5))
    assert error(filtered(smooth, validation(noisy, LaplaceNoise(10.0))), wide) < 0.85 * error(smooth, wide)


def test_held_out_pixels_can_reject_the_filter(wide, random):
    """The pilot knows more than the data about a texture as fine and weak as the noise."""
    truth = wide + random.normal(0, 14, wide.shape)
    noisy = truth + random.normal(0, 20, wide.shape)
    assert error(filtered(truth, validation(noisy)), truth) < 0.05 * 14**2


def test_the_share_of_the_filter_is_chosen_for_steep_and_quiet_places_apart(random):
    """Here the filter is right in steep places alone."""
    steep = np.zeros((1, 128, 128))
    steep[:, 48:80] = 40 * random.random((1, 32, 128))
    fitted, right = (torch.from_numpy(steep + part) for part in (0.0, 2.0 * (steep > 0)))
    other = torch.from_numpy(random.normal(0, 2, steep.shape))
    blind = torch.where(torch.from_numpy(steep > 0), right, other)
    data = right + torch.from_numpy(random.normal(0, 1, steep.shape))
    share = _share(fitted, blind, data, torch.from_numpy(random.random(steep.shape) < 0.2))
    assert float(share[0, 50:78].mean()) > 0.9
    assert float(share[0, :40].mean()) < 0.1


def test_an_empty_field_comes_back_empty(random):
    mottled = 100 + gaussian_filter(random.normal(0, 60, (1, 128, 128)), (0, 4, 4))
    data = 100 + random.normal(0, 20, mottled.shape)
    tried = validation(data)
    assert np.sqrt(error(mottled, 100)) > 0.15 * 20
    assert np.sqrt(error(filtered(mottled, tried), 100)) < 0.06 * 20


def test_held_out_pixels_can_speak_for_structure_in_empty_places(random):
    """Structure that is too weak for any place shows in all of them together."""
    fine = gaussian_filter(random.normal(0, 1, (1, 192, 192)), (0, 1, 1))
    truth = torch.from_numpy(0.35 * fine / fine.std())
    data = truth + torch.from_numpy(random.normal(0, 1, truth.shape))
    judged = torch.from_numpy(random.random(truth.shape) < 0.1)
    known = (torch.ones_like(judged), ~judged)
    kept = _emptied([truth, truth], data, known, judged)
    assert all(torch.equal(one, truth) for one in kept)
    mottled = 0.1 * (truth - truth.mean()) / truth.std()
    flat = _emptied([mottled, mottled], data - truth, known, judged)
    assert all(float(one.square().mean()) < 0.06**2 for one in flat)


def test_pixels_without_weight_have_no_influence(wide, random):
    weights = random.random((1, *wide.shape[1:])) > 0.2
    noisy = wide + random.normal(0, 20, wide.shape)
    smooth = gaussian_filter(wide, (0, 1.5, 1.5))
    first, second = (
        filtered(smooth, validation(np.where(weights, noisy, hidden), weights=weights))
        for hidden in (0.0, 1e5)
    )
    np.testing.assert_array_equal(first, second)
    assert error(first, wide) < 0.8 * error(smooth, wide)


def holes(image, random, noise=0.0):
    """Return a validation of data of which only the missing half of the pixels is wanted, and the weights."""
    weights = random.random((1, *image.shape[1:])) > 0.5
    tried = validation((image + noise * random.normal(size=image.shape)) * weights, weights=weights)
    parts = {
        name: replace(getattr(tried, name), only_missing=True) for name in ("problem", "fitted", "held_out")
    }
    return replace(tried, **parts), weights


@pytest.mark.parametrize(("noise", "share"), [(0.0, 0.85), (10.0, 1.0)])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_missing_in_a_texture_comes_back(channels, noise, share, wide, random):
    rows, columns = np.mgrid[: wide.shape[1], : wide.shape[2]]
    texture = wide + 30 * np.sin(1.9 * rows + 0.8 * columns)
    texture = np.concatenate([texture, texture[:, ::-1]])[:channels]
    tried, weights = holes(texture, random, noise)
    smooth = 0.5 * (texture + gaussian_filter(texture, (0, 1.5, 1.5)))
    missing = np.broadcast_to(~weights, texture.shape)
    result = filtered(smooth, tried)
    assert error(result[missing], texture[missing]) < share * error(smooth[missing], texture[missing])


def test_hardly_any_of_the_completion_is_taken_where_held_out_pixels_prefer_the_fit(wide, random):
    image = wide + random.normal(0, 40, wide.shape)  # patches of noise tell nothing about one another
    tried, weights = holes(image, random)
    fitted = image + random.normal(0, 10, wide.shape)
    missing = np.broadcast_to(~weights, image.shape)
    assert error(filtered(fitted, tried)[missing], image[missing]) < 1.1 * error(
        fitted[missing], image[missing]
    )


def test_missing_pixels_have_no_influence(wide, random):
    tried, weights = holes(wide, random)
    hidden = tried.problem.data + 1e4 * torch.as_tensor(~weights)[None]
    parts = {name: replace(getattr(tried, name), data=hidden) for name in ("problem", "fitted", "held_out")}
    smooth = gaussian_filter(wide, (0, 1.5, 1.5))
    np.testing.assert_array_equal(filtered(smooth, tried), filtered(smooth, replace(tried, **parts)))


def test_the_result_is_made_from_all_pixels(wide, random):
    noisy = wide + random.normal(0, 20, wide.shape)
    smooth = gaussian_filter(wide, (0, 1.5, 1.5))
    tried = validation(noisy)
    held = (tried.held_out.weights[0] > 0).numpy()
    other = replace(tried, problem=replace(tried.problem, data=batch(np.where(held, noisy + 1, noisy))))
    assert not np.array_equal(filtered(smooth, tried), filtered(smooth, other))


def run(x, *, length=3):
    for index in range(length + 1):
        outcome = Outcome.NO_IMPROVEMENT if index == length else None
        yield Iterate(index, x, torch.tensor(1.0), 0.5, outcome, criterion=StoppingCriterion.HELD_OUT)


def test_the_answer_keeps_what_the_run_says_about_it(wide, random):
    tried = validation(wide + random.normal(0, 20, wide.shape))
    smooth = batch(gaussian_filter(wide, (0, 1.5, 1.5)))
    *before, answer = postfiltered(run(smooth), tried)
    assert [one.index for one in before[:3]] == [0, 1, 2]
    assert answer.outcome is Outcome.NO_IMPROVEMENT
    assert (answer.index, answer.score, answer.criterion) == (3, 0.5, StoppingCriterion.HELD_OUT)
    assert not torch.equal(answer.x, smooth)


@pytest.fixture
def slow(monkeypatch):
    """A filter that does not end before it may."""
    release = Event()

    def filter_(x, tried):
        yield
        release.wait()
        yield
        return x + 1, x + 2

    monkeypatch.setattr("napari_dip.dip.postfilter.postfilter", filter_)
    yield release
    release.set()


def test_the_fitted_image_is_repeated_while_the_filter_works(wide, slow):
    tried, x = validation(wide), batch(wide)
    iterates = postfiltered(run(x), tried)
    before = [next(iterates) for _ in range(3 + 2)]
    assert [one.index for one in before] == [0, 1, 2, 3, 3]
    assert all(one.outcome is None and torch.equal(one.x, x) for one in before)
    slow.set()
    *_, answer = iterates
    assert answer.outcome is Outcome.NO_IMPROVEMENT
    assert torch.equal(answer.x, x + 1)
    assert torch.equal(answer.unseen.x, x + 2)


def test_a_stop_while_the_filter_works_keeps_the_fitted_image(wide, slow):
    tried, x = validation(wide), batch(wide)
    event = Event()
    iterates = stopped(postfiltered(run(x), tried), StopRequested(event))
    for iterate in iterates:
        if iterate.index == 3:
            event.set()
    assert not slow.is_set()
    assert iterate.outcome is Outcome.STOPPED
    assert torch.equal(iterate.x, x)


def test_an_image_that_is_not_finite_is_not_filtered(wide):
    broken = Iterate(0, batch(np.nan * wide), torch.tensor(0.0), outcome=Outcome.DIVERGED)
    assert [*postfiltered([broken], validation(wide))] == [broken]


@pytest.mark.parametrize("operator", ["blur", "missing", "identity"])
def test_it_is_used_for_denoising_and_inpainting_without_a_guide(operator, phantom, tiny, monkeypatch):
    asked = []

    def spy(iterates, tried):
        asked.append(tried)
        return iterates

    monkeypatch.setattr("napari_dip.dip.ensemble.postfiltered", spy)
    made = validation(phantom[None]).problem
    if operator == "blur":
        made = replace(made, operator=Blur(torch.from_numpy(GaussianPSF(3.0).kernel(2)).float()))
    made = replace(made, only_missing=operator == "missing")
    method = replace(tiny, stopping="held-out")
    for settings in (method, replace(method, postfilter=False), replace(tiny, stopping="max-iterations")):
        [*settings.solve(made)]
    if operator == "identity":
        [*method.solve(made, guide=made.data)]
    assert len(asked) == (operator != "blur")


def test_a_single_held_out_pixel_decides_nothing(random):
    """It has no standard error, and no warning says so."""
    data = random.normal(100, 10, (1, 3, 4))
    tried = validation(data)
    assert int(tried.held_out.weights.sum()) == 1
    assert np.isfinite(filtered(data, tried)).all()


def test_a_bright_star_does_not_change_what_is_made_of_its_sky(random):
    truth = np.full((1, 64, 64), 100.0)
    truth[:, 10:24, 10:24] += 40
    data = truth + random.normal(0, 10, truth.shape)
    pilot = gaussian_filter(truth, (0, 1, 1))
    plain = filtered(pilot, validation(data))
    for image in (data, pilot):
        image[:, 50:52, 50:52] += 1e6
    away = (slice(None), slice(36), slice(36))
    assert error(filtered(pilot, validation(data))[away], plain[away]) < 4

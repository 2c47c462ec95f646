"""What is left of simulated data with known truth, by answers with known faults."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_dip import (
    CorrelatedNoise,
    GaussianNoise,
    LaplaceNoise,
    Outcome,
    PoissonGaussianNoise,
    PoissonNoise,
    StoppingCriterion,
    UnknownNoise,
)
from napari_dip.diagnostics.diagnosis import diagnosis
from napari_dip.image.units import Units
from napari_dip.noise.per_pixel import PerPixelNoise
from napari_dip.operators import Blur, Identity, Resample
from napari_dip.optim.iterate import Iterate, Unseen
from napari_dip.problem import Problem

SIDE = 160


def tensor(image):
    return torch.as_tensor(np.asarray(image), dtype=torch.float32)[None, None]


@pytest.fixture(scope="module")
def truth():
    """Spots of several widths and fine stripes on a background of 40, up to 250."""
    random, (rows, columns) = np.random.default_rng(5), np.mgrid[:SIDE, :SIDE]
    image = np.full((SIDE, SIDE), 40.0)
    for y, x, width, height in random.uniform((0, 0, 1, 30), (SIDE, SIDE, 4, 160), (60, 4)):
        image += height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 2 / width**2)
    image[100:] += 12 * np.sin(columns[100:] / 1.3)
    return tensor(image)


def problem(truth, noise=None, *, model=None, seed=0, **settings):
    """Return the problem of noisy data of a truth, told the noise unless another model is given."""
    noise = noise or GaussianNoise(6.0)
    operator = settings.pop("operator", Identity())
    u = operator(truth)
    data = noise.sample(u, torch.Generator().manual_seed(seed))
    return Problem(data, operator, model or noise, torch.ones_like(data[:, :1]), **settings)


def answer(x, **facts):
    return Iterate(7, x, torch.tensor(0.0), **facts)


def blind(given, x, share=0.1, **facts):
    """Return an answer of which some pixels have not been seen."""
    pixels = torch.rand(given.weights.shape, generator=torch.Generator().manual_seed(9)) < share
    return answer(x, unseen=Unseen(pixels & (given.weights > 0), x, **facts))


NOISES = [
    GaussianNoise(6.0),
    PoissonNoise(2.0, 10.0),
    PoissonGaussianNoise(1.0, 0.0, 5.0),
    LaplaceNoise(6.0),
    PerPixelNoise(torch.linspace(2, 9, SIDE).expand(1, 1, SIDE, SIDE)),
]


@pytest.mark.parametrize("noise", NOISES, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("seed", range(3))
def test_the_truth_leaves_nothing_but_noise(noise, seed, truth):
    given = problem(truth, noise, seed=seed)
    for found in (diagnosis(given, answer(truth)), diagnosis(given, blind(given, truth))):
        assert found.consistent is True, found.in_words
        assert found.in_words == "The residual is consistent with the noise."
        assert found.noise_from == "task"


def test_chi_square_on_unseen_pixels_gives_the_error(truth):
    """Of an image that errs by independent amounts: 1 + its mean square error over the variance."""
    given = problem(truth)
    wrong = truth + 2.4 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    found = diagnosis(given, blind(given, wrong))
    assert abs(found.unseen.whole.value - 1.16) < 4 * found.unseen.whole.error
    assert abs(found.relative_error.value - 0.4) < 4 * found.relative_error.error
    assert found.relative_error.error < 0.1
    low, high = found.expected
    assert low == pytest.approx(2 - found.unseen.whole.value - 2 * found.unseen.whole.error, abs=1e-3)
    assert high == 1


@pytest.mark.parametrize("wrong", [0.5, 2.0])
def test_the_error_is_right_where_the_noise_depends_on_it(wrong):
    """Photon noise around a wrong image has the wrong variance. What is said of the error is right."""
    flat = torch.full((1, 1, SIDE, SIDE), 3.0)
    given = problem(flat, PoissonNoise())
    found = diagnosis(given, blind(given, wrong * flat)).unseen.whole
    assert abs(found.value - (1 + 3 * (wrong - 1) ** 2)) < 4 * found.error


def test_an_answer_that_follows_the_noise_leaves_too_little(truth):
    given = problem(truth)
    found = diagnosis(given, answer(truth + 0.7 * (given.data - truth)))
    assert found.consistent is False
    assert found.fitted.whole.value == pytest.approx(0.09, abs=0.01)
    assert "still holds noise" in found.in_words


def test_a_blurred_answer_lacks_structure(truth):
    given = problem(truth)
    blurred = tensor(gaussian_filter(truth[0, 0].numpy(), 1.0))
    found = diagnosis(given, answer(blurred))
    assert found.consistent is False
    assert found.fitted.steep.value > found.fitted.quiet.value + 0.5
    assert "steepest edges" in found.in_words
    seen = diagnosis(given, blind(given, blurred))
    assert seen.contrast_loss.value > 0.1 + 2 * seen.contrast_loss.error
    assert "less contrast" in seen.in_words


def test_an_answer_that_is_too_sharp_is_found_out(truth):
    given = problem(truth)
    sharp = truth + 0.5 * (truth - tensor(gaussian_filter(truth[0, 0].numpy(), 1.5)))
    found = diagnosis(given, blind(given, sharp))
    assert found.contrast_loss.value < -0.1
    assert "more contrast" in found.in_words


def test_light_that_is_missing_is_counted(truth):
    given = problem(truth)
    found = diagnosis(given, answer(40 + 0.9 * (truth - 40)))
    assert abs(found.flux_ratio.value - 0.9) < 4 * found.flux_ratio.error
    assert "less light" in found.in_words


def star(place, height, shape=(SIDE, SIDE)):
    rows, columns = np.indices(shape)
    y, x = place
    return tensor(height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 2 / 1.4**2))


@pytest.mark.parametrize(("height", "word"), [(18.0, "bright"), (-18.0, "dark")])
def test_a_star_that_is_missing_is_left_at_its_place(height, word, truth):
    """So is one that was invented."""
    place = (30, 107)
    given = problem(truth + star(place, height))
    found = diagnosis(given, answer(truth))
    (peak,) = found.peaks
    assert found.peak_count == 1
    assert max(abs(a - b) for a, b in zip(peak.position, place, strict=True)) <= 1
    assert np.sign(peak.significance) == np.sign(height)
    assert 5 < abs(peak.significance) < 12
    assert peak.width in (1.0, 1.3, 1.7)
    assert f"One place stands out of the residual: it is {word}" in found.in_words
    assert found.consistent is False


def test_peaks_of_a_large_image_lie_at_their_places():
    shape, place = (1100, 1100), (1090, 1060)
    flat = torch.full((1, 2, *shape), 50.0)
    with_star = flat.clone()
    with_star[:, 1:] += star(place, 40.0, shape)
    found = diagnosis(problem(with_star), answer(flat))
    (peak,) = found.peaks
    assert peak.position == place
    assert peak.channel == 1


def test_structure_that_is_missing_correlates_neighbours(truth):
    given = problem(truth)
    found = diagnosis(given, answer(truth - 4 * torch.sin(torch.arange(SIDE) / 5)))
    assert found.correlations[1].lag_1.value > 0.1
    assert "Neighbouring pixels" in found.in_words


@pytest.mark.parametrize("model", [None, UnknownNoise(), CorrelatedNoise()])
def test_noise_that_is_correlated_is_named(model, truth):
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(SIDE, SIDE)), 1.0)
    given = replace(problem(truth, model=model), data=truth + tensor(8 * noise / noise.std()))
    found = diagnosis(given, answer(truth))
    assert found.white is False
    assert found.consistent is not True
    assert "not independent from pixel to pixel" in found.in_words
    assert found.peak_count is None
    if model is not None:
        assert found.noise_from == "data"
        assert 0.6 < found.fitted.whole.value < 2


@pytest.mark.parametrize(
    ("outcome", "words"),
    [(Outcome.MAX_ITERATIONS, "allow more iterations"), (Outcome.TIME_LIMIT, "allow more time")],
)
def test_the_limit_of_a_run_is_a_warning(outcome, words, truth):
    facts = {"outcome": outcome, "criterion": StoppingCriterion.HELD_OUT}
    found = diagnosis(problem(truth), answer(truth, **facts))
    assert words in found.in_words
    assert found.consistent is True


def test_a_number_of_iterations_that_was_asked_for_is_no_limit(truth):
    found = diagnosis(problem(truth), answer(truth, outcome=Outcome.MAX_ITERATIONS))
    assert found.in_words == "The residual is consistent with the noise."


def test_a_minimum_is_clear_if_the_last_fit_is_clearly_worse(truth):
    given = problem(truth)
    worse = truth + 0.5 * (given.data - truth).roll(1, 2)  # as a fit that has learnt noise
    alike = truth + 0.5 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))

    def found(last):
        return diagnosis(given, blind(given, truth, fits=(truth, last))).minimum

    assert found(worse).clear
    assert found(worse).rise.value == pytest.approx(0.25, abs=4 * found(worse).rise.error)
    assert not found(alike).clear
    assert found(truth).change == 0


@pytest.mark.parametrize("last", [0.0, 4.0])
def test_a_limit_that_came_late_is_told_from_one_that_came_early(last, truth):
    given = problem(truth)
    end = truth + last * torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    made = replace(
        blind(given, truth, fits=(truth, end)),
        outcome=Outcome.MAX_ITERATIONS,
        criterion=StoppingCriterion.HELD_OUT,
    )
    found = diagnosis(given, made)
    assert ("may not have been finished" in found.in_words) == (last == 0)
    assert ("had risen again" in found.in_words) == (last > 0)


def test_unknown_noise_is_measured(truth):
    found = diagnosis(problem(truth, model=UnknownNoise()), answer(truth))
    assert found.noise_from == "data"
    assert found.consistent is True
    assert 0.6 < found.fitted.whole.value < 1.6


def test_where_noise_can_not_be_measured_its_strength_is_not_judged():
    """The noise of a few pixels is unknown."""
    small = tensor(np.full((12, 12), 50.0))
    found = diagnosis(problem(small, model=UnknownNoise()), answer(small))
    assert found.noise_from == "nothing"
    assert found.fitted is None
    assert found.consistent is None
    assert "unknown" in found.in_words


def test_too_few_pixels_tell_nothing():
    tiny = tensor(np.full((4, 4), 50.0))
    found = diagnosis(problem(tiny), answer(tiny))
    assert found.consistent is None
    assert "too few pixels" in found.in_words


def test_no_residual_is_not_judged(truth):
    given = problem(truth, model=UnknownNoise())
    given = replace(given, data=tensor(np.full((SIDE, SIDE), 7.0)))
    found = diagnosis(given, answer(given.data))
    assert found.consistent is None
    assert "explains the data exactly" in found.in_words


def test_pixels_that_were_left_as_they_were_are_not_judged(truth):
    found = diagnosis(problem(truth, only_missing=True), answer(truth))
    assert found.consistent is None
    assert found.to_dict().keys() == {"verdict", "findings", "noise", "noise_from", "correlations", "peaks"}


def test_missing_pixels_have_no_influence(truth):
    given = problem(truth)
    weights = (torch.rand(given.weights.shape, generator=torch.Generator().manual_seed(3)) > 0.2).float()
    found = [
        diagnosis(one, blind(one, truth))
        for one in (
            replace(given, weights=weights, data=given.data.where(weights > 0, hidden))
            for hidden in (0.0, 1e6)
        )
    ]
    assert found[0] == found[1]
    assert found[0].consistent is True
    assert found[0].fitted.pixels + found[0].unseen.pixels == int(weights.sum())


@pytest.mark.parametrize(
    ("shape", "operator"),
    [
        ((2, 12, 40, 40), Identity()),
        ((3, 64, 64), Identity()),
        ((1, 128, 128), Resample((2, 2))),
        ((1, 64, 64), Blur(torch.ones(3, 3) / 9)),
        ((30, 40, 40), Identity()),
    ],
    ids=["volume", "colours", "super-resolution", "blur", "spectra"],
)
def test_other_data_are_judged_through_the_operator(shape, operator):
    smooth = gaussian_filter(np.random.default_rng(2).normal(100, 400, shape), [0, *(3,) * (len(shape) - 1)])
    x = torch.as_tensor(smooth, dtype=torch.float32)[None]
    x = x[..., : operator.grid((64, 64)).shape[0], :] if isinstance(operator, Blur) else x
    if isinstance(operator, Blur):
        x = torch.nn.functional.pad(x, [1, 1, 1, 1], mode="replicate")
    given = problem(x, operator=operator)
    found = diagnosis(given, answer(x))
    assert found.consistent is True, found.in_words
    assert len(found.correlations) == len(shape) - 1
    biased = diagnosis(given, answer(1.2 * x))
    assert biased.consistent is False


def test_what_is_said_does_not_depend_on_offset_and_scale(truth):
    truth = (64 * truth).round() / 64  # so that float32 holds both exactly
    given = problem(truth)
    given = replace(given, data=(64 * given.data).round() / 64)
    other = replace(
        given,
        data=given.data * 4 + 1024,
        noise=given.noise.rescaled(-256, 0.25),
        units=Units(-256, 0.25),
    )
    first, second = (
        diagnosis(one, blind(one, x)).to_dict() for one, x in ((given, truth), (other, truth * 4 + 1024))
    )
    assert first == second


def test_numbers_are_finite_or_absent(truth):
    """However wrong an answer is, what is written of it is JSON."""
    given = problem(truth)
    for x in (truth * 0, truth * 1e30, -truth, given.data):
        json.dumps(diagnosis(given, blind(given, x)).to_dict(), allow_nan=False)


def test_noise_that_is_told_too_weak_explains_the_rest(truth):
    given = problem(truth, GaussianNoise(30.0), model=GaussianNoise(6.0))
    found = diagnosis(given, answer(truth))
    assert len(found.findings) == 1
    assert "Even in quiet places" in found.in_words
    assert "Check the noise first" in found.in_words

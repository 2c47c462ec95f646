"""A run ends with a mean of the fitted image and the initial estimate."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

from napari_dip import DIP, Deconvolve, Denoise, GaussianNoise, GaussianPSF, Hourglass, NonLocalBayes, restore
from napari_dip.dip.blending import blended
from napari_dip.dip.validation import Validation
from napari_dip.operators import Blur
from napari_dip.optim.iterate import Iterate, Outcome
from napari_dip.problem import Problem

KERNEL = GaussianPSF(3.0).kernel(2).astype(float)
EDGE = KERNEL.shape[0] // 2


@pytest.fixture
def scene(phantom):
    return np.kron(phantom, np.ones((2, 2)))


@pytest.fixture
def validation(scene, random):
    data = fftconvolve(scene, KERNEL, mode="valid")
    data = torch.from_numpy(data + random.normal(0, 3, data.shape)).float()[None, None]
    problem = Problem(data, Blur(torch.from_numpy(KERNEL).float()), GaussianNoise(3.0), torch.ones_like(data))
    return Validation.of(problem, "held-out", None, torch.Generator().manual_seed(0))


def image(array):
    return torch.as_tensor(array)[None, None].float()


def answer(fitted, estimate, validation, outcome=Outcome.NO_IMPROVEMENT):
    run = [Iterate(5, fitted, fitted.new_zeros(()), outcome=outcome)]
    *_, last = blended(run, validation, estimate)
    return last


def test_a_poor_fit_is_replaced_by_the_estimate(scene, validation):
    poor = image(gaussian_filter(scene, 4))
    last = answer(poor, image(scene), validation)
    errors = [float((x - image(scene)).square().mean()) for x in (last.x, poor)]
    assert errors[0] < 0.5 * errors[1]
    assert (last.index, last.outcome) == (5, Outcome.NO_IMPROVEMENT)


def test_a_good_fit_stays_as_it_is(scene, validation):
    poor = image(gaussian_filter(scene, 4))
    last = answer(image(scene), poor, validation)
    assert float((last.x - image(scene)).abs().mean()) < 1
    assert float((last.unseen.x - image(scene)).abs().mean()) < 1


def test_what_judges_the_result_has_not_seen_the_held_out_pixels(scene, validation):
    """The held-out pixels change the share and the estimate, but the unseen image only through the share."""
    fitted, estimate = image(scene + 5), image(scene - 5)
    one = answer(fitted, estimate, validation)
    held = validation.held_out.weights > 0
    data = validation.problem.data.where(~held, validation.problem.data + 50)
    parts = (replace(part, data=data) for part in (validation.problem, validation.fitted))
    whole, seen = parts
    other = answer(fitted, estimate, replace(validation, problem=whole, fitted=seen))
    torch.testing.assert_close(other.unseen.x, one.unseen.x)
    assert not torch.allclose(other.x, one.x)


def test_equal_images_are_mixed_without_a_division_by_zero(scene, validation):
    last = answer(image(scene), image(scene), validation)
    assert last.x.isfinite().all()


SHORT = DIP(
    iterations=5, input_channels=2, precision="float32", network=Hourglass(widths=(4, 4), skips=(2, 2))
)


def test_it_belongs_to_the_postfilter(scene, random):
    drawn = fftconvolve(scene, KERNEL, mode="valid")[:48, :48] + random.normal(0, 3, (48, 48))
    task = Deconvolve(GaussianNoise(3.0), psf=GaussianPSF(3.0))
    truth = scene[EDGE : EDGE + 48, EDGE : EDGE + 48]
    with_it, without = (
        restore(drawn.astype(np.float32), task, replace(SHORT, postfilter=on)).image for on in (True, False)
    )
    errors = [float(np.square(x - truth).mean()) for x in (with_it, without)]
    assert errors[0] < 0.5 * errors[1]


def test_a_short_fit_denoises_nearly_as_well_as_the_estimate(scene, random):
    drawn = (scene + random.normal(0, 20, scene.shape)).astype(np.float32)
    images = [restore(drawn, Denoise(), method).image for method in (SHORT, NonLocalBayes())]
    errors = [float(np.square(x - scene).mean()) for x in images]
    assert errors[0] < 1.1 * errors[1]

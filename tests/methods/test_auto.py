"""The method that suits the task and the data."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_dip import (
    DIP,
    Auto,
    CorrelatedNoise,
    Deconvolve,
    Denoise,
    FineTune,
    GaussianNoise,
    GaussianPSF,
    Inpaint,
    LaplaceNoise,
    Measurement,
    NonLocalBayes,
    Outcome,
    PoissonNoise,
    RestorationError,
    SuperResolve,
    estimate_cost,
    measure_resolution,
    restore,
    solve,
)
from napari_dip.errors import InputError
from napari_dip.methods.base import Method
from napari_dip.restoration.provenance import Provenance
from napari_dip.restoration.run import SeriesRun

BLUR = GaussianPSF(2.0)
HOLES = np.zeros((64, 64), bool)
HOLES[::4, ::4] = True


@pytest.fixture
def noisy(phantom, random):
    return phantom + random.normal(0, 20, phantom.shape)


def chosen(image, task, **beside):
    """Return the method of a run, and the sentence that says why."""
    series = SeriesRun.of(Measurement(image, **beside), task, Auto()).series
    return type(series.method), series.choice


@pytest.mark.parametrize(
    ("task", "beside", "method", "why"),
    [
        (Denoise(), {}, NonLocalBayes, "independent from pixel to pixel"),
        (Denoise(GaussianNoise(20.0)), {}, NonLocalBayes, "independent from pixel to pixel"),
        (Denoise(PoissonNoise()), {}, NonLocalBayes, "independent from pixel to pixel"),
        (Deconvolve(psf=BLUR), {}, NonLocalBayes, "independent from pixel to pixel"),
        (Denoise(LaplaceNoise(20.0)), {}, DIP, "outliers are expected"),
        (Denoise(CorrelatedNoise()), {}, DIP, "correlated between neighbouring pixels"),
        (Denoise(), {"missing": HOLES}, DIP, "many pixels are missing"),
        (Denoise(), {"guide": np.eye(64)}, DIP, "it can use a guide"),
        (Inpaint(), {"missing": HOLES}, DIP, "fills in missing pixels"),
        (SuperResolve(factor=2), {}, FineTune, "one fits these data"),
        (SuperResolve(factor=7), {}, DIP, "no pretrained network fits"),
    ],
)
def test_it_says_what_it_chose_and_why(task, beside, method, why, noisy):
    found, reason = chosen(noisy, task, **beside)
    assert found is method
    assert why in reason


def test_noise_that_neighbours_have_in_common_is_recognised(random):
    smooth = gaussian_filter(random.normal(100, 30, (128, 128)), 1)
    assert chosen(smooth, Denoise())[0] is DIP


def test_faint_sources_beside_very_bright_ones_are_left_to_deep_image_prior(random):
    sky = random.poisson(100, (64, 64)).astype(float)
    assert chosen(sky, Denoise(PoissonNoise()))[0] is NonLocalBayes
    sky[30:33, 30:33] += 20_000
    found, reason = chosen(sky, Denoise(PoissonNoise()))
    assert found is DIP
    assert "very bright places" in reason


def test_volumes_are_super_resolved_by_deep_image_prior(random):
    volume = random.normal(100, 5, (8, 24, 24))
    assert chosen(volume, SuperResolve(factor=2), axes="ZYX")[0] is DIP


def test_the_result_is_that_of_the_method_which_its_record_names(noisy):
    found = restore(noisy, Denoise(), Auto())
    np.testing.assert_array_equal(found.image, restore(noisy, Denoise(), NonLocalBayes()).image)
    record = Provenance.of(found.provenance)
    assert record.method == NonLocalBayes()
    assert record.frames[0].note.startswith("Non-local Bayes was chosen, because")
    assert "non-local Bayes" in found.methods_text()


def test_the_reason_stands_before_the_run_and_on_its_answer(noisy):
    assert estimate_cost(noisy, Denoise(), Auto()).remarks[0].startswith("Non-local Bayes was chosen")
    *_, answer = solve(noisy, Denoise(), Auto())
    assert answer.outcome is Outcome.COMPUTED
    assert answer.note.startswith("Non-local Bayes was chosen")


def test_all_frames_are_restored_by_the_method_of_the_first_that_has_something(noisy):
    frames = np.stack([np.full_like(noisy, 7), noisy, noisy[::-1]])
    found = restore(frames, Denoise(), Auto(), axes="TYX")
    assert Provenance.of(found.provenance).method == NonLocalBayes()
    np.testing.assert_array_equal(found.image[1], restore(noisy, Denoise(), NonLocalBayes()).image)


def test_what_cannot_be_restored_is_refused_as_by_other_methods(noisy):
    with pytest.raises(InputError, match="missing"):
        restore(noisy, Inpaint(), Auto())
    errors = []
    for method in (Auto(), NonLocalBayes()):
        with pytest.raises((InputError, RestorationError)) as caught:
            restore(np.full((32, 32), 3.0), Denoise(), method)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]


def test_both_halves_of_a_measurement_are_restored_by_one_method(noisy):
    found = measure_resolution(noisy, Denoise(), Auto())
    records = [Provenance.of(one.provenance).method for one in found.results]
    assert records == [NonLocalBayes(), NonLocalBayes()]


def test_it_is_a_method():
    method: Method = Auto()
    assert method.probe(5) == method
    assert method.resolved("cpu") == method

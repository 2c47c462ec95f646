"""A restoration says what it is worth, and so does its provenance."""

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_dip import PKN, Denoise, Diagnostics, GaussianNoise, Inpaint, restore, solve
from napari_dip.restoration.provenance import Provenance
from napari_dip.restoration.text import verdict

NOISE = GaussianNoise(20.0)


@pytest.fixture
def noisy(phantom, random):
    return phantom + random.normal(0, 20, phantom.shape)


def read(result):
    """Return the frames that provenance says, read again."""
    return Provenance.of(json.loads(json.dumps(result.provenance, allow_nan=False))).frames


def test_an_image_has_one_diagnosis(noisy):
    result = restore(noisy, Denoise(NOISE), PKN())
    assert isinstance(result.diagnostics, Diagnostics)
    assert result.diagnostics.noise == "σ = 20 grey levels everywhere"
    assert result.diagnostics.fitted.pixels == noisy.size
    assert verdict(result) == result.diagnostics.in_words
    assert read(result) == result.frames


def test_a_series_has_one_for_each_frame(noisy):
    series = np.stack([noisy, np.full_like(noisy, 7), np.full_like(noisy, np.nan), noisy.T])
    result = restore(series, Denoise(NOISE), PKN(), axes="TYX")
    assert [one is None for one in result.diagnostics] == [False, True, True, False]
    assert read(result) == result.frames


def test_held_out_pixels_are_unseen(noisy, tiny):
    """The held-out pixels come back in the postfilter. What is judged on them has not seen them."""
    method = replace(tiny, iterations=30)
    result = restore(noisy, Denoise(NOISE), method)
    unseen, fitted = result.diagnostics.unseen, result.diagnostics.fitted
    assert unseen.pixels == round(0.05 * noisy.size)
    assert fitted.pixels == noisy.size - unseen.pixels
    assert unseen.whole.value > fitted.whole.value
    assert result.diagnostics.minimum is not None
    assert read(result) == result.frames


def test_a_run_without_held_out_pixels_has_seen_all(noisy, tiny):
    found = restore(noisy, Denoise(NOISE), replace(tiny, stopping="max-iterations")).diagnostics
    assert found.unseen is None
    assert found.minimum is None
    assert found.fitted.pixels == noisy.size


def test_drift_is_taken_back_before_the_pixels_are_compared(noisy, tiny):
    series = np.stack([noisy, np.roll(noisy, (5, 3), (0, 1))])
    found = restore(series, Denoise(NOISE), replace(tiny, iterations=60), axes="TYX", series="drift")
    first, second = (one.unseen.whole.value for one in found.diagnostics)
    assert second < 2 * first


def test_filled_holes_are_not_judged(noisy, tiny):
    missing = np.zeros(noisy.shape, bool)
    missing[20:24] = True
    found = restore(noisy, Inpaint(), tiny, missing=missing).diagnostics
    assert found.consistent is None
    assert found.fitted is None


def test_solve_measures_only_on_demand(noisy):
    *before, answer = solve(noisy, Denoise(NOISE), PKN())
    assert all(one.diagnose is None for one in before)
    assert answer.unseen is None
    assert answer.diagnose() == restore(noisy, Denoise(NOISE), PKN()).diagnostics


def test_a_failure_to_measure_costs_no_result(noisy, monkeypatch):
    def fails(*_):
        raise MemoryError("no room")

    monkeypatch.setattr("napari_dip.diagnostics.diagnosis.whiteness", fails)
    with pytest.warns(UserWarning, match="the residual could not be measured: .*memory"):
        result = restore(noisy, Denoise(NOISE), PKN())
    assert result.diagnostics is None
    assert np.isfinite(result.image).all()


def test_a_summary_counts_the_frames(noisy):
    good = Diagnostics("Good.", consistent=True)
    bad, other = Diagnostics("Bad.", consistent=False), Diagnostics("Unknown.")
    result = restore(np.stack([noisy] * 4), Denoise(NOISE), PKN(), axes="TYX")

    def words(*found):
        frames = tuple(
            replace(report, diagnostics=one) for report, one in zip(result.frames, found, strict=True)
        )
        return verdict(replace(result, frames=frames))

    assert words(good, good, good, None) == "Good."
    assert words(good, bad, good, bad) == (
        "The residual is consistent with the noise in 2 of 4 frames. It is not in frames 1, 3."
    )
    assert words(good, other, None, other).endswith("in 1 of 3 frames. It can't be told in 2.")
    assert words(None, None, None, None) == ""

"""A restoration can be used as an array."""

import json

import numpy as np
import pytest

from napari_dip import Denoise, Outcome, Restoration, StoppingCriterion, restore
from napari_dip.restoration.frame_report import FrameReport


@pytest.fixture
def restoration(phantom, tiny):
    return restore(np.stack([phantom, phantom.T]), Denoise(), tiny, axes="TYX")


def test_it_behaves_as_an_array(restoration):
    image = restoration.image
    assert (restoration.shape, restoration.dtype, restoration.ndim) == ((2, 64, 64), np.float32, 3)
    assert (restoration.size, len(restoration)) == (image.size, 2)
    np.testing.assert_array_equal(restoration[1, 3:5], image[1, 3:5])
    np.testing.assert_array_equal(np.asarray(restoration), image)
    np.testing.assert_array_equal(restoration - image, 0)
    assert np.asarray(restoration, float).dtype == float
    for wanted, got in (
        (image * 2, restoration * 2),
        (-image, -restoration),
        (image > 100, restoration > 100),
    ):
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(2 + restoration * restoration, 2 + image * image)
    np.testing.assert_array_equal(np.sqrt(abs(restoration)), np.sqrt(abs(image)))
    assert float(np.mean(restoration)) == pytest.approx(float(image.mean()))


def test_it_may_be_restored_again(restoration, tiny):
    """Whatever takes an array takes a restoration."""
    assert restore(restoration, Denoise(), tiny, axes="TYX").shape == restoration.shape


def test_without_frames_that_failed_nothing_failed(restoration):
    assert isinstance(restoration, Restoration)
    assert restoration.failed == ()


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf"), None])
def test_a_report_is_plain_json(score):
    report = FrameReport((1,), Outcome.DIVERGED, 3, score, 1.5, StoppingCriterion.RISK)
    written = json.dumps(report.to_dict(), allow_nan=False)
    assert json.loads(written)["score"] is None

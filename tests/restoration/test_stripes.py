"""Stripes are taken off the data before any method sees them, and the user is told."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dip import PKN, Denoise, GaussianNoise, StripeNoise, UnknownNoise, restore
from napari_dip.operators import Identity
from napari_dip.problem import Problem
from napari_dip.restoration.remarks import SuspectDataWarning
from napari_dip.restoration.stripes import without_stripes

METHOD = PKN(predictor="constant")
STRIPES = np.random.default_rng(1).normal(0, 12, 96)


@pytest.fixture
def image():
    return 100 + np.random.default_rng(0).normal(0, 10, (96, 96)) + STRIPES


def column_spread(image):
    return np.asarray(image).mean(-2).std()


@pytest.mark.parametrize("task", [Denoise(), Denoise(StripeNoise("columns"))])
def test_stripes_are_taken_off_and_the_user_is_told(image, task):
    with warnings.catch_warnings():
        warnings.simplefilter("error", SuspectDataWarning)
        result = restore(image, task, METHOD)
    assert column_spread(result.image) < 0.4 * column_spread(image)
    assert result.frames[0].note.startswith("Stripes were taken off: the offsets of columns (σ = 1")
    assert result.image.mean() == pytest.approx(image.mean(), abs=0.5)


def test_columns_stay_if_only_rows_have_offsets(image):
    assert "columns" not in restore(image, Denoise(StripeNoise("rows")), METHOD).frames[0].note


def test_inpainting_that_keeps_pixels_keeps_stripes(image):
    data = torch.tensor(image, dtype=torch.float32)[None, None]
    problem = Problem(data, Identity(), UnknownNoise(), torch.ones_like(data))
    assert without_stripes(problem)[1]
    assert not without_stripes(replace(problem, only_missing=True))[1]


def test_a_user_who_tells_the_noise_is_warned(image):
    with pytest.warns(SuspectDataWarning, match="choose stripe noise"):
        result = restore(image, Denoise(GaussianNoise(10.0)), METHOD)
    assert "Stripes" not in result.frames[0].note


def test_planes_and_channels_have_stripes_of_their_own(image):
    stack = np.stack([image, image[:, ::-1]])
    for axes in ("ZYX", "CYX"):
        result = restore(stack, Denoise(), METHOD, axes=axes)
        assert all(column_spread(plane) < 0.4 * column_spread(image) for plane in np.asarray(result.image))


def test_units_change_nothing(image):
    once = np.asarray(restore(image, Denoise(), METHOD).image)
    scaled = np.asarray(restore(64 * image + 4096, Denoise(), METHOD).image)
    assert (scaled - 4096) / 64 == pytest.approx(once, abs=0.02)

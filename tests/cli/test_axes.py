"""Narrow images on the command line, and the question what a short last axis is."""

import numpy as np
import pytest

from napari_dip import Denoise, restore
from napari_dip.io import read

from .running import FAST, METHOD, run


@pytest.mark.parametrize("shape", [(24, 20, 1), (40, 1), (1, 40), (2, 1, 24)])
@pytest.mark.parametrize("suffix", [".npy", ".tif", ".fits"])
def test_a_narrow_image_is_restored(tmp_path, random, shape, suffix):
    image = random.normal(100, 10, shape).astype(np.float32)
    np.save(tmp_path / "in.npy", image)
    assert run("denoise", tmp_path / "in.npy", tmp_path / f"out{suffix}", "--quiet", *FAST) == 0
    expected = restore(image, Denoise(), METHOD).image
    # TIFF and FITS leave out axes of length 1.
    np.testing.assert_array_equal(read(tmp_path / f"out{suffix}").data.squeeze(), expected.squeeze())


def test_a_short_last_axis_is_asked_for_by_its_option(tmp_path, random, capsys):
    image = random.normal(100, 10, (16, 16, 2)).astype(np.float32)
    np.save(tmp_path / "in.npy", image)
    command = ("denoise", tmp_path / "in.npy", tmp_path / "out.npy", "--quiet", *FAST)
    assert run(*command) == 2
    said = capsys.readouterr().err
    assert "--axes YXC for a 2-D image of 16 x 16, 2 channels fitted together" in said
    assert "or --axes TYX for a 2-D image of 16 x 2, 16 frames one after another" in said
    assert not (tmp_path / "out.npy").exists()
    assert run(*command, "--axes", "YXC") == 0
    expected = restore(image, Denoise(), METHOD, axes="YXC").image
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_a_file_to_learn_from_must_name_its_axes_if_the_last_one_is_short(tmp_path, random, capsys):
    np.save(tmp_path / "in.npy", random.normal(100, 10, (16, 16, 2)))
    assert run("train-pkn", tmp_path / "in.npy", "--output", tmp_path / "mine.safetensors") == 2
    assert "in.npy: the last axis of the shape (16, 16, 2) may hold channels" in capsys.readouterr().err

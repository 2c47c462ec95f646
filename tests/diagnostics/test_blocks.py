"""What is measured of a large image."""

import math
from itertools import pairwise

import numpy as np
import pytest

from napari_dip.diagnostics.blocks import blocks_of, chosen_channels


@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        ((512, 512), 1),
        ((4096, 4096), 1),
        ((2048, 3072), 3),
        ((90, 200_000), 1),
        ((200_000, 90), 8),
        ((64, 1024, 1024), 1),
        ((1000, 40, 40), 2),
        ((3, 5000, 5000), 8),
    ],
)
def test_blocks_are_spread_over_the_image_and_limited(shape, channels):
    blocks = blocks_of(shape, channels)
    measured = sum(math.prod(part.stop - part.start for part in block) for block in blocks)
    assert measured <= 2**20 / channels
    assert measured >= min(math.prod(shape), 2**20 / channels / 8)
    for axis, n in enumerate(shape):
        ranges = sorted({(block[axis].start, block[axis].stop) for block in blocks})
        assert ranges[0][0] >= 0
        assert ranges[-1][1] <= n
        assert all(first[1] <= second[0] for first, second in pairwise(ranges))
    assert len({tuple((part.start, part.stop) for part in block) for block in blocks}) == len(blocks)


def test_a_small_image_is_measured_as_a_whole():
    assert blocks_of((1024, 1024)) == [(slice(0, 1024), slice(0, 1024))]


def test_channels_are_limited():
    assert chosen_channels(3) == [0, 1, 2]
    many = chosen_channels(200)
    assert len(many) == 8
    assert (many[0], many[-1]) == (0, 199)
    assert np.ptp(np.diff(many)) <= 1

"""Failed frames are named in one sentence."""

import pytest

from napari_dip.cli.frames import failed_frames


@pytest.mark.parametrize(
    ("reasons", "listed"),
    [
        ({(3,): "every pixel is missing."}, "frame 3: every pixel is missing"),
        ({(2,): "a", (5,): "a", (6,): "a", (7,): "a"}, "frames 2, 5-7: a"),
        ({(0,): "a", (1,): "b", (2,): "a"}, "frames 0, 2: a; frame 1: b"),
        ({(0, 1): "a", (0, 2): "a", (1, 2): "a"}, "frames (0, 1)-(0, 2), (1, 2): a"),
    ],
)
def test_failed_frames_are_listed_by_reason(reasons, listed):
    expected = f"{len(reasons)} of 9 frames could not be restored ({listed})."
    assert failed_frames(reasons, 9) == expected

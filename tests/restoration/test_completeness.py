"""Whether a result is that of a run that reached its end."""

import numpy as np
import pytest

from napari_dip import Denoise, restore
from napari_dip.optim.stopping import MaxIterations, StopRequested
from napari_dip.restoration.completeness import is_complete


@pytest.fixture
def frames(random):
    return random.normal(100, 10, (3, 16, 18)).astype(np.float32)


def test_a_run_that_reached_its_end_is_complete(frames, tiny):
    assert is_complete(restore(frames[0], Denoise(), tiny).provenance)
    assert is_complete(restore(frames, Denoise(), tiny, axes="TYX").provenance)
    limited = restore(frames, Denoise(), tiny, axes="TYX", stopping_rule=MaxIterations(2))
    assert is_complete(limited.provenance)


@pytest.mark.parametrize("within", [True, False], ids=["within a frame", "between two"])
def test_a_run_that_was_stopped_is_not(frames, tiny, within):
    from threading import Event

    stop = Event()

    def callback(iterate):
        reached = iterate.index >= 1 if within else iterate.outcome is not None
        if iterate.frame == (1,) and reached:
            stop.set()

    rule = MaxIterations(100) | StopRequested(stop)
    result = restore(frames, Denoise(), tiny, axes="TYX", stopping_rule=rule, callback=callback)
    assert len(result.frames) == 2
    assert not is_complete(result.provenance)
    assert result.provenance["stop_after"] == 100


def test_a_run_in_which_a_frame_failed_is_not(frames, tiny):
    provenance = restore(frames, Denoise(), tiny, axes="TYX").provenance
    provenance["frames"][1]["outcome"] = "FAILED"
    assert not is_complete(provenance)


@pytest.mark.parametrize(
    "provenance",
    [
        {},
        {"frames": None},
        {"frames": 3},
        {"frames": ["x"]},
        {"frames": [{}], "axes": 7, "shape": "a"},
        {"frames": [{}], "axes": "TYX", "shape": ["a", 3, 4]},
        {"frames": [{}], "axes": "YX", "shape": [{}, {}], "channels": "nonsense"},
    ],
)
def test_what_says_nothing_raises_no_doubt(provenance):
    assert is_complete(provenance)

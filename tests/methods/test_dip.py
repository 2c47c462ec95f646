from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dip import DIP, Decoder, UnknownNoise
from napari_dip.operators import Identity
from napari_dip.problem import Problem


def problem(shape, observed=None):
    data = torch.zeros(1, 1, *shape)
    weights = torch.ones_like(data)
    if observed is not None:
        weights.view(-1)[observed:] = 0
    return Problem(data, Identity(), UnknownNoise(), weights)


@pytest.mark.parametrize(
    ("shape", "observed", "message"),
    [
        ((7, 7), None, "at least 8 pixels"),
        ((8, 8), 3, "at least 4 observed"),
        ((9,), None, "2 or 3 spatial axes"),
        ((1, 8), None, None),
    ],
)
def test_an_unsupported_problem_is_refused_in_words(shape, observed, message):
    reason = DIP().unsupported_reason(problem(shape, observed))
    assert reason is None if message is None else message in reason


def test_a_guide_needs_a_network_that_sees_images():
    decoder, made = DIP(network=Decoder()), problem((16, 16))
    assert "Decoder has no image as its input" in decoder.unsupported_reason(made, guided=True)
    assert decoder.unsupported_reason(made) is None
    assert DIP().unsupported_reason(made, guided=True) is None


def test_an_input_of_the_guide_alone_needs_a_guide():
    method = DIP(input="guide")
    assert "none is given" in method.unsupported_reason(problem((16, 16)))
    assert method.unsupported_reason(problem((16, 16)), guided=True) is None


def test_resolved_settings_leave_nothing_to_the_machine():
    assert DIP().resolved("cpu").precision in ("float32", "bfloat16")
    assert DIP(precision="float32").resolved("cpu") == DIP(precision="float32")


def test_a_probe_runs_for_a_number_of_iterations_and_does_nothing_else(random):
    method = DIP(iterations=9, ensemble_size=3, time_limit=1.0, precision="float32")
    probe = method.probe(3)
    assert probe.max_iterations == 3
    data = torch.as_tensor(random.random((1, 1, 16, 16)), dtype=torch.float32)
    iterates = [*probe.solve(replace(problem((16, 16)), data=data))]
    assert [one.index for one in iterates if not one.preparing] == [0, 1, 2, 3]
    assert np.isfinite([float(one.loss) for one in iterates if not one.preparing]).all()

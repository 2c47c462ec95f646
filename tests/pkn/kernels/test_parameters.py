import pytest
import torch

from napari_dip.pkn.kernels.parameters import Parameter

WIDTH = Parameter("width", "Width.", "px", 0.25, 4.0, 1.0, identity=0.25)
SLOPE = Parameter("slope", "Slope.", "", -2.0, 6.0, 1.0, 1.0, positive=False)
H = Parameter("h", "Tolerance.", "noise", 0.5, 8.0, 1.0)


def value_of(number):
    return torch.tensor(number, dtype=torch.float64)


def test_0_decodes_to_the_geometric_or_the_arithmetic_mean_of_the_limits():
    assert float(WIDTH.decode(value_of(0.0))) == pytest.approx(1.0)
    assert float(SLOPE.decode(value_of(0.0))) == pytest.approx(2.0)


@pytest.mark.parametrize("parameter", [WIDTH, SLOPE, H], ids=lambda one: one.name)
def test_values_beyond_the_limits_are_encoded_as_finite_numbers(parameter):
    for value in (-1e6, 0.0, parameter.low, parameter.high, 1e6):
        raw = parameter.encode(value_of(value))
        assert raw.isfinite()
        assert parameter.low <= float(parameter.decode(raw)) <= parameter.high


@pytest.mark.parametrize(
    ("parameter", "value", "strength", "expected"),
    [
        (WIDTH, 1.0, 0.5, 0.5),  # halfway between 1/4 and 1, in ratios
        (WIDTH, 1.0, 2.0, 4.0),
        (WIDTH, 2.0, 2.0, 4.0),  # 16, clipped
        (SLOPE, 3.0, 0.5, 2.0),
        (SLOPE, -1.0, 2.0, -2.0),  # -3, clipped
        (H, 2.0, 0.5, 1.0),  # multiplied, as there is no identity
        (H, 2.0, 0.0, 0.5),
    ],
)
def test_strength_scales_the_distance_from_the_identity(parameter, value, strength, expected):
    assert float(parameter.scaled(value_of(value), strength)) == pytest.approx(expected)

"""Working units hold what float32 alone would lose."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_dip.image.units import Units, float32_suffices

INTEGERS = ("u1", "i2", ">u2", "u4", "i4", "u8", "i8")


def there_and_back(values):
    units = Units.of(values)
    return units.to_grey(torch.from_numpy(units.to_working(values))).numpy()


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("at", ["lowest", "middle", "highest"])
def test_integers_come_back_exactly_wherever_they_lie(dtype, at):
    limits = np.iinfo(np.dtype(dtype))
    first = {
        "lowest": limits.min,
        "middle": (limits.min + limits.max) // 2 - 100,
        "highest": limits.max - 200,
    }[at]
    values = np.array([first + n for n in range(200)], dtype)
    units = Units.of(values)
    working = units.to_working(values)
    # Their differences are exact, even where float64 can't hold the numbers themselves.
    np.testing.assert_array_equal(np.diff(working) * units.scale, 1)
    if abs(first) < 2**52:
        np.testing.assert_array_equal(there_and_back(values), values.astype(float))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(-(2**40), 2**40),
    st.integers(-30, 30),
    st.lists(st.integers(0, 4095), min_size=2, max_size=50).filter(lambda values: len(set(values)) > 1),
)
def test_a_constant_and_a_power_of_two_change_no_working_value(offset, power, values):
    image = np.array(values, np.float64)
    np.testing.assert_array_equal(
        Units.of(image).to_working(image),
        Units.of(2.0**power * (image + offset)).to_working(2.0**power * (image + offset)),
    )


@pytest.mark.parametrize("factor", [1e-310, 1e-30, 1.0, 1e13, 1e30, 1e306])
def test_working_values_have_a_range_like_that_of_8_bits(factor):
    values = factor * np.random.default_rng(0).normal(5, 1, 1000)
    working = Units.of(values).to_working(values)
    assert np.isfinite(working).all()
    if factor > 1e-300:  # below, float64 itself has few bits
        assert 100 < np.ptp(working) < 400
        np.testing.assert_allclose(there_and_back(values), values, rtol=1e-6)


def test_single_pixels_do_not_choose_the_units():
    values = np.random.default_rng(0).normal(100, 10, 5000)
    with_outliers = np.append(values, [1e9, -1e9])
    assert Units.of(values).scale == Units.of(with_outliers).scale
    assert abs(Units.of(values).offset - Units.of(with_outliers).offset) < 1


def test_units_without_an_offset_keep_zero():
    units = Units.of(np.array([1000.0, 1001.0]), with_offset=False)
    assert (units.offset, units.level(0)) == (0, 0)


def test_units_of_nothing_and_of_a_constant():
    assert Units.of(np.zeros(0)) == Units()
    assert Units.of(np.full(4, 7)).to_working(np.full(4, 7)).tolist() == [0] * 4


@pytest.mark.parametrize("dtype", ["f2", ">f4", "f8", "g", "?"])
def test_every_real_dtype_is_converted(dtype):
    values = (np.random.default_rng(0).random(100) > 0.5).astype(dtype)
    np.testing.assert_array_equal(there_and_back(values), values.astype(float))


@pytest.mark.parametrize(
    ("largest", "sigma", "enough"),
    [(255, 1.0, True), (1e8, 10.0, False), (1e8, 1e4, True), (1e39, 1e38, False), (2**24, 10.0, False)],
)
def test_float32_suffices_if_its_steps_are_a_hundredth_of_the_noise(largest, sigma, enough):
    assert float32_suffices(largest, sigma) is enough

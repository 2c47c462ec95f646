import numpy as np
import pytest

from napari_dip.noise.quantisation import quantisation_step


@pytest.mark.parametrize("step", [1.0, 2.0, 16.0, 0.1, 1 / 255, 3e-7, 2.5e8])
@pytest.mark.parametrize("offset", [0.0, 7.0, -40.5])
def test_the_step_is_found_even_if_no_two_levels_are_neighbours(step, offset, random):
    levels = random.choice([0, 6, 10, 15, 1000, 1000 - 6, 37], (20, 20))
    levels[0, :3] = 0, 6, 15
    levels[1, :2] = 10, 0
    values = (step * (levels + offset)).astype(np.float32)
    assert quantisation_step(values) == pytest.approx(step, rel=1e-3)


def test_gaps_that_all_levels_share_are_steps(random):
    assert quantisation_step(16.0 * random.integers(0, 4096, (64, 64))) == 16


@pytest.mark.parametrize("spread", [1e-3, 10.0, 1e6])
def test_real_numbers_have_no_step(spread, random):
    values = random.normal(100, spread, (64, 64)).astype(np.float32)
    assert quantisation_step(values) < 1e-4 * spread


@pytest.mark.parametrize("values", [np.zeros((0,)), np.full((4, 4), 3.0)])
def test_a_single_level_has_no_step(values):
    assert quantisation_step(values) == 0

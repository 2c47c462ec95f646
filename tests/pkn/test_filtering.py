import numpy as np
import pytest
import torch

from napari_dip.errors import InputError
from napari_dip.pkn.filtering import Filtering
from napari_dip.pkn.kernels import base as tiles
from napari_dip.pkn.kernels.gaussian import Anisotropic
from napari_dip.pkn.kernels.upsample import Upsample
from napari_dip.pkn.maps import NOISE_LEFT, maps_of
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.predictors import Constant

SIZE = 12, 15


@pytest.fixture
def observation(random):
    image = torch.from_numpy(random.normal(100, 20, (1, 2, *SIZE))).float()
    return Observation(image, torch.full((1, 1, 1, 1), 20.0))


def named(kernel, **changes):
    fine = [kernel.factor * n for n in SIZE]
    values = {one.name: changes.get(one.name, one.default) for one in kernel.parameters}
    return {
        name: v if isinstance(v, torch.Tensor) else torch.full(fine, float(v)) for name, v in values.items()
    }


@pytest.mark.parametrize("kernel", [Anisotropic(), Upsample(2)], ids=lambda kernel: kernel.name)
def test_maps_given_back_make_the_same_image(kernel, observation):
    filtering = Filtering.predicted(kernel, observation, Constant(kernel))
    maps = {name: one.compute() for name, one in maps_of(filtering).items() if name != NOISE_LEFT}
    again = Filtering.given(kernel, observation, maps)
    torch.testing.assert_close(again.image()[0], filtering.image()[0])
    torch.testing.assert_close(again.noise_left(), filtering.noise_left())


def test_a_change_of_maps_changes_the_image_there_alone(observation):
    kernel = Anisotropic()
    before, _ = Filtering.given(kernel, observation, named(kernel)).image()
    width = named(kernel)["width"]
    width[3:5, 7:9] = 3.0
    after, _ = Filtering.given(kernel, observation, named(kernel, width=width)).image()
    changed = (after != before).any(1)[0]
    assert changed[3:5, 7:9].all()
    assert int(changed.sum()) == 4


def test_maps_tell_meaning_unit_and_limits(observation):
    kernel = Anisotropic()
    maps = maps_of(Filtering.given(kernel, observation, named(kernel)))
    assert list(maps) == ["width", "a", "b", NOISE_LEFT]
    for name, one in maps.items():
        values = one.compute()
        assert values.shape == SIZE, name
        assert one.low <= values.min() <= values.max() <= one.high, name
    assert maps["width"].unit == "px"


def test_the_noise_that_is_left_is_what_filtered_noise_has(random):
    """Measured over many draws, also of correlated results at the border."""
    kernel = Anisotropic()
    noise = torch.from_numpy(random.normal(0, 3, (1, 800, *SIZE))).float()
    filtering = Filtering.given(
        kernel, Observation(noise, torch.full((1, 1, 1, 1), 3.0)), named(kernel, width=1.4, b=0.8)
    )
    measured = filtering.image()[0].std(1)[0] / 3
    inner = (slice(5, -5), slice(5, -5))
    torch.testing.assert_close(filtering.noise_left()[inner], measured[inner], rtol=0.1, atol=0)


def test_tiles_make_the_same_image(observation, monkeypatch):
    filtering = Filtering.given(Anisotropic(), observation, named(Anisotropic(), width=3))
    whole, left = filtering.image()[0], filtering.noise_left()
    monkeypatch.setattr(tiles, "_TILE", 2 * SIZE[1])
    torch.testing.assert_close(filtering.image()[0], whole)
    torch.testing.assert_close(filtering.noise_left(), left)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": torch.ones(SIZE[1], SIZE[0])}, r"width must have the shape \(12, 15\).*got \(15, 12\)"),
        ({"a": torch.full(SIZE, np.nan)}, "a must be finite"),
        ({"b": torch.full(SIZE, -np.inf)}, "b must be finite"),
    ],
)
def test_maps_that_can_not_be_applied_are_refused_by_name(changes, message, observation):
    with pytest.raises(InputError, match=message):
        Filtering.given(Anisotropic(), observation, named(Anisotropic(), **changes))


def test_other_names_than_the_kernels_are_refused(observation):
    maps = named(Anisotropic())
    for wrong in ({"width": maps["width"]}, {**maps, "h": maps["a"]}, {}):
        with pytest.raises(InputError, match=r"has the maps width, a, b, got"):
            Filtering.given(Anisotropic(), observation, wrong)


def test_values_beyond_the_limits_are_brought_to_these_and_counted(observation):
    width = named(Anisotropic())["width"]
    width[0, :3], width[5, 5] = 100.0, 0.0
    with pytest.warns(UserWarning, match="4 values of the map width lay beyond its limits, 0.2 and 4"):
        filtering = Filtering.given(Anisotropic(), observation, named(Anisotropic(), width=width))
    assert filtering.parameters()[0, 0, 0, 0] == 4
    assert filtering.parameters()[0, 0, 5, 5] == pytest.approx(0.2)


def test_strength_goes_from_the_image_itself_to_more_than_was_predicted(observation):
    kernel = Anisotropic()
    left = []
    for strength in (0.0, 0.5, 1.0, 1.5):
        filtering = Filtering.predicted(kernel, observation, Constant(kernel), strength)
        left.append(float(filtering.noise_left().mean()))
        if strength == 0:
            torch.testing.assert_close(filtering.image()[0], observation.image, rtol=0, atol=0.01)
    assert left[0] > left[1] + 0.1 > left[2] + 0.2
    assert left[2] > left[3] + 0.05

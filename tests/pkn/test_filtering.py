import numpy as np
import pytest
import torch

from napari_dip.errors import InputError
from napari_dip.pkn.filtering import Filtering
from napari_dip.pkn.kernels import base as tiles
from napari_dip.pkn.kernels.gaussian import Anisotropic
from napari_dip.pkn.kernels.upsample import Upsample
from napari_dip.pkn.maps import NOISE_GAIN, maps_of
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
def test_predicted_maps_that_are_given_back_make_the_same_image(kernel, observation):
    filtering = Filtering.predicted(kernel, observation, Constant(kernel))
    maps = {name: one.compute() for name, one in maps_of(filtering).items() if name != NOISE_GAIN}
    again = Filtering.given(kernel, observation, maps)
    torch.testing.assert_close(again.image()[0], filtering.image()[0])
    torch.testing.assert_close(again.noise_gain(), filtering.noise_gain())


def test_an_edited_map_changes_the_image_only_where_it_was_edited(observation):
    kernel = Anisotropic()
    before, _ = Filtering.given(kernel, observation, named(kernel)).image()
    width = named(kernel)["width"]
    width[3:5, 7:9] = 3.0
    after, _ = Filtering.given(kernel, observation, named(kernel, width=width)).image()
    changed = (after != before).any(1)[0]
    assert changed[3:5, 7:9].all()
    assert int(changed.sum()) == 4


def test_maps_have_a_unit_and_lie_within_their_limits(observation):
    kernel = Anisotropic()
    maps = maps_of(Filtering.given(kernel, observation, named(kernel)))
    assert list(maps) == ["width", "a", "b", NOISE_GAIN]
    for name, one in maps.items():
        values = one.compute()
        assert values.shape == SIZE, name
        assert one.low <= values.min() <= values.max() <= one.high, name
    assert maps["width"].unit == "px"


def test_the_noise_gain_is_that_of_filtered_noise(random):
    """The noise is measured over many draws."""
    kernel = Anisotropic()
    noise = torch.from_numpy(random.normal(0, 3, (1, 800, *SIZE))).float()
    filtering = Filtering.given(
        kernel, Observation(noise, torch.full((1, 1, 1, 1), 3.0)), named(kernel, width=1.4, b=0.8)
    )
    measured = filtering.image()[0].std(1)[0] / 3
    inner = (slice(5, -5), slice(5, -5))
    torch.testing.assert_close(filtering.noise_gain()[inner], measured[inner], rtol=0.1, atol=0)


def test_tiles_make_the_same_image(observation, monkeypatch):
    filtering = Filtering.given(Anisotropic(), observation, named(Anisotropic(), width=3))
    whole, gain = filtering.image()[0], filtering.noise_gain()
    monkeypatch.setattr(tiles, "_TILE", 2 * SIZE[1])
    torch.testing.assert_close(filtering.image()[0], whole)
    torch.testing.assert_close(filtering.noise_gain(), gain)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": torch.ones(SIZE[1], SIZE[0])}, r"width must have the shape \(12, 15\).*got \(15, 12\)"),
        ({"a": torch.full(SIZE, np.nan)}, "a must be finite"),
        ({"b": torch.full(SIZE, -np.inf)}, "b must be finite"),
    ],
)
def test_unusable_maps_are_errors_that_name_the_map(changes, message, observation):
    with pytest.raises(InputError, match=message):
        Filtering.given(Anisotropic(), observation, named(Anisotropic(), **changes))


def test_maps_must_have_the_names_of_the_parameters(observation):
    maps = named(Anisotropic())
    for wrong in ({"width": maps["width"]}, {**maps, "h": maps["a"]}, {}):
        with pytest.raises(InputError, match=r"needs all of its maps, width, a, b, and no others; got"):
            Filtering.given(Anisotropic(), observation, wrong)


def test_values_beyond_the_limits_are_clipped_and_counted(observation):
    width = named(Anisotropic())["width"]
    width[0, :3], width[5, 5] = 100.0, 0.0
    with pytest.warns(UserWarning, match="4 values of the map width lay beyond its limits, 0.2 and 4"):
        filtering = Filtering.given(Anisotropic(), observation, named(Anisotropic(), width=width))
    assert filtering.parameters()[0, 0, 0, 0] == 4
    assert filtering.parameters()[0, 0, 5, 5] == pytest.approx(0.2)


def test_the_noise_gain_falls_with_the_strength(observation):
    """Strength 0 leaves the image unchanged."""
    kernel = Anisotropic()
    gain = []
    for strength in (0.0, 0.5, 1.0, 1.5):
        filtering = Filtering.predicted(kernel, observation, Constant(kernel), strength)
        gain.append(float(filtering.noise_gain().mean()))
        if strength == 0:
            torch.testing.assert_close(filtering.image()[0], observation.image, rtol=0, atol=0.01)
    assert gain[0] > gain[1] + 0.1 > gain[2] + 0.2
    assert gain[2] > gain[3] + 0.05

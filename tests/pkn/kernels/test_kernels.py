"""Laws that every kernel obeys. A new kernel is one more row of KERNELS."""

from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch.autograd import gradcheck

from napari_dip.pkn.filtering import Filtering
from napari_dip.pkn.kernels import base as tiles
from napari_dip.pkn.kernels import registry as kernels
from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.kernels.upsample import Upsample
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.settings import KernelName


def example_kernel():
    """Return the kernel that docs/adding-a-kernel.md adds."""
    path = Path(__file__).parents[3] / "docs" / "anisotropic_bilateral.py"
    spec = spec_from_file_location("anisotropic_bilateral", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.AnisotropicBilateral()


KERNELS: dict[str, ProceduralKernel] = {
    **{name: kernels.kernel_of(name) for name in kernels.KERNELS},
    "upsample 3": Upsample(3),
    "anisotropic bilateral": example_kernel(),
}
#: Larger than any margin, no multiple of a stride, wider than high.
SIZE = 19, 22
every_kernel = pytest.mark.parametrize("kernel", list(KERNELS.values()), ids=list(KERNELS))


def for_purposes(*purposes):
    chosen = [kernel for kernel in KERNELS.values() if kernel.purpose in purposes]
    return pytest.mark.parametrize("kernel", chosen, ids=lambda kernel: f"{kernel.name} {kernel.factor}")


normalising_kernel = for_purposes("denoise", "refine")
smoothing_kernel = for_purposes("denoise")


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def observed(kernel, size=SIZE, channels=1, seed=0, **parts):
    """Return an image with edges and noise, grey levels around 100."""
    rows, columns = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in size), indexing="ij")
    image = 100 + 30 * torch.sin(0.7 * rows + 0.3 * columns) + 60 * (2 * rows + columns > 30)
    image = image + 5 * numbers(1, channels, *size, seed=seed)
    blur = torch.tensor([-0.6, 0.3, -0.2], dtype=torch.float64).view(1, 3, 1, 1)
    sigma = torch.full((1, 1, 1, 1), 5.0, dtype=torch.float64)
    return Observation(image, sigma, blur=blur if kernel.purpose == "deblur" else None, **parts)


def with_holes(observation, share=0.25):
    seen = numbers(1, 1, *observation.image.shape[2:], seed=3).abs() > share
    holed = replace(observation, seen=seen.to(observation.image.dtype))
    return replace(holed, image=holed.filled())


def any_maps(kernel, size=SIZE, seed=1, spread=1.5):
    """Return parameters within their limits that differ from pixel to pixel."""
    fine = [kernel.factor * n for n in size]
    return kernel.decode(spread * numbers(1, len(kernel.parameters), *fine, seed=seed))


def parts_of(maps):
    return lambda rows, columns: maps[:, :, rows, columns]


def places(kernel, size=SIZE):
    """Yield the corners of the result, a pixel near the border, and some in the middle."""
    height, width = (kernel.factor * n for n in size)
    yield from ((0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1), (1, width - 3))
    yield from ((height // 2, width // 2), (height // 2 + 1, width // 2), (height // 3, 2))


def around(image, kernel, row, column):
    """Return the window of an image to which `weights_at` refers, 0 outside the image."""
    padded = torch.nn.functional.pad(image, (kernel.reach,) * 4)
    top, left, side = row // kernel.factor, column // kernel.factor, 2 * kernel.reach + 1
    return padded[top : top + side, left : left + side]


@every_kernel
class TestLaws:
    def test_weights_sum_to_1_and_predict_the_filtered_pixel(self, kernel):
        for observation in (observed(kernel), with_holes(observed(kernel))):
            if kernel.purpose == "deblur":  # it takes filled pixels for observed ones
                observation = replace(observation, seen=None)
            maps = any_maps(kernel)
            filtered = kernel.apply(observation, maps)[0, 0]
            for row, column in places(kernel):
                weights = kernel.weights_at(observation, parts_of(maps), row, column)
                if filtered[row, column].isnan():  # a missing pixel without a similar one in reach
                    assert not weights.any()
                    continue
                assert float(weights.sum()) == pytest.approx(1)
                window = around(observation.image[0, 0], kernel, row, column)
                assert float((weights * window).sum()) == pytest.approx(float(filtered[row, column]))

    def test_pixels_out_of_reach_have_no_influence(self, kernel):
        observation, maps = observed(kernel, (2 * kernel.reach + 3, kernel.margin + 2)), None
        height, width = observation.image.shape[2:]
        maps = any_maps(kernel, (height, width))
        middle = kernel.factor * (height // 2)
        changed = observation.image.clone()
        changed[:, :, [0, -1]] += 1000
        same = kernel.apply(replace(observation, image=changed), maps)[:, :, middle]
        assert torch.equal(same, kernel.apply(observation, maps)[:, :, middle])

    def test_constants_are_kept(self, kernel):
        observation = observed(kernel)
        flat = replace(observation, image=torch.full_like(observation.image, 123.0))
        filtered = kernel.apply(flat, any_maps(kernel, spread=5))
        torch.testing.assert_close(filtered, torch.full_like(filtered, 123.0))

    def test_an_offset_of_the_image_offsets_the_result(self, kernel):
        observation, maps = observed(kernel), any_maps(kernel)
        brighter = replace(observation, image=observation.image + 1000)
        torch.testing.assert_close(kernel.apply(brighter, maps), kernel.apply(observation, maps) + 1000)

    def test_a_change_of_units_scales_the_result(self, kernel):
        observation, maps = observed(kernel), any_maps(kernel)
        scaled = replace(observation, image=1000 * observation.image, sigma=1000 * observation.sigma)
        torch.testing.assert_close(kernel.apply(scaled, maps), 1000 * kernel.apply(observation, maps))
        torch.testing.assert_close(kernel.noise_gain(scaled, maps), kernel.noise_gain(observation, maps))

    @pytest.mark.parametrize("turn", ["up and down", "quarter"])
    def test_it_turns_with_the_image(self, kernel, turn):
        """A mirror image changes the sign of b, a quarter turn the signs of a and b."""
        observation = replace(observed(kernel), sigma=5 + numbers(1, 1, *SIZE, seed=5).abs())
        maps = any_maps(kernel)
        move = {
            "up and down": lambda x: x.flip(2),
            "quarter": lambda x: x.rot90(1, (2, 3)),
        }[turn]
        sign = {"b": -1.0, "a": -1.0 if turn == "quarter" else 1.0}
        signs = [sign.get(parameter.name, 1.0) for parameter in kernel.parameters]
        blur = observation.blur
        if blur is not None:
            blur = blur * blur.new_tensor([1, sign["a"], sign["b"]]).view(1, 3, 1, 1)
        turned = replace(observation, image=move(observation.image), sigma=move(observation.sigma), blur=blur)
        maps_turned = move(maps) * maps.new_tensor(signs).view(1, -1, 1, 1)
        for function in (kernel.apply, kernel.noise_gain):
            torch.testing.assert_close(function(turned, maps_turned), move(function(observation, maps)))

    def test_images_and_channels_do_not_mix(self, kernel):
        """Only grey-level distances depend on all channels of an image."""
        first, second = (observed(kernel, channels=2, seed=seed) for seed in (0, 8))
        maps = torch.cat([any_maps(kernel, seed=seed) for seed in (1, 9)])
        blur = None if first.blur is None else first.blur.expand(2, -1, -1, -1)
        sigma = torch.cat([first.sigma, 2 * second.sigma])
        both = Observation(torch.cat([first.image, second.image]), sigma, blur=blur)
        together = kernel.apply(both, maps)
        alone = kernel.apply(replace(second, sigma=2 * second.sigma), maps[1:])
        torch.testing.assert_close(together[1:], alone)
        one = replace(first, image=first.image[:, :1], guide=first.image if kernel.guided else None)
        torch.testing.assert_close(together[:1, :1], kernel.apply(one, maps[:1]))

    def test_the_input_is_not_modified_and_the_dtype_is_kept(self, kernel):
        observation, maps = with_holes(observed(kernel)), any_maps(kernel)
        before = observation.image.clone(), maps.clone()
        result = kernel.apply(observation, maps)
        kernel.noise_gain(observation, maps)
        assert torch.equal(observation.image, before[0])
        assert torch.equal(maps, before[1])
        single = Observation(
            *(part.float() if isinstance(part, torch.Tensor) else part for part in vars(observation).values())
        )
        assert kernel.apply(single, maps.float()).dtype == torch.float32
        torch.testing.assert_close(
            kernel.apply(single, maps.float()), result.float(), rtol=1e-4, atol=1e-2, equal_nan=True
        )

    @pytest.mark.parametrize(
        "alone", [True, False], ids=["image alone", "with map of sigma, holes and guide"]
    )
    def test_tiles_equal_the_whole(self, kernel, alone, monkeypatch):
        size = 41, 15
        observation = observed(kernel, size, channels=2)
        if not alone:
            sigma = 5 + numbers(1, 1, *size, seed=5).abs()
            guide = 100 + 20 * numbers(1, 3, *size, seed=6)
            observation = with_holes(replace(observation, sigma=sigma, guide=guide))
        maps = any_maps(kernel, size)
        monkeypatch.setattr(tiles, "_TILE", 15 * kernel.factor**2 * 4)
        for function in (kernel.apply, kernel.noise_gain):
            whole = function(observation, maps)
            joined, times = torch.zeros_like(whole), torch.zeros_like(whole)
            pieces = list(kernel.in_tiles(function, observation, parts_of(maps)))
            for part, tile in pieces:
                joined[:, :, *part] = tile
                times[:, :, *part] += 1
            assert len(pieces) == 12
            assert (times == 1).all()
            torch.testing.assert_close(joined, whole, equal_nan=True)

    def test_decoding_undoes_encoding(self, kernel):
        raw = 2 * numbers(2, len(kernel.parameters), 5, 6)
        torch.testing.assert_close(kernel.encode(kernel.decode(raw)), raw)
        default = kernel.default().double()[None]
        torch.testing.assert_close(kernel.decode(kernel.encode(default)), default)

    def test_no_network_can_leave_the_limits(self, kernel):
        low, high = (
            torch.tensor([getattr(parameter, end) for parameter in kernel.parameters]).view(1, -1, 1)
            for end in ("low", "high")
        )
        raw = torch.tensor([-1e4, -20.0, 0.0, 20.0, 1e4]).expand(1, len(kernel.parameters), 5)
        decoded = kernel.decode(raw)
        # float32 may round a limit.
        assert ((decoded >= low - 1e-6 * low.abs()) & (decoded <= high + 1e-6 * high.abs())).all()
        assert (decoded.diff(dim=2) >= 0).all()
        beyond = torch.cat([low - 10, high + 10], 2)
        near = kernel.decode(kernel.encode(beyond))
        torch.testing.assert_close(near, torch.cat([low, high], 2), rtol=2e-3, atol=2e-3)

    def test_gradients_with_respect_to_the_maps(self, kernel):
        size = kernel.margin + 2, kernel.margin + 1
        for observation in (observed(kernel, size), with_holes(observed(kernel, size), 0.1)):
            maps = any_maps(kernel, size).requires_grad_()
            # NaN, without an observed pixel in reach, counts as 0.
            assert gradcheck(lambda m, o=observation: kernel.apply(o, m).nan_to_num(), maps, fast_mode=True)

    def test_missing_pixels_have_no_influence(self, kernel):
        """They influence neither the image nor the noise gain, the weights or the parameters."""
        observation = with_holes(observed(kernel, channels=2))
        observation = Observation(
            *(part.float() if isinstance(part, torch.Tensor) else part for part in vars(observation).values())
        )
        maps = any_maps(kernel).float()[0]
        named = {parameter.name: one for parameter, one in zip(kernel.parameters, maps, strict=True)}
        raw = numbers(1, len(kernel.parameters), 30, 30).float()

        def predicted(seen):
            return raw + seen.filled().mean() / 100

        for make in (
            lambda o: Filtering.given(kernel, o, named),
            lambda o: Filtering.predicted(kernel, o, predicted),
        ):
            first, second = (
                make(replace(observation, image=observation.image.where(observation.seen > 0, hidden)))
                for hidden in (0.0, 1e5)
            )
            assert torch.equal(first.image()[0], second.image()[0])
            torch.testing.assert_close(
                first.noise_gain(), second.noise_gain(), rtol=0, atol=0, equal_nan=True
            )
            for row, column in places(kernel):
                assert torch.equal(first.weights_at(row, column), second.weights_at(row, column))
            assert torch.equal(first.parameters(), second.parameters())

    def test_each_channel_has_its_own_missing_pixels(self, kernel):
        observation = replace(observed(kernel, channels=2), guide=None)
        observation = replace(observation, guide=observation.image)
        seen = (numbers(1, 2, *SIZE, seed=4).abs() > 0.3).double()
        maps = any_maps(kernel)[0]
        named = {parameter.name: one for parameter, one in zip(kernel.parameters, maps, strict=True)}
        together, _ = Filtering.given(kernel, replace(observation, seen=seen), named).image()
        for c in range(2):
            part = replace(observation, image=observation.image[:, c, None], seen=seen[:, c, None])
            alone, _ = Filtering.given(kernel, part, named).image()
            torch.testing.assert_close(together[:, c, None], alone)

    def test_strength_0_leaves_the_image_unchanged(self, kernel):
        """Without identities, the parameters take their lowest values: the weakest filter."""
        observation = observed(kernel)
        none = kernel.scaled(any_maps(kernel), 0.0)
        if all(parameter.identity is None for parameter in kernel.parameters):
            assert torch.equal(none, torch.full_like(none, kernel.parameters[0].low))
            return
        pixels = observation.image.repeat_interleave(kernel.factor, 2).repeat_interleave(kernel.factor, 3)
        # The second nearest measured pixel of a fine one has a weight of at most 2 %.
        torch.testing.assert_close(
            kernel.apply(observation, none), pixels, rtol=0, atol=0.01 if kernel.factor == 1 else 2.5
        )

    def test_strength_1_changes_no_parameter(self, kernel):
        maps = any_maps(kernel)
        torch.testing.assert_close(kernel.scaled(maps, 1.0), maps)


@smoothing_kernel
class TestMeans:
    """Laws of kernels that average with weights of at least 0."""

    def test_the_result_stays_within_the_extremes_of_its_window(self, kernel):
        observation = observed(kernel)
        filtered = kernel.apply(observation, any_maps(kernel))[0, 0]
        height, width = SIZE
        for row in range(height):
            for column in range(width):
                rows, columns = (
                    slice(max(0, p - kernel.radius), p + kernel.radius + 1) for p in (row, column)
                )
                window = observation.image[0, 0, rows, columns]
                assert window.min() - 1e-9 <= filtered[row, column] <= window.max() + 1e-9

    def test_no_weight_is_negative(self, kernel):
        maps = any_maps(kernel)
        for row, column in places(kernel):
            assert kernel.weights_at(observed(kernel), parts_of(maps), row, column).min() >= 0


@normalising_kernel
class TestWeights:
    """Laws of kernels that normalise their weights themselves."""

    def test_the_noise_gain_follows_from_the_weights(self, kernel):
        """At the border it is too low, since a pixel and its mirror image count as independent."""
        maps, reach = any_maps(kernel), kernel.radius
        for observation in (observed(kernel), with_holes(observed(kernel))):
            gain = kernel.noise_gain(observation, maps)[0, 0]
            middle = [kernel.factor * n for n in (reach, SIZE[0] - reach - 1)]
            for row in (middle[0], middle[1]):
                for column in (kernel.factor * reach, kernel.factor * (SIZE[1] - reach) - 1):
                    weights = kernel.weights_at(observation, parts_of(maps), row, column)
                    assert float(gain[row, column]) == pytest.approx(float(weights.square().sum().sqrt()))

    def test_pixels_with_nothing_in_reach_take_the_nearest_value_and_are_counted(self, kernel):
        size, f = (40, 40), kernel.factor
        observation = observed(kernel, size)
        seen = torch.ones_like(observation.image)
        first, last = 10, 12 + 2 * kernel.radius  # of a hole with three blind pixels in its middle
        seen[:, :, first : last + 1, first : last + 1] = 0
        wide = {
            parameter.name: torch.full((f * 40, f * 40), parameter.high if parameter.positive else 0.0)
            for parameter in kernel.parameters
        }
        filtering = Filtering.given(kernel, replace(observation, seen=seen), wide)
        image, count = filtering.image()
        blind = slice(f * (first + kernel.radius), f * (first + kernel.radius + 3))
        assert count == (3 * f) ** 2
        assert image.isfinite().all()
        # The pixel above the corner of the blind square is as near as the one to its left.
        nearest = (blind.start - 1, blind.start), (blind.start, blind.start - 1)
        assert image[0, 0, blind.start, blind.start] in [image[0, 0, row, column] for row, column in nearest]
        gain = filtering.noise_gain()
        assert gain[blind, blind].isnan().all()
        assert int(gain.isnan().sum()) == count


def test_the_settings_offer_every_kernel():
    assert get_args(KernelName) == tuple(kernels.KERNELS)


def test_a_name_gives_its_kernel():
    for name in kernels.KERNELS:
        assert kernels.kernel_of(name, 3).name == name
    assert kernels.kernel_of("upsample", 3).factor == 3
    assert kernels.kernel_of("anisotropic", 3).factor == 1


@every_kernel
def test_parameters_have_distinct_names_and_defaults_within_their_limits(kernel):
    names = [parameter.name for parameter in kernel.parameters]
    assert len(set(names)) == len(names)
    for parameter in kernel.parameters:
        assert parameter.low < parameter.default < parameter.high
        assert parameter.identity is None or parameter.low <= parameter.identity <= parameter.high
        assert parameter.meaning.endswith(".")

import numpy as np
import pytest
import torch

from napari_dip.pkn import strips
from napari_dip.pkn.filter import decoded
from napari_dip.pkn.filtering import Filtering
from napari_dip.pkn.kernels.registry import KERNELS, kernel_of
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.predictors import Constant, StructureTensor

#: Strides of 4, 2 and 1 pixels.
STRIDES = "anisotropic", "reblur", "upsample"
every_stride = pytest.mark.parametrize("kernel", [kernel_of(name) for name in STRIDES], ids=STRIDES)
#: Kernels whose width the structure tensor predicts.
WITH_WIDTH = ["isotropic", "anisotropic", "bilateral", "upsample"]


def observed(image, sigma=5.0):
    return Observation(
        torch.as_tensor(image, dtype=torch.float32)[None, None], torch.full((1, 1, 1, 1), sigma)
    )


@every_stride
def test_a_constant_is_the_same_everywhere_and_can_be_fitted(kernel):
    setting = torch.tensor([0.3 * one.low + 0.7 * one.high for one in kernel.parameters])
    predictor = Constant(kernel, setting)
    torch.testing.assert_close(predictor.setting, setting)
    raw = predictor(observed(np.zeros((9, 14))))
    maps = decoded(kernel, raw, slice(0, 9 * kernel.factor), slice(0, 14 * kernel.factor))
    assert maps.shape[2:] == (9 * kernel.factor, 14 * kernel.factor)
    torch.testing.assert_close(maps, setting.view(1, -1, 1, 1).expand_as(maps))
    maps.sum().backward()
    assert (predictor.raw.grad != 0).all()


@every_stride
def test_encoded_maps_are_interpolated_linearly_between_predictions(kernel):
    step = kernel.stride * kernel.factor
    raw = torch.randn(1, len(kernel.parameters), 5, 6, generator=torch.Generator().manual_seed(0)).double()
    maps = decoded(kernel, raw, slice(0, 5 * step - 1), slice(0, 6 * step - 2))
    assert maps.shape[2:] == (5 * step - 1, 6 * step - 2)
    found = kernel.encode(maps)[0].numpy()
    rows, columns = ((np.arange(n * step) + 0.5) / step - 0.5 for n in (5, 6))
    for predicted, got in zip(raw[0].numpy(), found, strict=True):
        along = np.stack([np.interp(columns, np.arange(6), line) for line in predicted])
        expected = np.stack([np.interp(rows, np.arange(5), line) for line in along.T]).T
        np.testing.assert_allclose(got, expected[: got.shape[0], : got.shape[1]], rtol=1e-6, atol=1e-9)


@every_stride
def test_a_part_of_the_maps_equals_that_of_the_whole(kernel):
    step = kernel.stride * kernel.factor
    raw = torch.randn(1, len(kernel.parameters), 6, 4, generator=torch.Generator().manual_seed(0))
    height, width = 6 * step - kernel.factor, 4 * step
    whole = decoded(kernel, raw, slice(0, height), slice(0, width))
    for start in range(0, height, kernel.factor):
        for rows in (kernel.factor, 3 * kernel.factor, 2 * step):
            left = 5 * start % width
            part = slice(start, min(height, start + rows)), slice(left, min(width, left + rows))
            torch.testing.assert_close(decoded(kernel, raw, *part), whole[:, :, *part])


@pytest.mark.parametrize(
    ("direction", "along", "across"),
    [("rows", (0, 1), (1, 0)), ("columns", (1, 0), (0, 1)), ("/", (-1, 1), (1, 1)), ("\\", (1, 1), (-1, 1))],
)
@pytest.mark.parametrize("name", ["anisotropic", "upsample"])
def test_the_structure_tensor_stretches_a_filter_along_stripes(name, direction, along, across, random):
    kernel = kernel_of(name)
    rows, columns = np.mgrid[:40, :40]
    phase = (across[0] * rows + across[1] * columns) / np.hypot(*across)
    image = 100 + 50 * np.sin(phase) + random.normal(0, 5, (40, 40))
    filtering = Filtering.predicted(kernel, observed(image), StructureTensor(kernel))
    f = kernel.factor
    weights = np.mean([filtering.weights_at(f * n, f * n).numpy().clip(0) for n in range(10, 30)], 0)
    # The first fine pixel lies above and to the left of the centre of the measured one.
    dy, dx = np.mgrid[: weights.shape[0], : weights.shape[1]] - weights.shape[0] // 2 + (0.5 - 0.5 / f)

    def spread(axis):
        return (weights * ((axis[0] * dy + axis[1] * dx) / np.hypot(*axis)) ** 2).sum()

    assert spread(along) > 1.3 * spread(across)
    named = {parameter.name: at for at, parameter in enumerate(kernel.parameters)}
    a, b = (filtering.parameters()[0, named[one]].mean() for one in "ab")
    strong, weak = (a, b) if direction in ("rows", "columns") else (b, a)
    assert abs(strong) > 5 * abs(weak)
    assert (strong > 0) == (direction in ("rows", "/"))


@pytest.mark.parametrize("name", WITH_WIDTH)
def test_the_structure_tensor_makes_filters_wide_in_flat_regions_and_narrow_at_edges(name, random):
    kernel = kernel_of(name)
    image = 100 + random.normal(0, 5, (48, 96))
    image[:, 48:] += 80
    width = kernel.decode(StructureTensor(kernel)(observed(image)))[0, 0]
    middle = 48 // kernel.stride
    flat = torch.cat([width[:, : middle - 4], width[:, middle + 4 :]], 1)
    assert flat.mean() > 2 * width[:, middle - 1 : middle + 1].mean()
    assert flat.min() > width[:, middle - 1 : middle + 1].max()


@pytest.mark.parametrize("name", ["anisotropic", "upsample"])
def test_units_do_not_matter_to_the_structure_tensor(name, random):
    predictor = StructureTensor(kernel_of(name))
    image = random.normal(100, 20, (20, 27))
    torch.testing.assert_close(
        predictor(observed(1000 * image, 5000.0)), predictor(observed(image)), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("name", sorted(set(KERNELS) - set(WITH_WIDTH)))
def test_the_structure_tensor_needs_a_kernel_with_a_width_in_pixels(name):
    with pytest.raises(ValueError, match="the structure tensor can't predict"):
        StructureTensor(kernel_of(name))


@pytest.mark.parametrize("name", ["anisotropic", "upsample"])
def test_strips_of_the_structure_tensor_equal_the_whole(name, random, monkeypatch):
    kernel = kernel_of(name)
    predictor = StructureTensor(kernel)
    observation = observed(random.normal(100, 20, (67, 21)))
    whole = predictor(observation)
    monkeypatch.setattr(strips, "_STRIP", 0)
    assert len(list(predictor.strips(observation))) > 1
    torch.testing.assert_close(predictor(observation), whole)

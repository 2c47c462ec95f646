import itertools

import pytest
import torch

from napari_dip import PRESETS, UnknownNoise
from napari_dip.networks.build import build
from napari_dip.operators import Identity
from napari_dip.problem import Problem


@pytest.mark.parametrize(
    ("name", "channels_in", "channels_out", "number"),
    [
        ("classic", 32, 3, 2_217_831),
        ("snail", 3, 3, 572_827),
        ("hole", 2, 3, 2_157_955),
        ("text", 32, 3, 3_002_627),
        ("library", 1, 3, 2_996_467),
        ("half", 32, 1, 2_217_573),
        ("sparse", 32, 3, 1_027_379),
        ("super-resolution-4", 32, 3, 2_217_831),
        ("super-resolution-8", 32, 3, 2_217_831),
        ("flash", 3, 3, 2_184_307),
        ("decoder", 128, 3, 100_224),
    ],
)
def test_networks_have_the_published_number_of_weights(name, channels_in, channels_out, number):
    """The numbers were counted by hand in the authors' code; their notebook prints that of "classic"."""
    settings = PRESETS[name]
    if settings.input == "noise":
        assert settings.input_channels == channels_in
    network = build(settings.network, channels_in, channels_out, (512, 512))
    assert sum(weight.numel() for weight in network.parameters()) == number


@pytest.mark.parametrize(
    ("name", "iterations", "learning_rate", "input_noise_std", "input"),
    [
        ("classic", 3000, 0.01, 1 / 30, "noise"),
        ("snail", 2400, 0.01, 1 / 30, "noise"),
        ("hole", 5000, 0.01, 0.03, "coordinates"),
        ("text", 6000, 0.01, 0.03, "noise"),
        ("library", 3000, 0.01, 0.0, "noise"),
        ("half", 11_000, 0.001, 0.03, "noise"),
        ("sparse", 1000, 0.01, 0.0, "noise"),
        ("super-resolution-4", 2000, 0.01, 0.03, "noise"),
        ("super-resolution-8", 4000, 0.01, 0.05, "noise"),
        ("flash", 600, 0.1, 0.0, "guide"),
        ("decoder", 1900, 0.01, 0.0, "noise"),
    ],
)
def test_fits_are_as_published(name, iterations, learning_rate, input_noise_std, input):
    settings = PRESETS[name]
    assert (settings.iterations, settings.learning_rate) == (iterations, learning_rate)
    assert (settings.input_noise_std, settings.input) == (input_noise_std, input)
    assert settings.beta2 == 0.999
    assert not settings.initial_estimate
    assert not settings.postfilter


@pytest.mark.parametrize("name", PRESETS)
def test_networks_keep_the_size_of_an_image(name):
    network = PRESETS[name].network
    z = torch.rand(1, 3, *network.input_shape((37, 50)))
    built = build(network, 3, 1, (37, 50))
    built.initialise(torch.Generator().manual_seed(0))
    assert built(z).shape == (1, 1, 37, 50)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_run(name, random):
    data = torch.as_tensor(random.random((1, 1, 33, 40)), dtype=torch.float32)
    problem = Problem(data, Identity(), UnknownNoise(), torch.ones_like(data))
    settings = PRESETS[name]
    guide = data.flip(3) if settings.input == "guide" else None
    assert settings.unsupported_reason(problem, guided=guide is not None) is None
    fit = (one for one in settings.solve(problem, guide=guide) if not one.preparing)
    *_, last = itertools.islice(fit, 3)
    assert last.x.isfinite().all()

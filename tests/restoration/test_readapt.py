"""A pretrained network once more, with weights between the first and the tuned ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_dip import Deconvolve, Denoise, FineTune, GaussianNoise, Measurement, SuperResolve, restore
from napari_dip.errors import FileError
from napari_dip.pretrained.architectures import Compact, DnCNN
from napari_dip.pretrained.files import load
from napari_dip.restoration.readapt import Readapt

SETTINGS = {"action": "fine-tuning", "iterations": 6, "learning_rate": 1e-3}


@pytest.fixture
def image(phantom):
    return phantom[8:56, 8:56]


def nearly_bicubic(factor=2):
    """A network that begins as an enlargement, slightly wrong."""
    torch.manual_seed(0)
    return Compact(1, factor, 4, 1)


def nearly_nothing():
    torch.manual_seed(0)
    return DnCNN.plain(1, 4, 2)


def finer(**settings):
    return FineTune.of(nearly_bicubic(), factor=2, **{**SETTINGS, **settings})


def retuned(image, task, method, result, **options):
    return Readapt(image, task, method, result.states, device="cpu", **options)


@pytest.mark.parametrize("self_ensemble", [True, False])
@pytest.mark.parametrize(
    ("task", "noise"),
    [(SuperResolve(), 0), (SuperResolve(GaussianNoise(10.0)), 10), (Denoise(GaussianNoise(10.0)), 10)],
    ids=["finer", "finer of noisy data", "noise"],
)
def test_all_of_what_was_learnt_gives_the_run_and_nothing_of_it_the_network(
    image, random, task, noise, self_ensemble
):
    data = image + random.normal(0, noise, image.shape)
    network = nearly_bicubic() if isinstance(task, SuperResolve) else nearly_nothing()
    factor = 2 if isinstance(task, SuperResolve) else 1
    method = FineTune.of(network, factor=factor, self_ensemble=self_ensemble, **SETTINGS)
    result = restore(data, task, method, device="cpu")
    again = retuned(data, task, method, result)
    ((frame, whole),) = again.restored(1.0)
    assert frame == ()
    assert np.array_equal(whole, result.image)
    ((_, none),) = again.restored(0.0)
    assert not np.allclose(none, whole)
    if (
        noise and not self_ensemble and isinstance(task, SuperResolve)
    ):  # then nothing is done to what comes out of the network
        assert np.array_equal(none, result.network_output)
    ((_, half),) = again.restored(0.5)
    assert np.abs(half - whole).mean() < np.abs(none - whole).mean()


@pytest.mark.parametrize("following", ["warm_start", "independent"])
@pytest.mark.parametrize("axes", ["TYX", "ZYX"])
def test_each_frame_has_its_own_weights(image, axes, following):
    data = np.stack([image, image.T, image[::-1]])
    method = finer()
    measurement, task = Measurement(data, axes=axes), SuperResolve(along="lateral")
    result = restore(measurement, task, method, device="cpu", series=following)
    again = retuned(measurement, task, method, result, series=following)
    frames = dict(again.restored(1.0))
    assert list(frames) == [(0,), (1,), (2,)]
    for frame, pixels in frames.items():
        assert np.array_equal(pixels, result.image[frame])


@pytest.mark.parametrize("action", ["network", "back-projection"])
def test_a_frame_of_which_no_weight_was_changed_stays(image, action):
    method = finer(action=action)
    result = restore(image, SuperResolve(), method, device="cpu")
    assert list(retuned(image, SuperResolve(), method, result).restored(0.5)) == []


def test_blur_and_missing_pixels_are_heeded(image):
    task = Deconvolve()
    method = FineTune.of(nearly_nothing(), **SETTINGS)
    missing = np.zeros(image.shape, bool)
    missing[10:14] = True
    result = restore(image, task, method, device="cpu", missing=missing)
    ((_, pixels),) = retuned(Measurement(image, missing=missing), task, method, result).restored(1.0)
    assert np.array_equal(pixels, result.image)


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_a_saved_network_restores_as_it_does_here(image, tmp_path, share):
    method = finer()
    result = restore(image, SuperResolve(), method, device="cpu")
    again = retuned(image, SuperResolve(), method, result)
    path = tmp_path / "tuned.safetensors"
    again.save(path, (), share)
    written = load(path)
    assert written.metadata["tuned"]["share"] == share
    assert written.metadata["tuned"]["task"]["type"] == "SuperResolve"
    # Flips and back-projection end a run, whatever its weights.
    tuned = replace(method, network=None, weights=str(path), action="network")
    output = restore(image, SuperResolve(), tuned, device="cpu").image
    ((_, wanted),) = Readapt(
        image,
        SuperResolve(GaussianNoise(10.0)),
        replace(method, self_ensemble=False),
        result.states,
        device="cpu",
    ).restored(share)
    assert np.allclose(output, wanted, atol=1e-3)


def test_the_file_may_change_once_the_network_was_read(image, tmp_path):
    path = tmp_path / "own.safetensors"
    first = finer()
    from napari_dip.pretrained.files import save

    save(first.network, path)
    method = replace(first, network=None, weights=str(path))
    result = restore(image, SuperResolve(), method, device="cpu")
    again = retuned(image, SuperResolve(), method, result)
    ((_, before),) = again.restored(0.0)
    again.save(path, ())
    ((_, after),) = again.restored(0.0)
    assert np.array_equal(before, after)


def test_a_folder_that_can_not_be_written_to_is_named(image, tmp_path):
    method = finer()
    result = restore(image, SuperResolve(), method, device="cpu")
    with pytest.raises(FileError, match="can't write"):
        retuned(image, SuperResolve(), method, result).save(tmp_path / "no" / "a.safetensors", ())


def test_a_run_leaves_its_settings_and_the_network_alone(image):
    module = nearly_bicubic()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    method = FineTune.of(module, factor=2, **SETTINGS)
    result = restore(image, SuperResolve(), method, device="cpu")
    list(retuned(image, SuperResolve(), method, result).restored(0.3))
    for name, value in method.network.network.state_dict().items():
        assert torch.equal(value, before[name])

"""Each method on the accelerator that is there; on a machine without one there is nothing to test."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from napari_dip import (
    DIP,
    PKN,
    Deconvolve,
    Denoise,
    FineTune,
    GaussianNoise,
    GaussianPSF,
    Inpaint,
    SuperResolve,
    restore,
)
from napari_dip.networks import cuda_graph as recorded
from napari_dip.pkn.kernels.registry import KERNELS
from napari_dip.pkn.predictors import StructureTensor
from napari_dip.restoration.readapt import Readapt
from napari_dip.restoration.refilter import Refilter

DEVICES = [name for name in ("cuda", "mps") if getattr(torch, name).is_available()]
pytestmark = pytest.mark.skipif(not DEVICES, reason="needs an accelerator")

NOISY = Denoise(GaussianNoise(10.0))
FINER = SuperResolve(factor=2)
BLURRED = SuperResolve(factor=2, psf=GaussianPSF(2.0))
SHARPER = Deconvolve(GaussianNoise(5.0), psf=GaussianPSF(3.0))
TASKS = {"denoise": NOISY, "deblur": SHARPER, "refine": FINER}


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


def both(device, image, task, method, **options):
    """Return the restored image of the accelerator and of the processor."""
    return [restore(image, task, method, device=name, **options).image for name in (device, "cpu")]


@pytest.mark.parametrize("predictor", ["network", "constant", "structure-tensor"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels(phantom, device, kernel, predictor):
    if predictor == "structure-tensor" and not StructureTensor.suits(KERNELS[kernel]):
        pytest.skip("it says nothing of this kernel")
    method = PKN(kernel=kernel, predictor=predictor)
    there, here = both(device, phantom, TASKS[KERNELS[kernel].purpose], method)
    np.testing.assert_allclose(there, here, atol=1.0)


def test_missing_pixels(phantom, device):
    missing = np.zeros(phantom.shape, bool)
    missing[20:24, 30:40] = True
    there, here = both(device, phantom, NOISY, PKN(kernel="bilateral"), missing=missing)
    np.testing.assert_allclose(there, here, atol=1.0)


def test_maps_and_another_strength(phantom, device):
    method = PKN(kernel="anisotropic")
    first = restore(phantom, NOISY, method, device=device, return_maps=True)
    maps = {name: one.values for name, one in first.parameter_maps.items() if name in ("width", "a", "b")}
    again = restore(phantom, NOISY, method, device=device, parameter_maps=maps)
    np.testing.assert_allclose(again.image, first.image, atol=1e-2)
    refilter = Refilter(phantom, NOISY, method, device=device)
    ((_, same),) = refilter.restored(1.0)
    np.testing.assert_allclose(same, first.image, atol=1e-2)
    assert refilter.kernel_at((30, 30), 1.0).weights.sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("action", ["network", "back-projection", "fine-tuning"])
@pytest.mark.parametrize("task", [NOISY, FINER, BLURRED], ids=["denoise", "finer", "finer and sharper"])
def test_pretrained_networks(phantom, device, task, action):
    there, here = both(device, phantom, task, FineTune(action=action, iterations=5, learning_rate=1e-4))
    np.testing.assert_allclose(there, here, atol=2.0)


def test_another_share_of_the_weights(phantom, device):
    method = FineTune(action="fine-tuning", iterations=3, learning_rate=1e-4)
    result = restore(phantom, BLURRED, method, device=device)
    ((_, same),) = Readapt(phantom, BLURRED, method, result.states, device=device).restored(1.0)
    np.testing.assert_allclose(same, result.image, atol=1e-2)


@pytest.mark.parametrize(
    "task", [NOISY, Inpaint(), FINER, SHARPER], ids=["denoise", "inpaint", "finer", "sharper"]
)
def test_deep_image_prior(phantom, device, task):
    missing = np.zeros(phantom.shape, bool)
    missing[20:24, 30:40] = True
    image = restore(phantom, task, DIP(iterations=200), device=device, missing=missing).image
    assert np.isfinite(image).all()
    inside = np.s_[6:-6, 6:-6]
    truth = image if task is FINER else phantom
    assert np.abs(image - truth)[inside].mean() < 15


def test_a_volume(device):
    rows, columns = np.mgrid[:24, :24] / 24
    volume = np.stack([100 + 60 * np.sin(5 * rows + plane * columns) for plane in range(8)]).astype(
        np.float32
    )
    image = restore(volume, NOISY, DIP(iterations=60), axes="ZYX", device=device).image
    assert image.shape == volume.shape
    assert np.isfinite(image).all()


@pytest.mark.skipif("cuda" not in DEVICES, reason="needs CUDA")
def test_playing_back_what_was_recorded_makes_no_difference(phantom, monkeypatch):
    """In float32: what bfloat16 rounds differently grows with each update."""
    method = DIP(
        iterations=25, ensemble_size=1, precision="float32", stopping="max-iterations", initial_estimate=False
    )
    played = restore(phantom, NOISY, method, device="cuda").image
    monkeypatch.setattr(recorded, "record", lambda network, z: None)
    launched = restore(phantom, NOISY, method, device="cuda").image
    spread = np.abs(launched - phantom).mean()
    assert np.abs(played - launched).mean() < 0.2 * spread


@pytest.mark.skipif("cuda" not in DEVICES, reason="needs CUDA")
def test_two_runs_at_once(phantom):
    """One records while the other takes memory."""
    with ThreadPoolExecutor(2) as pool:
        method = DIP(iterations=30, ensemble_size=2)
        images = [np.pad(phantom, n, mode="reflect") for n in (0, 16, 32, 48)]
        results = list(pool.map(lambda image: restore(image, NOISY, method, device="cuda").image, images))
    assert all(np.isfinite(result).all() for result in results)


def test_memory_is_given_back(phantom, device):
    if device != "cuda":
        pytest.skip("torch does not say how much is taken")
    method = DIP(iterations=20)
    restore(phantom, NOISY, method, device=device)
    taken = torch.cuda.memory_allocated()
    restore(phantom, NOISY, method, device=device)
    assert torch.cuda.memory_allocated() <= taken

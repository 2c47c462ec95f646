"""What a caller has set for all of torch makes no difference, and is left as it was."""

import contextlib
import threading

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
    Hourglass,
    SuperResolve,
    Wiener,
    estimate_cost,
    restore,
    solve,
)

SMALL = DIP(iterations=3, precision="float32", input_channels=2, network=Hourglass(widths=(4,), skips=(2,)))
RUNS = [
    (Denoise(), SMALL),
    (Denoise(), PKN()),
    (Denoise(GaussianNoise(5.0)), PKN(kernel="nlm", predictor="constant")),
    (Denoise(GaussianNoise(5.0)), FineTune(iterations=1, learning_rate=1e-4)),
    (SuperResolve(), FineTune(iterations=1, learning_rate=1e-4)),
    (Deconvolve(psf=GaussianPSF(2.0)), SMALL),
    (Deconvolve(psf=GaussianPSF(2.0)), Wiener()),
]
IMAGE = np.random.default_rng(0).normal(100, 5, (32, 32)) + 40 * np.eye(32)


@contextlib.contextmanager
def setting(name):
    """Change one setting of torch, and put it back."""
    with contextlib.ExitStack() as stack:
        if name == "float64":
            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            torch.set_default_dtype(torch.float64)
        elif name == "device":
            stack.callback(torch.set_default_device, None)
            torch.set_default_device("meta")
        elif name == "no gradients":
            stack.callback(torch.set_grad_enabled, True)
            torch.set_grad_enabled(False)
        elif name == "deterministic":
            stack.callback(torch.use_deterministic_algorithms, False)
            torch.use_deterministic_algorithms(True)
        else:
            stack.enter_context(
                {"inference": torch.inference_mode(), "autocast": torch.autocast("cpu")}[name]
            )
        yield


@pytest.fixture(scope="module")
def usual():
    return [restore(IMAGE, task, method, threads=1).image for task, method in RUNS]


@pytest.mark.parametrize(
    "name", ["float64", "device", "inference", "no gradients", "autocast", "deterministic"]
)
def test_a_setting_of_torch_makes_no_difference(name, usual):
    with setting(name):
        for (task, method), expected in zip(RUNS, usual, strict=True):
            np.testing.assert_array_equal(restore(IMAGE, task, method, threads=1), expected)
            estimate_cost(IMAGE, task, method)


@pytest.mark.parametrize("task", [Denoise(), SuperResolve()])
def test_maps_of_parameters_are_computed_without_the_callers_autocast(task):
    usual = restore(IMAGE, task, PKN(), threads=1, return_maps=True).parameter_maps
    with setting("autocast"):
        maps = restore(IMAGE, task, PKN(), threads=1, return_maps=True).parameter_maps
    for key, one in usual.items():
        np.testing.assert_array_equal(maps[key].values, one.values)


def test_the_state_of_others_is_left_as_it_was():
    torch.manual_seed(7)
    np.random.seed(7)  # noqa: NPY002  it is others that use it
    random, arrays = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    settings = torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    for task, method in RUNS:
        restore(IMAGE, task, method, threads=1)
    assert torch.equal(torch.get_rng_state(), random)
    np.testing.assert_array_equal(np.random.get_state()[1], arrays)  # noqa: NPY002
    assert (torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()) == settings


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_the_number_of_threads_is_the_runs_own_and_is_recorded():
    result = restore(IMAGE, Denoise(), SMALL, threads=1)
    assert result.provenance["threads"] == 1
    assert restore(IMAGE, Denoise(), SMALL).provenance["threads"] == torch.get_num_threads() == 2
    stream = solve(IMAGE, Denoise(), SMALL, threads=1)
    for _ in stream:
        assert torch.get_num_threads() == 2
    stream.close()
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_work_in_the_background_has_the_number_of_threads_of_the_run(monkeypatch):
    from napari_dip.dip import ensemble

    seen = []
    prepared = ensemble.preparing

    def watched(*arguments):
        seen.append((threading.current_thread().name, torch.get_num_threads()))
        return (yield from prepared(*arguments))

    monkeypatch.setattr(ensemble, "preparing", watched)
    restore(IMAGE, Denoise(), SMALL, threads=1)
    assert seen == [("napari-dip-background", 1)]


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "two", 10**6])
def test_impossible_numbers_of_threads_are_refused(threads):
    with pytest.raises(ValueError, match="threads must be a whole number from 1 to 1024"):
        restore(IMAGE, Denoise(), SMALL, threads=threads)


@pytest.mark.parametrize(("task", "method"), RUNS[:4])
def test_what_a_callback_does_to_an_iterate_has_no_influence(task, method, usual):
    result = restore(IMAGE, task, method, threads=1, callback=lambda iterate: iterate.x.fill_(0))
    np.testing.assert_array_equal(result, usual[RUNS.index((task, method))])

"""Trains a network as its settings say: chooses the examples, and records them in its metadata."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_dip.errors import InputError
from napari_dip.image.intensity import Range
from napari_dip.pkn.degradations import degradation
from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.kernels.registry import kernel_of
from napari_dip.pkn.network import TrainedNetwork
from napari_dip.pkn.objectives import Objective, self_supervised, supervised
from napari_dip.pkn.observe import observing
from napari_dip.pkn.settings import Training
from napari_dip.pkn.trainer import PAUSE, TrainingStep, train
from napari_dip.pkn.weights_file import bundled
from napari_dip.problem import Problem
from napari_dip.synthetic.collection import SyntheticImages

#: Number of synthetic images to train on, their side in pixels, and number of further ones for validation.
_IMAGES, _SIDE, _VALIDATION = 400, 256, 24
#: Share of a clean image's rows, the last ones, that is used for validation.
_HELD_OUT = 0.2
#: Smallest side of an image for training or validation, in pixels.
_SMALLEST = 32

_Preparation = Generator[TrainingStep, None, tuple[Objective, dict[str, Any]]]


def train_network(
    training: Training,
    *,
    clean: Sequence[np.ndarray] = (),
    noisy: Problem | None = None,
    asked: Callable[[], bool] = lambda: False,
) -> Generator[TrainingStep, None, TrainedNetwork]:
    """Train a network on clean images, on one noisy image, or by default on synthetic images.

    Parameters
    ----------
    training : Training
        The settings.
    clean : sequence of ndarray, each of shape ``(H, W)``
        Clean images of any grey levels; each is scaled to the range from 0 to 255.
    noisy : Problem, optional
        Denoising of one noisy image. Unknown noise is measured. No truth is needed, but the network can only
        learn to denoise. Training starts from the network that comes with the package.
    asked : callable
        Returns whether to end the training and keep the best weights so far.

    Yields
    ------
    TrainingStep
        One per iteration, and some in between at which the training can be stopped.

    Returns
    -------
    TrainedNetwork

    Raises
    ------
    InputError
        An image is too small, or the kernel can't be trained on it.
    RestorationError
        The noise can't be measured, or the loss is not finite.
    """
    kernel = kernel_of(training.kernel, training.factor)
    if noisy is not None:
        objective, origin = yield from _on_noisy_image(kernel, noisy)
    else:
        objective, origin = yield from _on_clean_images(training, kernel, clean)
    trained = yield from train(
        kernel,
        objective,
        iterations=training.iterations,
        seed=training.seed,
        # One image is too little to train on from scratch.
        initial_network=None if noisy is None else bundled(kernel).network,
        asked=asked,
    )
    return replace(trained, metadata={**origin, **trained.metadata})


def _on_noisy_image(kernel: ProceduralKernel, problem: Problem) -> _Preparation:
    if kernel.purpose != "denoise":
        raise InputError("kernel", f"{kernel.title} can't be trained on a noisy image: give clean images")
    # A quarter is used for validation, and it must be larger than any window.
    if min(problem.data.shape[2:]) < 2 * _SMALLEST:
        raise InputError(
            "image", f"a noisy image must have at least {2 * _SMALLEST} pixels along each axis to train on"
        )
    steps = observing(problem)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            observation = end.value
            break
        yield PAUSE
    return self_supervised(observation), {
        "images": "the noisy image itself, by Stein's unbiased risk estimate"
    }


def _on_clean_images(
    training: Training, kernel: ProceduralKernel, clean: Sequence[np.ndarray]
) -> _Preparation:
    images: Sequence[Tensor]
    held_out: Sequence[Tensor]
    usual = degradation(kernel)
    weakest, strongest = training.weakest or usual.weakest, training.strongest or usual.strongest
    chosen = replace(usual, weakest=min(weakest, strongest), strongest=max(weakest, strongest))
    if clean:
        parts = [_split(image) for image in clean]
        images, held_out = [one for one, _ in parts], [other for _, other in parts]
        origin = f"{len(clean)} clean image{'s' if len(clean) > 1 else ''} of the user's"
    else:
        images = SyntheticImages(training.seed, range(_IMAGES), _SIDE)
        held_out = SyntheticImages(training.seed, range(_IMAGES, _IMAGES + _VALIDATION), _SIDE)
        for _ in held_out:
            yield PAUSE
        # The wording of the bundled files, so that training them again gives the same bytes.
        kinds = "dead leaves, textures, filaments, blobs, points"
        origin = f"{_IMAGES} made pictures: {kinds} (seed {training.seed})"
    return supervised(chosen, images, held_out), {"images": origin, "degradation": asdict(chosen)}


def _split(image: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return a clean image, scaled from 0 to 255, in two parts: for training and for validation."""
    if image.ndim != 2 or image.shape[0] < _SMALLEST / _HELD_OUT or image.shape[1] < _SMALLEST:
        raise InputError(
            "images",
            f"a clean image must have two axes, at least {round(_SMALLEST / _HELD_OUT)} rows and {_SMALLEST} "
            f"columns, got shape {image.shape}",
        )
    values = torch.from_numpy(np.array(image, np.float32))[None, None]
    if not values.isfinite().all() or values.min() == values.max():
        raise InputError("images", "a clean image must be finite and not constant")
    values = 255 * Range.of(values, torch.ones_like(values, dtype=torch.bool)).to_unit(values)[0, 0]
    rows = round((1 - _HELD_OUT) * len(values))
    return values[:rows], values[rows:]

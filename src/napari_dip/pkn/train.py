"""A training from its settings: where its examples come from, and what its file says of them."""

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
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.settings import Training
from napari_dip.pkn.trainer import Lessons, Step, Trained, self_supervised, supervised, train
from napari_dip.pkn.weights_file import shipped
from napari_dip.synthetic.images import picture

#: Made pictures, their size, and how many more there are for validation.
_PICTURES, _SIDE, _MORE = 400, 256, 24
#: Of a user's clean images the last part of each is for validation: this share of its rows.
_CHECKED = 0.2
#: Pixels that a part must have along each axis.
_LEAST = 32


def train_network(
    training: Training,
    *,
    clean: Sequence[np.ndarray] = (),
    noisy: Observation | None = None,
    asked: Callable[[], bool] = lambda: False,
) -> Generator[Step, None, Trained]:
    """Train a network: on clean images, on one noisy image, or where there is neither on made pictures.

    Parameters
    ----------
    training : Training
        What to train, and for how long.
    clean : sequence of ndarray, each of shape ``(H, W)``
        Any grey levels; each is brought to the range from 0 to 255.
    noisy : Observation, optional
        A noisy image and how strong its noise is. There is no truth then, and nothing but noise is taken
        away. The network that comes with the package learns from there.
    asked : callable
        Whether to end now, and keep what was learnt.

    Yields
    ------
    Step
        One for each update.

    Returns
    -------
    Trained

    Raises
    ------
    InputError
        An image is too small, or the kernel can't learn from it.
    """
    kernel = kernel_of(training.kernel, training.factor)
    lessons, origin = _lessons(training, kernel, clean, noisy)
    # One image says too little to begin with nothing.
    start = None if noisy is None else shipped(kernel).network
    trained = yield from train(
        kernel, lessons, iterations=training.iterations, seed=training.seed, start=start, asked=asked
    )
    return replace(trained, record={**origin, **trained.record})


def _lessons(
    training: Training, kernel: ProceduralKernel, clean: Sequence[np.ndarray], noisy: Observation | None
) -> tuple[Lessons, dict[str, Any]]:
    if noisy is not None:
        if kernel.purpose != "denoise":
            raise InputError("kernel", f"{kernel.title} can't be trained on a noisy image: give clean ones")
        if min(noisy.image.shape[2:]) < 2 * _LEAST:  # a quarter is for validation, with room for any window
            raise InputError(
                "image", f"a noisy image must have {2 * _LEAST} pixels along each axis to train on"
            )
        return self_supervised(noisy), {"images": "the noisy image itself, by Stein's unbiased risk estimate"}
    images: Sequence[Tensor]
    checked: Sequence[Tensor]
    usual = degradation(kernel)
    weakest, strongest = training.weakest or usual.weakest, training.strongest or usual.strongest
    harm = replace(usual, weakest=min(weakest, strongest), strongest=max(weakest, strongest))
    if clean:
        parts = [_divided(image) for image in clean]
        images, checked = [one for one, _ in parts], [other for _, other in parts]
        told = f"{len(clean)} clean image{'s' if len(clean) > 1 else ''} of the user's"
    else:
        images = _Made(training.seed, range(_PICTURES))
        checked = _Made(training.seed, range(_PICTURES, _PICTURES + _MORE))
        kinds = "dead leaves, textures, filaments, blobs, points"
        told = f"{_PICTURES} made pictures: {kinds} (seed {training.seed})"
    return supervised(kernel, harm, images, checked), {"images": told, "degradation": asdict(harm)}


class _Made(Sequence[Tensor]):
    """Made pictures, each of them when it is first wanted: all at once they would take a minute."""

    def __init__(self, seed: int, numbers: range) -> None:
        self._seed, self._numbers = seed, numbers
        self._made: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, at: Any) -> Any:
        number = self._numbers[at]
        if number not in self._made:
            self._made[number] = torch.from_numpy(picture(self._seed, number, _SIDE)).float()
        return self._made[number]


def _divided(image: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return a clean image from 0 to 255 in two parts: to train on, and for validation."""
    if image.ndim != 2 or image.shape[0] < _LEAST / _CHECKED or image.shape[1] < _LEAST:
        raise InputError(
            "images",
            f"a clean image must have two axes, at least {round(_LEAST / _CHECKED)} rows and {_LEAST} "
            f"columns, got shape {image.shape}",
        )
    values = torch.from_numpy(np.array(image, np.float32))[None, None]
    if not values.isfinite().all() or values.min() == values.max():
        raise InputError("images", "a clean image must be finite and not constant")
    values = 255 * Range.of(values, torch.ones_like(values, dtype=torch.bool)).to_unit(values)[0, 0]
    rows = round((1 - _CHECKED) * len(values))
    return values[:rows], values[rows:]

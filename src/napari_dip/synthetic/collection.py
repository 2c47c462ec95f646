"""A collection of synthetic images as tensors, each made when it is first needed."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from napari_dip.synthetic.images import synthetic_image


class SyntheticImages(Sequence[Tensor]):
    """Synthetic images with grey levels from about 0 to 255, each of shape ``(side, side)``.

    Parameters
    ----------
    seed : int
        Seed of the collection.
    numbers : range
        Numbers of its images, as for `synthetic_image`.
    side : int
        Side of the images, in pixels.
    """

    def __init__(self, seed: int, numbers: range, side: int) -> None:
        self._seed, self._numbers, self._side = seed, numbers, side
        self._images: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, at: Any) -> Any:
        number = self._numbers[at]
        if number not in self._images:
            image = synthetic_image(self._seed, number, self._side)
            self._images[number] = torch.from_numpy(image).float()
        return self._images[number]

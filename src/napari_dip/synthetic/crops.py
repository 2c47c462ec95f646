"""Random crops of images to train on."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor


def crops(images: Sequence[Tensor], count: int, side: int, generator: Generator) -> Tensor:
    """Return random crops of random images, rotated and mirrored, shape ``(count, 1, side, side)``.

    Parameters
    ----------
    images : sequence of Tensor, each of shape ``(H, W)``
        Images smaller than a crop are extended by their mirror image.
    count : int
        Number of crops.
    side : int
        Side of a crop, in pixels.
    generator : torch.Generator
        Source of the random numbers.
    """

    def drawn(n: int) -> int:
        return int(torch.randint(n, (), generator=generator))

    parts = []
    for _ in range(count):
        image = images[drawn(len(images))]
        missing = [max(0, side - n) for n in image.shape]
        if any(missing):
            # NumPy, unlike torch, mirrors a small image several times.
            image = torch.from_numpy(np.pad(image.numpy(), [(0, n) for n in missing], mode="reflect"))
        top, left = (drawn(n - side + 1) for n in image.shape)
        part = image[top : top + side, left : left + side].rot90(drawn(4))
        parts.append(part.flip(0) if drawn(2) else part)
    return torch.stack(parts)[:, None]

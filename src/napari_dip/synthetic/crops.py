"""Random parts of images, to train on."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor


def crops(images: Sequence[Tensor], count: int, side: int, generator: Generator) -> Tensor:
    """Return random parts of random images, turned and mirrored, shape ``(count, 1, side, side)``.

    Parameters
    ----------
    images : sequence of Tensor, each of shape ``(H, W)``
        Smaller ones are mirrored at their border.
    """

    def drawn(n: int) -> int:
        return int(torch.randint(n, (), generator=generator))

    parts = []
    for _ in range(count):
        image = images[drawn(len(images))]
        missing = [max(0, side - n) for n in image.shape]
        if any(missing):
            # Again and again where it is much smaller, as torch does not.
            image = torch.from_numpy(np.pad(image.numpy(), [(0, n) for n in missing], mode="reflect"))
        top, left = (drawn(n - side + 1) for n in image.shape)
        part = image[top : top + side, left : left + side].rot90(drawn(4))
        parts.append(part.flip(0) if drawn(2) else part)
    return torch.stack(parts)[:, None]

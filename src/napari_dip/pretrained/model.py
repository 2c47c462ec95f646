"""What is known of a network that was trained before."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A trained network, and what it was trained for.

    Parameters
    ----------
    network : nn.Module
        Takes images of shape ``(N, channels, H, W)``, in the range of grey levels that it is used to, to
        ``(N, channels, factor * H, factor * W)``; to the same size where `pre_upsampled`.
    architecture : str
        Its name, ours or spandrel's.
    factor : int
        Pixels of the result for one of the data, along each axis. For a `pre_upsampled` network, the factor
        it was trained for, and 1 where its file doesn't say.
    channels : int
        Of the images.
    source : str
        What to call it.
    pre_upsampled : bool
        Whether it wants images that were enlarged to the result's size before, by bicubic interpolation.
    sigma : float, optional
        Of the noise that a denoiser was trained to remove, in grey levels of images from 0 to 255.
    record : dict
        How it was trained, as plain JSON values.
    """

    network: nn.Module
    architecture: str
    factor: int
    channels: int
    source: str
    pre_upsampled: bool = False
    sigma: float | None = None
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def in_words(self) -> str:
        """What it is, such as "Compact, 2 times finer, 1 channel (napari-dip compact-2)"."""
        parts = [self.architecture]
        if self.pre_upsampled:
            parts.append("of enlarged images")
        elif self.factor > 1:
            parts.append(f"{self.factor} times finer")
        if self.sigma is not None:
            parts.append(f"for noise of {self.sigma:.3g} of 255")
        parts.append("grey" if self.channels == 1 else f"{self.channels} channels")
        weights = sum(value.numel() for value in self.network.parameters())
        return f"{', '.join(parts)}, {weights} weights ({self.source})"

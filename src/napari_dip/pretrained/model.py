"""A pretrained network, and what is known of it."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from reprlib import repr
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

#: Limits for all networks. Sigma is in grey levels of images from 0 to 255.
_LARGEST_FACTOR, _MOST_CHANNELS, _LARGEST_SIGMA = 16, 1024, 255


def check_facts(*, factor: Any = 1, channels: Any = 1, sigma: Any = None) -> None:
    """Check what a file or a caller says about a network: factor, channels and sigma, as for `Pretrained`.

    Raises
    ------
    ValueError
        The message names what was wanted and what came.
    """
    for name, value, most in (
        ("factor", factor, _LARGEST_FACTOR),
        ("number of channels", channels, _MOST_CHANNELS),
    ):
        if not _within(value, Integral, 1, most):
            raise ValueError(f"the {name} must be a whole number from 1 to {most}, got {repr(value)}")
    if sigma is not None and not _within(sigma, Real, 0, _LARGEST_SIGMA):
        raise ValueError(f"sigma must be a number from 0 to {_LARGEST_SIGMA}, got {repr(sigma)}")


def _within(value: Any, kind: Any, least: int, most: int) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and bool(least <= value <= most)


@dataclass(frozen=True, eq=False)
class Pretrained:
    """A trained network, and what it was trained for.

    Parameters
    ----------
    network : nn.Module
        Takes images of shape ``(N, channels, H, W)``, in its own range of grey levels, and returns images of
        shape ``(N, channels, factor * H, factor * W)``, or of the same shape if `pre_upsampled` is set.
    architecture : str
        Name of the architecture, in this package or in spandrel.
    factor : int
        Pixels of the result per pixel of the data, along each axis. For a `pre_upsampled` network, the factor
        that it was trained for, or 1 if its file does not say.
    channels : int
        Channels of the images.
    source : str
        Where the network is from: the name of a file, for example.
    pre_upsampled : bool
        Whether the network takes images that have been interpolated to the size of the result (bicubic).
    sigma : float, optional
        Standard deviation of the noise that a denoiser was trained to remove, in grey levels of images from
        0 to 255.
    metadata : dict
        How the network was trained, as plain JSON values.

    Raises
    ------
    ValueError
        The factor, the number of channels or sigma is beyond the limits of `check_facts`.
    """

    network: "nn.Module"
    architecture: str
    factor: int
    channels: int
    source: str
    pre_upsampled: bool = False
    sigma: float | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_facts(factor=self.factor, channels=self.channels, sigma=self.sigma)

    @classmethod
    def of_module(cls, module: "nn.Module", source: str, **facts: Any) -> Self:
        """Return a copy of a network that was given in Python.

        Parameters
        ----------
        module : nn.Module
            The network.
        source : str
            What to call it.
        **facts
            Factor, channels, pre_upsampled and sigma, as for the class.
        """
        return cls(copy.deepcopy(module), type(module).__name__, source=source, **facts)

    def copied(self, device: "torch.device", state: "Mapping[str, Tensor] | None" = None) -> Self:
        """Return a copy on a device.

        Parameters
        ----------
        device : torch.device
            Where the copy computes.
        state : mapping of str to Tensor, optional
            Weights in place of the network's own, if there are any.
        """
        network = copy.deepcopy(self.network).to(device)
        if state:
            network.load_state_dict(dict(state))
        return replace(self, network=network)

    @property
    def description(self) -> str:
        """A description such as "Compact, 2 times finer, grey, 38628 weights (napari-dip compact-2)"."""
        parts = [self.architecture]
        if self.pre_upsampled:
            parts.append("for interpolated images")
        elif self.factor > 1:
            parts.append(f"{self.factor} times finer")
        if self.sigma is not None:
            parts.append(f"for noise with σ = {self.sigma:.3g} of 255")
        parts.append("grey" if self.channels == 1 else f"{self.channels} channels")
        weights = sum(value.numel() for value in self.network.parameters())
        return f"{', '.join(parts)}, {weights} weights ({self.source})"

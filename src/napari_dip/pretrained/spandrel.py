"""Architectures that spandrel provides, if it is installed."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_dip.errors import FileError
from napari_dip.pretrained.architectures import ARCHITECTURES
from napari_dip.pretrained.model import Pretrained


class Padded(nn.Module):
    """A network that takes images of certain sizes only, padded so that it takes images of any size.

    Parameters
    ----------
    network : nn.Module
        A network from spandrel.
    requirements : spandrel.SizeRequirements
        The sizes that it takes.
    factor : int
        Pixels of the result per pixel of the input, along each axis.
    """

    def __init__(self, network: nn.Module, requirements: Any, factor: int) -> None:
        super().__init__()
        self.network, self.requirements, self.factor = network, requirements, factor

    def forward(self, x: Tensor) -> Tensor:
        """Return the result for images of any size."""
        height, width = x.shape[2:]
        right, below = self.requirements.get_padding(width, height)
        # An image can be mirrored once only; its last pixels are repeated to fill the rest.
        mirrored = min(right, width - 1), min(below, height - 1)
        x = F.pad(x, (0, mirrored[0], 0, mirrored[1]), mode="reflect")
        x = F.pad(x, (0, right - mirrored[0], 0, below - mirrored[1]), mode="replicate")
        return self.network(x.contiguous())[..., : height * self.factor, : width * self.factor]


def from_spandrel(candidates: Iterable[Mapping[str, Tensor]], path: Path) -> Pretrained:
    """Return the network that has these weights, of an architecture that spandrel knows.

    Parameters
    ----------
    candidates : iterable of mapping
        The weights by name, once for each way to name them.
    path : Path
        The file that they are from.

    Raises
    ------
    FileError
        Spandrel is missing, can't be imported, or does not know the architecture, or the network is not one
        that restores images.
    """
    known = ", ".join(sorted(architecture.title for architecture in ARCHITECTURES))
    unknown = f"{path} holds weights of an architecture other than those that come with napari-dip ({known})"
    try:
        from spandrel import MAIN_REGISTRY, ImageModelDescriptor, UnsupportedModelError
    except ModuleNotFoundError as error:
        if error.name == "spandrel":
            raise FileError(
                f'{unknown}: `pip install "napari-dip[models]"` adds more, through spandrel'
            ) from error
        raise FileError(f"{unknown}; {_repair(error)}") from error
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        # A torchvision that was built for another torch fails in any of these ways.
        raise FileError(f"{unknown}; {_repair(error)}") from error
    for weights in candidates:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about spandrel's use of torch: the user can't change it
                found = MAIN_REGISTRY.load(dict(weights))
        except UnsupportedModelError:
            continue
        except Exception as error:
            # Spandrel recognises an architecture by a few names, and may fail in any way on the others.
            raise FileError(f"{path} is broken: its weights do not form a network") from error
        if not isinstance(found, ImageModelDescriptor) or found.purpose not in ("SR", "Restoration"):
            raise FileError(f"{path} holds a network for another purpose: {found.architecture.name}")
        network = Padded(found.model, found.size_requirements, found.scale).eval()
        try:
            made = Pretrained(network, found.architecture.name, found.scale, found.input_channels, path.name)
        except ValueError as error:
            raise FileError(f"{path} is refused: {error}") from error
        _check_output(network, found.input_channels, found.scale, path)
        return made
    raise FileError(f"{unknown}; spandrel does not know it either")


def _repair(error: Exception) -> str:
    first = next(iter(str(error).splitlines()), type(error).__name__)
    return (
        f"spandrel, which provides more, can't be imported ({first}): install the torchvision that was built "
        f"for torch {torch.__version__}, from the same source as torch"
    )


def _check_output(network: nn.Module, channels: int, factor: int, path: Path) -> None:
    """Refuse networks that need more than an image, or return anything but an image."""
    side = 16
    try:
        with torch.no_grad():
            result = network(torch.full((1, channels, side, side), 0.5, dtype=torch.float32))
        fits = result.shape == (1, channels, factor * side, factor * side)
    except (RuntimeError, TypeError, IndexError, AttributeError):
        fits = False
    if not fits:
        raise FileError(f"{path} holds a network that does not map one image to another with equal channels")

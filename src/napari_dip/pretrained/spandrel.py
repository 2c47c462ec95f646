"""Architectures that spandrel knows, where it is installed."""

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
    """A network that wants images of certain sizes, with what makes any image fit.

    Parameters
    ----------
    network : nn.Module
        Spandrel's.
    requirements : spandrel.SizeRequirements
        What sizes it can work on.
    factor : int
        Pixels of the result for one of the input along each axis.
    """

    def __init__(self, network: nn.Module, requirements: Any, factor: int) -> None:
        super().__init__()
        self.network, self.requirements, self.factor = network, requirements, factor

    def forward(self, x: Tensor) -> Tensor:
        """Return the network's result for images of any size."""
        height, width = x.shape[2:]
        right, below = self.requirements.get_padding(width, height)
        # By at most what there is to mirror; torch can repeat the last pixels for the rest.
        mirrored = min(right, width - 1), min(below, height - 1)
        x = F.pad(x, (0, mirrored[0], 0, mirrored[1]), mode="reflect")
        x = F.pad(x, (0, right - mirrored[0], 0, below - mirrored[1]), mode="replicate")
        return self.network(x.contiguous())[..., : height * self.factor, : width * self.factor]


def from_spandrel(candidates: Iterable[Mapping[str, Tensor]], path: Path) -> Pretrained:
    """Return the network that has these weights, of spandrel's architectures.

    Parameters
    ----------
    candidates : iterable of mapping
        The weights, by each of the names that may be right.
    path : Path
        Where they are from.

    Raises
    ------
    FileError
        Spandrel is absent or doesn't work here, doesn't know the architecture, or it is of another kind.
    """
    known = ", ".join(sorted(architecture.title for architecture in ARCHITECTURES))
    unknown = f"{path} holds weights of another architecture than those that are known ({known})"
    try:
        from spandrel import MAIN_REGISTRY, ImageModelDescriptor, UnsupportedModelError
    except ModuleNotFoundError as error:
        if error.name == "spandrel":
            raise FileError(
                f'{unknown}: `pip install "napari-dip[models]"` adds more of them, through spandrel'
            ) from error
        raise FileError(f"{unknown}; {_repair(error)}") from error
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        # A torchvision for another torch fails in each of these ways.
        raise FileError(f"{unknown}; {_repair(error)}") from error
    for weights in candidates:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of how spandrel uses torch: nothing for a user to mend
                found = MAIN_REGISTRY.load(dict(weights))
        except UnsupportedModelError:
            continue
        except Exception as error:
            # It judges by a few names, and fails in any way where others or their shapes don't fit.
            raise FileError(f"{path} is broken: its weights fit together to no network") from error
        if not isinstance(found, ImageModelDescriptor) or found.purpose not in ("SR", "Restoration"):
            raise FileError(f"{path} holds a network for something else: {found.architecture.name}")
        network = Padded(found.model, found.size_requirements, found.scale).eval()
        _try_out(network, found.input_channels, found.scale, path)
        return Pretrained(network, found.architecture.name, found.scale, found.input_channels, path.name)
    raise FileError(f"{unknown}; spandrel does not know it either")


def _repair(error: Exception) -> str:
    first = next(iter(str(error).splitlines()), type(error).__name__)
    return (
        f"spandrel, which knows more, can't be imported ({first}): install the torchvision that was made for "
        f"torch {torch.__version__}, from where torch is from"
    )


def _try_out(network: nn.Module, channels: int, factor: int, path: Path) -> None:
    """Refuse networks that want more than an image, or give something else."""
    side = 16
    try:
        with torch.no_grad():
            result = network(torch.full((1, channels, side, side), 0.5))
        fits = result.shape == (1, channels, factor * side, factor * side)
    except (RuntimeError, TypeError, IndexError, AttributeError):
        fits = False
    if not fits:
        raise FileError(f"{path} holds a network that does not take one image to another of as many channels")

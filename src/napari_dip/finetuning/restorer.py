"""A pretrained network between grey levels: it takes the data and returns the restored image."""

from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from napari_dip.finetuning.intensity_mapping import IntensityMapping
from napari_dip.pretrained.degradation import pre_upsampled
from napari_dip.pretrained.model import Pretrained


class Restorer(nn.Module):
    """Maps data with any number of channels to the restored image, both in grey levels.

    A network for one channel restores each channel by itself. If the numbers of channels differ in any other
    way, the network is shown each channel as a grey image.

    Parameters
    ----------
    pretrained : Pretrained
        The network. It is not copied: it changes when the restorer is trained.
    factor : int
        Pixels of the restored image per pixel of the data, along both axes. If this is not the factor of the
        network, its output is resampled.
    mapping : IntensityMapping
        Relation between the grey levels of the data and those of the network.
    limits : tuple of float, optional
        Grey levels that a network of factor 1 sees. What lies beyond them is taken off before it, and put
        back after it.
    """

    def __init__(
        self,
        pretrained: Pretrained,
        factor: int,
        mapping: IntensityMapping,
        limits: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.network = pretrained.network
        self.pretrained, self.factor, self.mapping, self.limits = pretrained, factor, mapping, limits
        prepare_for_training(self.network)

    def with_mapping(self, mapping: IntensityMapping) -> Self:
        """Return a restorer with the same network and another mapping."""
        return type(self)(self.pretrained, self.factor, mapping, self.limits)

    def forward(self, data: Tensor) -> Tensor:
        """Return x, shape ``(N, C, factor * H, factor * W)``, for data of shape ``(N, C, H, W)``."""
        n, c, height, width = data.shape
        mapping, channels = self.mapping, self.pretrained.channels
        seen = data if self.limits is None else data.clamp(*self.limits)
        unit = (seen - mapping.low) * (mapping.scale / mapping.span)
        together = c == channels
        if not together:
            unit = unit.reshape(n * c, 1, height, width).expand(-1, channels, -1, -1)
        elif mapping.reversed_channels:
            unit = unit.flip(1)
        if self.pretrained.pre_upsampled:
            unit = pre_upsampled(unit, self.factor)
        # A copy, because some networks change their input.
        x = self.network(unit.clone(memory_format=torch.contiguous_format))
        size = self.factor * height, self.factor * width
        if x.shape[2:] != size:
            x = F.interpolate(x, size, mode="bicubic", antialias=True)
        if not together:
            x = x.mean(1).reshape(n, c, *size)
        elif mapping.reversed_channels:
            x = x.flip(1)
        x = mapping.low + x.float() * (mapping.span / mapping.scale)
        return x if self.limits is None else x + (data - seen)

    @property
    def weights(self) -> dict[str, Tensor]:
        """A copy of the network's state dictionary, on the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}


def prepare_for_training(network: nn.Module) -> None:
    """Put a network into the mode in which it can be trained on one image.

    Some networks have no gradient in evaluation mode. But layers that normalise by the statistics of a
    training set go on using them, and nothing is dropped.
    """
    network.train()
    for module in network.modules():
        if isinstance(module, _NormBase | _DropoutNd) or "drop" in type(module).__name__.lower():
            module.eval()

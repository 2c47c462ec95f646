"""The small network that predicts a filter's parameters; only its last layer depends on the filter."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_dip.networks.precision import multiplies_bfloat16
from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.observation import Observation
from napari_dip.pkn.strips import in_strips

#: Channels, and number of 3 x 3 layers: fewer than 20,000 weights with the last layer of any filter.
_WIDTH, _DEPTH = 24, 4


class ParameterNetwork(nn.Module):
    """Predicts a filter's parameters at every `stride`-th pixel.

    The network sees how far each pixel lies from the mean of its surroundings, in standard deviations of the
    noise, so that one network serves every exposure and noise level. It processes each channel separately and
    averages the predictions. The last layer starts with weights of 0: an untrained network predicts the same
    parameters everywhere. It has no memory for its weights, on torch's meta device, until they are drawn or
    assigned.

    Parameters
    ----------
    kernel : ProceduralKernel
        The filter.
    """

    def __init__(self, kernel: ProceduralKernel) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = kernel.stride
        with torch.device("meta"):
            self.first = nn.Conv2d(self.stride**2, _WIDTH, 3, padding=1)
            self.blur = nn.Linear(3, _WIDTH) if kernel.purpose == "deblur" else None
            self.rest = nn.ModuleList(nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1) for _ in range(_DEPTH - 1))
            self.last = nn.Conv2d(_WIDTH, len(kernel.parameters), 1)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw random weights, except for the last layer."""
        self.float().to_empty(device="cpu")
        for name, value in self.named_parameters():
            if name.startswith("last.") or name.endswith("bias"):
                nn.init.zeros_(value)
            else:
                nn.init.kaiming_normal_(value, generator=generator)
        self.begin_at(self.kernel.default())

    def begin_at(self, setting: Tensor) -> None:
        """Set the last layer's bias so that an untrained network predicts `setting`, shape ``(P,)``."""
        with torch.no_grad():
            assert self.last.bias is not None
            self.last.bias.copy_(self.kernel.encode(setting[None])[0])

    @property
    def reach(self) -> int:
        """Distance, in predictions, beyond which pixels have no influence on a prediction."""
        return _DEPTH + 1

    def forward(self, observation: Observation) -> Tensor:
        """Return encoded parameters, shape ``(N, P, ⌈H / stride⌉, ⌈W / stride⌉)``."""
        return torch.cat(list(self.strips(observation)), 2)

    def strips(self, observation: Observation) -> Iterator[Tensor]:
        """Yield the result of `forward` strip by strip."""
        whole = replace(observation, image=observation.filled(), seen=None)
        return in_strips(self._predicted, whole, self.stride, self.reach)

    def _predicted(self, observation: Observation) -> Tensor:
        n, channels, height, width = observation.image.shape
        z = (observation.image / observation.sigma).reshape(n * channels, 1, height, width)
        z = F.pad(z, (0, -width % self.stride, 0, -height % self.stride), mode="replicate")
        z = F.pixel_unshuffle(z, self.stride)
        around = F.avg_pool2d(z.mean(1, keepdim=True), 3, 1, 1, count_include_pad=False)
        z = _asinh(z - around).contiguous(memory_format=torch.channels_last)
        # bfloat16 is precise enough for prediction, but not for training.
        with torch.autocast("cpu", torch.bfloat16, _bfloat16_is_fast(z) and not self.training):
            x = self.first(z)
            if self.blur is not None:
                assert observation.blur is not None
                told = self.blur(observation.blur.flatten(1))  # (N, width)
                x = x + told.repeat_interleave(channels, 0)[:, :, None, None]
            x = x.relu()
            for layer in self.rest:
                x = layer(x).relu_()
        raw = self.last(x.to(z.dtype))
        return raw.reshape(n, channels, *raw.shape[1:]).mean(1)


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A trained network, the best constant setting of its filter, and how both were found.

    Parameters
    ----------
    network : ParameterNetwork
        Predicts the parameters.
    setting : Tensor, shape ``(P,)``
        The best constant setting for the same examples, in the parameters' units.
    metadata : dict
        Training data and scores, as plain JSON values.
    """

    network: ParameterNetwork
    setting: Tensor
    metadata: dict[str, Any] = field(default_factory=dict)


def _bfloat16_is_fast(z: Tensor) -> bool:
    """Return whether the CPU multiplies bfloat16 faster than float32."""
    return z.device.type == "cpu" and z.dtype == torch.float32 and multiplies_bfloat16("cpu")


def _asinh(z: Tensor) -> Tensor:
    """Return asinh z, three times as fast as `torch.asinh`."""
    size = z.abs()
    return size.add_(size.square().add_(1).sqrt_()).log_().copysign_(z)

"""The tiny network that predicts a filter's parameters, the same for all filters but for its last layer."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_dip.pkn.kernels.base import ProceduralKernel
from napari_dip.pkn.observation import Observation

#: Channels, and 3 x 3 filters one after another: fewer than 20,000 weights with any filter's last layer.
_WIDTH, _DEPTH = 24, 4
#: Pixels that are looked at in one go: few enough to stay in the caches.
_STRIP = 2**20


class ParameterNetwork(nn.Module):
    """Predicts the parameters of a filter at every fourth pixel, every second one, or each.

    What it sees of an image is how far each pixel lies from the mean of its surroundings, in standard
    deviations of the noise: so one network serves every exposure and every strength of noise. Each channel is
    looked at by itself, and their answers are averaged. The last layer begins with weights of 0: at first the
    network says the same everywhere.

    Parameters
    ----------
    kernel : ProceduralKernel
        Whose parameters.
    """

    def __init__(self, kernel: ProceduralKernel) -> None:
        super().__init__()
        self.kernel = kernel
        self.step = kernel.coarse
        self.first = nn.Conv2d(self.step**2, _WIDTH, 3, padding=1)
        self.blur = nn.Linear(3, _WIDTH) if kernel.purpose == "deblur" else None
        self.rest = nn.ModuleList(nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1) for _ in range(_DEPTH - 1))
        self.last = nn.Conv2d(_WIDTH, len(kernel.parameters), 1)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights."""
        for name, value in self.named_parameters():
            if name.startswith("last.") or name.endswith("bias"):
                nn.init.zeros_(value)
            else:
                nn.init.kaiming_normal_(value, generator=generator)
        self.begin_at(self.kernel.default())

    def begin_at(self, setting: Tensor) -> None:
        """Say the same everywhere: parameters in their units, shape ``(P,)``."""
        with torch.no_grad():
            assert self.last.bias is not None
            self.last.bias.copy_(self.kernel.encode(setting[None])[0])

    @property
    def reach(self) -> int:
        """From so many coarse pixels away, and no further, others have an influence."""
        return _DEPTH + 1

    def forward(self, observation: Observation) -> Tensor:
        """Return encoded parameters, shape ``(N, P, ⌈H / step⌉, ⌈W / step⌉)``."""
        whole = replace(observation, image=observation.filled(), seen=None)
        height, width = whole.image.shape[2:]
        rows, halo = max(1, _STRIP // (width * self.step)) * self.step, self.reach * self.step
        strips = []
        for top in range(0, height, rows):
            first = max(0, top - halo)
            raw = self._predicted(whole.rows(first, min(height, top + rows + halo)))
            strips.append(raw[:, :, (top - first) // self.step :][:, :, : rows // self.step])
        return torch.cat(strips, 2)

    def _predicted(self, observation: Observation) -> Tensor:
        n, channels, height, width = observation.image.shape
        z = (observation.image / observation.sigma).reshape(n * channels, 1, height, width)
        z = F.pad(z, (0, -width % self.step, 0, -height % self.step), mode="replicate")
        z = F.pixel_unshuffle(z, self.step)
        around = F.avg_pool2d(z.mean(1, keepdim=True), 3, 1, 1, count_include_pad=False)
        z = _compressed(z - around).contiguous(memory_format=torch.channels_last)
        # Without learning, products of eight bits are enough.
        with torch.autocast("cpu", torch.bfloat16, _quick(z) and not self.training):
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


def _quick(z: Tensor) -> bool:
    """Return whether the processor multiplies bfloat16 faster than float32."""
    capabilities = getattr(torch.cpu, "get_capabilities", None)  # torch 2.5 does not tell
    able = capabilities is not None and bool(capabilities().get("avx512_bf16"))
    return able and z.device.type == "cpu" and z.dtype == torch.float32


def _compressed(z: Tensor) -> Tensor:
    """Return asinh z, three times as fast as torch's."""
    size = z.abs()
    return size.add_(size.square().add_(1).sqrt_()).log_().copysign_(z)

"""Training of the networks that come with the package, on synthetic images alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Generator, Tensor, nn

from napari_dip.optim.fit import Sample, cosine_decay, fit
from napari_dip.optim.iterate import Iterate
from napari_dip.pretrained.architectures import VDSR, Compact, DnCNN, KnownArchitecture
from napari_dip.pretrained.degradation import degraded
from napari_dip.pretrained.model import Pretrained
from napari_dip.synthetic.crops import crops
from napari_dip.synthetic.images import synthetic_image

#: Number of training images, their side in pixels, and the number of validation images.
_TRAINING, _SIDE, _VALIDATION = 600, 256, 24
_SOURCE = f"{_TRAINING} synthetic images: dead leaves, textures, filaments, blobs, points"
#: Errors below this count by their squares, in units of the range (Charbonnier's loss).
_SMALL = 1e-3


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """Networks that are trained together, by one iteration of each in turn.

    Parameters
    ----------
    networks : mapping of str to Pretrained
        The networks by the names of their files. They may share weights.
    iterations : int
        Iterations of all networks together.
    batch, side : int
        Number of examples per iteration, and the side of a network's input in pixels.
    rate : float
        Adam's step size at the beginning. It falls to 0 at the end.
    """

    networks: Mapping[str, Pretrained]
    iterations: int
    batch: int
    side: int
    rate: float


def training_plans(seed: int = 0) -> dict[str, TrainingPlan]:
    """Return the plans for all bundled networks by name. The networks are untrained."""
    generator = torch.Generator().manual_seed(seed)
    trunk, *others = compacts = [Compact(1, factor, features=32, layers=4) for factor in (2, 3, 4)]
    for other in others:
        other.body = nn.Sequential(*list(trunk.body)[:-1], other.body[-1])
    vdsr, dncnn = VDSR(1, features=32, layers=8), DnCNN.plain(1, features=32, layers=8)
    for network in (*compacts, vdsr, dncnn):
        _initialise(network, generator)
    small = {f"compact-{network.factor}": _untrained(network, network.factor) for network in compacts}
    return {
        "compact": TrainingPlan(small, 33_000, batch=16, side=32, rate=3e-3),
        "dncnn": TrainingPlan(
            {"dncnn": _untrained(dncnn, sigma=25.0)}, 20_000, batch=8, side=48, rate=1.5e-3
        ),
        "vdsr": TrainingPlan({"vdsr-4": _untrained(vdsr, factor=4)}, 20_000, batch=8, side=64, rate=1.5e-3),
    }


def training_images(seed: int = 0, count: int = _TRAINING, *, first: int = 0) -> list[Tensor]:
    """Return synthetic images from 0 to 1, each of shape ``(256, 256)``."""
    images = (synthetic_image(seed, first + at, _SIDE) for at in range(count))
    return [torch.from_numpy(image).float() / 255 for image in images]


def validation_images(seed: int = 0) -> Tensor:
    """Return synthetic images that no network is trained on, shape ``(24, 1, 240, 240)``."""
    return torch.stack(training_images(seed, _VALIDATION, first=_TRAINING))[:, None, :240, :240]


def train(plan: TrainingPlan, images: Sequence[Tensor], *, seed: int = 0) -> Iterator[Iterate]:
    """Train the networks of a plan in place.

    Parameters
    ----------
    plan : TrainingPlan
        The networks, and how to train them.
    images : sequence of Tensor, each of shape ``(H, W)``
        Clean images from 0 to 1.
    seed : int
        Seed of the examples.

    Yields
    ------
    Iterate
        One before each iteration. Its loss is nearly the mean absolute error, for a range from 0 to 1.
    """
    generator = torch.Generator().manual_seed(seed)
    networks = _InTurn([one.network for one in plan.networks.values()])
    stream = _stream(plan, images, generator)
    yield from fit(networks, stream, learning_rate=cosine_decay(plan.rate, plan.iterations))


def validated(plan: TrainingPlan, truths: Tensor, *, seed: int = 0) -> dict[str, Pretrained]:
    """Return the trained networks, with metadata on their training and their scores on clean images.

    Parameters
    ----------
    plan : TrainingPlan
        Its networks have been trained.
    truths : Tensor, shape ``(N, 1, H, W)``
        Clean images from 0 to 1 that the networks have not seen.
    seed : int
        Seed of the images and the examples.
    """
    found = {}
    for name, one in plan.networks.items():
        network = one.network.eval()
        with torch.no_grad():
            restored = network(degraded(one, truths, torch.Generator().manual_seed(0)))
        errors = (restored - truths).square().mean((1, 2, 3))
        score = round(float((-10 * errors.log10()).mean()), 2)
        metadata = {"images": _SOURCE, "seed": seed, "iterations": plan.iterations, "validation_dB": score}
        found[name] = replace(one, metadata=metadata)
    return found


class _InTurn(nn.Module):
    """Networks in the memory format and precision in which CPUs train fastest."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        for network in networks:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, at: int) -> Tensor:
        """Return the output of one of the networks."""
        with torch.autocast("cpu", torch.bfloat16):
            return self.networks[at](x.contiguous(memory_format=torch.channels_last))


def _stream(plan: TrainingPlan, images: Sequence[Tensor], generator: Generator) -> Iterator[Sample]:
    networks = list(plan.networks.values())
    for index in range(plan.iterations):
        at = index % len(networks)
        one = networks[at]
        side = plan.side if one.pre_upsampled else plan.side * one.factor
        clean = crops(images, plan.batch, side, generator)
        yield (degraded(one, clean, generator), at), partial(_charbonnier, clean)


def _charbonnier(truth: Tensor, restored: Tensor) -> Tensor:
    """Return the mean of √(error² + small²), which a few large errors do not dominate."""
    return ((restored - truth).square() + _SMALL**2).sqrt().mean()


def _untrained(network: KnownArchitecture, factor: int = 1, sigma: float | None = None) -> Pretrained:
    return Pretrained(
        network,
        network.title,
        factor,
        network.channels,
        "untrained",
        pre_upsampled=network.pre_upsampled,
        sigma=sigma,
    )


def _initialise(network: nn.Module, generator: Generator) -> None:
    """Draw weights that preserve the variance (He et al., ICCV 2015). The last layer begins near zero."""
    kernels = [value for value in network.parameters() if value.ndim == 4]
    for name, value in network.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(value)
    for kernel in kernels:
        nn.init.kaiming_normal_(kernel, generator=generator)
    kernels[-1].data.mul_(0.1)

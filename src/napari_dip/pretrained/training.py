"""Trains the networks that come with the package: on made pictures, and nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Generator, Tensor, nn

from napari_dip.optim.fit import fit
from napari_dip.optim.iterate import Iterate
from napari_dip.optim.rates import cosine_decay
from napari_dip.optim.samples import Sample
from napari_dip.pretrained.architectures import VDSR, Architecture, Compact, DnCNN
from napari_dip.pretrained.degradation import degraded
from napari_dip.pretrained.model import Pretrained
from napari_dip.synthetic.crops import crops
from napari_dip.synthetic.images import synthetic_image

#: Made pictures, their pixels along an axis, and how many more there are for validation.
_PICTURES, _SIDE, _MORE = 600, 256, 24
_TOLD = f"{_PICTURES} made pictures: dead leaves, textures, filaments, blobs, points"
#: Below this, in units of the range, errors count by their squares (Charbonnier).
_SMALL = 1e-3


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """Networks that are trained together: each in turn gets an update.

    Parameters
    ----------
    networks : mapping of str to Pretrained
        By the name of the file that each comes to; they may share weights.
    iterations : int
        Of all of them.
    batch, side : int
        Examples of an update, and pixels along an axis that a network is given.
    rate : float
        Adam's step size at first; in the end it is 0.
    """

    networks: Mapping[str, Pretrained]
    iterations: int
    batch: int
    side: int
    rate: float


def courses(seed: int = 0) -> dict[str, TrainingPlan]:
    """Return the courses of all networks that come with the package, by name; nothing is learnt yet."""
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


def pictures(seed: int = 0, count: int = _PICTURES, *, first: int = 0) -> list[Tensor]:
    """Return made pictures from 0 to 1, each of shape ``(256, 256)``."""
    made = (synthetic_image(seed, first + at, _SIDE) for at in range(count))
    return [torch.from_numpy(image).float() / 255 for image in made]


def validation(seed: int = 0) -> Tensor:
    """Return made pictures that no network learns from, shape ``(24, 1, 240, 240)``."""
    return torch.stack(pictures(seed, _MORE, first=_PICTURES))[:, None, :240, :240]


def train(course: TrainingPlan, images: Sequence[Tensor], *, seed: int = 0) -> Iterator[Iterate]:
    """Fit the networks of a course, in place.

    Parameters
    ----------
    course : Course
        What is to be learnt.
    images : sequence of Tensor, each of shape ``(H, W)``
        Clean images from 0 to 1.
    seed : int
        Of the examples.

    Yields
    ------
    Iterate
        One for each update, before it. Its loss is about the mean absolute error, of a range from 0 to 1.
    """
    generator = torch.Generator().manual_seed(seed)
    taught = _Taught([one.network for one in course.networks.values()])
    stream = _stream(course, images, generator)
    yield from fit(taught, stream, learning_rate=cosine_decay(course.rate, course.iterations))


def graduated(course: TrainingPlan, truths: Tensor, *, seed: int = 0) -> dict[str, Pretrained]:
    """Return the networks with a record of how they were trained, and of their scores for clean images.

    Parameters
    ----------
    course : Course
        Whose networks have learnt.
    truths : Tensor, shape ``(N, 1, H, W)``
        Clean images from 0 to 1 that they have not seen.
    seed : int
        Of the pictures and the examples.
    """
    found = {}
    for name, one in course.networks.items():
        network = one.network.eval()
        with torch.no_grad():
            restored = network(degraded(one, truths, torch.Generator().manual_seed(0)))
        errors = (restored - truths).square().mean((1, 2, 3))
        score = round(float((-10 * errors.log10()).mean()), 2)
        record = {"images": _TOLD, "seed": seed, "iterations": course.iterations, "validation_dB": score}
        found[name] = replace(one, record=record)
    return found


class _Taught(nn.Module):
    """Networks in the fastest format that processors have for training."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        for network in networks:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, at: int) -> Tensor:
        """Return the images that one of the networks makes."""
        with torch.autocast("cpu", torch.bfloat16):
            return self.networks[at](x.contiguous(memory_format=torch.channels_last))


def _stream(course: TrainingPlan, images: Sequence[Tensor], generator: Generator) -> Iterator[Sample]:
    networks = list(course.networks.values())
    for index in range(course.iterations):
        at = index % len(networks)
        one = networks[at]
        side = course.side if one.pre_upsampled else course.side * one.factor
        clean = crops(images, course.batch, side, generator)
        yield (degraded(one, clean, generator), at), partial(_charbonnier, clean)


def _charbonnier(truth: Tensor, restored: Tensor) -> Tensor:
    """Return the mean of √(error² + small²): edges count, and few large errors don't rule."""
    return ((restored - truth).square() + _SMALL**2).sqrt().mean()


def _untrained(network: Architecture, factor: int = 1, sigma: float | None = None) -> Pretrained:
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
    """Draw weights that keep the variance (He et al., ICCV 2015); the last layer adds little at first."""
    kernels = [value for value in network.parameters() if value.ndim == 4]
    for name, value in network.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(value)
    for kernel in kernels:
        nn.init.kaiming_normal_(kernel, generator=generator)
    kernels[-1].data.mul_(0.1)

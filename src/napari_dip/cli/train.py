"""Trains the network of a procedural kernel on image files, and writes it."""

import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.cli.delivery import delivered
from napari_dip.cli.failures import say
from napari_dip.errors import FileError, RestorationError
from napari_dip.io import read, replaceable
from napari_dip.io.tensors import reserved_tensors
from napari_dip.restoration.text import duration
from napari_dip.tasks import Denoise

if TYPE_CHECKING:
    from napari_dip.cli.interruption import Interruption
    from napari_dip.cli.reporter import Reporter
    from napari_dip.noise.models import NoiseModel
    from napari_dip.pkn.network import TrainedNetwork
    from napari_dip.pkn.settings import Training
    from napari_dip.pkn.trainer import TrainingStep

_SUFFIX = ".safetensors"
_SECONDS_PER_LINE = 20


def train_from_files(
    settings: "Training",
    images: Sequence[Path],
    output: Path,
    *,
    noise: "NoiseModel | None",
    overwrite: bool,
    reporter: "Reporter",
    interruption: "Interruption",
) -> None:
    """Train a network, show the progress, and write the network to a file.

    Parameters
    ----------
    settings : Training
        What to train.
    images : sequence of Path
        Image files to learn from; none for synthetic images.
    output : Path
        File to write.
    noise : NoiseModel, optional
        Noise of the only image, if that is noisy; it is measured if its strength is unknown. The network
        learns from the middle plane of a volume or series.
    overwrite : bool
        Replace an existing file.
    reporter : Reporter
        Shows messages.
    interruption : Interruption
        Says when to stop.

    Raises
    ------
    ValueError
        A file or a setting can't be used.
    RestorationError
        The noise can't be measured, or the network could not be written where it was asked for.
    Interrupted
        The program was asked to end. The network is written as it was trained until then.
    """
    from napari_dip.pkn.kernels.registry import kernel_of
    from napari_dip.pkn.network import ParameterNetwork
    from napari_dip.pkn.observe import measured_noise
    from napari_dip.pkn.train import train_network
    from napari_dip.pkn.weights_file import save
    from napari_dip.restoration.measurement import Measurement
    from napari_dip.restoration.series import Series

    replaceable(output, overwrite=overwrite, suffixes=(_SUFFIX,))
    with reserved_tensors(output, ParameterNetwork(kernel_of(settings.kernel, settings.factor)).state_dict()):
        pass
    planes = [plane for path in images for plane in _planes(path)]
    asked = interruption.rule.event.is_set
    if noise is None:
        steps = train_network(settings, clean=planes, asked=asked)
    else:
        if len(images) != 1:
            raise ValueError(f"--noisy needs exactly one image, got {len(images)}")
        problem = Series.of(Measurement(planes[len(planes) // 2]), Denoise(noise), None).frame(()).problem
        problem = replace(problem, noise=measured_noise(problem))
        reporter.say(f"The noise: {problem.described(problem.noise)}.")
        steps = train_network(settings, noisy=problem, asked=asked)
    began = time.monotonic()
    with interruption.finishing():
        trained = _trained(steps, settings, reporter)
        # Nothing that exists is replaced by a network whose training was stopped.
        overwrite = overwrite and not interruption.requested
        where, elsewhere = delivered(
            output, lambda path, replaced: save(trained, path, overwrite=replaced), overwrite=overwrite
        )
        reporter.say(f"written after {duration(time.monotonic() - began)}: {where}")
    if elsewhere and interruption.requested:
        say(elsewhere)
    interruption.check(f"interrupted; the network as it was trained until then is in {where}")
    if elsewhere:
        raise RestorationError(elsewhere)


def _trained(
    steps: "Generator[TrainingStep, None, TrainedNetwork]", settings: "Training", reporter: "Reporter"
) -> "TrainedNetwork":
    """Train, and show the progress."""
    began = said = time.monotonic()
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            trained: TrainedNetwork = end.value
            return trained
        now = time.monotonic()
        if step.local is not None and (now - said >= _SECONDS_PER_LINE or step.outcome):
            said = now
            left = (now - began) * (settings.iterations - step.index) / max(step.index, 1)
            reporter.say(
                f"{step.index} of {settings.iterations} iterations, {duration(left)} left: validation "
                f"{step.local:.2f} dB, best single setting {step.single:.2f} dB"
            )


def _planes(path: Path) -> list[np.ndarray]:
    """Return each plane of each channel of an image file."""
    from napari_dip.image.axes import AmbiguousAxesError, Axes

    picture = read(path)
    try:
        axes = Axes.of(picture.data.shape, picture.axes, "separate").plane_by_plane()
    except AmbiguousAxesError as error:
        raise FileError(f"{path}: {error.question}: use a TIFF file that names its axes") from error
    return [
        np.asarray(picture.with_nan[axes.at(frame)], np.float32) for frame in axes.frames(picture.data.shape)
    ]

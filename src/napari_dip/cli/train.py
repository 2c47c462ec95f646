"""Trains the network of a procedural kernel on image files, and writes it."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.errors import FileError
from napari_dip.io import read, replaceable
from napari_dip.restoration.text import duration
from napari_dip.tasks import Denoise

if TYPE_CHECKING:
    from napari_dip.cli.reporter import Reporter
    from napari_dip.noise.models import NoiseModel
    from napari_dip.pkn.network import TrainedNetwork
    from napari_dip.pkn.settings import Training

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

    Raises
    ------
    ValueError
        A file or a setting can't be used.
    RestorationError
        The noise can't be measured.
    """
    from napari_dip.pkn.observe import measured_noise
    from napari_dip.pkn.train import train_network
    from napari_dip.pkn.weights_file import save
    from napari_dip.restoration.measurement import Measurement
    from napari_dip.restoration.series import Series

    replaceable(output, overwrite=overwrite, suffixes=(_SUFFIX,))
    planes = [plane for path in images for plane in _planes(path)]
    if noise is None:
        steps = train_network(settings, clean=planes)
    else:
        if len(images) != 1:
            raise ValueError(f"--noisy needs exactly one image, got {len(images)}")
        problem = Series.of(Measurement(planes[len(planes) // 2]), Denoise(noise), None).problem(())
        problem = replace(problem, noise=measured_noise(problem))
        reporter.say(f"The noise: {problem.noise.in_words}.")
        steps = train_network(settings, noisy=problem)
    began = said = time.monotonic()
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            trained: TrainedNetwork = end.value
            break
        now = time.monotonic()
        if step.local is not None and (now - said >= _SECONDS_PER_LINE or step.outcome):
            said = now
            left = (now - began) * (settings.iterations - step.index) / max(step.index, 1)
            reporter.say(
                f"{step.index} of {settings.iterations} iterations, {duration(left)} left: validation "
                f"{step.local:.2f} dB, best single setting {step.single:.2f} dB"
            )
    save(trained, output)
    reporter.say(f"written after {duration(time.monotonic() - began)}: {output}")


def _planes(path: Path) -> list[np.ndarray]:
    """Return each plane of each channel of an image file."""
    from napari_dip.image.axes import AmbiguousAxesError, Axes

    picture = read(path)
    try:
        axes = Axes.of(picture.data.shape, picture.axes, "separate").plane_by_plane()
    except AmbiguousAxesError as error:
        raise FileError(f"{path}: {error.question}: use a TIFF file that names its axes") from error
    return [np.asarray(picture.data[axes.at(frame)], np.float32) for frame in axes.frames(picture.data.shape)]

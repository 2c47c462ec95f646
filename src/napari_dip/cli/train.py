"""Trains a kernel network on image files, and writes it."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

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
    out: Path,
    *,
    noise: "NoiseModel | None",
    overwrite: bool,
    reporter: "Reporter",
) -> None:
    """Train, say how it goes, and write the network.

    Parameters
    ----------
    settings : Training
        What to train.
    images : sequence of Path
        To learn from; none for made pictures.
    out : Path
        File to write.
    noise : NoiseModel, optional
        That of the one image, which is noisy then; without strength it is measured. Of a volume or series
        the plane in the middle is taken.
    overwrite : bool
        An existing file may be replaced.
    reporter : Reporter
        Says how it goes.
    """
    from napari_dip.pkn.observe import measured_noise
    from napari_dip.pkn.train import train_network
    from napari_dip.pkn.weights_file import save
    from napari_dip.restoration.measurement import Measurement
    from napari_dip.restoration.series import Series

    replaceable(out, overwrite=overwrite, suffixes=(_SUFFIX,))
    planes = [plane for path in images for plane in _planes(path)]
    if noise is None:
        course = train_network(settings, clean=planes)
    else:
        if len(images) != 1:
            raise ValueError(f"--noisy takes one image, got {len(images)}")
        problem = Series.of(Measurement(planes[len(planes) // 2]), Denoise(noise), None).problem(())
        reporter.say(f"The noise: {measured_noise(problem).in_words}.")
        course = train_network(settings, noisy=problem)
    began = said = time.monotonic()
    while True:
        try:
            step = next(course)
        except StopIteration as end:
            trained: TrainedNetwork = end.value
            break
        now = time.monotonic()
        if step.local is not None and (now - said >= _SECONDS_PER_LINE or step.outcome):
            said = now
            left = (now - began) * (settings.iterations - step.index) / max(step.index, 1)
            reporter.say(
                f"{step.index} of {settings.iterations} updates, {duration(left)} left: validation "
                f"{step.local:.2f} dB, best single setting {step.single:.2f} dB"
            )
    save(trained, out)
    reporter.say(f"written after {duration(time.monotonic() - began)}: {out}")


def _planes(path: Path) -> list[np.ndarray]:
    """Return the planes of an image, and each of its channels, as images of their own."""
    from napari_dip.image.axes import Axes

    picture = read(path)
    axes = Axes.of(picture.data.shape, picture.axes, "separate").plane_by_plane()
    return [np.asarray(picture.data[axes.at(frame)], np.float32) for frame in axes.frames(picture.data.shape)]

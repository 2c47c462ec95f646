"""Two measurements of one scene that share no noise: two exposures, or two halves of one."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.errors import InputError
from napari_dip.image.grid import format_shape
from napari_dip.noise.models import CorrelatedNoise, NoiseModel
from napari_dip.restoration.measurement import Measurement
from napari_dip.restoration.series import Series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_dip.methods import Method
    from napari_dip.noise.whiteness import Whiteness
    from napari_dip.tasks import Task

_MEASURED = "The noise was measured ({}), so its strength and the resolution are uncertain."
_SPECTRUM = (
    "The measurement was split in two halves. Since its noise is correlated between pixels, noise of the "
    "same spectrum, as measured in quiet places, was added to one half and subtracted from the other."
)
_SHARED = (
    "At low frequencies that spectrum is uncertain, and the halves may share some noise: a resolution of "
    "more than eight pixels may be that of the noise."
)
_CORRELATED = (
    "The noise seems to be correlated between pixels, and the halves still share some of it: the true "
    "resolution may be worse. Compare two exposures instead."
)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two measurements of one scene.

    Parameters
    ----------
    measurements : (Measurement, Measurement)
        What was measured.
    tasks : (Task, Task)
        What is to be undone in each, with the noise of each.
    how : str
        Where they come from, as a sentence.
    halves : bool
        Each has half of the light.
    notes : tuple of str
        What limits their independence, as sentences.
    """

    measurements: tuple[Measurement, Measurement]
    tasks: "tuple[Task, Task]"
    how: str
    halves: bool
    notes: tuple[str, ...] = ()

    @classmethod
    def of_exposures(cls, first: Measurement, second: "Measurement | ArrayLike", task: "Task") -> "Pair":
        """Return two exposures; an array has the mask and all else of the first measurement.

        Raises
        ------
        InputError
            They differ in shape.
        """
        other = second if isinstance(second, Measurement) else replace(first, image=second)
        if other.shape != first.shape:
            raise InputError(
                "second",
                f"both exposures must have the same shape, got {format_shape(first.shape)} and "
                f"{format_shape(other.shape)}",
            )
        return cls((first, other), (task, task), "Two exposures were restored.", False)

    @classmethod
    def of_halves(
        cls, whole: Measurement, task: "Task", method: "Method", noise: NoiseModel | None, seed: int
    ) -> "Pair":
        """Return two halves of a measurement.

        Parameters
        ----------
        whole : Measurement
            The measurement.
        task, method
            What is to be undone, and how. A task that names its noise has the noise of a half in each half.
        noise : NoiseModel, optional
            Noise of the measurement; by default that of the task, or as it is measured if that is unknown.
        seed : int
            Seed of the random numbers that split the measurement.

        Raises
        ------
        InputError
            The measurement can't be split, or not be restored by this method.
        """
        from napari_dip.noise.estimate import estimating
        from napari_dip.noise.thinning import split, split_normal
        from napari_dip.steps import finished

        series = Series.of(whole, task, method)
        series.frame(series.frames[0])  # refuses what a run would refuse
        plain: dict[str, Any] = {
            "axes": whole.layout.letters,
            "channels": whole.channels,
            "psf": whole.psf,
        }
        known = noise is not None or task.noise.known or whole.noise_std is not None
        found = _whiteness(series, series.frames[0])
        if not known and (found.smooth or isinstance(task.noise, CorrelatedNoise)):
            first, second = (Measurement(part, **plain) for part in _split_correlated(series, seed))
            return cls((first, second), (task, task), _SPECTRUM, True, (_SHARED,))
        notes = () if found.white else (_CORRELATED,)
        random = np.random.default_rng([seed, 1])
        image, sigma = observed(whole), _noise_std(whole)
        if sigma is not None:
            first, second = (
                Measurement(part, noise_std=math.sqrt(2) * sigma, **plain)
                for part in split_normal(image, sigma, random)
            )
            how = "The measurement was split in two halves by added noise of the stated strength."
            return cls((first, second), (task, task), how, True, notes)
        model = task.noise if noise is None else noise
        if not model.known:
            model = finished(estimating(model, image, axes=whole.layout.letters, strict=True)).model
            notes = (_MEASURED.format(model.in_words), *notes)
        made = split(image, model, random)
        first, second = (Measurement(part.image, **plain) for part in made.parts)
        tasks = (task, task)
        if task.noise.known:
            one, other = made.parts
            tasks = (replace(task, noise=one.noise), replace(task, noise=other.noise))
        how = f"The measurement was split in two halves. {made.how}"
        return cls((first, second), tasks, how, True, notes)


def observed(measurement: Measurement) -> np.ndarray:
    """Return the grey levels of a measurement as float64, NaN where a pixel is missing.

    Parameters
    ----------
    measurement : Measurement
        What was measured.
    """
    image = np.full(measurement.shape, np.nan)
    for frame in measurement.frames:
        at = measurement.layout.at(frame)
        values, hidden = measurement.read(at)
        image[at] = np.where(hidden, np.nan, values.astype(np.float64))
    return image


def _noise_std(measurement: Measurement) -> np.ndarray | None:
    """Return the noise of each pixel, which is 1 where it is unknown; None if none was given."""
    if measurement.noise_std is None:
        return None
    sigma = np.ones(measurement.shape)
    for frame in measurement.frames:
        at = measurement.layout.at(frame)
        found = measurement.read_noise_std(at)
        assert found is not None
        sigma[at] = np.where(np.isfinite(found), found, 1.0)
    return sigma


def _whiteness(series: Series, frame: tuple[int, ...]) -> "Whiteness":
    from napari_dip.noise.whiteness import whiteness

    problem = series.read(frame).whole
    return whiteness(problem.data, problem.weights)


def _split_correlated(series: Series, seed: int) -> list[np.ndarray]:
    """Return two halves in grey levels, NaN where a pixel is missing, by noise of the measured spectrum."""
    import torch

    from napari_dip.noise.second_image import split_noise

    generator = torch.Generator().manual_seed(seed)
    halves = [np.full(series.measurement.shape, np.nan) for _ in range(2)]
    for frame in series.frames:
        problem, at = series.read(frame).whole, series.axes.at(frame)
        parts = split_noise(problem.data, _whiteness(series, frame).spectrum, generator, added=1.0)
        for half, part in zip(halves, parts, strict=True):
            values = problem.units.to_grey(part).where(problem.weights > 0, torch.nan)
            half[at] = series.axes.from_batch(values).numpy()
    return halves

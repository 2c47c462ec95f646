"""Measures the resolution of a restored image: by restoring two measurements that share no noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np

from napari_dip.device import Device
from napari_dip.diagnostics.resolution import FEWEST, Criterion, FourierRingCorrelation, RingSums
from napari_dip.errors import InputError
from napari_dip.image.axes import Axes, Channels
from napari_dip.noise.models import NoiseModel
from napari_dip.restoration.api import restore
from napari_dip.restoration.halves import Pair, observed
from napari_dip.restoration.measurement import Measurement
from napari_dip.restoration.result import Restoration
from napari_dip.restoration.series import Following, Series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_dip.methods import Method
    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.tasks import Task

#: Share of the data's resolution below which that of the result is finer by more than chance.
_FINER = 0.9


@dataclass(frozen=True, eq=False)
class Resolution:
    """The resolution of a restored image, and what it was measured on.

    Parameters
    ----------
    curve : FourierRingCorrelation
        How well the two results agree at each frequency, in cycles per `unit`.
    data : FourierRingCorrelation
        How well the two measurements agree, as they are.
    unit : str
        Unit of the resolution: that of the pixel size, or "px" for pixels of the result.
    how : str
        Where the two measurements come from, as a sentence.
    results : (Restoration, Restoration)
        The two results.
    notes : tuple of str
        What limits the answer, as sentences.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import PKN, Denoise, GaussianNoise, measure_resolution
    >>> noise = np.random.default_rng(0).normal(100, 5, (64, 64))
    >>> found = measure_resolution(noise, Denoise(GaussianNoise(5.0)), PKN())
    >>> found.in_words.split(":")[0]
    'No resolution is shown'
    """

    curve: FourierRingCorrelation
    data: FourierRingCorrelation
    unit: str
    how: str
    results: tuple[Restoration, Restoration]
    notes: tuple[str, ...] = ()

    def value(self, criterion: Criterion = "1/7") -> float | None:
        """Return the resolution, or None if none is shown.

        Parameters
        ----------
        criterion : {"1/7", "3-sigma"}
            What the correlation has to exceed.
        """
        return self.curve.resolution(criterion)

    @property
    def in_words(self) -> str:
        """A description for the user, in sentences."""
        result, data = self.value(), self.data.resolution()
        alone = "The data alone show no resolution."
        if data is not None:
            alone = f"The data alone show {data:.3g} {self.unit}."
        if result is not None and (data is None or result < _FINER * data):
            alone += " What is finer follows from the method's assumptions, which both results share."
        return " ".join([in_words(self.curve, self.unit), alone, self.how, *self.notes])


def in_words(curve: FourierRingCorrelation, unit: str) -> str:
    """Return in a sentence what resolution a curve shows.

    Parameters
    ----------
    curve : FourierRingCorrelation
        The curve.
    unit : str
        Unit of its pixel size.
    """
    shown = {"1/7": curve.resolution("1/7"), "3σ": curve.resolution("3-sigma")}
    if not any(shown.values()):
        return "No resolution is shown: the two images agree at no frequency."
    words = []
    for name, value in shown.items():
        if value is None:
            words.append(f"none is shown by the {name} criterion")
        elif value <= curve.finest:
            words.append(f"two pixels ({value:.3g} {unit}) or better by the {name} criterion")
        else:
            words.append(f"{value:.3g} {unit} by the {name} criterion")
    text = f"The resolution is {', and '.join(words)} (Fourier ring correlation)."
    if all(value is not None and value <= curve.finest for value in shown.values()):
        text += " Two images that share their noise agree in this way too."
    return text


def measure_resolution(
    image: "Measurement | ArrayLike",
    task: "Task",
    method: "Method",
    *,
    second: "Measurement | ArrayLike | None" = None,
    noise: NoiseModel | None = None,
    pixel_size: float | Sequence[float] | None = None,
    unit: str = "px",
    axes: str | None = None,
    channels: Channels = "together",
    missing: "ArrayLike | None" = None,
    saturation_level: float | None = None,
    noise_std: "ArrayLike | None" = None,
    psf: "ArrayLike | None" = None,
    series: Following = "warm_start",
    device: Device = "auto",
    seed: int = 0,
    threads: int | None = None,
    stopping_rule: "StoppingRule | None" = None,
    callback: "Callable[[Iterate], object] | None" = None,
) -> Resolution:
    """Measure the resolution of a restored image by the Fourier ring correlation of two results.

    The two results must share no noise. They come from two exposures of the same scene, if you have them.
    Otherwise the measurement is split in two halves whose noise is independent; each is restored with its own
    seed, and the correlation is corrected for their having half of the light. The two runs take twice as long
    as one.

    Parameters
    ----------
    image : array_like or Measurement
        Grey levels, or a measurement that says all that is known of them.
    task : Task
        What is to be undone, such as ``Denoise()``. If it names a noise model, each half is restored with the
        model of its own, stronger noise.
    method : Method
        How, such as ``DIP()``.
    second : array_like or Measurement, optional
        A second exposure of the same scene, with the same axes as the first.
    noise : NoiseModel, optional
        The noise by which the image is split. By default it is that of the task, or is measured if that is
        unknown.
    pixel_size : float or sequence of float, optional
        Pixel size of the image along each spatial axis. By default the resolution is in pixels of the result.
    unit : str
        Unit of the pixel size.
    axes, channels, missing, saturation_level, noise_std, psf
        What is known of the image, as for `Measurement`. A guide can't be used: both results would show it.
    series, device, seed, threads, stopping_rule, callback
        How to run, as for `restore`. The second half has the next seed.

    Returns
    -------
    Resolution
        Its `value` is the resolution, or None if none is shown. Frames and channels are taken together, and
        so are the planes of a volume that has fewer than 16 of them.

    Raises
    ------
    ValueError
        An argument is unusable, or the measurement can't be split in two.
    RestorationError
        One of the two can't be restored.

    Notes
    -----
    What both halves have in common counts as structure, whether it is in the scene or not: a fixed pattern of
    the camera, stripes, and noise that is correlated between pixels. So does what a method puts into every
    result in the same way. The half measurement is noisier than the whole one, and a method that adapts to
    the noise smooths it more, so the result of the whole measurement may resolve a little more.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import PKN, Denoise, PoissonNoise, measure_resolution
    >>> random = np.random.default_rng(0)
    >>> scene = 50 + 40 * np.sin(np.linspace(0, 40, 64))[:, None] * np.ones(64)
    >>> found = measure_resolution(random.poisson(scene), Denoise(PoissonNoise()), PKN())
    >>> found.value() < 64 * 2 * np.pi / 40  # a period of the sine is resolved
    True
    >>> nothing = random.poisson(50.0, (64, 64))
    >>> measure_resolution(nothing, Denoise(PoissonNoise()), PKN()).value() is None
    True
    """
    whole = Measurement.of(
        image,
        axes=axes,
        channels=channels,
        missing=missing,
        saturation_level=saturation_level,
        noise_std=noise_std,
        psf=psf,
    )
    if whole.guide is not None:
        raise InputError(
            "guide",
            "the resolution can't be measured with a guide: both results would show its structures, whether "
            "or not the data do",
        )
    method = Series.of(whole, task, method).method or method  # both by one, if it is chosen automatically
    if second is None:
        pair = Pair.of_halves(whole, task, method, noise, seed)
    else:
        pair = Pair.of_exposures(whole, second, task)
    data_spacing, spacing = _spacings(pixel_size, whole, task)
    first, last = (observed(one) for one in pair.measurements)
    data = compared(first, last, whole.layout, data_spacing)  # refuses what is too small before the run
    one, other = (
        restore(
            measurement,
            its_task,
            method,
            seed=(seed + place) % 2**63,
            series=series,
            device=device,
            threads=threads,
            stopping_rule=stopping_rule,
            callback=callback,
        )
        for place, (measurement, its_task) in enumerate(zip(pair.measurements, pair.tasks, strict=True))
    )
    found = compared(one.image, other.image, whole.layout, spacing)
    return Resolution(
        found.correlation(halves=pair.halves),
        data.correlation(halves=pair.halves),
        "px" if pixel_size is None else unit,
        pair.how,
        (one, other),
        pair.notes,
    )


def compared(first: np.ndarray, second: np.ndarray, layout: Axes, spacing: tuple[float, ...]) -> RingSums:
    """Return the sums over the rings of all frames and channels together.

    Parameters
    ----------
    first, second : ndarray of float
        Two images of one scene, of the same shape; NaN where a pixel is missing.
    layout : Axes
        Their axes.
    spacing : tuple of float
        Pixel size along each spatial axis.

    Raises
    ------
    InputError
        They are too small, or no frame has pixels in both.
    """
    spatial = layout.spatial
    if first.shape[spatial[0]] < FEWEST:  # too few planes for shells: each is an image of its own
        spatial, spacing = spatial[-2:], spacing[-2:]
    images = []
    for array in (first, second):
        moved = np.moveaxis(array, spatial, range(-len(spatial), 0))
        images.append(moved.reshape(-1, *moved.shape[-len(spatial) :]))
    found = [
        RingSums.of(one, other, spacing)
        for one, other in zip(*images, strict=True)
        if np.isfinite(one).any() and np.isfinite(other).any()
    ]
    if not found:
        raise InputError("image", "there is no frame that has pixels in both images: none can be compared")
    return reduce(add, found)


def _spacings(
    pixel_size: float | Sequence[float] | None, whole: Measurement, task: "Task"
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the pixel sizes of the data and of the result along each spatial axis, in the same unit."""
    spatial = tuple(whole.shape[axis] for axis in whole.layout.spatial)
    factors = tuple(fine / n for fine, n in zip(task.grid(spatial).shape, spatial, strict=True))
    if pixel_size is None:
        return factors, (1.0,) * len(spatial)
    sizes = tuple(float(one) for one in np.broadcast_to(np.asarray(pixel_size, float), (len(spatial),)))
    return sizes, tuple(size / factor for size, factor in zip(sizes, factors, strict=True))

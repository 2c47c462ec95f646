"""The resolution of image files."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from napari_dip.diagnostics.decorrelation import decorrelation_analysis
from napari_dip.errors import InputError
from napari_dip.image.axes import AmbiguousAxesError, Axes
from napari_dip.image.grid import format_shape
from napari_dip.io import ImageFile, provenance, read
from napari_dip.restoration.provenance import Provenance
from napari_dip.restoration.resolution import compared, in_words


def resolution_of_files(
    path: Path, other: Path | None, *, axes: str | None, hdu: str | None, halves: bool
) -> str:
    """Return in words what resolution an image has, or in what resolution two images agree.

    Parameters
    ----------
    path : Path
        An image as it was measured, or one of two images that share no noise.
    other : Path, optional
        The second one.
    axes : str, optional
        One letter for each axis; by default as the file states, or guessed from the shape.
    hdu : str, optional
        The HDU of FITS files to read.
    halves : bool
        The two images are halves of one measurement.

    Raises
    ------
    ValueError
        A file can't be read, or has no resolution to measure.
    """
    image = read(path, hdu)
    layout = _axes(image, axes)
    sizes, unit = pixel_sizes(image, layout)
    if other is None:
        return "\n".join(_decorrelation(image, layout, sizes[-1], unit))
    _refuse_same_source(path, other)
    second = read(other, hdu)
    if second.data.shape != image.data.shape:
        raise InputError(
            "other",
            f"both images must have the same shape, got {format_shape(image.data.shape)} in {path} and "
            f"{format_shape(second.data.shape)} in {other}",
        )
    sums = compared(_floats(image), _floats(second), layout, sizes)
    return in_words(sums.correlation(halves=halves), unit)


def _refuse_same_source(*paths: Path) -> None:
    """Refuse two results of the same measurement, as far as the files tell where they come from."""
    sources = []
    for path in paths:
        with suppress(ValueError):  # the provenance can't be read
            found = Provenance.of(provenance(path))
            sources.append(found.source.path)
    if len(sources) == 2 and sources[0] is not None and sources[0] == sources[1]:
        raise InputError(
            "other",
            f"both images are results of {sources[0]}, so they share its noise and agree at all frequencies: "
            "compare the results of two exposures, or restore with --resolution",
        )


def pixel_sizes(image: ImageFile, layout: Axes) -> tuple[tuple[float, ...], str]:
    """Return the pixel size along each spatial axis and its unit; 1 and "px" where the file states none.

    Parameters
    ----------
    image : ImageFile
        What the file says.
    layout : Axes
        The axes of its pixels.
    """
    letters = [layout.letters[axis] for axis in layout.spatial]
    known = [image.pixel_size.get(letter) for letter in letters]
    units = {one[1] for one in known if one is not None}
    if None in known or len(units) != 1:
        return (1.0,) * len(letters), "px"
    return tuple(one[0] for one in known if one is not None), units.pop()


def _axes(image: ImageFile, axes: str | None) -> Axes:
    try:
        return Axes.of(image.data.shape, image.axes if axes is None else axes, "separate")
    except AmbiguousAxesError as error:
        raise InputError("axes", error.ask("--axes {}")) from error


def _floats(image: ImageFile) -> np.ndarray:
    return np.asarray(image.with_nan, np.float64)


def _decorrelation(image: ImageFile, layout: Axes, size: float, unit: str) -> Iterator[str]:
    """Say for each channel what resolution the middle plane of the middle frame has."""
    values = _floats(image)
    channels = [axis for axis, letter in enumerate(layout.letters) if letter in "CS"]
    kept = (*channels, *layout.spatial[-2:])
    middle = tuple(slice(None) if axis in kept else n // 2 for axis, n in enumerate(values.shape))
    order = [axis for axis in range(values.ndim) if axis in kept]
    planes = np.moveaxis(values[middle], [order.index(axis) for axis in kept], range(len(kept)))
    planes = planes.reshape(-1, *planes.shape[-2:])
    for number, plane in enumerate(planes):
        found = decorrelation_analysis(plane).resolution
        name = f"Channel {number}: the" if len(planes) > 1 else "The"
        if found is None:
            yield f"{name} data show no resolution above the noise (decorrelation analysis)."
        else:
            yield f"{name} resolution of the data is {found * size:.3g} {unit} (decorrelation analysis)."

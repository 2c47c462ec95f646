"""What a run reads: the image, and its mask, guide and point spread function on the pixels of the image."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.cli.known_pixels import known_pixels, refuse_mosaic
from napari_dip.errors import InputError
from napari_dip.image.axes import AmbiguousAxesError, Axes
from napari_dip.image.region import parsed
from napari_dip.io import ImageFile, read
from napari_dip.psf.arrays import resampled
from napari_dip.restoration.crop import factors, guide_part
from napari_dip.restoration.recipe import FILE_OPTIONS

if TYPE_CHECKING:
    from napari_dip.cli.options import Common
    from napari_dip.tasks import Task

#: Relative difference of pixel sizes that the rounding in files explains.
_SAME = 1e-3


@dataclass(frozen=True, eq=False)
class Source:
    """An image and the arrays that belong to it, ready to be restored.

    Parameters
    ----------
    picture : ImageFile
        The region of the image that is restored.
    restored : ImageFile
        The shape, pixel size and header of the result.
    axes : Axes
        The axes of both.
    beside : dict
        Arrays that `restore` takes beside the image, by the name of the argument.
    origin : dict
        Where all of them come from, as plain JSON values.
    notes : tuple of str
        What the user should know about how the files were understood.
    """

    picture: ImageFile
    restored: ImageFile
    axes: Axes
    beside: dict[str, Any]
    origin: dict[str, Any]
    notes: tuple[str, ...]


def opened(path: Path, task: "Task", common: "Common", psf: Path | None = None) -> Source:
    """Read the files of a run, and cut out the region that the options name."""
    whole = read(path, common.hdu)
    shape = whole.data.shape
    try:
        axes = Axes.of(shape, whole.axes if common.axes is None else common.axes, common.channels)
    except AmbiguousAxesError as error:
        raise InputError("axes", error.ask("--axes {}")) from error
    if common.mosaic == "refuse":
        refuse_mosaic(path, whole, axes)
    finer = factors(task, axes)
    roi = None if common.roi is None else parsed(common.roi, axes, shape)
    picture = whole if roi is None else replace(whole, axes=axes.letters).part(roi)
    known = known_pixels(path, whole, axes, roi, common)
    beside: dict[str, Any] = {**known.beside}
    origin: dict[str, Any] = {**_place(path), "roi": roi, "missing": None, "guide": None, "psf": None}
    notes = [*(f"{path}: {note}" for note in whole.notes), *known.notes]
    if common.missing is not None:
        origin["missing"] = {**_place(common.missing), "label": common.missing_label}
    if common.noise_std is not None:
        origin["noise_std"] = _place(common.noise_std)
    for name in FILE_OPTIONS:
        if getattr(common, name) not in (None, "refuse"):
            origin[name] = getattr(common, name)
    if common.guide is not None:
        guide = read(common.guide)
        notes += [f"{common.guide}: {note}" for note in guide.notes]
        values = guide.with_nan
        beside["guide"] = values if roi is None else guide_part(values, shape, axes, finer, roi)
        origin["guide"] = _place(common.guide)
    if psf is not None:
        kernel, ratio, note = _psf(psf, whole, axes)
        channel = Axes(axes.letters).channel
        if roi is not None and channel is not None and kernel.ndim > len(axes.spatial):
            kernel = kernel[slice(*roi[channel])]
        beside["psf"] = kernel
        origin["psf"] = {**_place(psf), "ratio": ratio}
        notes += [note] if note else []
    return Source(picture, picture.refined(axes.letters, finer), axes, beside, origin, tuple(notes))


def _psf(path: Path, image: ImageFile, axes: Axes) -> tuple[np.ndarray, list[float] | None, str | None]:
    """Return a point spread function on the pixels of the image, the ratio of pixel sizes, and a note.

    Its channels, if the file has any, come first.
    """
    picture = read(path)
    kernel = picture.with_nan
    if kernel.ndim > len(axes.spatial) and (channels := {*(picture.axes or "")} & {*"CS"}):
        kernel = np.moveaxis(kernel, (picture.axes or "").index(*channels), 0)
    letters = [axes.letters[axis] for axis in axes.spatial]
    ratio = picture.pixel_ratio(image, letters)
    if ratio is None:
        return (
            kernel,
            None,
            f"{path}: assumed to have the pixels of the image, since not both files state their pixel size",
        )
    if all(math.isclose(r, 1, rel_tol=_SAME) for r in ratio):
        return kernel, None, None
    times = ", ".join(f"{r:.4g} along {letter}" for r, letter in zip(ratio, letters, strict=True))
    note = f"{path}: resampled to the pixels of the image; its own are larger by a factor of {times}"
    return resampled(kernel, ratio), list(ratio), note


def _place(path: Path) -> dict[str, Any]:
    return {"layer": path.stem, "path": str(path)}

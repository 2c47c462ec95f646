"""What a run reads: the image, and its mask, guide and point spread function on the pixels of the image."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.image.axes import Axes
from napari_dip.image.region import index, parsed
from napari_dip.io import ImageFile, read, read_mask
from napari_dip.psf.arrays import resampled
from napari_dip.restoration.crop import factors, guide_part

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
    whole = read(path)
    shape = whole.data.shape
    axes = Axes.of(shape, whole.axes if common.axes is None else common.axes, common.channels)
    finer = factors(task, axes)
    roi = None if common.roi is None else parsed(common.roi, axes, shape)
    picture = whole if roi is None else whole.part(roi)
    beside: dict[str, Any] = {}
    origin: dict[str, Any] = {**_place(path), "roi": roi, "missing": None, "guide": None, "psf": None}
    notes: list[str] = []
    if common.missing is not None:
        missing = axes.broadcast("missing", read_mask(common.missing, common.missing_label), shape)
        beside["missing"] = missing if roi is None else missing[index(roi)]
        origin["missing"] = {**_place(common.missing), "label": common.missing_label}
    if common.guide is not None:
        guide = read(common.guide).data
        beside["guide"] = guide if roi is None else guide_part(guide, shape, axes, finer, roi)
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
    data = picture.data
    if data.ndim > len(axes.spatial) and (channels := {*(picture.axes or "")} & {*"CS"}):
        data = np.moveaxis(data, (picture.axes or "").index(*channels), 0)
    letters = [axes.letters[axis] for axis in axes.spatial]
    ratio = picture.pixel_ratio(image, letters)
    if ratio is None:
        return (
            data,
            None,
            f"{path}: assumed to have the pixels of the image, since not both files state their pixel size",
        )
    if all(math.isclose(r, 1, rel_tol=_SAME) for r in ratio):
        return data, None, None
    times = ", ".join(f"{r:.4g} along {letter}" for r, letter in zip(ratio, letters, strict=True))
    note = f"{path}: resampled to the pixels of the image; its own are larger by a factor of {times}"
    return resampled(data, ratio), list(ratio), note


def _place(path: Path) -> dict[str, Any]:
    return {"layer": path.stem, "path": str(path)}

"""Where restored files go."""

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from napari_dip.errors import FileError
from napari_dip.io import SUFFIXES, file_of, provenance, replaceable, stem_of, suffix_of
from napari_dip.io.parameter_maps import MAPS_SUFFIXES
from napari_dip.restoration.completeness import is_complete

if TYPE_CHECKING:
    from napari_dip.cli.options import Common

_SAME_SUFFIX = {".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fts.gz", ".npy", ".tif", ".tiff"}
#: Files that can be read and not written, and what their restored images are written as.
_WRITTEN_AS = {".fits.fz": ".fits", ".fit.fz": ".fit", ".fts.fz": ".fts", ".gif": ".tif"}
_NETWORKS = (".safetensors",)


@dataclass(frozen=True)
class Outputs:
    """Files that are written for one image.

    Parameters
    ----------
    image : Path
        The restored image.
    maps : Path, optional
        The parameters that were applied.
    weights : Path, optional
        The fine-tuned network.
    errors : Path, optional
        The standard error of each pixel.
    kept : frozenset of Path
        Those that exist and are kept.
    outdated : frozenset of Path
        Those that exist and are replaced by a complete result.
    """

    image: Path
    maps: Path | None = None
    weights: Path | None = None
    errors: Path | None = None
    kept: frozenset[Path] = frozenset()
    outdated: frozenset[Path] = frozenset()

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        every = (self.image, self.maps, self.weights, self.errors)
        return tuple(path for path in every if path is not None)

    @property
    def missing(self) -> tuple[Path, ...]:
        """Those that have to be written."""
        return tuple(path for path in self.files if path not in self.kept)

    def keeping_existing(self) -> Self:
        """Return the same outputs, with those kept that exist and are complete.

        Raises
        ------
        FileError
            It can't be told whether one is complete.
        """
        existing = frozenset(path for path in self.files if path.exists())
        # A network says nothing about its run, but the image beside it does.
        kept = frozenset[Path]()
        if self.image not in existing or _seems_complete(self.image):
            kept = frozenset(path for path in existing if _seems_complete(path))
        return replace(self, kept=kept, outdated=existing - kept)


def planned_outputs(
    inputs: Sequence[Path], output: Path, *, others: Collection[Path], common: "Common"
) -> dict[Path, Outputs | FileError]:
    """Return what is written for each input, or why it can't be restored.

    Parameters
    ----------
    inputs : sequence of Path
        Image files.
    output : Path
        A file, an existing folder, or a name with ``{stem}`` in it.
    others : collection of Path
        All other files that are read.
    common : Common
        Says what is written beside the image, and whether files may be replaced.

    Raises
    ------
    FileError
        No input can be restored as asked for, or two outputs would go to one file.
    """
    for path in others:
        file_of(path)
    if len(inputs) > 1 and "{stem}" not in output.name and not output.is_dir():
        raise FileError(f"several images need an existing folder or a name with {{stem}}, got {output}")
    protected = {_identity(path) for path in (*inputs, *others)}
    plans: dict[Path, Outputs | FileError] = {}
    for source in inputs:
        try:
            plans[source] = _planned(source, output, protected, common)
        except FileError as error:
            plans[source] = error
    planned = [plan for source in inputs if isinstance(plan := plans[source], Outputs)]
    if not planned:
        raise next(plan for plan in plans.values() if isinstance(plan, FileError))
    _check_distinct(planned)
    return plans


def _planned(source: Path, output: Path, protected: Collection[object], common: "Common") -> Outputs:
    """Return what is written for an input, once all is checked that can be known before it is read."""
    file = file_of(source)  # without the HDU that the name of the source may choose

    def checked(place: Path, suffixes: Collection[str]) -> Path:
        if _identity(place) in protected:
            raise FileError(f"{place} is an input: choose another output for {source}")
        replaceable(place, overwrite=common.overwrite or common.skip_existing, suffixes=suffixes)
        return place

    image = checked(_place(file, output, common.keep_dtype), SUFFIXES)
    maps = weights = errors = None
    if common.save_maps is not None:
        maps = checked(_beside(file, common.save_maps, " maps.tif"), MAPS_SUFFIXES)
    if common.save_weights is not None:
        weights = checked(_beside(file, common.save_weights, ".safetensors"), _NETWORKS)
    if common.uncertainty is not None:
        errors = checked(_beside(file, common.uncertainty, " uncertainty.tif"), SUFFIXES)
    return Outputs(image, maps, weights, errors)


def _seems_complete(path: Path) -> bool:
    """Return whether nothing says that a file is the result of a run that did not reach its end."""
    try:
        stored = provenance(path)
    except FileError as error:
        raise FileError(f"{path} exists, but it can't be read: delete it, or use --overwrite") from error
    return stored is None or is_complete(stored)


def _identity(path: Path) -> object:
    """Return what all names of a file share, be they links or differ in their case."""
    with suppress(OSError, FileError):
        status = file_of(path).stat()
        if status.st_ino:  # some network drives have no such numbers
            return status.st_dev, status.st_ino
    return os.path.realpath(path)


def _place(source: Path, output: Path, keep_dtype: bool) -> Path:
    """Return the file that an input goes to."""
    if "{stem}" in output.name:
        return output.with_name(output.name.replace("{stem}", stem_of(source)))
    if output.is_dir():
        # Integers may go to PNG or JPEG; float32 needs a format that holds it.
        suffix = _WRITTEN_AS.get(suffix_of(source)) or source.name[len(stem_of(source)) :]
        same = keep_dtype or suffix.lower() in _SAME_SUFFIX
        return output / f"{stem_of(source)}{suffix if same else '.tif'}"
    return output


def _beside(source: Path, place: Path, ending: str) -> Path:
    """Return the file that is saved beside the image of an input."""
    return _place(source, place / f"{{stem}}{ending}" if place.is_dir() else place, keep_dtype=False)


def _check_distinct(planned: Sequence[Outputs]) -> None:
    """Refuse two outputs in one file."""
    taken: set[object] = set()
    for kind in ("image", "maps", "weights", "errors"):
        places = [path for plan in planned if (path := getattr(plan, kind)) is not None]
        files = {_identity(path): path for path in places}
        if len(files) < len(places):
            raise FileError(
                "two images would go to the same output: use other names or another folder for one"
            )
        if both := taken & files.keys():
            raise FileError(
                "an image and what is saved beside it would go to the same output: choose another than "
                f"{files[both.pop()]}"
            )
        taken |= files.keys()

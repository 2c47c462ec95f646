"""Where restored files go."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dip.errors import FileError
from napari_dip.io import SUFFIXES, file_of, replaceable, stem_of, suffix_of

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
    """

    image: Path
    maps: Path | None = None
    weights: Path | None = None


def planned_outputs(
    inputs: Sequence[Path], output: Path, *, others: Collection[Path], common: "Common"
) -> dict[Path, Outputs]:
    """Return what is written for each input.

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
        An input is absent, or an output would replace something.
    """
    protected = {os.path.realpath(file_of(path)) for path in (*inputs, *others)}

    def placed(where: Path, suffixes: Collection[str]) -> dict[Path, Path]:
        places = {source: _place(source, where, inputs, common.keep_dtype) for source in inputs}
        for source, place in places.items():
            if os.path.realpath(place) in protected:
                raise FileError(f"{place} is an input: choose another output for {source}")
            replaceable(place, overwrite=common.overwrite, suffixes=suffixes)
        return places

    images = placed(output, SUFFIXES)
    maps = placed(_beside(common.save_maps, " maps.tif"), SUFFIXES) if common.save_maps else {}
    weights = placed(_beside(common.save_weights, ".safetensors"), _NETWORKS) if common.save_weights else {}
    _check_distinct(len(inputs), images, maps, weights)
    return {path: Outputs(images[path], maps.get(path), weights.get(path)) for path in inputs}


def _place(source: Path, output: Path, inputs: Sequence[Path], keep_dtype: bool) -> Path:
    """Return the file that an input goes to."""
    if "{stem}" in output.name:
        return output.with_name(output.name.replace("{stem}", stem_of(source)))
    if output.is_dir():
        # Integers may go to PNG or JPEG; float32 needs a format that holds it.
        suffix = _WRITTEN_AS.get(suffix_of(source)) or source.name[len(stem_of(source)) :]
        same = keep_dtype or suffix.lower() in _SAME_SUFFIX
        return output / f"{stem_of(source)}{suffix if same else '.tif'}"
    if len(inputs) > 1:
        raise FileError(f"several images need an existing folder or a name with {{stem}}, got {output}")
    return output


def _beside(place: Path, ending: str) -> Path:
    return place / f"{{stem}}{ending}" if place.is_dir() else place


def _check_distinct(images: int, *outputs: Mapping[Path, Path]) -> None:
    """Refuse two outputs in one file."""
    taken: set[Path] = set()
    for places in outputs:
        files = set(places.values())
        if places and len(files) < images:
            raise FileError(
                "two images would go to the same output: use other names or another folder for one"
            )
        if both := taken & files:
            raise FileError(
                "an image and what is saved beside it would go to the same output: choose another than "
                f"{both.pop()}"
            )
        taken |= files

"""Where restored files go."""

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from napari_dip.errors import FileError
from napari_dip.io import SUFFIXES, replaceable

_KEPT = {".fits", ".fit", ".fts", ".npy", ".tif", ".tiff"}


def targets(
    inputs: Sequence[Path],
    output: Path,
    *,
    others: Sequence[Path],
    keep_dtype: bool,
    overwrite: bool,
    suffixes: Collection[str] = SUFFIXES,
) -> list[tuple[Path, Path]]:
    """Return each input with its output.

    Parameters
    ----------
    inputs : sequence of Path
        Image files.
    output : Path
        A file, an existing folder, or a name with ``{stem}`` in it.
    others : sequence of Path
        Whatever else is read.
    keep_dtype : bool
        The outputs will have the dtypes of their inputs, so that any suffix will do.
    overwrite : bool
        Existing outputs may be replaced; what is read never is.
    suffixes : collection of str
        That the outputs may have; by default those of images.

    Raises
    ------
    FileError
        An input is absent, or an output would replace something.
    """

    def target(source: Path) -> Path:
        if "{stem}" in output.name:
            return output.with_name(output.name.replace("{stem}", source.stem))
        if output.is_dir():
            suffix = source.suffix if keep_dtype or source.suffix.lower() in _KEPT else ".tif"
            return output / f"{source.stem}{suffix}"
        if len(inputs) > 1:
            raise FileError(f"several images go to an existing folder or a name with {{stem}}, got {output}")
        return output

    for path in (*inputs, *others):
        if not path.is_file():
            raise FileError(f"no such file: {path}")
    protected = {os.path.realpath(path) for path in (*inputs, *others)}
    pairs = [(source, target(source)) for source in inputs]
    for source, place in pairs:
        if os.path.realpath(place) in protected:
            raise FileError(f"{place} is an input: choose another output for {source}")
        replaceable(place, overwrite=overwrite, suffixes=suffixes)
    if len({place for _, place in pairs}) < len(pairs):
        raise FileError("two images would go to the same output: use other names or another folder for one")
    return pairs

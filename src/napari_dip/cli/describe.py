"""Describes a restored file for a paper."""

from pathlib import Path

from napari_dip.errors import FileError
from napari_dip.io import provenance
from napari_dip.restoration.paper.methods_text import bibtex, methods_text


def described(path: Path, *, references: bool) -> str:
    """Return the methods text of a restored image, or the BibTeX entries of what it cites.

    Parameters
    ----------
    path : Path
        A file that `napari-dip` wrote.
    references : bool
        Return the BibTeX entries.

    Raises
    ------
    FileError
        The file does not say how it was made.
    """
    found = provenance(path)
    if found is None:
        raise FileError(f"{path} does not say that napari-dip made it, or how")
    try:
        return (bibtex if references else methods_text)(found)
    except ValueError as error:
        raise FileError(f"{path} can't be described: {error}") from error

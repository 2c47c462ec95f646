"""Writes a result where it was asked for, or else where nothing is lost."""

import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from napari_dip.io import stem_of
from napari_dip.io.atomic import ExistsError, PlaceError

#: Names that are tried in one folder.
_NAMES = 1000


def delivered(
    place: Path, write: Callable[[Path, bool], object], *, overwrite: bool, last_resort: str = ""
) -> tuple[Path, str]:
    """Write a file; if that can't be done, write it elsewhere.

    If a file of the name has appeared, the result gets a free name beside it. If the disk is full, or the
    folder is gone or can't be written to, the result goes to the folder for temporary files, to the home
    folder or to the current folder, whichever takes it first. If the format fails, another one is used.

    Parameters
    ----------
    place : Path
        Where the result should go.
    write : callable
        Takes a path, and whether an existing file may be replaced.
    overwrite : bool
        Whether a file at `place` may be replaced. No other file is.
    last_resort : str
        Suffix of a format that holds the result whatever it is, if there is one.

    Returns
    -------
    (Path, str)
        Where it went, and why not to `place`, as a sentence for the user; empty if it did.

    Raises
    ------
    FileError
        No place takes it.
    """
    try:
        write(place, overwrite)
    except Exception as error:  # noqa: BLE001  whatever it is, the result must not be lost
        why = error
    else:
        return place, ""
    beside = [] if isinstance(why, PlaceError) else [place.parent]
    name = place
    if not isinstance(why, (PlaceError, ExistsError)) and last_resort:
        name = place.with_suffix(last_resort)
    for folder in (*beside, *_other_folders()):
        for other in _names(folder / name.name):
            try:
                write(other, False)
            except ExistsError:
                continue
            except Exception:  # noqa: BLE001  the first reason is given
                break
            return other, f"{str(why).rstrip('.')}. The result is in {other} instead."
    raise why


def _other_folders() -> Iterator[Path]:
    for folder in (tempfile.gettempdir, Path.home, Path.cwd):
        try:
            yield Path(folder())
        except (OSError, RuntimeError):  # there is none
            continue


def _names(place: Path) -> Iterator[Path]:
    """Yield a name, and then others like it."""
    yield place
    stem = stem_of(place).removesuffix(".ome")
    suffix = place.name[len(stem) :]
    for number in count(2):
        if number > _NAMES:
            return
        yield place.with_name(f"{stem}-{number}{suffix}")

"""What opening a file of torch.save would take: found out, and limited, before it is opened."""

import io
import zipfile
from pathlib import Path

from napari_dip.io.tensors import LARGEST
from napari_dip.pretrained.pickles import Inspector, TooLargeError

#: Files in an archive, and bytes of the pickle that describes the weights: networks that restore images need
#: far less.
_MOST_FILES, _LONGEST_PICKLE = 100_000, 2**24
#: How many times its own size an archive may unpack to; torch.save does not compress.
_MOST_TIMES = 4
_SMALL = 2**26  # bytes that no computer lacks
#: Files of torch's older format begin with this number, the first of five pickles.
_MAGIC, _PICKLES = 0x1950A86A20F9469CFC6C, 5


def inspect(path: Path) -> frozenset[str]:
    """Return the names that the pickle of a file needs, after all its sizes have been checked.

    Parameters
    ----------
    path : Path
        A file that torch.save wrote: an archive, or a file of torch's older format.

    Raises
    ------
    TooLargeError
        Something in it is larger than the file, or than the limits allow.
    NotAllowedError
        It is more than weights and plain values.
    Exception
        Any other, because the file is broken.
    """
    if path.stat().st_size > LARGEST:
        raise TooLargeError(f"it is larger than {LARGEST // 2**30} GiB, the limit for a network")
    with path.open("rb") as file:
        stream = io.BytesIO(file.read(_LONGEST_PICKLE))
    if bytes(stream.getbuffer()[:4]) == b"PK\x03\x04":  # as torch tells its formats apart
        return _inspect_archive(path)
    inspectors = [Inspector(stream) for _ in range(_PICKLES)]
    if inspectors[0].load() != _MAGIC:
        raise ValueError("another kind of file")
    for one in inspectors[1:]:
        one.load()
    claimed = sum(size for one in inspectors for size in one.storages.values())
    if claimed > path.stat().st_size:
        raise TooLargeError("its weights claim more bytes than the file holds")
    return frozenset().union(*(one.names for one in inspectors))


def _inspect_archive(path: Path) -> frozenset[str]:
    with zipfile.ZipFile(path) as archive:
        sizes = {entry.filename.lower(): entry.file_size for entry in archive.infolist()}
        if len(sizes) < len(archive.infolist()):
            raise ValueError("two files of one name")
        _check_archive(path, archive)
        (name,) = (one for one in archive.namelist() if one.partition("/")[2] == "data.pkl")
        if sizes[name.lower()] > _LONGEST_PICKLE:
            raise TooLargeError(
                f"the pickle that describes its weights unpacks to more than {_LONGEST_PICKLE // 2**20} MiB"
            )
        inspector = Inspector(io.BytesIO(archive.read(name)))
    inspector.load()
    folder = name.partition("/")[0].lower()
    if any(size > sizes.get(f"{folder}/data/{key}".lower(), 0) for key, size in inspector.storages.items()):
        raise TooLargeError("its weights claim more bytes than the file holds")
    return inspector.names


def _check_archive(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive that unpacks to too much. Only its directory is read.

    Raises
    ------
    TooLargeError
        It holds too many files, or too large ones.
    """
    entries, packed = archive.infolist(), path.stat().st_size
    if len(entries) > _MOST_FILES:
        raise TooLargeError(f"it is an archive of more than {_MOST_FILES} files")
    size = sum(entry.file_size for entry in entries)
    if size > min(LARGEST, max(_SMALL, _MOST_TIMES * packed)):
        raise TooLargeError(
            f"it is an archive of {packed} bytes that unpacks to {size}; the limit is {_MOST_TIMES} times "
            f"its size, and {LARGEST // 2**30} GiB"
        )

"""Image files: reading and writing them with their axes, pixel size and header."""

from napari_dip.io.files import (
    SUFFIXES,
    provenance,
    read,
    read_mask,
    refuse_no_file,
    replaceable,
    reserved,
    writable,
    write,
)
from napari_dip.io.image_file import ImageFile

__all__ = [
    "SUFFIXES",
    "ImageFile",
    "provenance",
    "read",
    "read_mask",
    "refuse_no_file",
    "replaceable",
    "reserved",
    "writable",
    "write",
]

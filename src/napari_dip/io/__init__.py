"""Image files: reading and writing them with their axes, pixel size and header."""

from napari_dip.io.files import (
    SUFFIXES,
    file_of,
    left_out,
    mask_of,
    provenance,
    read,
    read_flagged,
    read_mask,
    read_noise_std,
    refuse_no_file,
    replaceable,
    reserved,
    stem_of,
    suffix_of,
    writable,
    write,
)
from napari_dip.io.image_file import ImageFile

__all__ = [
    "SUFFIXES",
    "ImageFile",
    "file_of",
    "left_out",
    "mask_of",
    "provenance",
    "read",
    "read_flagged",
    "read_mask",
    "read_noise_std",
    "refuse_no_file",
    "replaceable",
    "reserved",
    "stem_of",
    "suffix_of",
    "writable",
    "write",
]

"""Files in and out, with what they know of axes, pixel size and header."""

from napari_dip.io.files import SUFFIXES, provenance, read, read_mask, replaceable, writable, write
from napari_dip.io.image_file import Picture

__all__ = ["SUFFIXES", "Picture", "provenance", "read", "read_mask", "replaceable", "writable", "write"]

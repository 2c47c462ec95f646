"""Write test images."""

from napari_dip.io import ImageFile, write

PROVENANCE = {"napari-dip": "0.0", "seed": 3, "task": {"type": "Denoise"}}


def save(path, data, source=None, axes="YX", **options):
    """Write an image with the provenance above."""
    return write(path, data, source or ImageFile(data), axes=axes, provenance=PROVENANCE, **options)

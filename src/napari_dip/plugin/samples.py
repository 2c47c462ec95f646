"""Sample images for File > Open Sample. They are real and small, and most come with the package."""

from pathlib import Path
from typing import Any

import numpy as np

_DATA = Path(__file__).with_name("data")  # its README.md names the authors and licences
_SATURATION = 4095.0  # grey levels

LayerData = tuple[Any, dict[str, Any], str]


def micrograph() -> list[LayerData]:
    """Return a neuron with little light and the noise of the camera; nothing was added.

    The protein NCOA4 by immunofluorescence, from Tim Monko's ndev-sampledata (BSD-3-Clause).

    Returns
    -------
    list of LayerData
        One image of uint16, shape ``(224, 224)``; pixels of 0.124 micrometres.
    """
    attributes = {
        "name": "neuron",
        "scale": (0.1241, 0.1241),
        "units": ("micrometer", "micrometer"),
        "axis_labels": ("y", "x"),
        "contrast_limits": (1250, 2900),
    }
    return [(_read("neuron.tif"), attributes, "image")]


def sky() -> list[LayerData]:
    """Return galaxies as a camera counts them, with dead pixels and cosmic rays.

    A detail of the Hubble eXtreme Deep Field (NASA, public domain), which comes with scikit-image. The
    published image is clean. The photon noise (1 grey level per photon), the read noise (5 grey levels),
    the dead pixels (NaN) and the cosmic rays (at saturation, 4095) are simulated.

    Returns
    -------
    list of LayerData
        An image of float32 and labels that are 1 on the cosmic rays, both of shape ``(256, 256)``.
    """
    from skimage.data import hubble_deep_field
    from skimage.draw import line

    random = np.random.default_rng(0)
    photons = 40 + 2 * hubble_deep_field()[300:556, 300:556].mean(axis=2)
    image = (random.poisson(photons) + random.normal(0, 5, photons.shape)).astype(np.float32)

    rays = np.zeros(image.shape, np.uint8)
    starts = random.integers(0, 256, (40, 2))
    angles = random.uniform(0, 2 * np.pi, 40)
    lengths = 2 + random.exponential(8, 40)
    steps = (lengths * [np.sin(angles), np.cos(angles)]).T.astype(int)  # (40, 2)
    for (row, column), (end_row, end_column) in zip(starts, starts + steps, strict=True):
        rows, columns = line(row, column, end_row, end_column)
        inside = (rows >= 0) & (rows < 256) & (columns >= 0) & (columns < 256)
        rays[rows[inside], columns[inside]] = 1
    image[rays == 1] = _SATURATION

    dead = np.zeros(image.shape, bool)
    dead[:, 71] = True
    dead[120:, 188] = True
    dead[196:210, 96:116] = True
    image[dead] = np.nan
    rays[dead] = 0
    labels = {"name": "cosmic rays", "axis_labels": ("y", "x")}
    return [
        (image, {"name": "deep sky", "axis_labels": ("y", "x"), "contrast_limits": (40, 320)}, "image"),
        (rays, labels, "labels"),
    ]


def photograph() -> list[LayerData]:
    """Return a photograph with scratches and stains, and the labels that mark them.

    Chelsea the cat, by Stéfan van der Walt (CC0), which comes with scikit-image. The damage is drawn.

    Returns
    -------
    list of LayerData
        An RGB image of uint8, shape ``(256, 256, 3)``, and labels of shape ``(256, 256)``: 1 on the
        scratches, 2 on the stains, 0 where the photograph is untouched.
    """
    from skimage.data import chelsea
    from skimage.draw import disk, line
    from skimage.morphology import dilation
    from skimage.morphology import disk as footprint

    random = np.random.default_rng(4)
    image = chelsea()[20:276, 110:366].copy()
    shape = image.shape[:2]
    scratches = np.zeros(shape, bool)
    for row, column, end_row, end_column in random.integers(0, 256, (10, 4)):
        scratches[line(row, column, end_row, end_column)] = True
    stains = np.zeros(shape, bool)
    for centre in random.uniform(30, 226, (5, 2)):
        for offset, radius in zip(random.normal(0, 6, (6, 2)), random.uniform(2, 8, 6), strict=True):
            stains[disk(centre + offset, radius, shape=shape)] = True

    labels = dilation(scratches, footprint(1)).astype(np.uint8)
    labels[stains] = 2
    image[labels == 1] = (246, 243, 236)
    image[labels == 2] = (38, 24, 20)
    return [
        (image, {"name": "photograph", "rgb": True, "axis_labels": ("y", "x")}, "image"),
        (labels, {"name": "damage", "axis_labels": ("y", "x")}, "labels"),
    ]


def z_stack() -> list[LayerData]:
    """Return a dividing cell between its neighbours in 3-D, with the noise of the microscope.

    Nuclei by fluorescence microscopy, from the Allen Institute for Cell Science (CC0): a detail of
    scikit-image's ``cells3d``, downsampled by 4 in rows and columns.

    Returns
    -------
    list of LayerData
        One image of uint16, shape ``(24, 96, 96)``; voxels of 0.29 x 0.26 x 0.26 micrometres.
    """
    attributes = {
        "name": "dividing cell",
        "scale": (0.29, 0.26, 0.26),
        "units": ("micrometer", "micrometer", "micrometer"),
        "axis_labels": ("z", "y", "x"),
        "contrast_limits": (40, 800),
    }
    return [(_read("dividing_cell.tif"), attributes, "image")]


def time_series() -> list[LayerData]:
    """Return nuclei of cells that move into a wound over time, with the noise of the camera.

    A scratch assay, stained with Hoechst 33342, from Tim Monko's ndev-sampledata (BSD-3-Clause). The time
    between two frames is not known.

    Returns
    -------
    list of LayerData
        One image of uint16, shape ``(10, 112, 112)``; pixels of 0.619 micrometres.
    """
    attributes = {
        "name": "scratch wound",
        "scale": (1.0, 0.619, 0.619),
        "units": ("pixel", "micrometer", "micrometer"),
        "axis_labels": ("t", "y", "x"),
        "contrast_limits": (420, 1600),
    }
    return [(_read("scratch_wound.tif"), attributes, "image")]


def _read(name: str) -> np.ndarray:
    from tifffile import imread

    return np.asarray(imread(_DATA / name))

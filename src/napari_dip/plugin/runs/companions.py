"""What goes with the image that is restored: a guide, and a point spread function."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from napari_dip.errors import InputError
from napari_dip.image.affine import resampled_onto
from napari_dip.psf.arrays import resampled


@dataclass(frozen=True, eq=False)
class GuideLayer:
    """Another image of the scene that is restored, and where it lies.

    Parameters
    ----------
    data : array
        Real numbers, with the samples of an RGB image last.
    rgb : bool
        Whether it is an RGB image.
    to_world : ndarray
        Homogeneous matrix from its pixels to the world.
    restored_to_world : ndarray
        Homogeneous matrix from the pixels of the restored image to the world.
    shape : tuple of int
        Shape of the restored image, with its colours.
    spatial : tuple of int
        Positions of the spatial axes of the restored image.
    """

    data: Any
    rgb: bool
    to_world: np.ndarray
    restored_to_world: np.ndarray
    shape: tuple[int, ...]
    spatial: tuple[int, ...]

    @cached_property
    def array(self) -> np.ndarray:
        """The guide on the pixels of the restored image, as `restore` takes it.

        It has the spatial shape of that image, with colours last if it has any. If it changes from frame to
        frame, it has all axes of that image.

        Raises
        ------
        InputError
            It can't be brought onto that grid, or shows nothing there.
        """
        data, ndim = np.asarray(self.data), len(self.restored_to_world) - 1
        samples = [data[..., sample] for sample in range(data.shape[-1])] if self.rgb else [data]
        try:
            found = [
                resampled_onto(one, self.to_world, self.restored_to_world, self.shape[:ndim])
                for one in samples
            ]
        except ValueError as error:
            raise InputError("guide", str(error)) from None
        others = [axis for axis in range(ndim) if axis not in self.spatial]
        if all(found[0].strides[axis] == 0 or self.shape[axis] == 1 for axis in others):
            index = tuple(0 if axis in others else slice(None) for axis in range(ndim))
            guide = np.stack([one[index] for one in found], -1) if self.rgb else found[0][index]
        else:  # it may have no more axes than the restored image, which leaves none for colours
            guide = np.mean(found, 0) if self.rgb else found[0]
            if len(self.shape) > ndim:
                guide = np.broadcast_to(guide[..., None], self.shape)
        if not np.ptp(guide):
            raise InputError(
                "guide", "the guide has a single grey level where the image lies: choose another layer"
            )
        return guide


@dataclass(frozen=True, eq=False)
class PSFLayer:
    """The measured image of a point, whose pixels may have another size than those of the restored image.

    Parameters
    ----------
    data : array
        Real numbers.
    ratio : tuple of float, optional
        Its pixel size divided by that of the image, along each spatial axis. None if both are the same.
    """

    data: Any
    ratio: tuple[float, ...] | None

    @cached_property
    def array(self) -> np.ndarray:
        """The point spread function on the pixels of the image, as `restore` takes it.

        Raises
        ------
        InputError
            The layer can't be a point spread function.
        """
        data = np.asarray(self.data)
        return data if self.ratio is None else resampled(data, self.ratio)

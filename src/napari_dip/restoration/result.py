"""What a restoration hands over: the image, and how it came about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from napari_dip.diagnostics.report import Diagnostics
from napari_dip.optim.iterate import Outcome
from napari_dip.restoration.frame_report import FrameReport
from napari_dip.restoration.paper.methods_text import bibtex, methods_text
from napari_dip.restoration.uncertainty import Uncertainty

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class RestoredMap:
    """A number at each pixel of a restored image.

    Parameters
    ----------
    values : ndarray of float32
        In the shape of the restored image, without the channels that were restored together.
    meaning : str
        What it says.
    unit : str
        Such as "px"; "noise" stands for the standard deviation of the noise.
    low, high : float
        Between which it lies.
    neutral : float, optional
        In between, what changes nothing: where it makes sense to tell more from less.
    """

    values: "NDArray[np.float32]"
    meaning: str
    unit: str
    low: float
    high: float
    neutral: float | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype, copy=copy)


@dataclass(frozen=True, eq=False)
class Restoration(NDArrayOperatorsMixin):
    """A restored image, which can be used as an array, and how it came about.

    Parameters
    ----------
    image : ndarray of float32 or float64
        Grey levels of the source, in the shape of the source, or finer where that was the task. Frames that
        failed, or that were not reached when the run was stopped, are NaN.
    frames : tuple of FrameReport
        One for each frame that was reached.
    provenance : dict
        Task, method, axes, saturation level, device, seed, versions and how each frame ended, as plain JSON
        values: all that is needed to repeat the run on the same image and mask (see `Recipe`).
    parameter_maps : mapping of str to RestoredMap
        The maps of the method's parameters, where they were asked for.
    network_output : ndarray of float32 or float64, optional
        The output of a pretrained network before anything was corrected, of the image's shape.
    states : mapping of tuple of int to mapping of str to Tensor
        The weights that a pretrained network came to, by the index of the frame.
    recovered_sources : ndarray of float32, optional
        Faint sources that were put back, of the image's shape, in grey levels; the image contains them. None
        if nothing was put back.
    uncertainty : Uncertainty, optional
        How far the pixels may be wrong, if that was asked for. None if it can't be given; then the note of
        the frame says why.
    """

    image: "NDArray[np.floating]"
    frames: tuple[FrameReport, ...]
    provenance: dict[str, Any]
    parameter_maps: Mapping[str, RestoredMap] = field(default_factory=dict)
    network_output: "NDArray[np.floating] | None" = None
    states: "Mapping[tuple[int, ...], Mapping[str, Tensor]]" = field(default_factory=dict)
    recovered_sources: "NDArray[np.float32] | None" = None
    uncertainty: Uncertainty | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.image, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        arrays = [one.image if isinstance(one, Restoration) else one for one in inputs]
        return getattr(ufunc, method)(*arrays, **options)

    def __getitem__(self, index: Any) -> Any:
        return self.image[index]

    def __len__(self) -> int:
        return len(self.image)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the image."""
        return self.image.shape

    @property
    def dtype(self) -> "np.dtype[np.floating]":
        """The dtype of the image."""
        return self.image.dtype

    @property
    def ndim(self) -> int:
        """The number of axes of the image."""
        return self.image.ndim

    @property
    def size(self) -> int:
        """The number of pixels of the image."""
        return self.image.size

    @property
    def failed(self) -> tuple[FrameReport, ...]:
        """The reports of the frames that could not be restored."""
        return tuple(report for report in self.frames if report.error is not None)

    @property
    def diagnostics(self) -> "Diagnostics | tuple[Diagnostics | None, ...] | None":
        """How far the image can be trusted: for a series, one for each frame that was reached.

        None stands for what was not restored.
        """
        if len(self.frames) == 1 and not self.frames[0].index:
            return self.frames[0].diagnostics
        return tuple(frame.diagnostics for frame in self.frames)

    @property
    def outcome(self) -> Outcome:
        """Why the run of the last frame ended."""
        return self.frames[-1].outcome

    def methods_text(self) -> str:
        """Return a description of the result for the methods section of a paper.

        It has a paragraph on what was done, one on the limitations that apply, and the checklists of
        QUAREP-LiMi for image analysis and for machine learning, filled in as far as the provenance tells.
        Lines for the author begin with ``[ ]``.

        Raises
        ------
        ValueError
            The method or the task is your own, and nothing is known about it.
        """
        return methods_text(self.provenance)

    def bibtex(self) -> str:
        """Return the BibTeX entries of all works that `methods_text` cites."""
        return bibtex(self.provenance)

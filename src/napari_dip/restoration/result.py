"""What a restoration hands over: the image, and how it came about."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.optim.iterate import Outcome, StoppingCriterion

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class FrameReport:
    """How the run of one frame ended.

    Parameters
    ----------
    index : tuple of int
        Of the frame along the looped axes.
    outcome : Outcome
        Why the run ended.
    iterations : int
        Updates after which the answer was found.
    score : float or None
        By what judged the fit: such as its error on held-out pixels, in nats per pixel.
    seconds : float
        Time that the run took.
    criterion : StoppingCriterion or None
        What decided when the run ended, where more than the number of updates did.
    note : str
        What else the user should know of it, in a sentence.
    """

    index: tuple[int, ...]
    outcome: Outcome
    iterations: int
    score: float | None
    seconds: float
    criterion: StoppingCriterion | None = None
    note: str = ""

    def record(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        criterion = None if self.criterion is None else self.criterion.name
        return {**asdict(self), "outcome": self.outcome.name, "criterion": criterion}


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


@dataclass(frozen=True, eq=False)
class Restoration:
    """A restored image; numpy functions take it as the array that it holds.

    Parameters
    ----------
    image : ndarray of float32
        Grey levels of the source, in the shape of the source or finer where that was the task. Frames that
        were not reached when the run was stopped are NaN, and `frames` leaves them out.
    frames : tuple of FrameReport
        One for each frame.
    provenance : dict
        Task, method, axes, saturation, device, seed, versions and how each frame ended, as plain JSON values:
        all that is needed to run it again on the same image and mask (see `Recipe`).
    maps : mapping of str to RestoredMap
        What the method gives beside the image, where it was to be kept.
    network_output : ndarray of float32, optional
        Of the image's shape: what the method began with, where that is worth keeping, such as the output of a
        pretrained network as it was.
    states : mapping of tuple of int to mapping of str to Tensor
        Weights that a pretrained network came to, by the index of the frame.
    """

    image: "NDArray[np.float32]"
    frames: tuple[FrameReport, ...]
    provenance: dict[str, Any]
    maps: Mapping[str, RestoredMap] = field(default_factory=dict)
    network_output: "NDArray[np.float32] | None" = None
    states: "Mapping[tuple[int, ...], Mapping[str, Tensor]]" = field(default_factory=dict)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.image, dtype=dtype, copy=copy)

    @property
    def outcome(self) -> Outcome:
        """Why the run of the last frame ended."""
        return self.frames[-1].outcome

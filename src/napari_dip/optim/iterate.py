"""The items that a run yields."""

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_dip.diagnostics.report import Diagnostics

#: What a run leaves for the next one to start from: weights by name.
State = dict[str, Any]


class Outcome(Enum):
    """Why a run ended, as a sentence for the user.

    Examples
    --------
    >>> from napari_dip import Outcome
    >>> Outcome.TIME_LIMIT.value
    'The time limit was reached.'
    """

    NO_IMPROVEMENT = "The error on held-out pixels stopped falling; the best result was kept."
    VARIANCE = (
        "The outputs began to vary more again, as they do when a network starts to fit the noise; "
        "the steadiest result was kept."
    )
    DISCREPANCY = "The residual became as weak as the noise; further iterations would fit the noise."
    SPLIT = (
        "The error against the second image, whose noise is independent, stopped falling; the best result "
        "was kept."
    )
    MAX_ITERATIONS = "The maximum number of iterations was reached."
    RISK = "The estimated error stopped falling; the best weights were kept."
    CONSISTENT = "The output of the network agrees with the data; nothing was changed."
    COMPUTED = "The result was computed in one step."
    UNCHANGED = "There was nothing to restore."
    TIME_LIMIT = "The time limit was reached."
    STOPPED = "You stopped the run."
    RULE = "Your stopping rule ended the run."
    FAILED = "The frame could not be restored."
    DIVERGED = (
        "The loss became infinite or NaN; the best result before that was kept. Lower the learning rate."
    )


#: How the note of an answer begins that was given before the fit had begun.
STOPPED_EARLY = "Stopped before the fit began"


class StoppingCriterion(Enum):
    """What decides when a run ends, as a sentence for the user.

    Examples
    --------
    >>> from napari_dip import StoppingCriterion
    >>> StoppingCriterion.HELD_OUT.value
    'Pixels held out of the fit decide when to stop.'
    """

    HELD_OUT = "Pixels held out of the fit decide when to stop."
    VARIANCE = (
        "The variance of the outputs decides when to stop, which suits noise that is correlated between "
        "pixels."
    )
    DISCREPANCY = (
        "The strength of the noise decides when to stop, which suits noise that is correlated between pixels."
    )
    SPLIT = (
        "A second image with independent noise, split off the data, decides when to stop, which suits noise "
        "that is correlated between pixels."
    )
    RISK = "Stein's estimate of the error decides when to stop."
    CROSS_SCALE = "The error on coarser pixels, of this image and of synthetic ones, decides when to stop."


@dataclass(frozen=True, slots=True)
class Map:
    """A number at each pixel that a method gives beside the image.

    Parameters
    ----------
    meaning : str
        What the numbers mean, for the user.
    unit : str
        Unit, such as "px"; "noise" stands for the standard deviation of the noise.
    low, high : float
        Smallest and largest possible value.
    compute : callable
        Returns the numbers, in the shape of the spatial axes. It is only called when they are needed.
    neutral : float, optional
        Value between `low` and `high` that changes nothing, where there is one.
    """

    meaning: str
    unit: str
    low: float
    high: float
    compute: "Callable[[], Tensor]"
    neutral: float | None = None


@dataclass(frozen=True, slots=True)
class Unseen:
    """Pixels that a run did not fit, and images that have not seen them, to tell what the answer is worth.

    Parameters
    ----------
    pixels : Tensor of bool, shape ``(1, 1 or C, *spatial)``
        Where the data are observed, and no part of the run has seen them.
    x : Tensor, shape ``(1, C, *grid)``
        The answer, as it was before these pixels were used.
    fits : tuple of (Tensor, Tensor), optional
        The fit that was best on held-out pixels, and the one at the end of the run.
    """

    pixels: "Tensor"
    x: "Tensor"
    fits: "tuple[Tensor, Tensor] | None" = None

    def mapped(self, change: "Callable[[Tensor], Tensor]") -> "Unseen":
        """Return the same with each tensor changed."""
        fits = None if self.fits is None else (change(self.fits[0]), change(self.fits[1]))
        return Unseen(change(self.pixels), change(self.x), fits)


@dataclass(frozen=True, slots=True)
class PixelErrors:
    """How far the pixels of an answer may be wrong.

    Parameters
    ----------
    standard_error : Tensor, shape ``(1, C, *grid)``
        Standard error of each pixel.
    noise_std : Tensor, the same shape
        Standard deviation of the noise of a measurement of each pixel.
    scores : ndarray, 1-D
        Differences between unseen pixels and the answer in units of √(noise_std² + standard_error²).
    """

    standard_error: "Tensor"
    noise_std: "Tensor"
    scores: "NDArray[np.floating]"

    def mapped(self, change: "Callable[[Tensor], Tensor]") -> "PixelErrors":
        """Return the same with each tensor changed."""
        return PixelErrors(change(self.standard_error), change(self.noise_std), self.scores)


@dataclass(frozen=True, slots=True)
class Iterate:
    """One step of a run.

    Parameters
    ----------
    index : int
        Number of iterations before it; 0 is the network as given.
    x : Tensor
        The image, in grey levels. Later iterations do not change it.
    loss : Tensor
        The energy that was minimised, 0-d; NaN while nothing is fitted.
    score : float, optional
        What the criterion measured; lower is better. For held-out pixels, their error in nats per pixel.
    outcome : Outcome, optional
        Why the run ended; only the last iterate has one.
    frame : tuple of int
        Index of the frame in a series.
    criterion : StoppingCriterion, optional
        What decides when the run ends; None if only the number of iterations does.
    maps : mapping of str to Map
        What the method gives beside the image.
    note : str
        What the user should know about it, as a sentence.
    measured_noise : bool
        On an answer: noise that was unknown before was measured in the data, and then used as if it had been
        told.
    error : Exception, optional
        Why the frame could not be restored.
    state : mapping of str to Tensor, optional
        On an answer: the weights of the network, if they are worth keeping.
    sources : Tensor, optional
        On an answer: faint sources that were put back, which `x` contains; of its shape, in grey levels.
    errors : PixelErrors, optional
        On an answer: how far its pixels may be wrong, if that was asked for.
    preparing : bool
        The fit has not begun; `x` is the best estimate so far by other means, and `index` is 0. A run yields
        such iterates while it waits for slow work, so that it can be stopped.
    unseen : Unseen, optional
        Pixels that the method has not fitted. Only a method gives them; `solve` does not pass them on.
    diagnose : callable, optional
        On an answer of `solve`: measures what the image is worth, and returns its `Diagnostics`. That takes
        some tenths of a second.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_dip import DIP, Denoise, solve
    >>> image = np.random.default_rng(0).normal(100, 10, (32, 32))
    >>> method = DIP(iterations=5, stopping="max-iterations")
    >>> iterates = [one for one in solve(image, Denoise(), method) if not one.preparing]
    >>> [one.index for one in iterates]
    [0, 1, 2, 3, 4, 5]
    >>> iterates[-1].outcome.name
    'MAX_ITERATIONS'
    """

    index: int
    x: "Tensor"
    loss: "Tensor"
    score: float | None = None
    outcome: Outcome | None = None
    frame: tuple[int, ...] = ()
    criterion: StoppingCriterion | None = None
    maps: "Mapping[str, Map]" = field(default_factory=dict)
    note: str = ""
    measured_noise: bool = False
    error: Exception | None = None
    state: "Mapping[str, Tensor] | None" = None
    sources: "Tensor | None" = None
    errors: PixelErrors | None = None
    preparing: bool = False
    unseen: Unseen | None = None
    diagnose: "Callable[[], Diagnostics] | None" = None

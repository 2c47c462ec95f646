"""What is to be undone: an operator, a noise model, and what has to be given."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from napari_dip.noise import NoiseModel, Unknown
from napari_dip.settings import check

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.operators import Operator
    from napari_dip.problem import Problem


@dataclass(frozen=True)
class Task(ABC):
    """Plain settings that name the operator A and the noise.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.
    """

    needs_missing: ClassVar[bool] = False
    done: ClassVar[str] = "restored"  #: what its results are called
    noise: NoiseModel = Unknown()

    def __post_init__(self) -> None:
        check(self)

    @abstractmethod
    def operator(self) -> "Operator":
        """Return A."""

    def finish(self, x: "Tensor", problem: "Problem") -> "Tensor":
        """Return what the user gets of an x that explains the problem: by default x itself."""
        return x


@dataclass(frozen=True)
class Denoise(Task):
    """Take noise out of an image; missing pixels, where there are any, are filled in too.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.
    """

    done: ClassVar[str] = "denoised"

    def operator(self) -> "Operator":
        """Return the identity."""
        from napari_dip.operators import Identity

        return Identity()


@dataclass(frozen=True)
class Inpaint(Task):
    """Fill in missing pixels: scratches, text, dead lines, holes; leave all others as they were measured.

    Parameters
    ----------
    noise : NoiseModel
        Noise of the data; its strength may be unknown.
    keep_observed : bool
        Leave observed pixels as they were measured. Otherwise noise is taken out of them, as `Denoise` does.
    """

    needs_missing: ClassVar[bool] = True
    done: ClassVar[str] = "inpainted"
    keep_observed: bool = True

    def operator(self) -> "Operator":
        """Return the identity: what is missing weighs nothing."""
        from napari_dip.operators import Identity

        return Identity()

    def finish(self, x: "Tensor", problem: "Problem") -> "Tensor":
        """Return x with the observed pixels put back."""
        return problem.data.where(problem.weights > 0, x) if self.keep_observed else x


#: All tasks, in the order in which they are offered.
TASKS: tuple[type[Task], ...] = (Denoise, Inpaint)

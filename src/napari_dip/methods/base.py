"""The protocol that every method follows."""

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from napari_dip.optim.iterate import State as State

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.problem import Problem
    from napari_dip.tasks import Task


class Method(Protocol):
    """A frozen dataclass of plain settings that can solve a `Problem`."""

    tasks: "ClassVar[tuple[type[Task], ...]]"  #: the tasks that it can do
    slicewise: ClassVar[bool]  #: whether volumes are restored plane by plane
    takes_maps: ClassVar[bool]  #: whether maps of its parameters may be given
    #: whether its first iterate that is not `preparing` is the output of a given network
    yields_network_output: ClassVar[bool]

    @property
    def max_iterations(self) -> int:
        """Largest number of iterations for one image or frame."""
        ...

    @property
    def time_limit(self) -> float | None:
        """Largest number of seconds for one image or frame; None sets no limit."""
        ...

    def probe(self, iterations: int, /) -> Self:
        """Return settings that end after this number of iterations, to measure what one costs."""
        ...

    def resolved(self, device: str) -> Self:
        """Return the settings to record: every choice that depends on the machine is made."""
        ...

    def unsupported_reason(self, problem: "Problem", *, guided: bool = False) -> str | None:
        """Return why the method can't solve this problem, in words for the user, or None."""
        ...

    def remarks(self, problem: "Problem") -> tuple[str, ...]:
        """Return sentences that the user should read before the run."""
        ...

    def solve(
        self,
        problem: "Problem",
        *,
        seed: int,
        guide: "Tensor | None" = None,
        initial_state: State | None = None,
        parameter_maps: "Mapping[str, Tensor] | None" = None,
        stopping_rule: "StoppingRule | None" = None,
    ) -> Generator["Iterate", None, State]:
        """Yield iterates, the last of which is the answer; return what a warm start needs.

        The stopping rule is started before anything else, so that a time limit counts from the beginning.
        While slow work goes on before the first iteration or after the last one, iterates are yielded at
        least ten times a second, so that the run can be stopped.
        """
        ...

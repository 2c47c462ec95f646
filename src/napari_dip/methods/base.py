"""What every method is."""

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

if TYPE_CHECKING:
    from torch import Tensor

    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.problem import Problem
    from napari_dip.tasks import Task

#: What a run leaves behind for the next one: the weights by name.
State = dict[str, Any]


class Method(Protocol):
    """A frozen dataclass of plain settings that can solve a `Problem`."""

    tasks: "ClassVar[tuple[type[Task], ...]]"  #: what it can undo
    slicewise: ClassVar[bool]  #: whether it takes volumes plane by plane
    takes_maps: ClassVar[bool]  #: whether maps of its parameters may be given
    yields_network_output: ClassVar[bool]  #: whether its first iterate is what a given network made

    @property
    def max_iterations(self) -> int:
        """Updates at the most, for one image or frame."""
        ...

    @property
    def time_limit(self) -> float | None:
        """Seconds at the most, for one image or frame."""
        ...

    def probe(self, updates: int) -> Self:
        """Return settings that end after just so many updates, to measure what one costs."""
        ...

    def resolved(self, device: str) -> Self:
        """Return the settings with nothing left for the machine to decide, to be recorded."""
        ...

    def unsupported_reason(self, problem: "Problem", *, guided: bool = False) -> str | None:
        """Return why it can't do this one, in words for the user, or None."""
        ...

    def remarks(self, problem: "Problem") -> tuple[str, ...]:
        """Return sentences that the user should know before the run."""
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
        """Yield iterates, the last of which is the answer; return what a warm start needs."""
        ...

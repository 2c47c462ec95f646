"""One restoration: of what, of what is undone, and how."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_dip.methods import PKN
from napari_dip.plugin.inputs import Inputs
from napari_dip.restoration import restoring

if TYPE_CHECKING:
    import numpy as np

    from napari_dip.methods import Method
    from napari_dip.reports import Restoration
    from napari_dip.solver.iterate import Iterate
    from napari_dip.solver.stopping import StoppingRule
    from napari_dip.tasks import Task


@dataclass(frozen=True, eq=False)
class Run:
    """All that a restoration depends on; nothing that happens later in the viewer changes it.

    Parameters
    ----------
    inputs : Inputs
        What is restored.
    task : Task
        What is undone.
    method : Method
        How.
    options : dict
        Device and seed.
    maps : mapping of str to ndarray, optional
        Parameters that are given in place of those that the method would find.
    keep_maps : bool
        Return those that were found, if the method has such.
    """

    inputs: Inputs
    task: "Task"
    method: "Method"
    options: Mapping[str, Any]
    maps: "Mapping[str, np.ndarray] | None" = None
    keep_maps: bool = True

    @property
    def frames(self) -> int:
        """How many images are restored, one after another."""
        return len(list(self.inputs.axes.frames(tuple(self.inputs.image.shape))))

    @property
    def filter(self) -> PKN:
        """The method, which is a filter."""
        assert isinstance(self.method, PKN)
        return self.method

    @property
    def source(self) -> dict[str, Any]:
        """The keyword arguments of `solve` that say what is restored, and with which parameters."""
        return {**self.inputs.options, "maps": self.maps}

    def stream(self, until: "StoppingRule | None" = None) -> "Generator[Iterate, None, Restoration]":
        """Begin."""
        return restoring(
            self.inputs.image,
            self.task,
            self.method,
            until=until,
            keep_maps=self.keep_maps,
            **self.options,
            **self.source,
        )

"""One restoration: of what, of what is undone, and how."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_dip.plugin.inputs import Inputs
from napari_dip.restoration import restoring

if TYPE_CHECKING:
    import numpy as np

    from napari_dip.methods import Method
    from napari_dip.restoration import Restoration
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
    """

    inputs: Inputs
    task: "Task"
    method: "Method"
    options: Mapping[str, Any]
    maps: "Mapping[str, np.ndarray] | None" = None

    @property
    def frames(self) -> int:
        """How many images are restored, one after another."""
        return len(list(self.inputs.axes.frames(tuple(self.inputs.image.shape))))

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
            keep_maps=self.method.takes_maps,
            **self.options,
            **self.source,
        )

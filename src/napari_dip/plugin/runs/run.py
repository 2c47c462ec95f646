"""One restoration: of what, of what is undone, and how."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.methods import PKN, FineTune
from napari_dip.plugin.runs.inputs import Inputs, placed
from napari_dip.restoration.api import residual
from napari_dip.restoration.collect import restoring
from napari_dip.restoration.run import SeriesRun

if TYPE_CHECKING:
    from napari_dip.methods import Method
    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.restoration.result import Restoration
    from napari_dip.tasks import Task


@dataclass(frozen=True, eq=False)
class Residuals:
    """What is left of the data by what a method began with, and by the restored image.

    Parameters
    ----------
    before, after : ndarray
        Of the data's shape; of colours, the mean.
    remark : str
        What else there is to say of them, at the end of a name.
    """

    before: np.ndarray
    after: np.ndarray
    remark: str


@dataclass(frozen=True, eq=False)
class RunOutput:
    """What a run hands to the viewer.

    Parameters
    ----------
    restoration : Restoration
        The restored image.
    residuals : Residuals, optional
        Where the method began with something worth keeping, and changed it.
    """

    restoration: "Restoration"
    residuals: Residuals | None = None


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
    return_maps : bool
        Return those that were found, if the method has such.
    """

    inputs: Inputs
    task: "Task"
    method: "Method"
    options: Mapping[str, Any]
    maps: Mapping[str, np.ndarray] | None = None
    return_maps: bool = True

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
    def tuning(self) -> FineTune:
        """The method, which is a network that may be tuned."""
        assert isinstance(self.method, FineTune)
        return self.method

    @property
    def placement(self) -> dict[str, Any]:
        """Where the restored image lies, as napari's arguments."""
        inputs = self.inputs
        return placed(inputs.placement, inputs.from_restored(self.task, len(inputs.to_world) - 1))

    def stream(self, stopping_rule: "StoppingRule | None" = None) -> "Generator[Iterate, None, RunOutput]":
        """Restore, and show each step."""
        run = SeriesRun.of(
            self.inputs.measurement,
            self.task,
            self.method,
            series=self.inputs.series,
            parameter_maps=self.maps,
            stopping_rule=stopping_rule,
            **self.options,
        )
        made = yield from restoring(run, return_maps=self.return_maps)
        if made.network_output is None or np.array_equal(made.network_output, made.image, equal_nan=True):
            return RunOutput(made)
        before, after = self.residual(made.network_output), self.residual(made.image)
        return RunOutput(made, Residuals(before, after, self.of_residual))

    def residual(self, restored: np.ndarray) -> np.ndarray:
        """Return what a restored image leaves of the data, on their grid; of colours, the mean."""
        left = residual(self.inputs.measurement, restored, self.task)
        return left.mean(-1) if self.inputs.rgb else left

    @property
    def of_residual(self) -> str:
        """What the name of a residual ends with."""
        return ", mean of the colours" if self.inputs.rgb else ""

"""One restoration: all that it depends on, and what it hands to the viewer."""

import traceback
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_dip.methods import PKN, FineTune
from napari_dip.plugin.runs.inputs import Inputs, placed
from napari_dip.restoration.api import residual
from napari_dip.restoration.collect import restoring
from napari_dip.restoration.cost import CostEstimate, estimate_cost
from napari_dip.restoration.run import SeriesRun
from napari_dip.restoration.text import frame_name, sentence

if TYPE_CHECKING:
    from napari_dip.methods import Method
    from napari_dip.optim.iterate import Iterate
    from napari_dip.optim.stopping import StoppingRule
    from napari_dip.restoration.result import Restoration
    from napari_dip.tasks import Task


@dataclass(frozen=True, eq=False)
class Residuals:
    """What the output of a pretrained network, and the restored image, leave unexplained of the data.

    Parameters
    ----------
    before, after : ndarray
        Residuals in the data's shape. Those of an RGB image are the mean over its colours.
    remark : str
        What the names of their layers end with.
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
        The residuals of a pretrained network, if its output was changed.
    failures : tuple of str
        The traceback of each frame that could not be restored.
    """

    restoration: "Restoration"
    residuals: Residuals | None = None
    failures: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Run:
    """All that a restoration depends on. Nothing that happens later in the viewer changes it.

    Parameters
    ----------
    inputs : Inputs
        What is restored.
    task : Task
        What is to be undone.
    method : Method
        How.
    options : mapping of str to object
        Device, seed and uncertainty, as `restore` takes them.
    parameter_maps : mapping of str to ndarray, optional
        Parameters to apply in place of those that the method would find.
    return_maps : bool
        Return the maps of the parameters, if the method has any.
    """

    inputs: Inputs
    task: "Task"
    method: "Method"
    options: Mapping[str, Any]
    parameter_maps: Mapping[str, np.ndarray] | None = None
    return_maps: bool = True

    @property
    def frames(self) -> int:
        """The number of images that are restored one after another."""
        return len(list(self.inputs.axes.frames(tuple(self.inputs.image.shape))))

    @property
    def uncertainty(self) -> bool:
        """Whether the uncertainty of the pixels is measured."""
        return bool(self.options.get("uncertainty"))

    @property
    def filter(self) -> PKN:
        """The method, which has to be a procedural kernel network."""
        assert isinstance(self.method, PKN)
        return self.method

    @property
    def tuning(self) -> FineTune:
        """The method, which has to be a pretrained network."""
        assert isinstance(self.method, FineTune)
        return self.method

    @property
    def placement(self) -> dict[str, Any]:
        """Where the restored image lies, as napari's arguments."""
        inputs = self.inputs
        return placed(inputs.placement, inputs.from_restored(self.task, len(inputs.to_world) - 1))

    @property
    def settings(self) -> dict[str, Any]:
        """What the run was asked for, in words for a bug report."""
        image, axes = self.inputs.image, self.inputs.axes
        return {
            "Image": f"{tuple(image.shape)} {image.dtype}, axes {axes.letters}, channels {axes.channels}",
            "Task": self.task,
            "Method": self.method,
            "Options": dict(self.options),
        }

    def stream(self, stopping_rule: "StoppingRule | None" = None) -> "Generator[Iterate, None, RunOutput]":
        """Yield the iterates of the restoration, and return its output."""
        stream = restoring(self._series_run(stopping_rule), return_maps=self.return_maps)
        failures = []
        try:
            while True:
                iterate = next(stream)
                if iterate.error is not None:
                    trace = "".join(traceback.format_exception(iterate.error))
                    failures.append(f"{sentence(frame_name(iterate.frame))}\n{trace}")
                yield iterate
        except StopIteration as end:
            restoration: Restoration = end.value
        finally:
            stream.close()
        return RunOutput(restoration, self._residuals(restoration), tuple(failures))

    def estimate(self) -> CostEstimate:
        """Check the run as `solve` does, and estimate its cost.

        Raises
        ------
        ValueError
            An argument is unusable.
        RestorationError
            The image doesn't fit into memory.
        """
        self._series_run()
        measurement, given = self.inputs.measurement, self.parameter_maps
        return estimate_cost(
            measurement,
            self.task,
            self.method,
            parameter_maps=given,
            device=self.options["device"],
            uncertainty=self.uncertainty,
        )

    def _series_run(self, stopping_rule: "StoppingRule | None" = None) -> SeriesRun:
        return SeriesRun.of(
            self.inputs.measurement,
            self.task,
            self.method,
            series=self.inputs.series,
            parameter_maps=self.parameter_maps,
            stopping_rule=stopping_rule,
            **self.options,
        )

    def _residuals(self, restoration: "Restoration") -> Residuals | None:
        output, image = restoration.network_output, restoration.image
        if output is None or np.array_equal(output, image, equal_nan=True):
            return None
        return Residuals(self.residual(output), self.residual(image), self.residual_remark)

    def residual(self, restored: np.ndarray) -> np.ndarray:
        """Return what a restored image leaves unexplained of the data; of colours, return the mean."""
        left = residual(self.inputs.measurement, restored, self.task)
        return left.mean(-1) if self.inputs.rgb else left

    @property
    def residual_remark(self) -> str:
        """What the name of a residual's layer ends with."""
        return ", mean of the colours" if self.inputs.rgb else ""

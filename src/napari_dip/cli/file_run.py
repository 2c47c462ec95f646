"""The restoration of one image file."""

import logging
import warnings
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_dip.cli.inputs import Source, opened
from napari_dip.cli.resolution import pixel_sizes
from napari_dip.image.axes import Axes
from napari_dip.io import left_out, reserved
from napari_dip.io.parameter_maps import read_maps, refuse_maps_file, reserved_maps
from napari_dip.io.tensors import reserved_tensors
from napari_dip.noise.estimate import estimate_noise
from napari_dip.psf.estimate import estimate_psf
from napari_dip.restoration.api import restore
from napari_dip.restoration.collect import FailedFramesWarning
from napari_dip.restoration.measurement import Measurement
from napari_dip.restoration.point_spread import point_spread_function
from napari_dip.restoration.resolution import measure_resolution
from napari_dip.restoration.series import Series, layout_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_dip.cli.options import Common
    from napari_dip.cli.outputs import Outputs
    from napari_dip.cli.reporter import Reporter
    from napari_dip.methods import PKN, FineTune, Method
    from napari_dip.optim.stopping import StopRequested
    from napari_dip.restoration.result import Restoration
    from napari_dip.tasks import Task

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Job:
    """What is done with each image of a batch.

    Parameters
    ----------
    task : Task
        What is undone.
    method : Method
        How it is undone.
    common : Common
        The options that all commands share.
    psf : Path, optional
        File of the measured point spread function.
    estimate_psf : bool
        Measure the blur of each image.
    estimate_noise : bool
        Measure the noise of each image.
    """

    task: "Task"
    method: "Method"
    common: "Common"
    psf: Path | None = None
    estimate_psf: bool = False
    estimate_noise: bool = False


@dataclass(frozen=True, eq=False)
class FileRun:
    """One image file with all that its restoration needs.

    Parameters
    ----------
    path : Path
        The image file.
    outputs : Outputs
        Files to write.
    source : Source
        What was read.
    task : Task
        What is undone, with the blur and the noise that were measured on this image if that was
        asked for.
    method : Method
        How it is undone.
    common : Common
        The options that all commands share.
    """

    path: Path
    outputs: "Outputs"
    source: Source
    task: "Task"
    method: "Method"
    common: "Common"

    @classmethod
    def of(cls, job: Job, path: Path, outputs: "Outputs") -> "FileRun":
        """Read the files of a run, and check that its results can be written.

        Raises
        ------
        ValueError
            A file or an option can't be used.
        """
        source = opened(path, job.task, job.common, job.psf)
        task, notes = job.task, list(source.notes)
        pixels, axes = source.picture.with_nan, source.axes.letters
        missing = source.beside.get("missing")
        if job.estimate_psf:
            blur = estimate_psf(pixels, missing=missing, axes=axes)
            notes.append(f"{path}: the blur was measured, {blur.in_words}")
            task = replace(cast(Any, task), psf=blur.model)
        if job.estimate_noise:
            noise = estimate_noise(task.noise, pixels, missing=missing, axes=axes)
            notes.append(f"{path}: the noise was measured, {noise.in_words}")
            task = replace(cast(Any, task), noise=noise.model)
        source = replace(source, notes=(*notes, *left_out(outputs.image, source.restored)))
        run = cls(path, outputs, source, task, job.method, job.common)
        run._check_outputs()
        return run

    def _check_outputs(self) -> None:
        """Check that there is room for all results together, and that their files can hold them."""
        outputs, source = self.outputs, self.source
        if outputs.maps is not None:
            refuse_maps_file(outputs.maps, source.axes)
        with ExitStack() as held:
            if outputs.image in outputs.missing:
                letters, keep_dtype = source.axes.letters, self.common.keep_dtype
                held.enter_context(reserved(outputs.image, source.restored, letters, keep_dtype=keep_dtype))
            if outputs.maps in outputs.missing:
                count = len(self.parameter_names)
                held.enter_context(reserved_maps(outputs.maps, count, source.restored, source.axes))
            if outputs.weights in outputs.missing:
                held.enter_context(reserved_tensors(outputs.weights, self._network_weights))

    @property
    def _network_weights(self) -> "Mapping[str, Tensor]":
        """The weights of the pretrained network of this run."""
        series = Series.of(self.measurement, self.task, self.method)
        return cast("FineTune", self.method).pretrained(series.blank).network.state_dict()

    @cached_property
    def measurement(self) -> Measurement:
        """What was measured."""
        return Measurement(
            self.source.picture.data,
            axes=self.source.axes.letters,
            channels=self.common.channels,
            saturation_level=self.common.saturation_level,
            **self.source.beside,
        )

    @property
    def layout(self) -> Axes:
        """The axes as the method goes through them."""
        return layout_for(self.measurement.layout, self.method)

    @property
    def parameter_names(self) -> list[str]:
        """Names of the parameters that the procedural kernel of this run has."""
        from napari_dip.pkn.selection import kernel_for

        shape = tuple(self.measurement.shape[axis] for axis in self.layout.spatial)
        psf = point_spread_function(self.measurement, self.layout)
        operator = self.task.operator(shape, psf)
        return [
            parameter.name for parameter in kernel_for(operator, cast("PKN", self.method).kernel).parameters
        ]

    @cached_property
    def parameter_maps(self) -> dict[str, np.ndarray] | None:
        """Parameters to apply, read from their file."""
        path = self.common.parameter_maps
        return None if path is None else read_maps(path, self.parameter_names)

    def restore(self, reporter: "Reporter", interruption: "StopRequested") -> "Restoration":
        """Restore the image and show the progress, until the run ends or is interrupted."""
        own = self.common.stopping_rule
        _LOG.debug("%s: %s, %s, seed %d", self.path, self.task, self.method, self.common.seed)
        with warnings.catch_warnings():
            # The frames that failed are listed at the end.
            warnings.simplefilter("ignore", FailedFramesWarning)
            return restore(
                self.measurement,
                self.task,
                self.method,
                series=self.common.series,
                parameter_maps=self.parameter_maps,
                device=self.common.device,
                seed=self.common.seed,
                threads=self.common.threads,
                stopping_rule=interruption if own is None else own | interruption,
                callback=reporter.show,
                return_maps=self.outputs.maps is not None,
                uncertainty=self.common.uncertainty is not None,
            )

    def measure_resolution(self, interruption: "StopRequested") -> str:
        """Return in words what resolution the result has, from two halves of the measurement."""
        common = self.common
        own = common.stopping_rule
        sizes, unit = pixel_sizes(self.source.picture, self.source.axes)
        try:
            return measure_resolution(
                self.measurement,
                self.task,
                self.method,
                pixel_size=None if unit == "px" else sizes,
                unit=unit,
                series=common.series,
                device=common.device,
                seed=common.seed,
                threads=common.threads,
                stopping_rule=interruption if own is None else own | interruption,
            ).in_words
        except ValueError as error:  # the result is written, and stays
            return f"The resolution could not be measured: {error}"

"""Writes what a run gives: the image, the maps of parameters, the network."""

from typing import TYPE_CHECKING, Any, cast

from napari_dip.cli.delivery import delivered
from napari_dip.cli.failures import one_line
from napari_dip.errors import FileError
from napari_dip.io import write
from napari_dip.io.parameter_maps import write_maps
from napari_dip.optim.iterate import Outcome
from napari_dip.restoration.readapt import Readapt
from napari_dip.restoration.text import sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from napari_dip.cli.file_run import FileRun
    from napari_dip.cli.reporter import Reporter
    from napari_dip.methods import FineTune
    from napari_dip.restoration.result import Restoration


def write_results(run: "FileRun", result: "Restoration", reporter: "Reporter") -> tuple[str, list[str]]:
    """Write the files of a run, and say how it ended.

    Nothing that exists is replaced by the result of a run that was stopped. What can't be written where it
    was asked for is written elsewhere.

    Returns
    -------
    (str, list of str)
        Where the image is, in words, and what went wrong, as sentences.
    """
    writing = _Writing(run, result, reporter)
    where = writing.image()
    if run.outputs.maps is not None:
        writing.maps(run.outputs.maps)
    if run.outputs.weights is not None:
        writing.network(run.outputs.weights)
    if run.outputs.errors is not None:
        writing.errors(run.outputs.errors)
    if where is None:
        return "", writing.problems
    so_far = "the best result so far is in" if writing.stopped else "the result is in"
    return f"{so_far} {where}", writing.problems


class _Writing:
    """The files of a run, one after another."""

    def __init__(self, run: "FileRun", result: "Restoration", reporter: "Reporter") -> None:
        self._run, self._result, self._reporter = run, result, reporter
        self._left = len(list(run.layout.frames(run.measurement.shape))) - len(result.frames)
        self.stopped = self._left > 0 or any(frame.outcome is Outcome.STOPPED for frame in result.frames)
        self.problems: list[str] = []

    def image(self) -> "Path | None":
        """Write the restored image, and return where it is."""
        clipped = 0

        def write_image(path: "Path", overwrite: bool) -> None:
            nonlocal clipped
            clipped = self._write(path, self._result.image, overwrite, self._run.common.keep_dtype)

        where = self._deliver(self._run.outputs.image, write_image, ".npy")
        self._reporter.finish(where, self._result, clipped)
        if self._left > 0:
            reached = len(self._result.frames)
            total = reached + self._left
            self._reporter.say(
                f"{self._left} of {total} frames were not reached: they are empty in the result"
            )
        return where

    def _write(self, path: "Path", values: "np.ndarray", overwrite: bool, keep_dtype: bool = False) -> int:
        """Write an image with the pixels of the restored one; return how many values were clipped."""
        source = self._run.source
        return write(
            path,
            values,
            source.restored,
            axes=source.axes.letters,
            provenance={**self._result.provenance, "source": _origin(self._run)},
            keep_dtype=keep_dtype,
            overwrite=overwrite,
            unfinished=self.stopped or bool(self._result.failed),
        )

    def maps(self, place: "Path") -> None:
        """Write the parameters that were applied."""
        names, found = self._run.parameter_names, self._result.parameter_maps
        if not found.keys() >= set(names):
            self._reporter.say("no maps were written: the run was stopped before there were any")
            return
        maps = {name: found[name].values for name in names}
        source, provenance = self._run.source, self._result.provenance

        def write_planes(path: "Path", overwrite: bool) -> None:
            write_maps(path, maps, source.restored, source.axes, provenance, overwrite=overwrite)

        if (where := self._deliver(place, write_planes, ".npy")) is not None:
            self._reporter.say(f"maps written: {where}")

    def errors(self, place: "Path") -> None:
        """Write the standard error of each pixel."""
        found = self._result.uncertainty
        if found is None:
            self._reporter.say("no uncertainty was written: there is none for this result")
            return

        def write_errors(path: "Path", overwrite: bool) -> None:
            self._write(path, found.standard_error, overwrite)

        if (where := self._deliver(place, write_errors, ".npy")) is not None:
            self._reporter.say(f"uncertainty written: {where}")

    def network(self, place: "Path") -> None:
        """Write the network of the last frame that it learnt from, or the given one if it learnt nothing."""
        run, result = self._run, self._result
        tuned = [frame.index for frame in result.frames if frame.iterations]
        if tuned and tuned[-1] not in result.states:
            why = "no temporary file could hold the weights that the network learnt"
            raise FileError(" ".join([*self.problems, f"can't write {place}: {why}"]))
        frame = tuned[-1] if tuned else result.frames[0].index
        method, common = cast("FineTune", run.method), run.common
        options: Any = {"device": common.device, "series": common.series}
        network = Readapt(run.measurement, run.task, method, result.states, **options)

        def write_network(path: "Path", overwrite: bool) -> None:
            network.save(path, frame, overwrite=overwrite)

        if (where := self._deliver(place, write_network)) is not None:
            unchanged = "" if tuned else "; it is unchanged, since it learnt nothing from this image"
            self._reporter.say(f"network written: {where}{unchanged}")

    def _deliver(
        self, place: "Path", write: "Callable[[Path, bool], object]", last_resort: str = ""
    ) -> "Path | None":
        """Write a file if it is missing, and return where it is."""
        outputs = self._run.outputs
        if place not in outputs.missing:
            return None
        overwrite = not self.stopped and (self._run.common.overwrite or place in outputs.outdated)
        try:
            where, problem = delivered(place, write, overwrite=overwrite, last_resort=last_resort)
        except Exception as error:  # noqa: BLE001  the other results can still be written
            self.problems.append(sentence(one_line(error, place)))
            return None
        self.problems += [problem] if problem else []
        return where


def _origin(run: "FileRun") -> dict[str, Any]:
    """Return where everything that was read comes from, as plain JSON values."""
    maps = run.common.parameter_maps
    beside = {} if maps is None else {"maps": {"layer": maps.stem, "path": str(maps)}}
    return {**run.source.origin, **beside}

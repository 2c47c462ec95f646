"""Writes what a run gives: the image, the maps of parameters, the network."""

from typing import TYPE_CHECKING, Any, cast

from napari_dip.errors import FileError
from napari_dip.io import write
from napari_dip.io.parameter_maps import write_maps
from napari_dip.restoration.readapt import Readapt

if TYPE_CHECKING:
    from pathlib import Path

    from napari_dip.cli.file_run import FileRun
    from napari_dip.cli.reporter import Reporter
    from napari_dip.methods import FineTune
    from napari_dip.restoration.result import Restoration


def write_results(run: "FileRun", result: "Restoration", reporter: "Reporter") -> None:
    """Write the files of a run, and say how it ended.

    Raises
    ------
    FileError
        A file can't be written.
    """
    outputs, source = run.outputs, run.source
    clipped = write(
        outputs.image,
        result.image,
        source.restored,
        axes=source.axes.letters,
        provenance={**result.provenance, "source": _origin(run)},
        keep_dtype=run.common.keep_dtype,
    )
    reporter.finish(outputs.image, result, clipped)
    if outputs.maps is not None:
        maps = {name: result.parameter_maps[name].values for name in run.parameter_names}
        write_maps(outputs.maps, maps, source.restored, source.axes, result.provenance)
        reporter.say(f"maps written: {outputs.maps}")
    if outputs.weights is not None:
        _write_network(outputs.weights, run, result, reporter)


def _write_network(path: "Path", run: "FileRun", result: "Restoration", reporter: "Reporter") -> None:
    """Write the network of the last frame that it learnt from, or as it was given if it learnt nothing."""
    tuned = [frame.index for frame in result.frames if frame.iterations]
    if tuned and tuned[-1] not in result.states:
        raise FileError(
            f"can't write {path}: no temporary file could hold the weights that the network learnt"
        )
    network = Readapt(
        run.measurement,
        run.task,
        cast("FineTune", run.method),
        result.states,
        device=run.common.device,
        series=run.common.series,
    )
    network.save(path, tuned[-1] if tuned else result.frames[0].index)
    unchanged = "" if tuned else "; it is unchanged, since it learnt nothing from this image"
    reporter.say(f"network written: {path}{unchanged}")


def _origin(run: "FileRun") -> dict[str, Any]:
    """Return where everything that was read comes from, as plain JSON values."""
    maps = run.common.parameter_maps
    beside = {} if maps is None else {"maps": {"layer": maps.stem, "path": str(maps)}}
    return {**run.source.origin, **beside}

"""Restores image files one after another."""

from collections.abc import Sequence
from pathlib import Path

from napari_dip.cli.announce import announce
from napari_dip.cli.failures import report
from napari_dip.cli.file_run import FileRun, Job
from napari_dip.cli.frames import failed_frames
from napari_dip.cli.outputs import planned_outputs
from napari_dip.cli.reporter import Reporter
from napari_dip.cli.results import write_results
from napari_dip.errors import RestorationError


def restore_files(job: Job, inputs: Sequence[Path], output: Path, *, quiet: bool) -> None:
    """Restore image files; if one of several fails, say why and go on with the next.

    Parameters
    ----------
    job : Job
        What is done with each of them.
    inputs : sequence of Path
        Image files.
    output : Path
        A file, an existing folder, or a name with ``{stem}`` in it.
    quiet : bool
        Show errors only.

    Raises
    ------
    ValueError
        An option or a file can't be used.
    RestorationError
        The only run failed, or one of several files did, or one of several frames.
    """
    outputs = planned_outputs(inputs, output, others=_read_beside(job), common=job.common)
    failed = 0
    with Reporter(quiet=quiet) as reporter:
        for path, files in outputs.items():
            try:
                _restore_file(FileRun.of(job, path, files), reporter)
            except Exception as error:
                if len(outputs) == 1:
                    raise
                failed += 1
                report(error, path)
    if failed:
        raise RestorationError(f"{failed} of {len(outputs)} images failed, for the reasons above")


def _restore_file(run: FileRun, reporter: Reporter) -> None:
    announce(run, reporter)
    result = run.restore(reporter)
    write_results(run, result, reporter)
    failed = {frame.index: frame.error or "" for frame in result.failed}
    if failed:
        why = failed_frames(failed, len(result.frames))
        raise RestorationError(f"{why} They are empty in {run.outputs.image}.")


def _read_beside(job: Job) -> list[Path]:
    """Return the files that are read beside the images."""
    common = job.common
    weights = getattr(job.method, "weights", None)  # a file, or the name of a network in the package
    network = None if weights is None or not Path(weights).is_file() else Path(weights)
    beside = (common.missing, common.noise_std, common.guide, common.parameter_maps, job.psf, network)
    return [path for path in beside if path is not None]

"""Restores image files one after another."""

from collections.abc import Sequence
from pathlib import Path

from napari_dip.cli.announce import announce
from napari_dip.cli.failures import one_line, report, say
from napari_dip.cli.file_run import FileRun, Job
from napari_dip.cli.frames import failed_frames
from napari_dip.cli.interruption import Interruption
from napari_dip.cli.outputs import Outputs, planned_outputs
from napari_dip.cli.reporter import Reporter
from napari_dip.cli.results import write_results
from napari_dip.errors import RestorationError


def restore_files(
    job: Job, inputs: Sequence[Path], output: Path, *, quiet: bool, interruption: Interruption
) -> None:
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
    interruption : Interruption
        Says when to stop.

    Raises
    ------
    ValueError
        An option or a file can't be used.
    RestorationError
        The only run failed, or one of several files did, or one of several frames.
    Interrupted
        The program was asked to end. The run is stopped, its best result so far is written, and no other
        run is begun.
    """
    plans = planned_outputs(inputs, output, others=_read_beside(job), common=job.common)
    failures: dict[Path, Exception] = {}
    try:
        with Reporter(quiet=quiet) as reporter:
            for path, plan in plans.items():
                written = ""
                try:
                    if isinstance(plan, Exception):
                        raise plan
                    written, problems = _restore_file(job, path, plan, reporter, interruption)
                    if problems:
                        raise RestorationError(" ".join(problems))
                except Exception as error:
                    if len(plans) == 1 and not interruption.requested:
                        raise
                    failures[path] = error
                    report(error, path)
                interruption.check(f"interrupted; {written}" if written else None)
    finally:
        if len(plans) > 1:
            _list(failures)
    if failures:
        raise RestorationError(f"{len(failures)} of {len(plans)} images failed, for the reasons above")


def _restore_file(
    job: Job, path: Path, outputs: Outputs, reporter: Reporter, interruption: Interruption
) -> tuple[str, list[str]]:
    """Restore an image file and write the result; return in words where it is, and what went wrong."""
    if job.common.skip_existing:
        outputs = outputs.keeping_existing()
        for kept in sorted(outputs.kept):
            reporter.say(f"{path}: {kept} exists and is kept")
        if not outputs.missing:
            return "", []
    run = FileRun.of(job, path, outputs)
    announce(run, reporter)
    with interruption.finishing():
        result = run.restore(reporter, interruption.rule)
        written, problems = write_results(run, result, reporter)
        if job.common.resolution and not interruption.requested:
            resolution = run.measure_resolution(interruption.rule)
            if not interruption.requested:  # otherwise the halves were stopped too
                reporter.say(resolution)
    failed = {frame.index: frame.error or "" for frame in result.failed}
    if failed:
        why = failed_frames(failed, len(result.frames))
        problems.insert(0, f"{why} They are empty in {outputs.image}.")
    return written, problems


def _list(failures: dict[Path, Exception]) -> None:
    """Say once more, at the end of a batch, which files failed and why."""
    for path, error in failures.items():
        say(f"not restored: {path} ({one_line(error)})")


def _read_beside(job: Job) -> list[Path]:
    """Return the files that are read beside the images."""
    common = job.common
    weights = getattr(job.method, "weights", None)  # a file, or the name of a network in the package
    network = None if weights is None or not Path(weights).is_file() else Path(weights)
    beside = (common.missing, common.noise_std, common.guide, common.parameter_maps, job.psf, network)
    return [path for path in beside if path is not None]

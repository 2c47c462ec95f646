"""What is said before a run: how the image was understood, and what its restoration will cost."""

from typing import TYPE_CHECKING

from napari_dip.restoration.cost import estimate_cost

if TYPE_CHECKING:
    from napari_dip.cli.file_run import FileRun
    from napari_dip.cli.reporter import Reporter


def announce(run: "FileRun", reporter: "Reporter") -> None:
    """Say what is known before the run, and start its progress."""
    measurement, method, rule = run.measurement, run.method, run.common.stopping_rule
    uncertainty = run.common.uncertainty is not None
    reporter.say(f"{run.path}: {run.layout.describe(measurement.shape)}")
    for note in run.source.notes:
        reporter.say(note)
    if rule is not None:
        method = method.probe(max(1, min(rule.iterations, method.max_iterations)))
    if not reporter.quiet:
        cost = estimate_cost(
            measurement,
            run.task,
            method,
            parameter_maps=run.parameter_maps,
            device=run.common.device,
            uncertainty=uncertainty,
        )
        reporter.show_cost(cost)
    reporter.begin(method, len(list(run.layout.frames(measurement.shape))), uncertainty=uncertainty)

"""Restores image files, and writes what comes of them: images, maps of parameters, networks."""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_dip.errors import FileError, RestorationError
from napari_dip.methods import PKN, FineTune
from napari_dip.presentation import words_of_method
from napari_dip.restoration.measurement import Measurement
from napari_dip.restoration.series import layout_for
from napari_dip.tasks import Deconvolve

if TYPE_CHECKING:
    from napari_dip.cli.inputs import Source
    from napari_dip.cli.options import Common
    from napari_dip.cli.reporter import Reporter
    from napari_dip.methods import Method
    from napari_dip.restoration.result import Restoration
    from napari_dip.tasks import Task


@dataclass(frozen=True, eq=False)
class Files:
    """Image files that are restored alike, one after another.

    Parameters
    ----------
    task : Task
        What is undone.
    method : Method
        How.
    common : Common
        What the flags say of all files.
    psf : Path, optional
        File of the point spread function.
    blind : bool
        The blur of each image is measured.
    """

    task: "Task"
    method: "Method"
    common: "Common"
    psf: Path | None = None
    blind: bool = False

    def restore(self, inputs: Sequence[Path], output: Path) -> None:
        """Restore files; where one of several can't be, go on, and say so at the end.

        Parameters
        ----------
        inputs : sequence of Path
            Images.
        output : Path
            A file, an existing folder, or a name with {stem} in it.

        Raises
        ------
        ValueError
            An argument is unusable.
        RestorationError
            A run failed.
        """
        from napari_dip.cli.outputs import targets
        from napari_dip.cli.reporter import Reporter
        from napari_dip.io import SUFFIXES

        common = self.common
        network = getattr(self.method, "weights", None)  # a file, or a name
        known = None if network is None or not Path(network).is_file() else Path(network)
        beside = common.missing, common.guide, common.maps, self.psf, known
        others = [path for path in beside if path is not None]
        pairs = targets(
            inputs, output, others=others, keep_dtype=common.keep_dtype, overwrite=common.overwrite
        )
        taken = {target for _, target in pairs}
        maps = self._beside(common.save_maps, inputs, "{stem} maps.tif", others, taken, SUFFIXES)
        networks = self._beside(
            common.save_weights, inputs, "{stem}.safetensors", others, taken, (".safetensors",)
        )
        failures: list[Exception] = []
        with Reporter(quiet=common.quiet) as reporter:
            for source, target in pairs:
                try:
                    self._restore(source, target, maps.get(source), networks.get(source), reporter)
                except (ValueError, OSError, RestorationError) as error:
                    if len(pairs) == 1:
                        raise
                    failures.append(error)
                    show_error(str(error) if str(source) in str(error) else f"{source}: {error}")
        if failures:
            ran = any(isinstance(error, RestorationError) for error in failures)
            kind = RestorationError if ran else FileError
            raise kind(f"{len(failures)} of {len(pairs)} images could not be restored")

    def _restore(
        self, path: Path, target: Path, maps: Path | None, network: Path | None, reporter: "Reporter"
    ) -> None:
        from napari_dip.cli.inputs import opened
        from napari_dip.io import writable, write
        from napari_dip.io.parameter_maps import read_maps, refuse_maps_file
        from napari_dip.restoration.api import restore
        from napari_dip.restoration.cost import estimate_cost

        common, method = self.common, self.method
        source = opened(path, self.task, common, self.psf)
        image, axes = source.picture.data, source.axes
        task = self._measured(path, source, reporter) if self.blind else self.task
        writable(target, source.restored, axes.letters, keep_dtype=common.keep_dtype)
        measurement = Measurement(
            image,
            axes=axes.letters,
            channels=common.channels,
            saturation_level=common.saturation_level,
            **source.beside,
        )
        maps_given = None
        if common.maps is not None:
            maps_given = read_maps(common.maps, self._parameters(source))
            source.origin["maps"] = {"layer": common.maps.stem, "path": str(common.maps)}
        if maps is not None:
            refuse_maps_file(maps, axes)
        stopping_rule, longest = common.stopping_rule, method
        if stopping_rule is not None:  # for what is said about the time
            longest = method.probe(max(1, min(stopping_rule.iterations, method.max_iterations)))
        layout = layout_for(measurement.layout, method)
        for note in (f"{path}: {layout.describe(image.shape)}", *source.notes):
            reporter.say(note)
        if not common.quiet:
            reporter.announce(
                estimate_cost(measurement, task, longest, parameter_maps=maps_given, device=common.device)
            )
        reporter.begin(longest, frames=len(list(layout.frames(image.shape))))
        result = restore(
            measurement,
            task,
            method,
            series=common.series,
            parameter_maps=maps_given,
            device=common.device,
            seed=common.seed,
            stopping_rule=stopping_rule,
            callback=reporter.watch,
            return_maps=maps is not None,
        )
        clipped = write(
            target,
            result.image,
            source.restored,
            axes=axes.letters,
            provenance={**result.provenance, "source": source.origin},
            keep_dtype=common.keep_dtype,
        )
        reporter.finish(target, result, clipped)
        if maps is not None:
            self._write_maps(maps, source, result, reporter)
        if network is not None:
            self._write_network(network, measurement, task, result, reporter)

    def _measured(self, path: Path, source: "Source", reporter: "Reporter") -> "Task":
        """Return the task with the blur that the image shows."""
        from napari_dip.psf.estimate import estimate_psf

        assert isinstance(self.task, Deconvolve)
        missing = source.beside.get("missing")
        kernel = estimate_psf(source.picture.data, missing=missing, axes=source.axes.letters)
        width = f"{kernel.fwhm:.3g} pixels wide at half of its maximum"
        reporter.say(f"{path}: the blur was measured: {width}")
        return replace(self.task, psf=kernel)

    def _beside(
        self,
        asked: Path | None,
        inputs: Sequence[Path],
        name: str,
        others: list[Path],
        taken: set[Path],
        suffixes: Collection[str],
    ) -> dict[Path, Path]:
        """Return where what goes beside the restored image of each input is written, if it is asked for."""
        from napari_dip.cli.outputs import targets

        if asked is None:
            return {}
        place = asked / name if asked.is_dir() else asked
        overwrite = self.common.overwrite
        found = targets(
            inputs, place, others=others, keep_dtype=False, overwrite=overwrite, suffixes=suffixes
        )
        if both := taken.intersection(target for _, target in found):
            raise FileError(
                f"an image and what goes beside it would go to the same output: choose another than "
                f"{both.pop()}"
            )
        taken.update(target for _, target in found)
        return dict(found)

    def _parameters(self, source: "Source") -> list[str]:
        """Return the names of the parameters that the method has maps of."""
        from napari_dip.pkn.selection import kernel_for

        assert isinstance(self.method, PKN)
        axes = layout_for(source.axes, self.method)
        shape = tuple(source.picture.data.shape[axis] for axis in axes.spatial)
        operator = self.task.operator(shape, source.beside.get("psf"))
        return [parameter.name for parameter in kernel_for(operator, self.method.kernel).parameters]

    def _write_maps(self, path: Path, source: "Source", result: "Restoration", reporter: "Reporter") -> None:
        from napari_dip.io.parameter_maps import write_maps

        written = {name: result.parameter_maps[name].values for name in self._parameters(source)}
        write_maps(path, written, source.restored, source.axes, result.provenance)
        reporter.say(f"maps written: {path}")

    def _write_network(
        self,
        path: Path,
        measurement: Measurement,
        task: "Task",
        result: "Restoration",
        reporter: "Reporter",
    ) -> None:
        """Write the network as it was after the last frame."""
        from napari_dip.restoration.readapt import Readapt

        assert isinstance(self.method, FineTune)
        Readapt(
            measurement,
            task,
            self.method,
            result.states,
            device=self.common.device,
            series=self.common.series,
        ).save(path, result.frames[-1].index)
        reporter.say(f"network written: {path}")


def refuse_misplaced(method: "Method", common: "Common") -> None:
    """Refuse flags that go with other methods.

    Raises
    ------
    ValueError
        Names the flag, and the method that it goes with.
    """
    title = words_of_method(type(method)).title
    for flag, given in (("--maps", common.maps), ("--save-maps", common.save_maps)):
        if given is not None and not method.takes_maps:
            raise ValueError(f"{flag} goes with --method pkn: {title} has no maps of parameters")
    if common.save_weights is not None and not isinstance(method, FineTune):
        raise ValueError(f"--save-weights goes with --method finetune: {title} has none to keep")


def show_error(message: str) -> None:
    """Say on standard error what went wrong."""
    sys.stderr.write(f"napari-dip: {message}\n")

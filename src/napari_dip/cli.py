"""The command line: one command for each task."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from napari_dip import __version__, flags
from napari_dip.errors import FileError, RestorationError
from napari_dip.methods import PKN
from napari_dip.pkn.settings import Training
from napari_dip.series import laid_out
from napari_dip.tasks import Deconvolve, Denoise, Inpaint, SuperResolve

if TYPE_CHECKING:
    from napari_dip.methods import Method
    from napari_dip.progress import Reporter
    from napari_dip.sources import Source
    from napari_dip.tasks import Task

app = App(
    name="napari-dip",
    version=__version__,
    help="Restore the one image that you have.",
    suppress_keyboard_interrupt=False,
)

_Paths = Annotated[
    Path,
    Parameter(help="Images, and last the output: a file, an existing folder, or a name with {stem} in it."),
]


@app.command
def denoise(
    *paths: _Paths,
    noise: flags.NoiseName = None,
    strength: flags.NoiseFlags | None = None,  # type: ignore[valid-type]
    common: flags.Common | None = None,
    method: flags.MethodFlags | None = None,  # type: ignore[valid-type]
) -> None:
    """Take noise out of images; missing pixels, where there are any, are filled in too."""
    _run(Denoise(flags.noise(noise, strength)), paths, common, method)


@app.command
def inpaint(
    *paths: _Paths,
    own: flags.InpaintFlags | None = None,  # type: ignore[valid-type]
    noise: flags.NoiseName = None,
    strength: flags.NoiseFlags | None = None,  # type: ignore[valid-type]
    common: flags.Common | None = None,
    method: flags.MethodFlags | None = None,  # type: ignore[valid-type]
) -> None:
    """Fill in missing pixels, those that --missing marks and NaN; leave all others as they were measured."""
    _run(Inpaint(flags.noise(noise, strength), **flags.given(own)), paths, common, method)


@app.command
def super_resolve(
    *paths: _Paths,
    psf: flags.PSFFile = None,
    psf_kind: flags.PSFKind = None,
    shape: flags.PSFFlags | None = None,  # type: ignore[valid-type]
    own: flags.SuperResolveFlags | None = None,  # type: ignore[valid-type]
    noise: flags.NoiseName = None,
    strength: flags.NoiseFlags | None = None,  # type: ignore[valid-type]
    common: flags.Common | None = None,
    method: flags.SuperResolveMethodFlags | None = None,  # type: ignore[valid-type]
) -> None:
    """Restore images with finer pixels than they were measured with."""
    blurred = psf is not None or psf_kind is not None or bool(flags.given(shape))
    kernel = flags.psf(psf, psf_kind, shape) if blurred else None
    task = SuperResolve(flags.noise(noise, strength), psf=kernel, **flags.given(own))
    _run(task, paths, common, method, psf)


@app.command
def deconvolve(
    *paths: _Paths,
    psf: flags.PSFFile = None,
    psf_estimate: flags.PSFEstimate = False,
    psf_kind: flags.PSFKind = None,
    shape: flags.PSFFlags | None = None,  # type: ignore[valid-type]
    own: flags.DeconvolveFlags | None = None,  # type: ignore[valid-type]
    noise: flags.NoiseName = None,
    strength: flags.NoiseFlags | None = None,  # type: ignore[valid-type]
    common: flags.Common | None = None,
    method: flags.MethodFlags | None = None,  # type: ignore[valid-type]
) -> None:
    """Take blur and noise out of images; --psf or --psf-fwhm says what the blur is."""
    kernel = flags.psf(psf, psf_kind, shape, estimated=psf_estimate)
    task = Deconvolve(flags.noise(noise, strength), kernel, **flags.given(own))
    _run(task, paths, common, method, psf, blind=psf_estimate)


@app.command
def train_pkn(
    *images: Annotated[
        Path,
        Parameter(help="Clean images to learn from, or with --noisy a noisy one. [default: made pictures]"),
    ],
    out: Path,
    training: flags.TrainingFlags | None = None,  # type: ignore[valid-type]
    noisy: Annotated[bool, Parameter(negative="")] = False,
    noise: flags.NoiseName = None,
    amount: flags.NoiseFlags | None = None,  # type: ignore[valid-type]
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Train a network that predicts a filter's parameters, for ``--method pkn --weights FILE``.

    Parameters
    ----------
    out
        File to write, with the suffix .safetensors.
    noisy
        The one image is noisy itself, and no clean one is needed: Stein's unbiased risk estimate takes the
        place of the truth. Its noise has to be independent in each pixel.
    overwrite
        Replace an existing file.
    quiet
        Show no progress.
    """
    from napari_dip.progress import Reporter
    from napari_dip.training_files import train_from_files

    settings = Training(**flags.given(training))
    model = flags.noise(noise, amount)
    with Reporter(quiet=quiet) as reporter:
        train_from_files(
            settings, images, out, noise=model if noisy else None, overwrite=overwrite, reporter=reporter
        )


@app.command
def demo(*, output: Path = Path("demo"), quiet: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Restore a noisy and scratched micrograph; write before, after and residual.

    Parameters
    ----------
    output
        Folder for the pictures and the summary; it is made if there is none.
    quiet
        Show no progress.
    """
    from napari_dip.demo import run
    from napari_dip.progress import Reporter

    with Reporter(quiet=quiet) as reporter:
        reporter.say(run(output, reporter))


def _run(
    task: "Task",
    paths: tuple[Path, ...],
    common: flags.Common | None,
    method_flags: Any,
    psf: Path | None = None,
    *,
    blind: bool = False,
) -> None:
    from napari_dip.progress import Reporter
    from napari_dip.restoration import checked_seed
    from napari_dip.targets import targets

    common = common or flags.Common()
    if len(paths) < 2:
        raise ValueError("give at least one image, and last the output")
    *inputs, output = paths
    method = flags.method(common, method_flags)
    checked_seed(common.seed)
    _ = common.until  # refuses an impossible one
    if common.missing_label is not None and common.missing is None:
        raise ValueError("--missing-label says which pixels of a --missing image are missing: give one")
    others = [path for path in (common.missing, common.guide, common.maps, psf) if path is not None]
    pairs = targets(inputs, output, others=others, keep_dtype=common.keep_dtype, overwrite=common.overwrite)
    beside = _maps_targets(inputs, common, method, others, {target for _, target in pairs})
    failures: list[Exception] = []
    with Reporter(quiet=common.quiet) as reporter:
        for source, target in pairs:
            try:
                _restore_file(
                    source, target, task, method, common, psf, beside.get(source), reporter, blind=blind
                )
            except (ValueError, OSError, RestorationError) as error:
                if len(pairs) == 1:
                    raise
                failures.append(error)
                _complain(str(error) if str(source) in str(error) else f"{source}: {error}")
    if failures:
        ran = any(isinstance(error, RestorationError) for error in failures)
        kind = RestorationError if ran else FileError
        raise kind(f"{len(failures)} of {len(pairs)} images could not be restored")


def _restore_file(
    path: Path,
    target: Path,
    task: "Task",
    method: "Method",
    common: flags.Common,
    psf: Path | None,
    maps: Path | None,
    reporter: "Reporter",
    *,
    blind: bool,
) -> None:
    from napari_dip.estimation import estimate
    from napari_dip.io import writable, write
    from napari_dip.map_files import read_maps, refuse_maps_file, write_maps
    from napari_dip.psf_estimation import estimate_psf
    from napari_dip.restoration import restore
    from napari_dip.sources import opened

    source = opened(path, task, common, psf)
    image, axes = source.picture.data, source.axes
    if blind and isinstance(task, Deconvolve):
        kernel = estimate_psf(image, missing=source.beside.get("missing"), axes=axes.letters)
        task = replace(task, psf=kernel)
        reporter.say(f"{path}: the blur was measured: {kernel.fwhm:.3g} pixels wide at half of its maximum")
    writable(target, source.restored, axes.letters, keep_dtype=common.keep_dtype)
    arguments: dict[str, Any] = {
        **source.beside,
        "saturated": common.saturated,
        "axes": axes.letters,
        "channels": common.channels,
        "series": common.series,
        "device": common.device,
    }
    names = _parameters(task, method, source)
    if common.maps is not None:
        arguments["maps"] = read_maps(common.maps, names)
        source.origin["maps"] = {"layer": common.maps.stem, "path": str(common.maps)}
    if maps is not None:
        refuse_maps_file(maps, axes)
    until, longest = common.until, method
    if until is not None:  # for what is said about the time
        longest = method.probe(max(1, min(until.updates, method.updates)))
    layout = laid_out(image.shape, axes.letters, axes.channels, method)
    for note in (f"{path}: {layout.describe(image.shape)}", *source.notes):
        reporter.say(note)
    if not common.quiet:
        reporter.announce(estimate(image, task, longest, **arguments))
    reporter.begin(longest, frames=len(list(layout.frames(image.shape))))
    arguments |= {"seed": common.seed, "until": until, "watch": reporter.watch}
    arguments["keep_maps"] = maps is not None
    result = restore(image, task, method, **arguments)
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
        written = {name: result.maps[name].values for name in names}
        write_maps(maps, written, source.restored, axes, result.provenance)
        reporter.say(f"maps written: {maps}")


def _maps_targets(
    inputs: list[Path], common: flags.Common, method: "Method", others: list[Path], taken: set[Path]
) -> dict[Path, Path]:
    """Return where the maps of each image go; nothing where they are not asked for."""
    from napari_dip.targets import targets

    asked = [flag for flag, path in (("--maps", common.maps), ("--save-maps", common.save_maps)) if path]
    if asked and not method.takes_maps:
        raise ValueError(f"{asked[0]} goes with --method pkn: {method.title} has no maps of parameters")
    if common.save_maps is None:
        return {}
    folder = common.save_maps.is_dir()
    place = common.save_maps / "{stem} maps.tif" if folder else common.save_maps
    found = dict(targets(inputs, place, others=others, keep_dtype=False, overwrite=common.overwrite))
    if both := taken.intersection(found.values()):
        raise FileError(f"image and maps would go to the same output: choose another one than {both.pop()}")
    return found


def _parameters(task: "Task", method: "Method", source: "Source") -> list[str]:
    """Return the names of the parameters that a method has maps of."""
    if not isinstance(method, PKN):
        return []
    axes = laid_out(source.picture.data.shape, source.axes.letters, source.axes.channels, method)
    shape = tuple(source.picture.data.shape[axis] for axis in axes.spatial)
    operator = task.operator(shape, source.beside.get("psf"))
    return [parameter.name for parameter in method.kernel_for(operator).parameters]


def _complain(message: str) -> None:
    sys.stderr.write(f"napari-dip: {message}\n")


@contextlib.contextmanager
def _exit_codes() -> Iterator[None]:
    """Say in one line what went wrong: 2 for a bad argument or file, 1 for a failed run, 130 for Ctrl-C."""
    try:
        yield
        return
    except KeyboardInterrupt:
        code, message = 130, "interrupted; no file was left half-written"
    except RestorationError as error:
        code, message = 1, str(error)
    except OSError as error:
        code, message = 2, f"{error.filename}: {error.strerror}"
    except (ValueError, TypeError) as error:
        code, message = 2, str(error)
    except CycloptsError as error:
        code, message = 2, " ".join(str(error).split())
    _complain(message)
    raise SystemExit(code)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    with _exit_codes():
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")

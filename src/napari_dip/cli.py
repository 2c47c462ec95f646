"""The command line: one command for each task."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from napari_dip import __version__, flags
from napari_dip.errors import FileError, RestorationError
from napari_dip.tasks import Deconvolve, Denoise, Inpaint, SuperResolve

if TYPE_CHECKING:
    from napari_dip.methods import Method
    from napari_dip.progress import Reporter
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
    own: flags.SuperResolveFlags | None = None,  # type: ignore[valid-type]
    noise: flags.NoiseName = None,
    strength: flags.NoiseFlags | None = None,  # type: ignore[valid-type]
    common: flags.Common | None = None,
    method: flags.MethodFlags | None = None,  # type: ignore[valid-type]
) -> None:
    """Restore images with finer pixels than they were measured with."""
    _run(SuperResolve(flags.noise(noise, strength), **flags.given(own)), paths, common, method)


@app.command
def deconvolve(
    *paths: _Paths,
    psf: flags.PSFFile = None,
    psf_kind: flags.PSFKind = None,
    shape: flags.PSFFlags | None = None,  # type: ignore[valid-type]
    own: flags.DeconvolveFlags | None = None,  # type: ignore[valid-type]
    noise: flags.NoiseName = None,
    strength: flags.NoiseFlags | None = None,  # type: ignore[valid-type]
    common: flags.Common | None = None,
    method: flags.MethodFlags | None = None,  # type: ignore[valid-type]
) -> None:
    """Take blur and noise out of images; --psf or --psf-fwhm says what the blur is."""
    kernel = flags.psf(psf, psf_kind, shape)
    task = Deconvolve(flags.noise(noise, strength), kernel, **flags.given(own))
    _run(task, paths, common, method, psf)


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
    others = [path for path in (common.missing, common.guide, psf) if path is not None]
    pairs = targets(inputs, output, others=others, keep_dtype=common.keep_dtype, overwrite=common.overwrite)
    failures: list[Exception] = []
    with Reporter(quiet=common.quiet) as reporter:
        for source, target in pairs:
            try:
                _restore_file(source, target, task, method, common, psf, reporter)
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
    reporter: "Reporter",
) -> None:
    from napari_dip.estimation import estimate
    from napari_dip.io import writable, write
    from napari_dip.restoration import restore
    from napari_dip.sources import opened

    source = opened(path, task, common, psf)
    image, axes = source.picture.data, source.axes
    writable(target, source.restored, axes.letters, keep_dtype=common.keep_dtype)
    arguments: dict[str, Any] = {
        **source.beside,
        "saturated": common.saturated,
        "axes": axes.letters,
        "channels": common.channels,
        "series": common.series,
        "device": common.device,
    }
    until, longest = common.until, method
    if until is not None:  # for what is said about the time
        longest = method.probe(max(1, min(until.updates, method.updates)))
    for note in (f"{path}: {axes.describe(image.shape)}", *source.notes):
        reporter.say(note)
    if not common.quiet:
        reporter.announce(estimate(image, task, longest, **arguments))
    reporter.begin(longest, frames=len(list(axes.frames(image.shape))))
    arguments |= {"seed": common.seed, "until": until, "watch": reporter.watch}
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

"""The command line: one command for each task."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from napari_dip._version import __version__
from napari_dip.cli import options as flags
from napari_dip.cli.batch import Files, refuse_misplaced, show_error
from napari_dip.errors import RestorationError
from napari_dip.pkn.settings import Training
from napari_dip.tasks import Deconvolve, Denoise, Inpaint, SuperResolve

if TYPE_CHECKING:
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
    from napari_dip.cli.reporter import Reporter
    from napari_dip.cli.train import train_from_files

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
    from napari_dip.cli.demo import run
    from napari_dip.cli.reporter import Reporter

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
    from napari_dip.restoration.run import checked_seed

    common = common or flags.Common()
    if len(paths) < 2:
        raise ValueError("give at least one image, and last the output")
    *inputs, output = paths
    method = flags.method(common, method_flags)
    checked_seed(common.seed)
    _ = common.stopping_rule  # refuses an impossible one
    if common.missing_label is not None and common.missing is None:
        raise ValueError("--missing-label says which pixels of a --missing image are missing: give one")
    refuse_misplaced(method, common)
    Files(task, method, common, psf, blind).restore(inputs, output)


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
    show_error(message)
    raise SystemExit(code)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    with _exit_codes():
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")

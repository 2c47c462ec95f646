"""The command line: one command for each task."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from napari_dip._version import __version__
from napari_dip.cli import options
from napari_dip.cli.choices import check_common, chosen_method, given, noise_model, point_spread_function
from napari_dip.cli.debug import debugging
from napari_dip.cli.failures import EXIT_CODES, exit_codes
from napari_dip.cli.interruption import interruptible
from napari_dip.cli.streams import tolerant_streams
from napari_dip.pkn.settings import Training
from napari_dip.tasks import Deconvolve, Denoise, Inpaint, SuperResolve

if TYPE_CHECKING:
    from napari_dip.tasks import Task

app = App(
    name="napari-dip",
    version=__version__,
    help="Restore scientific images: one command for each task.",
    help_epilogue=EXIT_CODES,
    suppress_keyboard_interrupt=False,
)

_Paths = Annotated[
    Path,
    Parameter(
        help="One or more images, then the output: a file, an existing folder, or a name with {stem} in it."
    ),
]


def _usage(command: str, arguments: str = "IMAGE... OUTPUT") -> str:
    return f"Usage: napari-dip {command} {arguments} [OPTIONS]"


@app.command(sort_key=0, usage=_usage("denoise"))
def denoise(
    *paths: _Paths,
    noise: options.NoiseName = None,
    noise_parameters: options.NoiseOptions | None = None,  # type: ignore[valid-type]
    common: options.Common | None = None,
    messages: options.Messages | None = None,
    method: options.MethodOptions | None = None,  # type: ignore[valid-type]
) -> None:
    """Remove noise from images, and fill in missing pixels if there are any."""
    _run(Denoise(noise_model(noise, noise_parameters)), paths, common, messages, method)


@app.command(sort_key=1, usage=_usage("inpaint"))
def inpaint(
    *paths: _Paths,
    task: options.InpaintOptions | None = None,  # type: ignore[valid-type]
    noise: options.NoiseName = None,
    noise_parameters: options.NoiseOptions | None = None,  # type: ignore[valid-type]
    common: options.Common | None = None,
    messages: options.Messages | None = None,
    method: options.MethodOptions | None = None,  # type: ignore[valid-type]
) -> None:
    """Fill in missing pixels: NaN, and those that --missing or --saturation-level marks."""
    wanted = Inpaint(noise_model(noise, noise_parameters), **given(task))
    _run(wanted, paths, common, messages, method)


@app.command(sort_key=2, usage=_usage("super-resolve"))
def super_resolve(
    *paths: _Paths,
    task: options.SuperResolveOptions | None = None,  # type: ignore[valid-type]
    psf: options.PSFFile = None,
    psf_kind: options.PSFKind = None,
    psf_parameters: options.PSFOptions | None = None,  # type: ignore[valid-type]
    noise: options.NoiseName = None,
    noise_parameters: options.NoiseOptions | None = None,  # type: ignore[valid-type]
    common: options.Common | None = None,
    messages: options.Messages | None = None,
    method: options.MethodOptions | None = None,  # type: ignore[valid-type]
) -> None:
    """Restore images with finer pixels than those of the data."""
    blurred = psf is not None or psf_kind is not None or bool(given(psf_parameters))
    blur = point_spread_function(psf, psf_kind, psf_parameters) if blurred else None
    wanted = SuperResolve(noise_model(noise, noise_parameters), psf=blur, **given(task))
    _run(wanted, paths, common, messages, method, psf)


@app.command(sort_key=3, usage=_usage("deconvolve"))
def deconvolve(
    *paths: _Paths,
    psf: options.PSFFile = None,
    psf_kind: options.PSFKind = None,
    psf_parameters: options.PSFOptions | None = None,  # type: ignore[valid-type]
    psf_estimate: options.PSFEstimate = False,
    task: options.DeconvolveOptions | None = None,  # type: ignore[valid-type]
    noise: options.NoiseName = None,
    noise_parameters: options.NoiseOptions | None = None,  # type: ignore[valid-type]
    common: options.Common | None = None,
    messages: options.Messages | None = None,
    method: options.MethodOptions | None = None,  # type: ignore[valid-type]
) -> None:
    """Remove blur and noise from images. Describe the blur by --psf, --psf-fwhm or --psf-estimate."""
    blur = point_spread_function(psf, psf_kind, psf_parameters, estimate=psf_estimate)
    wanted = Deconvolve(noise_model(noise, noise_parameters), blur, **given(task))
    _run(wanted, paths, common, messages, method, psf, estimate_psf=psf_estimate)


@app.command(sort_key=4, usage=_usage("train-pkn", "[IMAGE...] --output FILE.safetensors"))
def train_pkn(
    *images: Annotated[
        Path,
        Parameter(
            help="Clean images to learn from, or one noisy image with --noisy. Synthetic images by default."
        ),
    ],
    output: options.TrainingOutput,
    training: options.TrainingOptions | None = None,  # type: ignore[valid-type]
    noisy: options.Noisy = False,
    noise: options.NoiseName = None,
    noise_parameters: options.NoiseOptions | None = None,  # type: ignore[valid-type]
    overwrite: options.Overwrite = False,
    messages: options.Messages | None = None,
) -> None:
    """Train the network of a procedural kernel, for use with --method pkn --weights FILE."""
    settings = Training(**given(training))
    model = noise_model(noise, noise_parameters) if noisy else None
    with interruptible() as interruption:
        from napari_dip.cli.reporter import Reporter
        from napari_dip.cli.train import train_from_files

        with Reporter(quiet=_quiet(messages)) as reporter:
            train_from_files(
                settings,
                images,
                output,
                noise=model,
                overwrite=overwrite,
                reporter=reporter,
                interruption=interruption,
            )


@app.command(sort_key=5)
def demo(*, output: options.DemoOutput = Path("demo"), messages: options.Messages | None = None) -> None:
    """Restore a noisy, scratched micrograph, and write the images, the residual and a summary."""
    with interruptible() as interruption:
        from napari_dip.cli.demo import run
        from napari_dip.cli.reporter import Reporter

        with Reporter(quiet=_quiet(messages)) as reporter:
            reporter.say(run(output, reporter, interruption))
            interruption.check(f"interrupted; the best result so far is in {output}")


@app.command(sort_key=6, usage=_usage("resolution", "IMAGE [OTHER]"))
def resolution(
    image: Annotated[Path, Parameter(help="An image as it was measured, or one of two images.")],
    other: Annotated[
        Path | None,
        Parameter(
            help="A second image of the same scene that shares no noise with the first: another exposure, or "
            "the result of one."
        ),
    ] = None,
    /,
    *,
    halves: options.Halves = False,
    axes: options.AxesLetters = None,
    hdu: options.HDU = None,
    messages: options.Messages | None = None,
) -> None:
    """Measure the resolution of an image, or that at which two images agree.

    Two images are compared by Fourier ring correlation; a single one by decorrelation analysis, which needs
    the noise as it was measured. To measure that of a restored image, restore two exposures and compare them,
    or restore with --resolution.
    """
    from napari_dip.cli.resolution import resolution_of_files

    _write(resolution_of_files(image, other, axes=axes, hdu=hdu, halves=halves))


@app.command(sort_key=7, usage=_usage("methods-text", "FILE"))
def methods_text(
    file: Annotated[Path, Parameter(help="An image that napari-dip has restored.")],
    /,
    *,
    bibtex: options.BibTeX = False,
    messages: options.Messages | None = None,
) -> None:
    """Describe how an image was restored, for the methods section of a paper.

    A paragraph says what was done, with all versions and settings, another one which limitations apply, and
    the checklists of QUAREP-LiMi are filled in as far as the file tells.
    """
    from napari_dip.cli.describe import described

    _write(described(file, references=bibtex))


def _write(text: str) -> None:
    sys.stdout.write(f"{text.rstrip()}\n")


def _run(
    task: "Task",
    paths: tuple[Path, ...],
    common: options.Common | None,
    messages: options.Messages | None,
    method_options: Any,
    psf: Path | None = None,
    *,
    estimate_psf: bool = False,
) -> None:
    with interruptible() as interruption:
        from napari_dip.cli.batch import restore_files
        from napari_dip.cli.file_run import Job

        common = common or options.Common()
        if len(paths) < 2:
            raise ValueError("give at least one image, and then the output")
        *images, output = paths
        method = chosen_method(common, method_options)
        check_common(common, method)
        job = Job(task, method, common, psf, estimate_psf)
        restore_files(job, images, output, quiet=_quiet(messages), interruption=interruption)


def _quiet(messages: options.Messages | None) -> bool:
    return messages is not None and messages.quiet


def main(arguments: list[str] | None = None) -> None:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        By default those of this process.

    Raises
    ------
    SystemExit
        With the exit code, unless it is 0.
    """
    with tolerant_streams():
        with exit_codes():
            command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
        messages = bound.arguments.get("messages")
        with debugging(messages is not None and messages.debug), exit_codes():
            command(*bound.args, **bound.kwargs)

"""The command line: its flags and help are the settings classes and their docstrings."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, make_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from cyclopts import App, CycloptsError, Group, Parameter

from napari_dip import __version__
from napari_dip.device import Device
from napari_dip.errors import FileError, RestorationError
from napari_dip.methods import DIP, PRESETS
from napari_dip.noise import NOISE_MODELS, NoiseModel
from napari_dip.settings import descriptions, hints
from napari_dip.solver.stopping import Budget
from napari_dip.tasks import Denoise, Inpaint

if TYPE_CHECKING:
    import numpy as np

    from napari_dip.axes import Axes
    from napari_dip.io import Picture
    from napari_dip.progress import Reporter
    from napari_dip.tasks import Task

app = App(
    name="napari-dip",
    version=__version__,
    help="Restore the one image that you have.",
    suppress_keyboard_interrupt=False,
)


def _flags(name: str, group: Group, *classes: type) -> type:
    """Return a dataclass with the plain fields of settings classes, each optional, to serve as flags."""
    found: dict[str, Any] = {}
    for cls in classes:
        plain = get_type_hints(cls)  # without limits: the settings check those, in their own words
        for field in fields(cls):
            hint = plain[field.name]
            if field.name in found or is_dataclass(hint):
                continue
            text = descriptions(cls)[field.name]
            if field.default is not MISSING and field.default is not None:
                text += f" [default: {field.default}]"
            help_ = Parameter(help=text.replace("\n", " "), group=group, show_default=False)
            found[field.name] = (field.name, Annotated[hint | None, help_], None)
    cls = make_dataclass(name, found.values(), frozen=True, namespace={"__module__": __name__})
    return Parameter(name="*")(cls)


def _given(flags: Any) -> dict[str, Any]:
    """Return the flags that were given; cyclopts gives None for the group where none was."""
    if flags is None:
        return {}
    values = {field.name: getattr(flags, field.name) for field in fields(flags)}
    return {name: value for name, value in values.items() if value is not None}


_NOISE, _COMMON, _DIP = (
    Group(name, sort_key=at) for at, name in enumerate(("Noise", "Common", "Deep Image Prior"))
)
_NoiseFlags = _flags("NoiseFlags", _NOISE, *NOISE_MODELS.values())
_InpaintFlags = _flags("InpaintFlags", _COMMON, Inpaint)
_DIPFlags = _flags("DIPFlags", _DIP, DIP)


@Parameter(name="*", group=_COMMON)
@dataclass(frozen=True)
class _Common:
    """Flags of every command.

    Parameters
    ----------
    method : {"dip"}
        How to restore.
    preset : str
        Settings to start from; flags given beside it win. "tapered" is the fast default, the others are
        those that the authors of Deep Image Prior published.
    missing : Path
        Image file that is non-zero where a pixel is missing. NaN pixels always are.
    missing_label : int
        Only the pixels of the --missing image with this value are missing.
    saturated : float
        Grey level from which on values are missing, each channel's by itself.
    area : str
        Part of the image to restore, such as 100:356,20:276: a range of pixels, without the last, for each
        spatial axis in order or for each axis of the array. An end left out is that of the image. The output
        holds only this part; a --missing image is one of the whole.
    axes : str
        One letter per axis, such as TZYXC: Z, Y, X spatial; C channels; all others frame after frame.
    channels : {"together", "alone"}
        Fit channels together, or each as an image of its own.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    seed : int
        The same seed gives the same pixels on the same machine.
    stop_after : int
        Stop each frame after so many updates, those of all its runs together.
    keep_dtype : bool
        Round to the source's dtype; the values that had to be clipped are counted.
    overwrite : bool
        Replace existing output files.
    quiet : bool
        Say nothing but errors.
    """

    method: Literal["dip"] = "dip"
    preset: Annotated[str, Parameter(choices=tuple(PRESETS))] = "tapered"
    missing: Path | None = None
    missing_label: int | None = None
    saturated: float | None = None
    area: str | None = None
    axes: str | None = None
    channels: Literal["together", "alone"] = "together"
    device: Device = "auto"
    seed: int = 0
    stop_after: int | None = None
    keep_dtype: Annotated[bool, Parameter(negative="")] = False
    overwrite: Annotated[bool, Parameter(negative="")] = False
    quiet: Annotated[bool, Parameter(negative="")] = False

    @property
    def until(self) -> Budget | None:
        """Return the rule that stops a frame."""
        return None if self.stop_after is None else Budget(self.stop_after)


_NoiseName = Annotated[
    str | None,
    Parameter(
        help="Kind of noise. [default: what the other flags say, else unknown]",
        choices=tuple(NOISE_MODELS),
        group=_NOISE,
    ),
]


@app.command
def denoise(
    *paths: Path,
    noise: _NoiseName = None,
    strength: _NoiseFlags | None = None,  # type: ignore[valid-type]
    common: _Common | None = None,
    dip: _DIPFlags | None = None,  # type: ignore[valid-type]
) -> None:
    """Take noise out of images; missing pixels, where there are any, are filled in too.

    Parameters
    ----------
    paths
        Images, and last the output: a file, an existing folder, or a name with {stem} in it.
    """
    _run(Denoise(_noise(noise, strength)), paths, common or _Common(), dip)


@app.command
def inpaint(
    *paths: Path,
    noise: _NoiseName = None,
    strength: _NoiseFlags | None = None,  # type: ignore[valid-type]
    own: _InpaintFlags | None = None,  # type: ignore[valid-type]
    common: _Common | None = None,
    dip: _DIPFlags | None = None,  # type: ignore[valid-type]
) -> None:
    """Fill in missing pixels, those that --missing marks and NaN; leave all others as they were measured.

    Parameters
    ----------
    paths
        Images, and last the output: a file, an existing folder, or a name with {stem} in it.
    """
    _run(Inpaint(_noise(noise, strength), **_given(own)), paths, common or _Common(), dip)


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


def _noise(name: str | None, flags: Any) -> NoiseModel:
    """Return the noise model that the flags name, or that has just the parameters given."""
    given = _given(flags)
    if name is None:
        fitting = [cls for cls in NOISE_MODELS.values() if given.keys() <= hints(cls).keys()]
        if not fitting:
            raise ValueError(f"no kind of noise takes {_listed(given)} together: choose one with --noise")
        return fitting[0](**given)
    cls = NOISE_MODELS[name]
    takes = hints(cls)
    if unknown := given.keys() - takes.keys():
        raise ValueError(f"--noise {name} takes {_listed(takes) or 'no parameters'}, got {_listed(unknown)}")
    needed = {field.name for field in fields(cls) if field.default is MISSING} - given.keys()
    if needed:
        raise ValueError(f"--noise {name} needs {_listed(needed)}")
    return cls(**given)


def _listed(names: Any) -> str:
    return ", ".join(f"--{name.replace('_', '-')}" for name in sorted(names))


def _run(task: "Task", paths: tuple[Path, ...], common: _Common, flags: Any) -> None:
    from napari_dip.progress import Reporter
    from napari_dip.restoration import checked_seed
    from napari_dip.targets import targets

    if len(paths) < 2:
        raise ValueError("give at least one image, and last the output")
    *inputs, output = paths
    # A preset's number of updates is part of it; so is everything else that no flag changes.
    method = replace(PRESETS[common.preset], **_given(flags))
    checked_seed(common.seed)
    _ = common.until  # refuses an impossible one
    if common.missing_label is not None and common.missing is None:
        raise ValueError("--missing-label says which pixels of a --missing image are missing: give one")
    others = [] if common.missing is None else [common.missing]
    pairs = targets(inputs, output, others=others, keep_dtype=common.keep_dtype, overwrite=common.overwrite)
    failures: list[Exception] = []
    with Reporter(quiet=common.quiet) as reporter:
        for source, target in pairs:
            try:
                _restore_file(source, target, task, method, common, reporter)
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
    source: Path, target: Path, task: "Task", method: DIP, common: _Common, reporter: "Reporter"
) -> None:
    from napari_dip.estimation import estimate
    from napari_dip.io import writable, write
    from napari_dip.restoration import restore

    picture, axes, missing, origin = _opened(source, common)
    shape = picture.data.shape
    writable(target, picture, axes.letters, keep_dtype=common.keep_dtype)
    arguments: dict[str, Any] = {
        "missing": missing,
        "saturated": common.saturated,
        "axes": axes.letters,
        "channels": common.channels,
        "device": common.device,
    }
    until, longest = common.until, method
    if until is not None:  # for what is said about the time
        longest = replace(method, runs=1, iterations=max(1, min(until.updates, method.updates)))
    reporter.say(f"{source}: {axes.describe(shape)}")
    if not common.quiet:
        reporter.announce(estimate(picture.data, task, longest, **arguments))
    reporter.begin(longest, frames=len(list(axes.frames(shape))))
    arguments |= {"seed": common.seed, "until": until, "watch": reporter.watch}
    result = restore(picture.data, task, method, **arguments)
    clipped = write(
        target,
        result.image,
        picture,
        axes=axes.letters,
        provenance={**result.provenance, "source": origin},
        keep_dtype=common.keep_dtype,
    )
    reporter.finish(target, result, clipped)


def _opened(source: Path, common: _Common) -> "tuple[Picture, Axes, np.ndarray | None, dict[str, Any]]":
    """Return the part of an image that was asked for, its axes and mask, and where it comes from."""
    from napari_dip.area import index, parsed
    from napari_dip.axes import Axes
    from napari_dip.io import read, read_mask

    picture, missing, mask_origin = read(source), None, None
    shape = picture.data.shape
    axes = Axes.of(shape, picture.axes if common.axes is None else common.axes, common.channels)
    if (path := common.missing) is not None:
        missing = axes.broadcast("missing", read_mask(path, common.missing_label), shape)
        mask_origin = {"layer": path.stem, "path": str(path), "label": common.missing_label}
    area = None if common.area is None else parsed(common.area, axes, shape)
    if area is not None:
        picture = picture.part(area)
        missing = None if missing is None else missing[index(area)]
    origin = {"layer": source.stem, "path": str(source), "area": area, "missing": mask_origin}
    return picture, axes, missing, origin


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

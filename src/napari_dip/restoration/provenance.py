"""Reads provenance, which may come from a stranger's file: every field is checked before anything uses it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Gt, Interval, Len

from napari_dip.device import Device
from napari_dip.image.axes import Axes, Channels
from napari_dip.image.region import Region
from napari_dip.methods import Method
from napari_dip.restoration.checks import MOST_THREADS
from napari_dip.restoration.frame_report import FrameReport
from napari_dip.restoration.legacy import updated
from napari_dip.restoration.series import Following
from napari_dip.restoration.text import one_line
from napari_dip.restoration.untrusted import arguments_of, refuse_other_values
from napari_dip.tasks import Task

_LONGEST = 500  # characters of an error message

_Count = Annotated[int, Ge(0)]


@dataclass(frozen=True)
class Place:
    """Where the pixels of an array are from.

    Parameters
    ----------
    layer : str, optional
        Name of the layer, or of the file without its suffix.
    path : str, optional
        The file.
    multiscale : bool
        Whether the layer has several levels, of which the finest was used.
    same_grid : bool
        Whether the array has the pixels of the image that it goes with.
    label : int, optional
        The value in a mask that marks missing pixels.
    ratio : tuple of float, optional
        Pixel size of a point spread function divided by that of the image, along each spatial axis.
    """

    layer: str | None = None
    path: str | None = None
    multiscale: bool = False
    same_grid: bool = True
    label: int | None = None
    ratio: tuple[Annotated[float, Gt(0)], ...] | None = None


@dataclass(frozen=True)
class Source:
    """Where an image and the arrays that belong to it are from.

    Parameters
    ----------
    layer, path, multiscale
        As in `Place`.
    roi : tuple of (int, int), optional
        The region that was restored.
    missing, noise_std, guide, psf : Place, optional
        The mask, the noise of each pixel, the guide and the point spread function.
    maps : dict of str to str, optional
        The edited maps that were applied: their layers, or their file.
    hdu, dq_bits : str, optional
        Of a FITS file, the HDU that was read, and the flags of pixels that are missing.
    mosaic : {"ignore"}, optional
        Whether a colour-filter mosaic was restored like any other image.
    no_data : float, optional
        Grey level of pixels without data.
    """

    layer: str | None = None
    path: str | None = None
    multiscale: bool = False
    roi: tuple[Annotated[tuple[_Count, ...], Len(2, 2)], ...] | None = None
    missing: Place | None = None
    noise_std: Place | None = None
    guide: Place | None = None
    psf: Place | None = None
    maps: dict[str, str] | None = None
    hdu: str | None = None
    mosaic: Literal["ignore"] | None = None
    dq_bits: str | None = None
    no_data: float | None = None

    @property
    def region(self) -> Region | None:
        """The region that was restored, or None if it was the whole image."""
        return None if self.roi is None else tuple((start, stop) for start, stop in self.roi)


@dataclass(frozen=True)
class Provenance:
    """How an image was restored, as `restore` and the programs around it write it down.

    Parameters
    ----------
    task, method
        The settings.
    axes : str
        One letter for each axis.
    channels, saturation_level, series, device, seed
        Arguments of `restore`.
    threads : int, optional
        Number of threads in which torch computed.
    noise_std : bool
        Whether the noise of each pixel was given.
    uncertainty : bool
        Whether the uncertainty of the pixels was measured, which keeps some of them from the run.
    stop_after : int, optional
        Iterations after which each frame was to stop.
    own_rules : tuple of str
        Names of the stopping rules that the user wrote.
    shape : tuple of int, optional
        Shape of the image.
    frames : tuple of FrameReport
        How the run of each frame ended.
    source : Source
        Where the image is from.
    tuned : float
        Share of what a network learnt that its weights have.
    maps : tuple of str
        Names of the maps that the file holds in place of an image.
    version, torch, numpy, python : str
        Versions of this package, of its libraries and of Python.
    platform : str
        Operating system and architecture of the processor.
    """

    task: Task
    method: Method
    axes: str
    channels: Channels = "together"
    saturation_level: float | None = None
    series: Following = "warm_start"
    device: Device = "auto"
    seed: Annotated[int, Interval(ge=0, lt=2**63)] = 0
    threads: Annotated[int, Interval(ge=1, le=MOST_THREADS)] | None = None
    noise_std: bool = False
    uncertainty: bool = False
    stop_after: _Count | None = None
    own_rules: tuple[str, ...] = ()
    shape: tuple[Annotated[int, Ge(1)], ...] | None = None
    frames: tuple[FrameReport, ...] = ()
    source: Source = Source()
    tuned: Annotated[float, Interval(ge=0, le=1)] = 1.0
    maps: tuple[str, ...] = ()
    version: str = field(default="", metadata={"key": "napari-dip"})
    torch: str = ""
    numpy: str = ""
    python: str = ""
    platform: str = ""

    @property
    def noise_was_measured(self) -> bool:
        """Whether unknown noise was measured in the data of a frame, and then used as if it had been told."""
        return any(frame.measured_noise for frame in self.frames)

    @classmethod
    def of(cls, values: Any) -> Self:
        """Read a provenance that this version or an older one wrote.

        Parameters
        ----------
        values : mapping
            Plain JSON values, from anywhere.

        Raises
        ------
        ValueError
            A field is absent or unknown, or its value can't be used. The message names the field, what was
            wanted and what came.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"the provenance must be a mapping, got {type(values).__name__}")
        if absent := [name for name in ("axes", "method", "task") if name not in values]:
            raise ValueError(f"the provenance lacks {', '.join(absent)}")
        try:
            refuse_other_values("it", values)
            known = updated(values)
            if known.get("source") is None:
                known["source"] = {}
            return cls(**arguments_of("it", known, cls))
        except (TypeError, ValueError) as error:
            reason = one_line(str(error))
            reason = reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}…"
            raise ValueError(f"the provenance can't be used: {reason}") from error

    def __post_init__(self) -> None:
        if not self.axes.isascii():
            raise ValueError(f"axes must be letters from A to Z, got {self.axes!r}")
        axes = Axes(self.axes, self.channels)
        object.__setattr__(self, "axes", axes.letters)
        region = self.source.region
        for name, part in (("shape", self.shape), ("source.roi", region)):
            if part is not None and len(part) != len(axes.letters):
                raise ValueError(
                    f"{name} must have one entry for each of the axes {axes.letters}, got {len(part)}"
                )
        if region is not None and not all(start < stop for start, stop in region):
            raise ValueError(f"source.roi must have ranges whose start lies before their end, got {region}")
        ratio = None if self.source.psf is None else self.source.psf.ratio
        if ratio is not None and len(ratio) != len(axes.spatial):
            raise ValueError(
                f"source.psf.ratio must have one entry for each of {len(axes.spatial)} spatial axes, "
                f"got {len(ratio)}"
            )
        if any(not name.isidentifier() for name in self.own_rules):
            raise ValueError(f"own_rules must be names of classes, got {self.own_rules!r}")

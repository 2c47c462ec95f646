"""The part of the dock that says what is to be restored."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QSpinBox, QWidget

from napari_dip.errors import InputError
from napari_dip.image.axes import Axes
from napari_dip.image.region import Region
from napari_dip.plugin.forms.axes_form import AxesForm
from napari_dip.plugin.forms.fields import Entry, Field
from napari_dip.plugin.forms.layer_choice import LayerChoice
from napari_dip.plugin.forms.layout import Rows
from napari_dip.plugin.forms.region_choice import AreaChoice
from napari_dip.plugin.layers import shape_of
from napari_dip.plugin.runs.guide_and_psf import guide_from, pixel_ratio, psf_from
from napari_dip.plugin.runs.inputs import Inputs, captured

if TYPE_CHECKING:
    from napari_dip.restoration.series import Following
    from napari_dip.tasks import Task


class _Choice(Field):
    """A widget of a viewer's layers, with a place for what is wrong."""

    def __init__(self, tooltip: str, widget: QWidget) -> None:
        super().__init__(tooltip)
        self.row.addWidget(widget)


class SourceForm(QWidget):
    """Image, axes, area and missing pixels; a guide, and a point spread function.

    Parameters
    ----------
    viewer : Viewer
        Whose layers are offered.
    guided : bool
        There has to be a guide.
    """

    changed = Signal()

    def __init__(self, viewer: Any, *, guided: bool = False) -> None:
        super().__init__()
        self._guided, self._needs_psf = guided, False
        self._expected: tuple[Axes, Region | None] | None = None
        layers = viewer.layers
        self.image = LayerChoice(layers, lambda layer: isinstance(layer, Image), "choose an image")
        self.mask = LayerChoice(layers, lambda layer: isinstance(layer, Labels), "none")
        self.guide = LayerChoice(
            layers, lambda layer: isinstance(layer, Image), "choose an image" if guided else "none"
        )
        self.psf = LayerChoice(
            layers, lambda layer: isinstance(layer, Image) and not layer.rgb, "choose an image"
        )
        self.label = QSpinBox()
        self.label.setRange(0, 2**31 - 1)
        self.label.setSpecialValueText("all labels")
        self.saturation_level = Entry(
            float | None, "Grey level from which on pixels are missing, such as 65535."
        )
        self.roi = AreaChoice(viewer)
        self.axes = AxesForm()
        self._psf_words = QLabel()
        self._psf_words.setWordWrap(True)

        self._label = _Choice(
            "All labels are missing pixels, or only those with this number (down to 0 for all).", self.label
        )
        #: By the argument of `solve` that they say.
        self.fields: dict[str, Field] = {
            "image": _Choice("The layer to restore. It is never changed.", self.image),
            "axes": self.axes,
            "series": self.axes.series,
            "area": _Choice(
                "What to restore: all of it, what the canvas shows now (of a series, the current frame), or "
                "the selected rectangle of a Shapes layer.",
                self.roi,
            ),
            "missing": _Choice(
                "Labels layer that marks missing pixels. It need not have the image's size: it is laid over "
                "the image as you see it, and a plane serves every plane and frame. NaN pixels are always "
                "missing.",
                self.mask,
            ),
            "saturation_level": self.saturation_level,
            "guide": _Choice(
                "Another image of the same scene that shows its structures better: with flash, or a brighter "
                "channel. It is laid over the image as you see it, and a plane serves every plane and frame.",
                self.guide,
            ),
            "psf": _Choice(
                "Image of a single point, such as a bead or a star, its background subtracted. It is brought "
                "to the pixel size of the image, by the scales and units of both layers.",
                self.psf,
            ),
        }
        self.fields["psf"].layout().addWidget(self._psf_words)
        self._rows = rows = Rows(self)
        rows.add("Layer", self.fields["image"])
        rows.add("", self.axes)
        rows.addRow(self.axes.fold)
        rows.add("Area", self.fields["area"])
        rows.add("Measured PSF", self.fields["psf"])
        rows.add("Guide", self.fields["guide"])
        rows.add("Missing", self.fields["missing"])
        rows.add("Label", self._label)
        rows.add("Saturated ≥", self.saturation_level)

        self.image.chosen.connect(self._image_chosen)
        self.image.edited.connect(self._image_edited)
        self.mask.chosen.connect(self._mask_chosen)
        for choice in (self.guide, self.psf):
            choice.chosen.connect(self._tell)
        for choice in (self.mask, self.guide, self.psf):
            choice.edited.connect(self._tell)
        for part in (self.axes, self.roi, self.saturation_level):
            part.changed.connect(self._tell)
        self.label.valueChanged.connect(self._tell)
        self.ask_for(psf=False)
        self._image_chosen()
        self._mask_chosen()

    def release(self) -> None:
        """Stop following the viewer."""
        for part in (self.roi, self.image, self.mask, self.guide, self.psf):
            part.release()

    def ask_for(self, *, psf: bool) -> None:
        """Ask for a point spread function, or don't."""
        self._needs_psf = psf
        self._rows.setRowVisible(self.fields["psf"], psf)

    @property
    def saturation(self) -> float | None:
        """Grey level from which on pixels are missing."""
        value: float | None = self.saturation_level.value
        return value

    def problems(self) -> list[str]:
        """Mark the fields that are wrong, and return the reasons."""
        reasons = dict.fromkeys(self.fields, "")
        image = self.image.layer
        if image is None:
            reasons["image"] = "choose an image layer"
        else:
            for name, choice in (("missing", self.mask), ("guide", self.guide)):
                if choice.layer is not None and choice.layer.ndim > image.ndim:
                    reasons[name] = f"it has {choice.layer.ndim} axes, the image only {image.ndim}"
            try:
                axes = self.axes.assigned()
            except ValueError as error:
                reasons["axes"] = str(error)
            else:
                try:
                    self.roi.of(image, axes)
                except ValueError as error:
                    reasons["area"] = str(error)
        if self._guided and self.guide.layer is None:
            reasons["guide"] = "choose the image that guides"
        if self._needs_psf and self.psf.layer is None:
            reasons["psf"] = "choose the image of a point"
        try:
            _ = self.saturation
        except ValueError as error:
            reasons["saturation_level"] = str(error)
        for name, field in self.fields.items():
            field.show_error(reasons[name])
        return [reason for reason in reasons.values() if reason]

    def show_error(self, argument: str, reason: str) -> None:
        """Mark the field of an argument of `solve` as wrong."""
        self.fields.get(argument, self.fields["image"]).show_error(reason)
        if argument == "series":
            self.axes.fold.expand(animate=False)

    def captured(self, task: "Task | None" = None, *, slicewise: bool = False, copy: bool = True) -> Inputs:
        """Take a picture of what is to be restored, or a mere look at it where nothing is copied.

        Parameters
        ----------
        task : Task, optional
            For which there are a guide and a point spread function, too.
        slicewise : bool
            The planes of a volume are frames, one after another.
        copy : bool
            Later edits of the layers change nothing.

        Raises
        ------
        ValueError
            It can't be restored like this.
        """
        layer, axes = self.image.layer, self.axes.axes
        if layer is None or axes is None:
            raise ValueError("choose an image layer")
        if slicewise:
            axes = axes.plane_by_plane()
        inputs = captured(
            layer,
            axes,
            roi=self.roi.of(layer, axes),
            mask=self.mask.layer,
            label=self.label.value() or None,
            saturation_level=self.saturation,
            copy=copy,
        )
        return inputs if task is None else self._accompanied(inputs, layer, task, copy=copy)

    def _accompanied(self, inputs: Inputs, layer: Image, task: "Task", *, copy: bool) -> Inputs:
        """Return the inputs with all that goes with them."""
        guide = psf = guide_origin = psf_origin = None
        if self.guide.layer is not None:
            guide, guide_origin = guide_from(self.guide.layer, layer, inputs, task, copy=copy)
        if task.needs_psf:
            if self.psf.layer is None:
                raise InputError("psf", "choose the image of a point")
            psf, psf_origin = psf_from(self.psf.layer, layer, inputs.axes, copy=copy)
        source = {**inputs.source, "guide": guide_origin, "psf": psf_origin}
        return replace(inputs, guide=guide, psf=psf, series=self.axes.following, source=source)

    def show_image(
        self,
        axes: Axes,
        roi: Region | None,
        label: int | None,
        saturation_level: float | None,
        following: "Following",
    ) -> None:
        """Show what a recipe says of the image; axes and area wait until an image is chosen."""
        self.label.setValue(label or 0)
        self.saturation_level.set(saturation_level)
        self.axes.set_following(following)
        self._expected = axes, roi
        self._image_chosen()

    def _tell(self, *_: Any) -> None:
        self._describe_psf()
        self.changed.emit()

    def _describe_psf(self) -> None:
        """Say how the point spread function's pixels compare with those of the image."""
        self._psf_words.setText("")
        layer, psf, axes = self.image.layer, self.psf.layer, self.axes.axes
        if layer is not None and psf is not None and axes is not None:
            ratio = pixel_ratio(psf, layer, axes)
            if ratio is not None:
                sizes = " x ".join(f"{one:.3g}" for one in ratio)
                self._psf_words.setText(f"Its pixels are {sizes} of the image's: it is resampled.")
        self._psf_words.setVisible(bool(self._psf_words.text()))

    def _mask_chosen(self) -> None:
        self._rows.setRowVisible(self._label, self.mask.layer is not None)
        self._tell()

    def _image_chosen(self) -> None:
        layer, axes, roi = self.image.layer, None, None
        if layer is not None and self._expected is not None:
            axes, roi = self._expected
            self._expected = None
        self.axes.begin(layer, axes)
        self.roi.begin(roi)
        self._tell()

    def _image_edited(self) -> None:
        """The layer has other data, or other axis labels."""
        layer, axes = self.image.layer, self.axes.axes
        if layer is None or axes is None or len(axes.letters) != len(shape_of(layer)):
            self._image_chosen()
        else:
            self.axes.look()
            self._tell()

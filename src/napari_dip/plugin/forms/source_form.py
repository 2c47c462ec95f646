"""The part of the dock that says what is restored."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QSpinBox, QWidget

from napari_dip.errors import InputError
from napari_dip.image.axes import Axes
from napari_dip.image.region import Region
from napari_dip.plugin.forms.axes_form import AxesForm
from napari_dip.plugin.forms.fields import Entry, Field
from napari_dip.plugin.forms.layer_choice import LayerChoice
from napari_dip.plugin.forms.layout import Rows, WrappedLabel
from napari_dip.plugin.forms.region_choice import RegionChoice
from napari_dip.plugin.layers import shape_of
from napari_dip.plugin.runs.guide_and_psf import guide_from, pixel_ratio, psf_from
from napari_dip.plugin.runs.inputs import Inputs, captured

if TYPE_CHECKING:
    from napari_dip.restoration.series import Following
    from napari_dip.tasks import Task


class _LayerField(Field):
    """An editor that depends on the viewer's layers, with a place for what is wrong."""

    def __init__(self, tooltip: str, editor: QWidget) -> None:
        super().__init__(tooltip)
        self.row.addWidget(editor)


class SourceForm(QWidget):
    """The image with its axes and region, its missing pixels, a guide, and a point spread function.

    Parameters
    ----------
    viewer : Viewer
        The viewer whose layers are offered.
    guided : bool
        Whether a guide has to be chosen.
    """

    changed = Signal()

    def __init__(self, viewer: Any, *, guided: bool = False) -> None:
        super().__init__()
        self._guided, self._needs_psf = guided, False
        self._expected: tuple[Axes, Region | None] | None = None
        self._viewed: tuple[tuple[Task, bool], Inputs] | None = None
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
            float | None, "Pixels at or above this grey level are missing, for example 65535."
        )
        self.region = RegionChoice(viewer)
        self.axes = AxesForm()
        self._psf_size = WrappedLabel()

        self._label = _LayerField(
            "Pixels with this label are missing. Below 1 stands “all labels”: then every label marks missing "
            "pixels.",
            self.label,
        )
        #: The fields by the argument of `solve` that they set, and by "roi".
        self.fields: dict[str, Field] = {
            "image": _LayerField("The layer to restore. It is never changed.", self.image),
            "axes": self.axes,
            "series": self.axes.series,
            "roi": _LayerField(
                "The part to restore: the whole image, the part that the canvas shows now (of a series, the "
                "current frame), or the selected rectangle of a Shapes layer.",
                self.region,
            ),
            "missing": _LayerField(
                "A Labels layer that marks missing pixels. It is laid over the image as you see it, so it "
                "may have another size. A single plane is used for all planes and frames. NaN pixels are "
                "always missing.",
                self.mask,
            ),
            "saturation_level": self.saturation_level,
            "guide": _LayerField(
                "Another image of the same scene that shows its structures better, such as one with flash or "
                "a brighter channel. It is laid over the image as you see it. A single plane is used for all "
                "planes and frames.",
                self.guide,
            ),
            "psf": _LayerField(
                "The image of a single point, such as a bead or a star. Its background has to be subtracted. "
                "It is resampled to the pixel size of the image, by the scales and units of both layers.",
                self.psf,
            ),
        }
        self.fields["psf"].layout().addWidget(self._psf_size)
        self._rows = rows = Rows(self)
        rows.add("Layer", self.fields["image"])
        rows.add("", self.axes)
        rows.addRow(self.axes.fold)
        rows.add("Region", self.fields["roi"])
        rows.add("Measured PSF", self.fields["psf"])
        rows.add("Guide", self.fields["guide"])
        rows.add("Missing pixels", self.fields["missing"])
        rows.add("Label", self._label)
        rows.add("Saturation ≥", self.saturation_level)

        self.image.chosen.connect(self._image_chosen)
        self.image.edited.connect(self._image_edited)
        self.mask.chosen.connect(self._mask_chosen)
        for choice in (self.guide, self.psf):
            choice.chosen.connect(self._notify)
        for choice in (self.mask, self.guide, self.psf):
            choice.edited.connect(self._notify)
        for part in (self.axes, self.region, self.saturation_level):
            part.changed.connect(self._notify)
        self.label.valueChanged.connect(self._notify)
        self.set_needs_psf(False)
        self._image_chosen()
        self._mask_chosen()

    def release(self) -> None:
        """Stop following the viewer."""
        self._viewed = None
        for part in (self.region, self.image, self.mask, self.guide, self.psf):
            part.release()

    def set_needs_psf(self, needed: bool) -> None:
        """Ask for the layer of a measured point spread function, or hide the field."""
        self._needs_psf = needed
        self._rows.setRowVisible(self.fields["psf"], needed)

    @property
    def saturation(self) -> float | None:
        """The grey level from which on pixels are missing."""
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
                    reasons[name] = (
                        f"this layer has {choice.layer.ndim} axes, and the image only {image.ndim}"
                    )
            try:
                axes = self.axes.assigned()
            except ValueError as error:
                reasons["axes"] = str(error)
            else:
                try:
                    self.region.region_of(image, axes)
                except ValueError as error:
                    reasons["roi"] = str(error)
        if self._guided and self.guide.layer is None:
            reasons["guide"] = "choose a guide"
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

    def captured(self, task: "Task", *, slicewise: bool = False) -> Inputs:
        """Return copies of what is to be restored, which no later edit of the layers changes.

        Parameters
        ----------
        task : Task
            The task, which may take a guide and a point spread function.
        slicewise : bool
            The planes of a volume are restored one after another.

        Raises
        ------
        ValueError
            The layers can't be restored like this.
        """
        return self._inputs(task, slicewise=slicewise, copy=True)

    def viewed(self, task: "Task", *, slicewise: bool = False) -> Inputs:
        """Return what is to be restored without a copy, to be measured now.

        As long as nothing changes here, it is the same object. It keeps what it has read of a lazy layer, so
        that another setting of the method reads nothing again.

        Parameters
        ----------
        task, slicewise
            As for `captured`.

        Raises
        ------
        ValueError
            The layers can't be restored like this.
        """
        key = task, slicewise
        if self._viewed is None or self._viewed[0] != key:
            self._viewed = key, self._inputs(task, slicewise=slicewise, copy=False)
        return self._viewed[1]

    def image_alone(self) -> Inputs:
        """Return the image and its missing pixels without a copy, to be measured now.

        Raises
        ------
        ValueError
            There is no image, or the mask doesn't fit.
        """
        return self._image(slicewise=False, copy=False)

    def _image(self, *, slicewise: bool, copy: bool) -> Inputs:
        layer, axes = self.image.layer, self.axes.axes
        if layer is None or axes is None:
            raise ValueError("choose an image layer")
        return captured(
            layer,
            axes.plane_by_plane() if slicewise else axes,
            roi=self.region.region_of(layer, axes),
            mask=self.mask.layer,
            label=self.label.value() or None,
            saturation_level=self.saturation,
            copy=copy,
        )

    def _inputs(self, task: "Task", *, slicewise: bool, copy: bool) -> Inputs:
        """Return the image with all that goes with it."""
        inputs, layer = self._image(slicewise=slicewise, copy=copy), self.image.layer
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
        """Show what a recipe says about the image. Axes and region wait until an image is chosen."""
        self.label.setValue(label or 0)
        self.saturation_level.set(saturation_level)
        self.axes.set_following(following)
        self._expected = axes, roi
        self._image_chosen()

    def _notify(self, *_: Any) -> None:
        self._viewed = None
        self._describe_psf()
        self.changed.emit()

    def _describe_psf(self) -> None:
        """Say how the pixels of the point spread function compare with those of the image."""
        self._psf_size.setText("")
        layer, psf, axes = self.image.layer, self.psf.layer, self.axes.axes
        if layer is not None and psf is not None and axes is not None:
            ratio = pixel_ratio(psf, layer, axes)
            if ratio is not None:
                sizes = " x ".join(f"{one:.3g}" for one in ratio)
                self._psf_size.setText(f"Its pixels are {sizes} of the image's. It will be resampled.")
        self._psf_size.setVisible(bool(self._psf_size.text()))

    def _mask_chosen(self) -> None:
        self._rows.setRowVisible(self._label, self.mask.layer is not None)
        self._notify()

    def _image_chosen(self) -> None:
        layer, axes, roi = self.image.layer, None, None
        if layer is not None and self._expected is not None:
            axes, roi = self._expected
            self._expected = None
        self.axes.set_layer(layer, axes)
        self.region.reset(roi)
        self._notify()

    def _image_edited(self) -> None:
        """Look at the layer again: it has other data, or other axis labels."""
        layer, axes = self.image.layer, self.axes.axes
        if layer is None or axes is None or len(axes.letters) != len(shape_of(layer)):
            self._image_chosen()
        else:
            self.axes.refresh()
            self._notify()

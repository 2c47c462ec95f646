"""The docks that napari's menus open, and the functions that open them."""

from typing import TYPE_CHECKING, Any

from napari_dip.methods import DIP, PKN, FineTune
from napari_dip.plugin.docks.dock import Dock
from napari_dip.plugin.docks.training_dock import TrainingDock
from napari_dip.plugin.preferences import PLUGIN
from napari_dip.tasks import Deconvolve, Denoise, Inpaint, SuperResolve

if TYPE_CHECKING:
    from napari.viewer import Viewer


class DenoiseDock(Dock):
    """Remove noise from an image."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(_unwrapped(napari_viewer), Denoise)


class InpaintDock(Dock):
    """Fill in missing pixels."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(_unwrapped(napari_viewer), Inpaint)


class SuperResolveDock(Dock):
    """Restore an image with finer pixels."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(_unwrapped(napari_viewer), SuperResolve)


class DeconvolveDock(Dock):
    """Remove the blur of an instrument from an image."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(_unwrapped(napari_viewer), Deconvolve)


class GuidedRestorationDock(Dock):
    """Restore an image with the help of another image that shows its structures better."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(_unwrapped(napari_viewer), Denoise, guided=True)


class DeepImagePriorDock(Dock):
    """Restore an image with an untrained network."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(_unwrapped(napari_viewer), Denoise, DIP)


class ProceduralKernelNetworkDock(Dock):
    """Restore an image with a filter whose parameters a small network predicts at each pixel."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(_unwrapped(napari_viewer), Denoise, PKN)


class FineTunedNetworkDock(Dock):
    """Restore an image with a pretrained network, fine-tuned on the image itself."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(_unwrapped(napari_viewer), SuperResolve, FineTune)


class TrainDock(TrainingDock):
    """Train a network of your own that predicts the parameters of a filter."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__(_unwrapped(napari_viewer))


def denoise(viewer: "Viewer") -> None:
    """Open the dock for denoising, with the selected image."""
    _open(viewer, "Denoise")


def inpaint(viewer: "Viewer") -> None:
    """Open the dock for inpainting, with the selected image and its mask."""
    _open(viewer, "Inpaint")


def super_resolve(viewer: "Viewer") -> None:
    """Open the dock for super-resolution, with the selected image."""
    _open(viewer, "Super-resolve")


def deconvolve(viewer: "Viewer") -> None:
    """Open the dock for deconvolution, with the selected image."""
    _open(viewer, "Deconvolve")


def guided_restoration(viewer: "Viewer") -> None:
    """Open the dock for guided restoration, with the selected image."""
    _open(viewer, "Guided restoration")


def deep_image_prior(viewer: "Viewer") -> None:
    """Open the dock for Deep Image Prior, with the selected image."""
    _open(viewer, "Deep Image Prior")


def procedural_kernel_network(viewer: "Viewer") -> None:
    """Open the dock for procedural kernel networks, with the selected image."""
    _open(viewer, "Procedural Kernel Network")


def fine_tune(viewer: "Viewer") -> None:
    """Open the dock for pretrained networks, with the selected image."""
    _open(viewer, "Fine-tuned network")


def train(viewer: "Viewer") -> None:
    """Open the dock that trains a kernel network, with the selected images."""
    _open(viewer, "Train a kernel network")


def _open(viewer: "Viewer", name: str) -> None:
    selected = list(viewer.layers.selection)
    window, dock = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    window.show()
    window.raise_()
    for layer in selected:
        dock.choose_image(layer)


def _unwrapped(viewer: Any) -> Any:
    """Return the viewer behind the proxy that napari hands to plugins, since layers are held by identity."""
    return getattr(viewer, "__wrapped__", viewer)

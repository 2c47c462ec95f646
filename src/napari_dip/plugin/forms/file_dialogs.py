"""Dialogs that ask for the files of networks."""

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

_SUFFIX = "safetensors"
KERNELS = f"Kernel networks (*.{_SUFFIX})"
PRETRAINED = f"Pretrained networks (*.{_SUFFIX} *.pth *.pt *.ckpt)"
#: The format that is written.
TUNED = f"Pretrained networks (*.{_SUFFIX})"


def ask_for(parent: QWidget, kinds: str) -> str:
    """Return the path of the file that the user chooses, or an empty string."""
    path, _ = QFileDialog.getOpenFileName(parent, "Choose a network", "", kinds)
    return path


def ask_where(parent: QWidget, name: str, kinds: str) -> Path | None:
    """Return where to save a network, or None. The user is asked before a file is overwritten.

    Parameters
    ----------
    parent : QWidget
        The widget over which the dialog opens.
    name : str
        The file name that is suggested.
    kinds : str
        The kinds of files that the dialog shows.
    """
    dialog = QFileDialog(parent, "Save the network", "", kinds)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(_SUFFIX)  # must be set before the dialog looks for a file of that name
    dialog.selectFile(name)
    return Path(dialog.selectedFiles()[0]) if dialog.exec() else None

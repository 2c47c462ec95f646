"""Files of networks, in dialogs."""

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

_SUFFIX = "safetensors"
KERNELS = f"Kernel networks (*.{_SUFFIX})"
PRETRAINED = f"Pretrained networks (*.{_SUFFIX} *.pth *.pt *.ckpt)"
#: Of those that are written here.
TUNED = f"Pretrained networks (*.{_SUFFIX})"


def ask_for(parent: QWidget, kinds: str) -> str:
    """Return the path of a file that the user chooses; nothing if they choose none."""
    path, _ = QFileDialog.getOpenFileName(parent, "Choose a network", "", kinds)
    return path


def ask_where(parent: QWidget, name: str, kinds: str) -> Path | None:
    """Return where a network is to be written; the user is asked before a file is overwritten.

    Parameters
    ----------
    parent : QWidget
        Over which the dialog opens.
    name : str
        That is proposed.
    kinds : str
        What the dialog shows.
    """
    dialog = QFileDialog(parent, "Save the network", "", kinds)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(_SUFFIX)  # before it looks for a file of that name
    dialog.selectFile(name)
    return Path(dialog.selectedFiles()[0]) if dialog.exec() else None

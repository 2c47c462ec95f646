"""Runs commands in this process: starting another one, and importing torch there, takes seconds."""

from napari_dip import DIP
from napari_dip.cli import main as cli

#: The shortest run of Deep Image Prior, as options and as settings.
FAST = ["--ensemble-size", "1", "--iterations", "3", "--input-channels", "1", "--precision", "float32"]
METHOD = DIP(ensemble_size=1, iterations=3, input_channels=1, precision="float32")


def run(*arguments):
    """Run a command and return its exit code."""
    try:
        cli.main([*map(str, arguments)])
    except SystemExit as end:
        return end.code
    return 0

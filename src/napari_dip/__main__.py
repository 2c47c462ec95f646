"""Runs the command line: ``python -m napari_dip``."""

from napari_dip.cli.main import main

if __name__ == "__main__":
    main()

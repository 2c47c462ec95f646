"""Runs the command line: ``python -m napari_dip``."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it in words also while it is loaded.

    Raises
    ------
    SystemExit
        With the exit code, unless it is 0.
    """
    try:
        from napari_dip.cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("napari-dip: interrupted; no incomplete file was left\n")
        raise SystemExit(130) from None
    run()


if __name__ == "__main__":
    main()

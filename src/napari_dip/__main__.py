"""Runs the command line: ``python -m napari_dip``."""

import sys


def main() -> None:
    """Run the command line. If Ctrl-C comes while it is being loaded, say so instead of showing a traceback.

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

"""The program ends in words also while it is loaded."""

import sys

import pytest

from napari_dip import __main__


class Loading:
    """A module whose import is interrupted."""

    def __getattr__(self, name):
        raise KeyboardInterrupt


def test_ctrl_c_while_the_program_is_loaded_gives_no_traceback(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "napari_dip.cli.main", Loading())
    with pytest.raises(SystemExit) as end:
        __main__.main()
    assert end.value.code == 130
    assert capsys.readouterr().err == "napari-dip: interrupted; no incomplete file was left\n"

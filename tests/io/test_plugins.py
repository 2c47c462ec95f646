import numpy as np
import pytest

from napari_dip.errors import FileError
from napari_dip.io import read


def test_installed_plugins_read_other_formats(tmp_path):
    from npe2 import DynamicPlugin

    with DynamicPlugin("other-reader") as plugin:

        @plugin.contribute.reader(filename_patterns=["*.xyz"])
        def get_reader(path):
            return lambda paths: [(np.ones((2, 3, 4)), {"axis_labels": ("t", "y", "x")}, "image")]

        (tmp_path / "a.xyz").touch()
        image = read(tmp_path / "a.xyz")
    assert (image.data.shape, image.axes) == ((2, 3, 4), "TYX")


def test_programs_are_not_run(tmp_path):
    (tmp_path / "a.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')")
    with pytest.raises(FileError, match="a program, not an image"):
        read(tmp_path / "a.py")
    assert not (tmp_path / "mark").exists()


def test_an_unknown_format_is_named(tmp_path):
    (tmp_path / "a.unknown").touch()
    with pytest.raises(FileError, match=r"no reader for \.unknown"):
        read(tmp_path / "a.unknown")


@pytest.mark.parametrize("ending", [".dng", ".NEF", ".cr2"])
def test_raw_files_of_cameras_are_mosaics(tmp_path, ending):
    (tmp_path / f"a{ending}").touch()
    with pytest.raises(FileError, match="a colour-filter mosaic; convert it to a TIFF in colour"):
        read(tmp_path / f"a{ending}")


# imageio leaves the file open that it can't read.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("ending", [".czi", ".h5", ".hdf5", ".nd2", ".mrc"])
def test_containers_without_a_reader_are_said_to_have_none(tmp_path, ending):
    (tmp_path / f"a{ending}").touch()
    with pytest.raises(
        FileError, match=f"there is no reader for {ending}.*napari reader plugins add more formats"
    ):
        read(tmp_path / f"a{ending}")

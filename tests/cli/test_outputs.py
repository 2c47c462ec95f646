"""Nothing is overwritten by accident, and no two results go to one file."""

import os
from pathlib import Path

import pytest

from napari_dip.cli.options import Common
from napari_dip.cli.outputs import Outputs, planned_outputs
from napari_dip.errors import FileError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with two images, a mask and an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.tif", "b.png", "mask.png"):
        Path(name).write_bytes(b"image")
    Path("out").mkdir()


def plan(*inputs, output, others=(), **options):
    paths = [Path(one) for one in inputs]
    return planned_outputs(
        paths, Path(output), others=[Path(one) for one in others], common=Common(**options)
    )


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("output", "options", "places"),
    [
        ("out", {}, ["out/a.tif", "out/b.tif"]),
        ("out", {"keep_dtype": True}, ["out/a.tif", "out/b.png"]),
        ("out/{stem}_x.npy", {}, ["out/a_x.npy", "out/b_x.npy"]),
    ],
)
def test_several_images_go_to_a_folder_or_a_pattern(output, options, places):
    assert [str(one.image) for one in plan("a.tif", "b.png", output=output, **options).values()] == places


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("keep_dtype", [False, True])
@pytest.mark.parametrize(("name", "place"), [("sky.fits", "sky.fits"), ("sky.fits.gz", "sky.fits.gz")])
def test_an_image_within_a_file_goes_to_a_file_of_the_same_name(name, place, keep_dtype):
    Path(name).write_bytes(b"image")
    (outputs,) = plan(f"{name}[SCI,2]", output="out", keep_dtype=keep_dtype, save_maps=Path("out")).values()
    assert outputs == Outputs(Path("out", place), Path("out/sky maps.tif"))


@pytest.mark.usefixtures("here")
def test_what_is_saved_beside_an_image_goes_to_a_folder_too():
    options = {"save_maps": Path("out"), "save_weights": Path("out/{stem}.safetensors")}
    assert plan("a.tif", output="out", **options) == {
        Path("a.tif"): Outputs(Path("out/a.tif"), Path("out/a maps.tif"), Path("out/a.safetensors"))
    }


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("inputs", "output", "options", "message"),
    [
        (["no.tif"], "c.tif", {}, "no such file: no.tif"),
        (["a.tif"], "b.png", {}, r"b.png exists: .*--overwrite"),
        (["a.tif"], "a.tif", {"overwrite": True}, "a.tif is an input: choose another output"),
        (["a.tif"], "mask.png", {"overwrite": True}, "mask.png is an input"),
        (["a.tif"], "no/c.tif", {}, "there is no folder no"),
        (["a.tif"], "c.bmp", {}, "the suffix must be one of"),
        (["a.tif"], "no", {}, "no such folder"),
        (["a.tif", "b.png"], "c.tif", {}, "several images need an existing folder"),
        (["a.tif", "a.tif"], "out", {}, "two images would go to the same output"),
        (["a.tif", "out/../a.tif"], "out", {}, "two images would go to the same output"),
        (
            ["a.tif"],
            "c.tif",
            {"save_maps": Path("c.tif")},
            "and what is saved beside it would go to the same",
        ),
        (["a.tif"], "c.tif", {"save_weights": Path("w.pth")}, "the suffix must be .safetensors"),
    ],
)
def test_an_output_that_would_replace_something_is_refused(inputs, output, options, message):
    with pytest.raises(FileError, match=message):
        plan(*inputs, output=output, others=["mask.png"], **options)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("output", "options"),
    [
        ("c.tif", {"save_maps": Path("b.png")}),
        ("c.tif", {"save_maps": Path("maps.png")}),
        ("c.tif", {"save_maps": Path("no/maps.tif")}),
        ("c.tif", {"save_weights": Path("no/w.safetensors")}),
        ("c.tif", {"save_weights": Path("a.tif")}),
    ],
)
def test_what_is_written_beside_the_image_is_checked_as_the_image_is(output, options):
    with pytest.raises(FileError):
        plan("a.tif", output=output, **options)


@pytest.mark.usefixtures("here")
@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_two_results_do_not_go_to_one_file_through_a_link():
    Path("link.tif").symlink_to("c.tif")
    with pytest.raises(FileError, match="would go to the same output"):
        plan("a.tif", output="c.tif", save_maps=Path("link.tif"))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("link", [os.link, os.symlink])
@pytest.mark.parametrize("options", [{"overwrite": True}, {"skip_existing": True}])
def test_an_input_is_not_replaced_under_another_name(link, options):
    link("a.tif", "other.tif")
    with pytest.raises(FileError, match=r"other\.tif is an input"):
        plan("a.tif", output="other.tif", **options)


@pytest.mark.usefixtures("here")
def test_an_input_that_can_not_be_used_leaves_the_plans_of_the_others():
    Path("out", "b.tif").touch()
    Path("folder.tif").mkdir()
    plans = plan("a.tif", "no.tif", "b.png", "folder.tif", output="out")
    assert plans.pop(Path("a.tif")) == Outputs(Path("out/a.tif"))
    assert [str(error) for error in plans.values()] == [
        "no such file: no.tif",
        "out/b.tif exists: choose another name, or use --overwrite",
        "folder.tif is a folder, not a file: give the files in it",
    ]


@pytest.mark.usefixtures("here")
def test_an_output_is_replaced_on_demand():
    assert plan("a.tif", output="b.png", overwrite=True)[Path("a.tif")].image == Path("b.png")

"""Images, maps and networks are written as the files that other runs can read."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_dip.errors import FileError
from napari_dip.io import provenance

from .running import FAST, run

PKN = ["--method", "pkn", "--sigma", 20]
FINETUNE = ["--method", "finetune", "--psf-fwhm", 2]


def test_clipped_pixels_of_a_png_are_counted(tmp_path, capsys):
    data = np.zeros((20, 24), np.uint8)
    data[::2] = 255
    Image.fromarray(data).save(tmp_path / "in.png")
    assert run("denoise", tmp_path / "in.png", tmp_path / "out.png", "--no-postfilter", *FAST) == 0
    assert "values clipped" in capsys.readouterr().err
    assert np.array(Image.open(tmp_path / "out.png")).dtype == np.uint8
    assert "Denoise" in Image.open(tmp_path / "out.png").text["napari-dip"]


def test_saved_maps_give_the_same_image_again(cells, tmp_path):
    first, second, maps = (tmp_path / name for name in ("first.tif", "second.tif", "maps.tif"))
    assert run("denoise", cells, first, *PKN, "--save-maps", maps) == 0
    with tifffile.TiffFile(maps) as file:
        assert file.series[0].shape == (3, 72, 64)
        assert 'PhysicalSizeX="0.5"' in file.ome_metadata
    assert run("denoise", cells, second, *PKN, "--parameter-maps", maps) == 0
    np.testing.assert_array_equal(tifffile.imread(first), tifffile.imread(second))


def test_maps_of_another_program_are_applied(cells, tmp_path):
    maps = np.zeros((3, 72, 64), np.float32)
    maps[0] = 0.2  # a filter so narrow that it changes nothing
    tifffile.imwrite(tmp_path / "maps.tif", maps, photometric="minisblack")
    out = tmp_path / "out.tif"
    assert run("denoise", cells, out, *PKN, "--parameter-maps", tmp_path / "maps.tif") == 0
    np.testing.assert_allclose(tifffile.imread(out), tifffile.imread(cells), atol=0.5)


def test_maps_are_written_as_tiff_only(cells, tmp_path, capsys):
    arguments = ("--save-maps", tmp_path / "maps.png")
    assert run("denoise", cells, tmp_path / "out.tif", *PKN, *arguments) == 2
    assert "suffix must be one of .tif" in capsys.readouterr().err
    assert not (tmp_path / "out.tif").exists()


def test_the_noise_is_said_before_the_run(cells, tmp_path, capsys):
    assert run("denoise", cells, tmp_path / "out.tif", "--method", "pkn") == 0
    assert "The noise was measured: σ = " in capsys.readouterr().err


def test_the_verdict_on_the_residual_follows_the_summary(cells, tmp_path, capsys):
    out = tmp_path / "out.tif"
    assert run("denoise", cells, out, *PKN) == 0
    lines = capsys.readouterr().err.splitlines()
    at = next(n for n, line in enumerate(lines) if "The result was computed" in line)
    (report,) = provenance(out)["frames"]
    said = report["diagnostics"]
    assert lines[at + 1] == " ".join([said["verdict"], *said["findings"]])
    assert "residual" in lines[at + 1]


def test_a_kernel_network_takes_the_pixels_of_the_task(cells, tmp_path):
    out = tmp_path / "out.tif"
    arguments = ["--method", "pkn", "--predictor", "constant", "--sigma", 20, "--downsampling", "area"]
    assert run("super-resolve", cells, out, *arguments) == 0
    assert tifffile.imread(out).shape == (144, 128)


def test_a_volume_goes_plane_by_plane_through_a_filter(tmp_path, random, capsys):
    path = tmp_path / "stack.tif"
    stack = random.normal(100, 20, (3, 40, 44)).astype(np.float32)
    tifffile.imwrite(path, stack, ome=True, metadata={"axes": "ZYX", "PhysicalSizeZ": 2.0})
    assert run("denoise", path, tmp_path / "out.tif", *PKN) == 0
    assert "2-D image of 40 x 44, 3 frames one after another" in capsys.readouterr().err
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.series[0].axes == "ZYX"
        assert 'PhysicalSizeZ="2.0"' in file.ome_metadata


def test_a_pretrained_network_of_the_package_is_checked_for_consistency(cells, tmp_path, capsys):
    out = tmp_path / "out.tif"
    assert run("super-resolve", cells, out, "--method", "finetune", "--action", "back-projection") == 0
    said = capsys.readouterr().err
    assert "The network: Compact, 2 times finer" in said
    assert "A f(y) − y" in said
    assert tifffile.imread(out).shape == (144, 128)


def test_a_fine_tuned_network_is_written_and_used_again(cells, tmp_path, capsys):
    out, weights = tmp_path / "out.tif", tmp_path / "tuned.safetensors"
    tune = [*FINETUNE, "--action", "fine-tuning", "--iterations", 3, "--save-weights", weights]
    assert run("super-resolve", cells, out, *tune) == 0
    assert f"network written: {weights}" in capsys.readouterr().err
    again = tmp_path / "again.tif"
    assert run("super-resolve", cells, again, *FINETUNE, "--weights", weights, "--action", "network") == 0
    assert "tuned.safetensors" in capsys.readouterr().err
    plain = tmp_path / "plain.tif"
    assert run("super-resolve", cells, plain, *FINETUNE, "--action", "network") == 0
    assert not np.array_equal(tifffile.imread(again), tifffile.imread(plain))
    assert run("super-resolve", cells, tmp_path / "new.tif", *tune) == 2
    assert "exists" in capsys.readouterr().err


def test_a_network_that_learnt_nothing_is_written_unchanged(cells, tmp_path, capsys):
    out, weights = tmp_path / "out.tif", tmp_path / "same.safetensors"
    network = [*FINETUNE, "--action", "network"]
    assert run("super-resolve", cells, out, *network, "--save-weights", weights) == 0
    assert f"network written: {weights}; it is unchanged" in capsys.readouterr().err
    again = tmp_path / "again.tif"
    assert run("super-resolve", cells, again, *network, "--weights", weights) == 0
    np.testing.assert_array_equal(tifffile.imread(again), tifffile.imread(out))


def test_weights_that_were_not_kept_are_not_replaced_by_others(cells, tmp_path, capsys, monkeypatch):
    def full(weights):
        raise FileError("the disk is full")

    monkeypatch.setattr("napari_dip.finetuning.run.AdaptedWeights", full)
    out, weights = tmp_path / "out.tif", tmp_path / "tuned.safetensors"
    tune = [*FINETUNE, "--action", "fine-tuning", "--iterations", 3, "--save-weights", weights]
    assert run("super-resolve", cells, out, *tune) == 2
    assert f"can't write {weights}" in capsys.readouterr().err
    assert out.exists()
    assert not weights.exists()


def test_the_network_of_a_run_is_not_overwritten(cells, tmp_path, capsys):
    """Its file is an input, even if it may be replaced."""
    weights = tmp_path / "tuned.safetensors"
    weights.write_bytes(b"network")
    both = ["--weights", weights, "--save-weights", weights, "--overwrite"]
    assert run("super-resolve", cells, tmp_path / "out.tif", *FINETUNE, *both) == 2
    assert "is an input" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--overwrite"], []])
def test_an_existing_image_is_replaced_only_on_demand(image, tmp_path, capsys, options):
    out = tmp_path / "out.tif"
    out.write_bytes(b"precious")
    assert run("denoise", image, out, "--quiet", *options, *FAST) == (0 if options else 2)
    if options:
        assert tifffile.imread(out).shape == (20, 24)
    else:
        assert "use --overwrite" in capsys.readouterr().err
        assert out.read_bytes() == b"precious"
